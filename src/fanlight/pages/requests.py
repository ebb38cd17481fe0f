"""Requests: every route's figures, and the last requests, slow ones and errors."""

from __future__ import annotations

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
    chosen_requests,
    covers,
    kept_requests,
    range_query,
    request_filters,
    request_rows,
    sort_rows,
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


def _route_row(route: Route, columns: tuple[Column, ...], snapshot: Snapshot) -> Row:
    figures = route.figures
    timed = bool(figures.count) and route.family != "sockets"  # how long a connection was open is no latency
    values = {
        "method": route.method,
        "route": route.route,
        "count": figures.count,
        "errors": figures.errors,
        "ratio": route.error_ratio if figures.count else None,
        "mean": figures.mean if timed else None,
        "p50": figures.p50 if timed else None,
        "p95": figures.p95 if timed else None,
        "p99": figures.p99 if timed else None,
        "total": route.total.count,
    }
    return Row(
        key=f"{route.family} {route.method} {route.route}",
        values=tuple(values[column.name] for column in columns),
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
    rows = []
    for route in snapshot.range.routes:
        if wanted in route.route.lower():
            rows.append(_route_row(route, columns, snapshot))
            snapshot.breathe()
    ordered, applied = sort_rows(rows, columns, view.sort, "-count")
    shown = ordered[:limit] if limit else ordered
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
    Slot(name="slow-list", build=slow_list, span=6),
    Slot(name="error-list", build=error_list, span=6),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Requests; a filtered view shows what it asked for first, and leaves out the lists it already is."""
    if not view.filters and view.start is None:
        return Page(name="requests", title="Requests", slots=SLOTS)
    return Page(name="requests", title="Requests", slots=(SLOTS[3], *SLOTS[:3]))
