"""Records: facts kept whole, as the plain data that frames carry and pages show.

Each maker turns one fact into a Record. Texts from outside are cut here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fanlight.core.facts import DISCONNECTED, EVENT, LOG, REQUEST, SOCKET, STREAM, Fact, error_type
from fanlight.core.frame import Record

PATH_LIMIT: Final = 300
FIELD_LIMIT: Final = 300
FIELD_COUNT: Final = 20
_ID_LIMIT: Final = 128

Maker = Callable[[Fact, str, int, str, str], Record]
"""(fact, tag, offset_ns, instance, route) -> Record."""


def abnormal(code: int) -> bool:
    """Whether a WebSocket close code is an error of its route: 1008, 1011 and the application's own 4000-4999."""
    return code in (1008, 1011) or 4000 <= code <= 4999


def request(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """A request: who asked what, how it ended, how long it took (seconds)."""
    _, seq, at, duration, first_byte, method, _, _, path, status, flags, correlation_id, error = fact
    data = {
        "method": method,
        "route": route,
        "path": path[:PATH_LIMIT],
        "status": status,
        "duration": duration / 1e9,
        "first_byte": first_byte / 1e9,
        "stream": bool(flags & STREAM),
        "disconnected": bool(flags & DISCONNECTED),
        "error_type": error_type(status),
        "error": describe_error(error),
        "correlation_id": correlation_id[:_ID_LIMIT],
        "instance": instance,
    }
    return Record((at + offset_ns) / 1e9, f"{tag}-{seq:08x}", "request", data)


def socket(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """A WebSocket event."""
    _, seq, at, event, _, _, path, group, user, code, duration, connections, correlation_id = fact
    data = {
        "event": event,
        "method": "WS",
        "route": route,
        "path": path[:PATH_LIMIT],
        "group": _short(group),
        "user": _short(user),
        "status": code,
        "duration": duration / 1e9,
        "connections": connections,
        "error_type": error_type(code) if event != "connected" else "",
        "correlation_id": correlation_id[:_ID_LIMIT],
        "instance": instance,
    }
    return Record((at + offset_ns) / 1e9, f"{tag}-{seq:08x}", "socket", data)


def log(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """A log line; its own wall time counts."""
    _, seq, _, wall_ns, levelno, level, logger, message, file, line, correlation_id = fact
    data = {
        "levelno": levelno,
        "level": level,
        "logger": logger,
        "message": message,
        "file": file,
        "line": line,
        "correlation_id": correlation_id[:_ID_LIMIT],
        "instance": instance,
    }
    return Record(wall_ns / 1e9, f"{tag}-{seq:08x}", "log", data)


def event(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """An event of the application or of Fanlight's own (audit, commands)."""
    _, seq, at, type_, fields, correlation_id = fact
    few = list(fields.items())[:FIELD_COUNT]
    data = {
        "type": str(type_)[:80],
        "fields": {str(name)[:80]: _plain(value) for name, value in few},
        "correlation_id": correlation_id[:_ID_LIMIT],
        "instance": instance,
    }
    return Record((at + offset_ns) / 1e9, f"{tag}-{seq:08x}", "event", data)


MAKERS: Final[Mapping[int, Maker]] = {REQUEST: request, SOCKET: socket, LOG: log, EVENT: event}
"""The maker of each kind of fact that is kept."""


def describe_error(error: BaseException | None) -> str:
    """An exception as one line, "" for none; never fails, whatever its __str__ does."""
    if error is None:
        return ""
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be shown)"
    return f"{type(error).__name__}: {text}"[:FIELD_LIMIT]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    return str(value)[:FIELD_LIMIT]


def _short(value: Any) -> str:
    return "" if value is None else str(value)[:80]
