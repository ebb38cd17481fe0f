"""The overview: who, how it is, six figures, throughput and latency, what happened last."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote

import msgspec

from fanlight import formats
from fanlight.core import rules
from fanlight.core.frame import Record
from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts, events, system
from fanlight.pages.caches import cache_stats
from fanlight.pages.listing import REQUEST_COLUMNS, covers, request_rows, with_range
from fanlight.pages.requests import ROUTE_COLUMNS_SHORT, routes_table
from fanlight.pages.services import health
from fanlight.panels import ActionButton, Actions, Bar, Bars, Page, Slot, Stat, State, Table, Verdict, View

ACTIVITY_ROWS = 50
TOP_ROUTES = 10
RESTARTS = 12
"""Services with a button of their own among the quick actions; each has one on its page, too."""


def verdict(snapshot: Snapshot, view: View) -> Verdict:
    """The state of the service in one plain sentence."""
    return rules.judge(snapshot)


def request_rate(snapshot: Snapshot, view: View) -> Stat:
    requests = snapshot.requests
    total = formats.phrase(requests.total.count, "integer")
    return Stat(
        title="Requests",
        value=requests.per_second,
        unit="rate",
        detail=f"{total} in all",
        spark=charts.request_rates(snapshot),
        href="requests",
    )


def error_rate(snapshot: Snapshot, view: View) -> Stat:
    requests = snapshot.requests
    errors, limit = formats.phrase(requests.window_errors, "integer"), formats.phrase(rules.ERROR_RATIO, "ratio")
    return Stat(
        title="Error rate",
        value=requests.error_ratio if requests.window_count else None,
        unit="ratio",
        detail=f"{errors} of {formats.phrase(requests.window_count, 'integer')} · limit {limit}",
        state=rules.error_state(requests.error_ratio),
        spark=charts.error_ratios(snapshot),
        tone="error",
        href="requests?status=error",
    )


def latency(snapshot: Snapshot, view: View) -> Stat:
    figures = snapshot.requests.window
    p50, p99 = formats.phrase(figures.p50, "seconds"), formats.phrase(figures.p99, "seconds")
    return Stat(
        title="Latency p95",
        value=figures.p95 if figures.count else None,
        unit="seconds",
        detail=f"p50 {p50} · p99 {p99}" if figures.count else "no request yet",
        state=rules.mean_state(rules.judged_mean(snapshot)),
        spark=charts.latency(snapshot, lambda point: point.p95),
        tone="second",
        href="requests?sort=-p95",
    )


def in_flight(snapshot: Snapshot, view: View) -> Stat:
    spark = charts.level(snapshot, "http.server.active_requests")
    peak = max((value for value in spark if value is not None), default=0)
    return Stat(
        title="In flight",
        value=snapshot.requests.in_flight,
        unit="integer",
        detail=f"peak {formats.phrase(peak, 'integer')} in 15 min",
        spark=spark,
        href="requests",
    )


def websockets(snapshot: Snapshot, view: View) -> Stat:
    sockets = snapshot.sockets
    return Stat(
        title="WebSockets",
        value=sockets.connections,
        unit="integer",
        detail=f"{_groups(len(sockets.groups))} · {formats.phrase(sockets.connects, 'integer')} opened",
        spark=charts.level(snapshot, "websocket.connections"),
        tone="ok",
        href="connections",
    )


def _groups(count: int) -> str:
    return "1 group" if count == 1 else f"{count} groups"


def slow_requests(snapshot: Snapshot, view: View) -> Stat:
    requests = snapshot.requests
    limit, very = formats.limit(snapshot.settings.slow_seconds), formats.limit(snapshot.settings.very_slow_seconds)
    state = rules.very_slow_state(requests.very_slow)
    return Stat(
        title="Slow requests",
        value=requests.slow,
        unit="integer",
        detail=f"over {limit} · {requests.very_slow} over {very}",
        state=state if state != "ok" else rules.slow_state(requests.slow),
        spark=charts.per_second(snapshot, snapshot.view.counter_points.get("requests.slow", ())),
        tone="warn",
        href="requests?kind=slow",
    )


def activity(snapshot: Snapshot, view: View) -> Table:
    """The last requests, whatever became of them."""
    records = snapshot.activity[:ACTIVITY_ROWS]
    return Table(
        title="Recent activity",
        note=f"last {ACTIVITY_ROWS}",
        href="requests",
        columns=REQUEST_COLUMNS,
        rows=request_rows(snapshot, records),
        empty=charts.no_requests(snapshot),
    )


def top_routes(snapshot: Snapshot, view: View) -> Table:
    """The busiest routes of the window."""
    return routes_table(snapshot, view, ROUTE_COLUMNS_SHORT, TOP_ROUTES)


def errors(snapshot: Snapshot, view: View) -> Bars:
    """Errors by type over the range; a row of noughts would say less than that there were none."""
    found = snapshot.range.errors_by_type
    bars = tuple(
        Bar(
            name=kind,
            value=count,
            tone="error" if kind in rules.SERVER_ERRORS else "warn",
            href=with_range(f"requests?type={kind}", view),
        )
        for kind, count in found
    )
    return Bars(
        title="Errors",
        note=f"by type, {covers(view)}",
        bars=bars if any(count for _, count in found) else (),
        href=with_range("requests?status=error", view),
        empty=f"Nothing failed, {covers(view)}.",
    )


def actions(snapshot: Snapshot, view: View) -> Actions:
    """What an operator can do from here, and what became of it last."""
    done = [event for event in reversed(snapshot.events) if event.data["type"] == events.ACTION]
    last = {f"actions/{event.data['fields'].get('action')}": event for event in done}
    offered = (*snapshot.actions, *restarts(snapshot))
    buttons = tuple(_with_outcome(button, last.get(unquote(button.action))) for button in offered)
    return Actions(
        title="Quick actions", buttons=buttons, empty='None yet. @dashboard.action("Title") above a function adds one.'
    )


def restarts(snapshot: Snapshot) -> Iterator[ActionButton]:
    """A button for each service that can be restarted, by name."""
    named = sorted(service.name for service in snapshot.services if service.restartable)
    for name in named[:RESTARTS]:
        path = f"actions/restart/{quote(name, safe='')}"
        yield ActionButton(title=f"Restart {name}", action=path, confirm=f"Restart {name}?")


def _with_outcome(button: ActionButton, event: Record | None) -> ActionButton:
    if event is None:
        return button
    fields = event.data["fields"]
    state: State = "ok" if fields.get("status") == "success" else "error"
    return msgspec.structs.replace(button, note=str(fields.get("message", "")), state=state)


FIGURES = (
    Slot(name="requests", build=request_rate, span=2, pace="fast"),
    Slot(name="errors", build=error_rate, span=2, pace="fast"),
    Slot(name="latency", build=latency, span=2, pace="fast"),
    Slot(name="in-flight", build=in_flight, span=2, pace="fast"),
    Slot(name="websockets", build=websockets, span=2, pace="fast"),
    Slot(name="slow", build=slow_requests, span=2, pace="fast"),
)


SLOTS = (
    Slot(name="verdict", build=verdict, pace="fast"),
    *FIGURES,
    Slot(name="throughput", build=charts.throughput, span=6),
    Slot(name="percentiles", build=charts.percentiles, span=6),
    Slot(name="routes", build=top_routes, span=8, rows=2),
    Slot(name="health", build=health, span=4, pace="fast"),
    Slot(name="errors-by-type", build=errors, span=4),
    Slot(name="activity", build=activity, span=8, rows=3, pace="fast"),
    Slot(name="system", build=system.meters, span=4, pace="fast"),
    Slot(name="stats", build=cache_stats, span=4),
    Slot(name="actions", build=actions, span=4),
    events.SLOT,
)


READABLE_RATE = 40.0
"""Requests per second up to which the activity feed keeps the pace of figures; nobody reads a faster one."""


def page(snapshot: Snapshot, view: View) -> Page:
    """The overview."""
    calm = snapshot.requests.per_second <= READABLE_RATE
    slots = SLOTS if calm else tuple(_slowed(slot) for slot in SLOTS)
    return Page(name="overview", title="Overview", slots=slots)


def _slowed(slot: Slot) -> Slot:
    return msgspec.structs.replace(slot, pace="slow") if slot.name == "activity" else slot
