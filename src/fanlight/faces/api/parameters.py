"""What a query may say: each parameter once, read, validated and described in OpenAPI from the same place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import msgspec

from fanlight.faces.web.views import FILTER_LIMIT, ViewError, parse_view
from fanlight.pages.logs import LEVELS
from fanlight.panels import RANGES, View

_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_STATUS: Final = re.compile(r"error|[1-5]xx|[1-9][0-9]{2,3}")
_COLUMN: Final = re.compile(r"-?[A-Za-z0-9_.]{1,60}")
_MOMENT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_METHOD: Final = re.compile(r"[A-Za-z-]{1,20}")


@dataclass(frozen=True)
class Parameter:
    """One query parameter: `read` turns its text into a value or raises ViewError; absent means `default`."""

    name: str
    description: str
    schema: Mapping[str, Any]
    read: Callable[[str], Any] = str
    default: Any = None


def whole(name: str, description: str, *, default: int, greatest: int) -> Parameter:
    """A whole number from 1; one that is too great is clamped."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) < 1:
            raise ViewError(name, text, f"a whole number from 1 to {greatest}")
        return min(int(text), greatest)

    schema = {"type": "integer", "minimum": 1, "default": default}
    return Parameter(name, f"{description} At most {greatest}; more is clamped to that.", schema, read, default)


def choice(name: str, description: str, choices: tuple[str, ...], default: str = "") -> Parameter:
    """One of a few words, in any case."""

    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ViewError(name, text, " or ".join(choices))
        return text.lower()

    schema: dict[str, Any] = {"type": "string", "enum": list(choices)}
    if default:
        schema["default"] = default
    return Parameter(name, description, schema, read, default)


def matching(name: str, description: str, pattern: re.Pattern[str], expected: str) -> Parameter:
    """A text of a given form."""

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ViewError(name, text, expected)
        return text

    return Parameter(name, description, {"type": "string", "pattern": f"^({pattern.pattern})$"}, read, "")


def free(name: str, description: str) -> Parameter:
    """A text, checked by the view."""
    return Parameter(name, description, {"type": "string", "maxLength": FILTER_LIMIT}, default="")


def _moment(name: str) -> Parameter:
    schema = {"type": "string", "description": "RFC 3339 or epoch seconds"}
    return Parameter(name, f"A span of its own, `from` and `to` together, clamped to what is kept: its {name}.", schema)


def _epoch(text: str) -> float:
    if not _MOMENT.fullmatch(text):
        raise ViewError("after", text, "epoch seconds")
    return float(text)


SCOPE: Final = Parameter(
    "scope",
    "`all` instances of the service, `this` one that answers, or the id of another.",
    {"type": "string", "default": "all"},
)
RANGE: Final = Parameter(
    "range",
    "How far back, clamped to what is kept.",
    {"type": "string", "enum": list(RANGES), "default": "15m"},
)
SPAN: Final = (RANGE, _moment("from"), _moment("to"))
SORT: Final = matching(
    "sort",
    "The column a page's tables are sorted by, with - in front for descending.",
    _COLUMN,
    "a column's name, with - in front for descending",
)
AFTER: Final = Parameter(
    "after",
    "Log lines from shortly before this moment on (epoch seconds); 0 for all that are kept.",
    {"type": "number", "minimum": 0, "default": 0},
    _epoch,
    0.0,
)
LIMIT: Final = whole("limit", "How many, the newest first.", default=50, greatest=200)
LOG_LIMIT: Final = whole("limit", "How many, the newest first.", default=100, greatest=1000)
HOURS: Final = whole("hours", "How many hours back.", default=24, greatest=840)
STATUS: Final = matching(
    "status",
    "`error` (4xx, 5xx, abnormal WebSocket closes), a class such as `4xx`, or one status or close code.",
    _STATUS,
    "error, a class such as 4xx, or a status such as 404",
)
METHOD: Final = matching("method", "The HTTP method, or WS.", _METHOD, "an HTTP method or WS")
ROUTE: Final = free("route", "The route template, exactly.")
REQUEST_TEXT: Final = free("q", "Text in the path, or in an id or correlation ID.")
LOG_TEXT: Final = free("q", "Text in the message, the logger's name or the correlation ID.")
KIND: Final = choice("kind", "Only `slow` or only `failed` ones.", ("slow", "failed"))
ERROR_TYPE: Final = free("type", "The error type, such as timeout.")
LEVEL: Final = choice("level", "This level and above.", tuple(level.lower() for level in LEVELS))
FORMAT: Final = choice("format", "How the export is written.", ("json", "csv"), "json")
TABLE: Final = choice(
    "table", "What a CSV holds: one row per endpoint, or per step.", ("endpoints", "timeline"), "endpoints"
)


def read(
    declared: tuple[Parameter, ...], page: str, query: Mapping[str, str], now: float = 0.0
) -> tuple[View, dict[str, Any]]:
    """The view a query asks for and the declared parameters' values; raises ViewError for a wrong one.

    `now` (Unix seconds) is what HOURS count from.
    """
    values: dict[str, Any] = {}
    for parameter in declared:
        text = query.get(parameter.name, "")
        values[parameter.name] = parameter.read(text) if text else parameter.default
    view = _with_kind(parse_view(page, query), values)
    return since(view, now - values["hours"] * 3_600, now) if "hours" in values else view, values


def since(view: View, start: float, now: float) -> View:
    """The view over the time since a moment, the same for a minute, so that it is read once."""
    end = ceil(now / 60) * 60.0
    return msgspec.structs.replace(view, start=end - ceil((now - start) / 60) * 60.0, end=end)


def _with_kind(view: View, values: Mapping[str, Any]) -> View:
    """The view with its `kind` and its upper-case method, as lists of requests are chosen by."""
    filters = dict(view.filters)
    if values.get("kind"):
        filters["kind"] = values["kind"]
    if values.get("method"):
        filters["method"] = values["method"].upper()
    return msgspec.structs.replace(view, filters=tuple(sorted(filters.items())))
