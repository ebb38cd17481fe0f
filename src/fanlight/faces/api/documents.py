"""The documents beside `/api/data`, each made from one snapshot and what was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from fanlight import formats
from fanlight.core import rules
from fanlight.core.dependencies import required_down
from fanlight.core.frame import Record
from fanlight.core.health import Status as Health
from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import items
from fanlight.faces.api.analytics import Analytics, analytics
from fanlight.faces.api.pages import Pages
from fanlight.faces.errors import FaceError, NotFound, shown
from fanlight.faces.figures import hit_percent, milliseconds, percent
from fanlight.faces.tui.document import PageDocument
from fanlight.pages.listing import chosen_requests
from fanlight.pages.logs import LEVELS
from fanlight.panels import Panel, Slot, State, View
from fanlight.services.runs import RunState, UnknownRun

_HEALTH: Final[Mapping[str, Health]] = {"ok": "healthy", "warn": "degraded", "error": "degraded", "idle": "idle"}
"""A verdict's state in the words of health checks; a service that answers is not down, however often it fails."""


@dataclass(frozen=True)
class Asked:
    """What a document is made of: the snapshot, what the query said, the path's values, the panels and pages there are,
    and the role of who asks."""

    snapshot: Snapshot
    view: View
    values: Mapping[str, Any]
    path: Mapping[str, str]
    panels: Mapping[str, Slot]
    breathe: Callable[[], None]
    follow: Callable[[str], RunState]
    pages: Pages
    role: str


class OwnFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Fanlight's own cost and losses."""

    cpu_percent: float | None
    dashboard_requests: int
    excluded_requests: int
    viewers: int
    failures: int
    dropped: dict[str, int]


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The system pulse: what counts since the first start, and how it goes now."""

    timestamp: str
    service: str
    scope: str
    uptime_seconds: float
    uptime_formatted: str
    total_requests: int
    total_requests_this_run: int
    total_errors: int
    total_errors_this_run: int
    error_rate_percent: float
    average_response_time_ms: float
    requests_per_minute: float
    requests_per_second: float
    requests_in_flight: int
    websocket_connections: int
    redis_latency_ms: float | None
    cache_hits_total: int
    cache_misses_total: int
    cache_hit_rate: float | None
    cache_entries: int | None
    dashboard_refresh_total: int
    htmx_events_total: int
    analytics: Analytics | None
    fanlight: OwnFigures


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """Kept requests, the newest first; `matched` of those kept match, `count` of them are listed."""

    timestamp: str
    matched: int
    count: int
    limit: int
    requests: list[items.Request]


class OneRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The requests an id or correlation ID names, the newest first, and what was logged under their correlation IDs."""

    timestamp: str
    id: str
    count: int
    requests: list[items.Request]
    logs: list[items.LogEntry]


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """Kept log lines, the newest first; `dropped` were lost to the rate limit."""

    timestamp: str
    matched: int
    count: int
    limit: int
    dropped: int
    logs: list[items.LogEntry]


class OnePanel(msgspec.Struct, frozen=True, kw_only=True):
    """A panel as data: raw values in base units (seconds, bytes, fractions of 1, Unix seconds)."""

    timestamp: str
    name: str
    panel: Panel


class OneRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of an action: "success" only after it happened everywhere it concerns; `done` of `total` is how far."""

    timestamp: str
    run: str
    action: str
    title: str
    status: Literal["running", "success", "error"]
    message: str
    done: float
    total: float | None
    started: str
    instance: str


class SystemHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the service is, judged over the last 15 minutes; `state` is the verdict's colour.

    "down" when its database does not answer or a required service is down.
    """

    timestamp: str
    service: str
    scope: str
    release: str
    status: Health
    state: State
    verdict: str
    uptime_seconds: float
    instances: list[items.Process]
    resources: items.Resources
    requests: items.Figures
    errors_by_type: dict[str, int]
    slow_requests_count: int
    very_slow_requests_count: int
    event_loop_lag_ms: float | None
    services: dict[str, Health]


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the service answers and what it requires does; "down" (and 503) only when something required is down."""

    status: Literal["ok", "down"]
    service: str
    release: str
    uptime_seconds: float
    instances: int
    services: dict[str, Health]


def stats(asked: Asked) -> Stats:
    """`GET /api/stats`."""
    snapshot, requests, cache = asked.snapshot, asked.snapshot.requests, asked.snapshot.cache_total
    latency = snapshot.redis_latency
    return Stats(
        timestamp=formats.moment(snapshot.at),
        service=snapshot.service,
        scope=snapshot.scope,
        uptime_seconds=round(snapshot.uptime, 3),
        uptime_formatted=formats.uptime(snapshot.uptime),
        total_requests=requests.total.count,
        total_requests_this_run=requests.this_run.count,
        total_errors=requests.total.errors,
        total_errors_this_run=requests.this_run.errors,
        error_rate_percent=percent(requests.total.errors, requests.total.count),
        average_response_time_ms=milliseconds(requests.total.mean),
        requests_per_minute=round(requests.per_minute, 2),
        requests_per_second=round(requests.per_second, 2),
        requests_in_flight=requests.in_flight,
        websocket_connections=snapshot.sockets.connections,
        redis_latency_ms=None if latency is None else milliseconds(latency),
        cache_hits_total=cache.hits,
        cache_misses_total=cache.misses,
        cache_hit_rate=hit_percent(cache.hits, cache.misses),
        cache_entries=cache.size,
        dashboard_refresh_total=snapshot.own.refreshes,
        htmx_events_total=snapshot.own.htmx_events,
        analytics=analytics(snapshot),
        fanlight=_own(snapshot),
    )


def _own(snapshot: Snapshot) -> OwnFigures:
    own = snapshot.own
    return OwnFigures(
        cpu_percent=own.cpu_percent,
        dashboard_requests=own.dashboard_requests,
        excluded_requests=own.excluded_requests,
        viewers=own.viewers,
        failures=own.failures,
        dropped=dict(own.dropped),
    )


def requests(asked: Asked) -> Requests:
    """`GET /api/requests`."""
    found, limit = chosen_requests(asked.snapshot, asked.view), asked.values["limit"]
    listed = items.requests(found[:limit], asked.snapshot.settings)
    return Requests(
        timestamp=formats.moment(asked.snapshot.at),
        matched=len(found),
        count=len(listed),
        limit=limit,
        requests=listed,
    )


def one_request(asked: Asked) -> OneRequest:
    """`GET /api/requests/{id}`; raises NotFound for an id nothing kept has."""
    snapshot, wanted = asked.snapshot, asked.path["id"]
    found = snapshot.find(wanted)
    if not found:
        raise _NoRequest(wanted)
    correlated = {record.data["correlation_id"] for record in found} - {""}
    lines = [record for record in reversed(snapshot.logs) if record.data["correlation_id"] in correlated]
    return OneRequest(
        timestamp=formats.moment(snapshot.at),
        id=wanted,
        count=len(found),
        requests=items.requests(found, snapshot.settings),
        logs=[items.log_entry(record) for record in lines],
    )


class _NoRequest(NotFound):
    def __init__(self, id: str) -> None:
        super().__init__("request", id, ())
        self.message = f"No request with the id or correlation ID {shown(id)} is kept."
        self.detail = "Kept are the newest requests, slow requests and errors of the last 15 minutes."


def logs(asked: Asked) -> Logs:
    """`GET /api/logs`."""
    snapshot, limit = asked.snapshot, asked.values["limit"]
    level, query = LEVELS.get(asked.values["level"].upper(), 0), asked.view.filter("q").lower()
    found = [record for record in reversed(snapshot.logs) if _log_matches(record, level, query)]
    listed = [items.log_entry(record) for record in found[:limit]]
    return Logs(
        timestamp=formats.moment(snapshot.at),
        matched=len(found),
        count=len(listed),
        limit=limit,
        dropped=snapshot.own.dropped.get("logs", 0),
        logs=listed,
    )


def _log_matches(record: Record, level: int, query: str) -> bool:
    data = record.data
    searched = f"{data['message']} {data['logger']} {data['correlation_id']}".lower()
    return data["levelno"] >= level and query in searched


def one_page(asked: Asked) -> PageDocument:
    """`GET /api/pages/{name}`; raises NotFound for a page there is not."""
    return asked.pages.document(asked.view, role=asked.role, after=asked.values["after"])


def one_panel(asked: Asked) -> OnePanel:
    """`GET /api/panels/{name}`; raises NotFound for a panel there is not."""
    name = asked.path["name"]
    slot = asked.panels.get(name)
    if slot is None:
        raise NotFound("panel", name, asked.panels)
    panel = slot.build(asked.snapshot, asked.view)
    return OnePanel(timestamp=formats.moment(asked.snapshot.at), name=name, panel=panel)


def one_run(asked: Asked) -> OneRun:
    """`GET /api/runs/{id}`; raises NotFound for a run nobody knows."""
    try:
        state = asked.follow(asked.path["id"])
    except UnknownRun as error:
        raise FaceError(404, "not_found", str(error)) from None
    return OneRun(
        timestamp=formats.moment(state.at),
        run=state.run,
        action=state.action,
        title=state.title,
        status=state.status,
        message=state.message,
        done=state.done,
        total=state.total,
        started=formats.moment(state.started),
        instance=state.instance,
    )


def system_health(asked: Asked) -> SystemHealth:
    """`GET /api/system/health`."""
    return health_of(asked.snapshot)


def health_of(snapshot: Snapshot) -> SystemHealth:
    """How the service is, as a document."""
    verdict, lag = rules.judge(snapshot), snapshot.system.loop_lag_seconds
    return SystemHealth(
        timestamp=formats.moment(snapshot.at),
        service=snapshot.service,
        scope=snapshot.scope,
        release=snapshot.release,
        status="down" if _is_down(snapshot) else _HEALTH.get(verdict.state, "idle"),
        state=verdict.state,
        verdict=verdict.sentence,
        uptime_seconds=round(snapshot.uptime, 3),
        instances=[items.process(instance) for instance in snapshot.instances],
        resources=items.resources(snapshot),
        requests=items.figures(snapshot.requests.window),
        errors_by_type=dict(snapshot.errors_by_type),
        slow_requests_count=snapshot.requests.slow,
        very_slow_requests_count=snapshot.requests.very_slow,
        event_loop_lag_ms=None if lag is None else milliseconds(lag),
        services={service.name: service.health.status for service in snapshot.services},
    )


def _is_down(snapshot: Snapshot) -> bool:
    return rules.database_state(snapshot) == "error" or bool(required_down(snapshot.services))


def liveness(asked: Asked) -> Liveness:
    """`GET /health`."""
    snapshot = asked.snapshot
    return Liveness(
        status="down" if required_down(snapshot.services) else "ok",
        service=snapshot.service,
        release=snapshot.release,
        uptime_seconds=round(snapshot.uptime, 3),
        instances=len(snapshot.live_instances),
        services={service.name: service.health.status for service in snapshot.services},
    )
