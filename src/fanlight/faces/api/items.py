"""What the documents are made of: one request, one log line, one endpoint, as programs get them.

Times are RFC 3339 UTC, durations milliseconds, rates percent. Lists are in one order everywhere: the newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from fanlight import formats
from fanlight.core.frame import Record
from fanlight.core.sections import Instance, Route
from fanlight.core.series import Summary
from fanlight.core.snapshot import Snapshot
from fanlight.faces.figures import milliseconds, percent
from fanlight.settings import Settings

Unreadable = Literal["N/A"]
"""What stands where the machine does not tell."""

_KINDS: dict[str, Literal["request", "stream", "websocket"]] = {
    "requests": "request",
    "streams": "stream",
    "sockets": "websocket",
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request or a WebSocket event (method "WS"): `endpoint` is its path, `route` the template that matched."""

    id: str
    timestamp: str
    kind: Literal["request", "websocket"]
    method: str
    endpoint: str
    route: str
    status_code: int
    duration_ms: float
    first_byte_ms: float | None
    stream: bool
    disconnected: bool
    slow: bool
    very_slow: bool
    error_type: str
    error: str
    correlation_id: str
    instance: str


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A log line of the application."""

    id: str
    timestamp: str
    level: str
    logger: str
    message: str
    file: str
    line: int
    correlation_id: str
    instance: str


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A route: counts and mean since the first start, percentiles of the last 15 minutes.

    A stream's times are to its first byte; a WebSocket has none, so they are null.
    """

    endpoint: str
    method: str
    route: str
    kind: Literal["request", "stream", "websocket"]
    request_count: int
    error_count: int
    error_rate_percent: float
    avg_response_time_ms: float | None
    p95_ms: float | None
    window: Figures


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How often something happened, and how long it took."""

    count: int
    errors: int
    error_rate_percent: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """An instance of the service."""

    id: str
    host: str
    pid: int
    release: str
    started: str
    last_seen: str
    live: bool


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Process and machine."""

    process_memory_mb: float | Unreadable
    process_memory_percent: float | Unreadable
    process_cpu_percent: float | Unreadable
    system_memory_percent: float | Unreadable
    system_memory_available_mb: float | Unreadable
    system_cpu_percent: float | Unreadable


def request(record: Record, settings: Settings) -> Request:
    """A kept request or WebSocket event."""
    data = record.data
    socket, stream = record.kind == "socket", bool(data.get("stream"))
    taken = data["first_byte"] if stream else data["duration"]
    slow, very_slow = settings.slow_from(data["route"])
    return Request(
        id=record.id,
        timestamp=formats.moment(record.at),
        kind="websocket" if socket else "request",
        method=data["method"],
        endpoint=data["path"],
        route=data["route"],
        status_code=int(data["status"]),
        duration_ms=milliseconds(data["duration"]),
        first_byte_ms=milliseconds(data["first_byte"]) if data.get("first_byte") else None,
        stream=stream,
        disconnected=bool(data.get("disconnected")),
        slow=not socket and taken >= slow,
        very_slow=not socket and taken >= very_slow,
        error_type=data["error_type"],
        error=data.get("error", ""),
        correlation_id=data["correlation_id"],
        instance=data["instance"],
    )


def log_entry(record: Record) -> LogEntry:
    """A kept log line."""
    data = record.data
    return LogEntry(
        id=record.id,
        timestamp=formats.moment(record.at),
        level=data["level"],
        logger=data["logger"],
        message=data["message"],
        file=data["file"],
        line=data["line"],
        correlation_id=data["correlation_id"],
        instance=data["instance"],
    )


def endpoint(route: Route) -> Endpoint:
    """A route."""
    timed = route.family != "sockets"
    total = route.total
    return Endpoint(
        endpoint=f"{route.method} {route.route}",
        method=route.method,
        route=route.route,
        kind=_KINDS[route.family],
        request_count=total.count,
        error_count=total.errors,
        error_rate_percent=percent(total.errors, total.count),
        avg_response_time_ms=milliseconds(total.mean) if timed else None,
        p95_ms=milliseconds(route.figures.p95) if timed else None,
        window=figures(route.figures),
    )


def endpoints(snapshot: Snapshot, breathe: Callable[[], None]) -> list[Endpoint]:
    """Every route, the busiest first."""
    made = []
    for route in snapshot.routes:
        made.append(endpoint(route))
        breathe()
    return made


def figures(summary: Summary) -> Figures:
    """A summary in figures."""
    return Figures(
        count=summary.count,
        errors=summary.errors,
        error_rate_percent=percent(summary.errors, summary.count),
        mean_ms=milliseconds(summary.mean),
        p50_ms=milliseconds(summary.p50),
        p95_ms=milliseconds(summary.p95),
        p99_ms=milliseconds(summary.p99),
        max_ms=milliseconds(summary.maximum),
    )


def process(instance: Instance) -> Process:
    """An instance."""
    return Process(
        id=instance.id,
        host=instance.host,
        pid=instance.pid,
        release=instance.release,
        started=formats.moment(instance.started),
        last_seen=formats.moment(instance.last_seen),
        live=instance.live,
    )


def resources(snapshot: Snapshot) -> Resources:
    """Process and machine, "N/A" where they do not tell."""
    system = snapshot.system
    return Resources(
        process_memory_mb=_readable(system.process_memory_bytes, 1 / 1024**2),
        process_memory_percent=_readable(system.process_memory_percent),
        process_cpu_percent=_readable(system.process_cpu_percent),
        system_memory_percent=_readable(system.system_memory_percent),
        system_memory_available_mb=_readable(system.system_memory_available_bytes, 1 / 1024**2),
        system_cpu_percent=_readable(system.system_cpu_percent),
    )


def requests(records: Iterable[Record], settings: Settings) -> list[Request]:
    """Kept requests in the order given."""
    return [request(record, settings) for record in records]


def _readable(value: float | None, scale: float = 1.0) -> float | Unreadable:
    return "N/A" if value is None else round(value * scale, 2)
