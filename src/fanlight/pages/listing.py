"""Tables of kept requests, and the sorting and filtering every table shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from fanlight.core.culprits import judged_seconds
from fanlight.core.facts import ERROR_TYPES
from fanlight.core.frame import Record
from fanlight.core.rules import record_state
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Column, Filter, Row, View

T = TypeVar("T")

REQUEST_COLUMNS: Final = (
    Column(name="time", title="Time", unit="time"),
    Column(name="method", title="Method", unit="method"),
    Column(name="path", title="Path", unit="code", wide=True),
    Column(name="status", title="Status", unit="status"),
    Column(name="duration", title="Duration", unit="bar"),
)
"""The columns of a list of requests."""

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "WS")


def request_row(record: Record, query: str = "") -> Row:
    """A request or a failed WebSocket as a row; a stream's duration is its first byte. `query` is the range's."""
    data = record.data
    return Row(
        key=record.id,
        values=(record.at, data["method"], data["path"], data["status"], judged_seconds(record)),
        state=record_state(record),
        href=f"requests/{record.id}{query}",
        detail=_request_detail(record),
    )


def _request_detail(record: Record) -> str:
    data = record.data
    parts = []
    if data.get("stream"):
        parts.append("stream")
    if data.get("disconnected"):
        parts.append("client left")
    if data["error_type"]:
        parts.append(str(data["error_type"]))
    if data.get("error"):
        parts.append(str(data["error"]))
    return " · ".join(parts)


def request_rows(snapshot: Snapshot, records: Iterable[Record], query: str = "") -> tuple[Row, ...]:
    """A row for each kept request."""
    rows = []
    for record in records:
        rows.append(request_row(record, query))
        snapshot.breathe()
    return tuple(rows)


def request_filters(view: View, kinds: bool = True) -> tuple[Filter, ...]:
    """What a list of requests can be filtered by."""
    kind = Filter(
        name="kind",
        title="Show",
        value=view.filter("kind"),
        choices=(("", "all"), ("slow", "slow"), ("failed", "failed")),
    )
    rest = (
        Filter(
            name="status",
            title="Status",
            value=view.filter("status"),
            choices=(("", "any"), ("error", "errors"), ("2xx", "2xx"), ("3xx", "3xx"), ("4xx", "4xx"), ("5xx", "5xx")),
        ),
        Filter(
            name="type",
            title="Error",
            value=view.filter("type"),
            choices=(("", "any"), *((kind, kind) for kind in ERROR_TYPES)),
        ),
        Filter(
            name="method",
            title="Method",
            value=view.filter("method"),
            choices=(("", "any"), *((method, method) for method in METHODS)),
        ),
        Filter(name="route", title="Route", value=view.filter("route")),
        Filter(name="q", title="Path or ID", value=view.filter("q")),
    )
    return (kind, *rest) if kinds else rest


def chosen_requests(snapshot: Snapshot, view: View) -> list[Record]:
    """The kept requests a view asks for, the newest first; of older ones the slow and the failed are kept."""
    kind = view.filter("kind")
    wants_errors = kind == "failed" or view.filter("status") in ("error", "4xx", "5xx") or bool(view.filter("type"))
    kinds = ("slow",) if kind == "slow" else ("failed",) if wants_errors else ("recent", "slow", "failed")
    if not kind and not wants_errors and not chose(view):
        kinds = ("recent",)
    found = []
    for record in kept_requests(snapshot, kinds):
        if matches(record, view):
            found.append(record)
        snapshot.breathe()
    return found


def chose(view: View) -> bool:
    """Whether a view asks for anything but the newest."""
    return bool(view.filters) or view.start is not None or view.end is not None or view.range != "15m"


def kept_requests(snapshot: Snapshot, kinds: Iterable[str]) -> list[Record]:
    """The records of these kinds in the snapshot's range, each once, the newest first."""
    found = {record.id: record for kind in kinds for record in snapshot.range.view.kept.get(kind, ())}
    return sorted(found.values(), key=lambda record: (record.at, record.id), reverse=True)


def range_query(view: View) -> str:
    """The range of a view as the query of a link, "" for the usual one."""
    if view.start is not None and view.end is not None:
        return f"?{urlencode({'from': f'{view.start:.3f}', 'to': f'{view.end:.3f}'})}"
    return "" if view.range == "15m" else f"?{urlencode({'range': view.range})}"


def with_range(href: str, view: View) -> str:
    """A link that has a query already, for the range of a view."""
    return href + range_query(view).replace("?", "&", 1)


def covers(view: View) -> str:
    """What the range of a view covers, in words."""
    if view.start is not None:
        return "chosen range"
    return {"1h": "last hour", "24h": "last 24 h", "7d": "last 7 days"}.get(view.range, "last 15 min")


def matches(record: Record, view: View) -> bool:
    """Whether a kept request passes the view's filters and lies in its span."""
    data = record.data
    if view.start is not None and record.at < view.start:
        return False
    if view.end is not None and record.at > view.end:
        return False
    query = view.filter("q").lower()
    if query and query not in f"{data['path']} {data['correlation_id']} {record.id}".lower():
        return False
    for name in ("method", "route"):
        if view.filter(name) and data[name] != view.filter(name):
            return False
    if view.filter("type") and data["error_type"] != view.filter("type"):
        return False
    return _status_matches(int(data["status"]), view.filter("status"))


def _status_matches(status: int, wanted: str) -> bool:
    if not wanted:
        return True
    if wanted == "error":
        return status >= 400
    if wanted.endswith("xx"):
        return str(status // 100) == wanted[:1]
    return str(status) == wanted


def sort_rows(rows: Sequence[Row], columns: Sequence[Column], wanted: str, default: str) -> tuple[tuple[Row, ...], str]:
    """Rows by a column ("-name" descending), and what was applied."""
    names = [column.name for column in columns]
    chosen = chosen_order(names, wanted, default)
    place = names.index(chosen.lstrip("-"))
    return in_order(rows, lambda row: row.values[place], descending=chosen.startswith("-")), chosen


def chosen_order(names: Sequence[str], wanted: str, default: str) -> str:
    """The column to sort by: the one that is wanted where there is one of that name."""
    return wanted if wanted.lstrip("-") in names else default


def in_order(items: Iterable[T], value: Callable[[T], Any], *, descending: bool) -> tuple[T, ...]:
    """Sorted by a value each has; None comes last either way."""
    present, absent = [], []
    for item in items:
        of_it = value(item)
        if of_it is None:
            absent.append(item)
        else:
            present.append((of_it, item))
    present.sort(key=itemgetter(0), reverse=descending)
    return (*(item for _, item in present), *absent)
