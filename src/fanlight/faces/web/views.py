"""A View from a query string, and back: everything that came from outside is checked here, once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from fanlight.faces.errors import FaceError, shown
from fanlight.faces.web import links
from fanlight.panels import RANGES, View

FILTERS: Final = frozenset(
    {
        "q", "kind", "status", "method", "route", "type", "level", "logger", "group", "user", "service", "model",
        "instance", "state", "release",
    }
)  # fmt: skip
"""The filters a query can set; anything else in it is ignored."""

PATH_VALUES: Final = ("id", "name")
"""The path values a fragment or a stream may be told in its query, where its own path has no room for them."""

FILTER_LIMIT: Final = 200
"""Characters of a filter or a path value."""

SHORTEST_SPAN: Final = 10
"""Seconds between `from` and `to`; a shorter span gets a later end: one chart step."""

LATEST: Final = 253_402_300_799.0
"""The last second RFC 3339 can write."""

INTERVALS: Final = (0.25, 60.0)
"""The least and the greatest interval of a live view, in seconds."""

_SCOPE: Final = re.compile(r"[A-Za-z0-9._:@-]{1,100}")
_SORT: Final = re.compile(r"-?[A-Za-z0-9_.]{1,60}")
_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,9})?")


class ViewError(FaceError):
    """A query that says something no view can be; 422."""

    def __init__(self, parameter: str, got: str, expected: str) -> None:
        super().__init__(422, "invalid_query", f"{parameter} is {shown(got)}; expected {expected}.", parameter)


def parse_view(page: str, query: Mapping[str, str], path: Mapping[str, str] | None = None) -> View:
    """The view a query asks for; raises ViewError, and nothing else, for what cannot be one.

    Unknown parameters are ignored, spans are clamped, and equal choices give equal views.
    """
    start, end = _span(query)
    return View(
        page=page,
        scope=_scope(query.get("scope", "")),
        range=_range(query.get("range", "")) if start is None else "15m",
        start=start,
        end=end,
        sort=_sort(query.get("sort", "")),
        filters=_chosen(sorted(FILTERS), query),
        path=_path(query, path or {}),
    )


def forgiving_view(page: str, query: Mapping[str, str], path: Mapping[str, str] | None = None) -> tuple[View, str]:
    """As parse_view, but what cannot be a view becomes the default one and a notice that says why."""
    try:
        return parse_view(page, query, path), ""
    except ViewError as error:
        return View(page=page, path=_pairs(path or {})), f"{error.message} The defaults are shown."


def to_query(view: View) -> str:
    """The query string, without "?", that parses to the same view (given its page); path values included."""
    return urlencode((*links.pairs(view), *view.path))


def chart_file(view: View, name: str) -> str:
    """Where a chart of a view is found as a file, relative to the root, with `{kind}` for svg or pdf."""
    chosen = to_query(view)
    return f"charts/{name}.{{kind}}?{urlencode({'page': view.page})}" + (f"&{chosen}" if chosen else "")


def parse_interval(query: Mapping[str, str]) -> float:
    """The seconds a live view wants between pushes, clamped; the shortest when it does not say."""
    try:
        wanted = float(query.get("interval", ""))
    except ValueError:
        return INTERVALS[0]
    return min(max(wanted, INTERVALS[0]), INTERVALS[1]) if math.isfinite(wanted) else INTERVALS[0]


def _range(text: str) -> str:
    if text and text not in RANGES:
        raise ViewError("range", text, " or ".join(RANGES))
    return text or "15m"


def _scope(text: str) -> str:
    if text and not _SCOPE.fullmatch(text):
        raise ViewError("scope", text, "all or this")
    return text or "all"


def _sort(text: str) -> str:
    if text and not _SORT.fullmatch(text):
        raise ViewError("sort", text, "a column's name, with - in front for descending")
    return text


def _span(query: Mapping[str, str]) -> tuple[float | None, float | None]:
    first, last = query.get("from", ""), query.get("to", "")
    if not first and not last:
        return None, None
    if not first or not last:
        raise ViewError("to" if first else "from", "", "both from and to")
    start, end = _moment("from", first), _moment("to", last)
    if start >= end:
        raise ViewError("from", first, "a time before to")
    return _clamped(start, end)


def _clamped(start: float, end: float) -> tuple[float, float]:
    """What the address can say; to what is kept a range is cut where it is read, which says so."""
    end = min(max(end, start + SHORTEST_SPAN), LATEST)
    return round(min(start, end - SHORTEST_SPAN), 3), round(end, 3)


def _moment(parameter: str, text: str) -> float:
    """Unix seconds to the millisecond from RFC 3339 or epoch seconds."""
    try:
        seconds = float(text) if _NUMBER.fullmatch(text) else _rfc3339(text)
    except (ValueError, OverflowError):
        raise ViewError(parameter, text, "a time in RFC 3339 or in epoch seconds") from None
    if not 0 <= seconds <= LATEST:
        raise ViewError(parameter, text, "a time from 1970 to 9999")
    return round(seconds, 3)


def _rfc3339(text: str) -> float:
    if len(text) > 40:
        raise ValueError
    if len(text) > 6 and text[-6] == " ":  # a "+" that was not percent-encoded
        text = f"{text[:-6]}+{text[-5:]}"
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _path(query: Mapping[str, str], path: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return _pairs(path) if path else _chosen(PATH_VALUES, query)


def _pairs(path: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _limited(value)) for name, value in sorted(path.items()))


def _limited(text: str) -> str:
    return "".join(character for character in text[:FILTER_LIMIT] if character.isprintable())


def _chosen(names: Iterable[str], query: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = ((name, query.get(name, "")) for name in names)
    return tuple((name, _checked(name, value)) for name, value in found if value)


def _checked(name: str, value: str) -> str:
    if len(value) > FILTER_LIMIT:
        raise ViewError(name, value, f"at most {FILTER_LIMIT} characters")
    if not value.isprintable():
        raise ViewError(name, value, "text without control characters")
    return value
