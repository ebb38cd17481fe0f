"""Requests: every route's figures, and the last requests, slow ones and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fanlight import formats
from fanlight.core import rules
from fanlight.core.culprits import route_href
from fanlight.core.frame import OTHER
from fanlight.core.sections import Route
from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts
from fanlight.pages.listing import (
    REQUEST_COLUMNS,
    chose,
    chosen_order,
    chosen_requests,
    covers,
    in_order,
    kept_requests,
    range_query,
    request_filters,
    request_rows,
    with_range,
)
from fanlight.panels import Column, Page, Row, Slot, State, Table, View

LISTED = 50

ROUTE_COLUMNS = (
    Column(name="method", title="Method", unit="method"),
    Column(name="route", title="Route", unit="code", wide=True),
    Column(name="count", title="Requests", unit="integer"),
    Column(name="errors", title="Errors", unit="integer"),
    Column(name="ratio", title="Error rate", unit="ratio"),
    Column(name="mean", title="Mean", unit="seconds"),
    Column(name="p50", title="p50", unit="seconds"),
    Column(name="p95", title="p95", unit="bar"),
    Column(name="p99", title="p99", unit="seconds"),
    Column(name="total", title="In all", unit="integer"),
)


ROUTE_COLUMNS_SHORT = tuple(
    column for column in ROUTE_COLUMNS if column.name in ("method", "route", "count", "ratio", "p50", "p95", "p99")
)
"""The columns that tell most, for where there is less room."""


def _timed(route: Route) -> bool:
    """Whether its durations are latencies: how long a connection was open is none."""
    return bool(route.figures.count) and route.family != "sockets"


_VALUES: Final[Mapping[str, Callable[[Route], Any]]] = {
    "method": lambda route: route.method,
    "route": lambda route: route.route,
    "count": lambda route: route.figures.count,
    "errors": lambda route: route.figures.errors,
    "ratio": lambda route: route.error_ratio if route.figures.count else None,
    "mean": lambda route: route.figures.mean if _timed(route) else None,
    "p50": lambda route: route.figures.p50 if _timed(route) else None,
    "p95": lambda route: route.figures.p95 if _timed(route) else None,
    "p99": lambda route: route.figures.p99 if _timed(route) else None,
    "total": lambda route: route.total.count,
}
"""A route's values by column."""


def _route_row(route: Route, columns: tuple[Column, ...], snapshot: Snapshot) -> Row:
    snapshot.breathe()
    return Row(
        key=f"{route.family} {route.method} {route.route}",
        values=tuple(_VALUES[column.name](route) for column in columns),
        state=_route_state(route, snapshot),
        href="" if route.route == OTHER else route_href(route.method, route.route),
        detail={"streams": "to first byte", "sockets": "WebSocket"}.get(route.family, ""),
    )


def _route_state(route: Route, snapshot: Snapshot) -> State:
    if rules.error_state(route.error_ratio) == "warn":
        return "warn"
    return rules.duration_state(route.figures.p95, route.route, snapshot) if route.family != "sockets" else ""


def routes_table(snapshot: Snapshot, view: View, columns: tuple[Column, ...] = ROUTE_COLUMNS, limit: int = 0) -> Table:
    """Routes with their figures over the range, sorted as the view asks; `limit` keeps the first few."""
    wanted = view.filter("q").lower()
    applied = chosen_order([column.name for column in columns], view.sort, "-count")
    found = [route for route in snapshot.range.routes if wanted in route.route.lower()]
    ordered = in_order(found, _VALUES[applied.lstrip("-")], descending=applied.startswith("-"))
    shown = tuple(_route_row(route, columns, snapshot) for route in ordered[: limit or None])
    return Table(
        title="Routes",
        note=covers(view),
        href="requests" if limit else "",
        columns=columns,
        rows=shown,
        sortable=True,
        sorted=applied,
        more=len(ordered) - len(shown),
        empty="No route matches; widen the filter." if wanted else charts.no_requests(snapshot),
    )


def all_routes(snapshot: Snapshot, view: View) -> Table:
    """Every route."""
    return routes_table(snapshot, view)


def request_list(snapshot: Snapshot, view: View) -> Table:
    """The last requests that match the view."""
    found = chosen_requests(snapshot, view)
    shown = found[:LISTED]
    title = {"slow": "Slow requests", "failed": "Failed requests"}.get(view.filter("kind"), "Requests")
    filtered = chose(view)
    return Table(
        title=title,
        note=f"the newest that were kept, {covers(view)}" if filtered else "the newest",
        columns=REQUEST_COLUMNS,
        rows=request_rows(snapshot, shown, range_query(view)),
        more=len(found) - len(shown),
        filters=request_filters(view),
        empty="Nothing kept matches; widen the filter." if filtered else charts.no_requests(snapshot),
    )


def slow_list(snapshot: Snapshot, view: View) -> Table:
    """The slowest kind of trouble: what took over a second."""
    figures = snapshot.range.requests
    very = f", {said(figures.very_slow)} of them very slow" if figures.very_slow else ""
    return Table(
        title="Slow requests",
        note=f"{said(figures.slow)}{very}, {covers(view)}",
        columns=REQUEST_COLUMNS,
        rows=request_rows(snapshot, kept_requests(snapshot, ("slow",))[:20], range_query(view)),
        href=with_range("requests?kind=slow", view),
        empty=f"Nothing was slow in the {covers(view)}.",
    )


def error_list(snapshot: Snapshot, view: View) -> Table:
    """What failed last."""
    return Table(
        title="Recent errors",
        note=f"{said(snapshot.range.requests.window_errors)}, {covers(view)}",
        columns=REQUEST_COLUMNS,
        rows=request_rows(snapshot, kept_requests(snapshot, ("failed",))[:20], range_query(view)),
        href=with_range("requests?status=error", view),
        empty=f"Nothing failed in the {covers(view)}.",
    )


def said(count: int) -> str:
    """A count as the page says it elsewhere."""
    return formats.phrase(count, "integer")


SLOTS = (
    Slot(name="throughput", build=charts.throughput, span=6),
    Slot(name="percentiles", build=charts.percentiles, span=6),
    Slot(name="all-routes", build=all_routes),
    Slot(name="request-list", build=request_list),
    Slot(name="slow-list", build=slow_list, span=5),
    Slot(name="error-list", build=error_list, span=7),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Requests; a filtered view shows what it asked for first, and leaves out the lists it already is."""
    if not view.filters and view.start is None:
        return Page(name="requests", title="Requests", slots=SLOTS)
    return Page(name="requests", title="Requests", slots=(SLOTS[3], *SLOTS[:3]))
