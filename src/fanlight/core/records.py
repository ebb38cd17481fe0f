"""Records: facts kept whole, as the plain data that frames carry and pages show.

Each maker turns one fact into a Record. Texts from outside are cut and made fit for UTF-8 here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any, Final
from urllib.parse import quote

from fanlight.core.facts import (
    CALL,
    CANCELLED,
    DISCONNECTED,
    EVENT,
    LOG,
    REQUEST,
    SOCKET,
    STREAM,
    Fact,
    broken_as,
    error_type,
)
from fanlight.core.frame import Record
from fanlight.core.redaction import printable, redact
from fanlight.errors import FanlightError

PATH_LIMIT: Final = 300
FIELD_LIMIT: Final = 300
FIELD_COUNT: Final = 20
LABEL_LIMIT: Final = 80
MESSAGE_LIMIT: Final = 8_000
MASKED_REMEMBERED: Final = 512
"""Attributes whose masked text is remembered: most are names and words that come again with every call."""

_ID_LIMIT: Final = 128
_LEAST, _GREATEST = -(2**63), 2**63 - 1  # the integers every encoder takes
_NUMBERS: Final = frozenset({int, float})

Maker = Callable[[Fact, str, int, str, str], Record]
"""(fact, tag, offset_ns, instance, route) -> Record."""


def abnormal(code: int) -> bool:
    """Whether a WebSocket close code is an error of its route: 1008, 1011 and the application's own 4000-4999."""
    return code in (1008, 1011) or 4000 <= code <= 4999


def request(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """A request: who asked what, how it ended, how long it took (seconds)."""
    _, seq, at, duration, first_byte, method, _, _, status, flags, path, correlation_id, error = fact
    status = code_of(status)
    data = {
        "method": text(method, LABEL_LIMIT),
        "route": route,
        "path": path_text(path),
        "status": status,
        "duration": duration / 1e9,
        "first_byte": first_byte / 1e9,
        "stream": bool(flags & STREAM),
        "disconnected": bool(flags & DISCONNECTED),
        "error_type": error_type(status if status >= 400 or error is None else broken_as(flags)),
        "error": describe_error(error),
        "correlation_id": text(correlation_id, _ID_LIMIT),
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
        "path": path_text(path),
        "group": text(group, LABEL_LIMIT),
        "user": text(user, LABEL_LIMIT),
        "status": code_of(code),
        "duration": duration / 1e9,
        "connections": connections,
        "error_type": error_type(code_of(code)) if event != "connected" else "",
        "correlation_id": text(correlation_id, _ID_LIMIT),
        "instance": instance,
    }
    return Record((at + offset_ns) / 1e9, f"{tag}-{seq:08x}", "socket", data)


def log(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """A log line; its own wall time counts."""
    _, seq, _, wall_ns, levelno, level, logger, message, file, line, correlation_id = fact
    data = {
        "levelno": code_of(levelno),
        "level": text(level, LABEL_LIMIT),
        "logger": text(logger, FIELD_LIMIT),
        "message": text(message, MESSAGE_LIMIT),
        "file": text(file, FIELD_LIMIT),
        "line": _plain(line),
        "correlation_id": text(correlation_id, _ID_LIMIT),
        "instance": instance,
    }
    return Record(wall_ns / 1e9, f"{tag}-{seq:08x}", "log", data)


def event(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """An event of the application or of Fanlight's own (audit, commands)."""
    _, seq, at, type_, fields, correlation_id = fact
    few = islice((fields or {}).items(), FIELD_COUNT)
    data = {
        "type": printable(text(type_, LABEL_LIMIT)),
        "fields": {printable(text(name, LABEL_LIMIT)): _plain(value) for name, value in few},
        "correlation_id": text(correlation_id, _ID_LIMIT),
        "instance": instance,
    }
    return Record((at + offset_ns) / 1e9, f"{tag}-{seq:08x}", "event", data)


def call(fact: Fact, tag: str, offset_ns: int, instance: str, route: str) -> Record:
    """A call of a service; `call` and `parent` number calls within the instance, 0 for none."""
    _, seq, at, duration, made, parent, correlation_id, outcome, error = fact
    data = {
        "service": text(made.service, LABEL_LIMIT),
        "operation": text(made.operation, PATH_LIMIT),
        "kind": text(made.kind, LABEL_LIMIT),
        "outcome": CANCELLED if outcome == CANCELLED else "error" if outcome else "ok",
        "error_type": "" if outcome == CANCELLED else text(outcome, LABEL_LIMIT),
        "error": text(error, FIELD_LIMIT),
        "duration": duration / 1e9,
        "attributes": made.attributes,
        "correlation_id": text(correlation_id, _ID_LIMIT),
        "instance": instance,
        "call": made.id,
        "parent": getattr(parent, "id", 0),
    }
    return Record((at + offset_ns) / 1e9, f"{tag}-{seq:08x}", "call", data)


def attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The first few attributes as every encoder takes them, secrets masked by name and by shape."""
    return {
        _label(name): value if type(value) in _NUMBERS and _LEAST <= value <= _GREATEST else _attribute(name, value)
        for name, value in islice(given.items(), FIELD_COUNT)
    }


def _attribute(name: Any, value: Any) -> Any:
    if type(value) is str and type(name) is str and len(value) <= FIELD_LIMIT and value.isascii():
        return _masked_text(name, value)
    said = _plain(value)
    return _masked_text(str(name), said) if isinstance(said, str) else said


@lru_cache(maxsize=MASKED_REMEMBERED)
def _label(name: str) -> str:
    return text(name, LABEL_LIMIT)


@lru_cache(maxsize=MASKED_REMEMBERED)
def _masked_text(name: str, said: str) -> str:
    return printable(redact(f"{name[:LABEL_LIMIT]}={said}")).partition("=")[2][:FIELD_LIMIT]


MAKERS: Final[Mapping[int, Maker]] = {REQUEST: request, SOCKET: socket, LOG: log, EVENT: event, CALL: call}
"""The maker of each kind of fact that is kept."""


def describe_error(error: BaseException | str | None) -> str:
    """An exception as one line (or the line itself), "" for none; never fails, whatever its __str__ does.

    Ours are sentences: the name of their class would say nothing more to whoever reads them.
    """
    said = text(error, FIELD_LIMIT)
    if error is None or isinstance(error, str) or (isinstance(error, FanlightError) and said):
        return said
    name = type(error).__name__
    return f"{name}: {said}"[:FIELD_LIMIT] if said else name


def text(value: Any, limit: int) -> str:
    """A value as text of at most this length that every encoder takes, "" for None; never fails."""
    try:
        said = "" if value is None else str(value)[:limit]
    except Exception:
        return "(its text cannot be shown)"
    return said if said.isascii() else said.encode("utf-8", "replace").decode("utf-8")


def path_text(path: Any) -> str:
    """A path as text; what does not show, or turns the text around it, is escaped as in a URL."""
    said = text(path, PATH_LIMIT)
    if said.isprintable():
        return said
    return "".join(part if part.isprintable() else quote(part) for part in said)[:PATH_LIMIT]


def code_of(status: Any) -> int:
    """A status or close code as a number of at most four digits; 0 for what is none."""
    return int(status) if isinstance(status, int) and 0 <= status <= 9999 else 0


def _plain(value: Any) -> Any:
    """A value as every encoder takes it; subclasses (an enum's, numpy's) become the plain type."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(float(value))  # JSON has no such number
    if isinstance(value, int) and _LEAST <= value <= _GREATEST:
        return int(value)
    return printable(text(value, FIELD_LIMIT))
