"""`GET /api/data`: the whole dashboard in one document, with the fields chat services know (API-2).

`total_*` count since the first start (`*_this_run` beside them), slow counts and percentiles cover the last 15 minutes,
uptime and requests per minute this start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from fanlight import formats
from fanlight.core.frame import Record
from fanlight.core.sections import Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import items
from fanlight.faces.api.encoding import plain
from fanlight.faces.figures import milliseconds, percent

RECENT: Final = 20
"""Entries of each recent list."""

RECENT_SLOW: Final = 10
"""Slow requests listed."""


class SystemPart(msgspec.Struct, frozen=True, kw_only=True):
    """How the service runs, and its database."""

    api_status: str
    uptime_seconds: float
    uptime_formatted: str
    mongodb_status: str
    mongodb_healthy: bool | None
    resources: items.Resources


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A WebSocket group."""

    group_id: str
    connection_count: int


class SocketEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A WebSocket that connected, disconnected or was refused; the count is the group's after it."""

    id: str
    timestamp: str
    event_type: str
    group_id: str | None
    user_id: str | None
    connection_count: int
    endpoint: str
    route: str
    close_code: int
    correlation_id: str
    instance: str


class Websockets(msgspec.Struct, frozen=True, kw_only=True):
    """WebSockets."""

    total_active_connections: int
    groups_with_connections: int
    connections_per_group: list[Group]
    recent_events: list[SocketEvent]


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP requests in figures."""

    total_requests: int
    total_requests_this_run: int
    total_errors: int
    total_errors_this_run: int
    error_rate_percent: float
    average_response_time_ms: float
    requests_per_minute: float
    requests_per_second: float
    requests_in_flight: int
    slow_requests_count: int
    very_slow_requests_count: int
    recent_slow_requests: list[items.Request]
    last_15_minutes: items.Figures
    streams_last_15_minutes: items.Figures


class RecentActivity(msgspec.Struct, frozen=True, kw_only=True):
    """What happened last."""

    recent_requests: list[items.Request]
    recent_errors: list[items.Request]


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dashboard."""

    timestamp: str
    service: str
    scope: str
    system: SystemPart
    database: dict[str, Any]
    websockets: Websockets
    performance: Performance
    endpoints: list[items.Endpoint]
    recent_activity: RecentActivity


def data(snapshot: Snapshot, breathe: Callable[[], None]) -> Data:
    """The document of a snapshot."""
    settings = snapshot.settings
    return Data(
        timestamp=formats.moment(snapshot.at),
        service=snapshot.service,
        scope=snapshot.scope,
        system=_system(snapshot),
        database=plain(snapshot.database.data),
        websockets=_websockets(snapshot),
        performance=_performance(snapshot),
        endpoints=items.endpoints(snapshot, breathe),
        recent_activity=RecentActivity(
            recent_requests=items.requests(snapshot.activity[:RECENT], settings),
            recent_errors=items.requests(snapshot.failed[:RECENT], settings),
        ),
    )


def database_health(database: Supplied) -> tuple[str, bool | None]:
    """The database in a word, and whether it answers; None when none is set up."""
    if not database.configured:
        return "not configured", None
    return (database.error, False) if database.error else ("connected", True)


def _system(snapshot: Snapshot) -> SystemPart:
    status, healthy = database_health(snapshot.database)
    return SystemPart(
        api_status="running",
        uptime_seconds=round(snapshot.uptime, 3),
        uptime_formatted=formats.uptime(snapshot.uptime),
        mongodb_status=status,
        mongodb_healthy=healthy,
        resources=items.resources(snapshot),
    )


def _websockets(snapshot: Snapshot) -> Websockets:
    sockets = snapshot.sockets
    return Websockets(
        total_active_connections=sockets.connections,
        groups_with_connections=len(sockets.groups),
        connections_per_group=[Group(group_id=name, connection_count=count) for name, count in sockets.groups],
        recent_events=[_socket_event(record) for record in sockets.events[:RECENT]],
    )


def _socket_event(record: Record) -> SocketEvent:
    event = record.data
    return SocketEvent(
        id=record.id,
        timestamp=formats.moment(record.at),
        event_type=event["event"],
        group_id=event["group"] or None,
        user_id=event["user"] or None,
        connection_count=event["connections"],
        endpoint=event["path"],
        route=event["route"],
        close_code=event["status"],
        correlation_id=event["correlation_id"],
        instance=event["instance"],
    )


def _performance(snapshot: Snapshot) -> Performance:
    requests = snapshot.requests
    return Performance(
        total_requests=requests.total.count,
        total_requests_this_run=requests.this_run.count,
        total_errors=requests.total.errors,
        total_errors_this_run=requests.this_run.errors,
        error_rate_percent=percent(requests.total.errors, requests.total.count),
        average_response_time_ms=milliseconds(requests.total.mean),
        requests_per_minute=round(requests.per_minute, 2),
        requests_per_second=round(requests.per_second, 2),
        requests_in_flight=requests.in_flight,
        slow_requests_count=requests.slow,
        very_slow_requests_count=requests.very_slow,
        recent_slow_requests=items.requests(snapshot.slow[:RECENT_SLOW], snapshot.settings),
        last_15_minutes=items.figures(requests.window),
        streams_last_15_minutes=items.figures(requests.streams),
    )
