"""Facts: what happened, as plain tuples on a bounded deque.

A fact is a tuple because building one and appending it is all the request path may afford (about 60 ns).
Its first three fields are the same for every kind:

    (kind, seq, at_ns, ...)

`seq` comes from one counter per process, so gaps tell how many facts were dropped; `at_ns` is
`Clock.monotonic_ns` when the thing ended. Everything else is by kind, below. Nothing here is formatted, truncated or
looked up: folding does that, on the pulse's thread.
"""

from __future__ import annotations

from typing import Any, Final

Fact = tuple[Any, ...]
"""One thing that happened; see the module for its fields."""

REQUEST: Final = 0
"""(REQUEST, seq, at_ns, duration_ns, first_byte_ns, method, route, root_path, status, flags, path,
correlation_id, error)

`duration_ns` to the last byte, `first_byte_ns` to the first (0: none was sent). `route` is a template string, an
object a resolver understands, or None when nothing matched; `root_path` and `path` are the concrete ones. `flags` is
a sum of STREAM, DISCONNECTED and BROKE_AS times a status. `error` is one line of text or None: an exception
would keep the request's objects alive until the fact is folded."""

LOG: Final = 1
"""(LOG, seq, at_ns, wall_ns, levelno, level, logger, message, file, line, correlation_id)"""

SOCKET: Final = 2
"""(SOCKET, seq, at_ns, event, route, root_path, path, group, user, close_code, duration_ns, connections,
correlation_id)

A WebSocket `event`: "connected", "disconnected" or "refused". `group`, `user`: text or None; `connections` is the
number now open in the group; `close_code` is the WebSocket close code, for "refused" the HTTP status, 0 when
connecting;
`duration_ns` is 0 when connecting."""

EVENT: Final = 3
"""(EVENT, seq, at_ns, type, fields, correlation_id): something the application, or Fanlight itself, wants kept."""

COUNT: Final = 4
"""(COUNT, seq, at_ns, name, amount): a named counter went up."""

CALL: Final = 5
"""(CALL, seq, at_ns, duration_ns, call, parent, correlation_id, outcome, error)

A call of a service ended. `call` has `service`, `operation`, `kind`, `attributes` and an `id` that folding sets (0
before); `parent` is the call around it, or anything else for none. `outcome`: "" when it succeeded, CANCELLED, or the
type of its error; `error` is one line of text or None."""

CANCELLED: Final = "cancelled"
"""The outcome of a call that was given up from outside: neither a success nor an error of the service."""

STREAM: Final = 1
"""Flag: an event-stream, NDJSON or declared stream; first byte is its latency, duration is shown apart."""
DISCONNECTED: Final = 2
"""Flag: the client went away before the last byte."""
BROKE_AS: Final = 1 << 8
"""Flag, times the HTTP status a response counts as that broke off behind a better one; without it, 500."""


def broken_as(flags: int) -> int:
    """The HTTP status a response counts as that broke off behind a better one."""
    return flags // BROKE_AS or 500


def error_type(code: int) -> str:
    """The kind of error an outcome code stands for; "" for none.

    `code` is an HTTP status, the 499 of a client that left, or a WebSocket close code: 1008 and 1011 by RFC 6455,
    4000-4999 as the HTTP status the application most likely meant (4401 reads as 401).
    """
    if code >= 4000:
        return _ERROR_TYPES.get(code - 4000) or ("internal" if 4500 <= code < 4600 else "client")
    if code >= 1000:
        return _CLOSE_TYPES.get(code, "")
    if code < 400:
        return ""
    return _ERROR_TYPES.get(code) or ("internal" if code >= 500 else "client")


def status_of(error: BaseException | None) -> int:
    """The HTTP status an exception carries, itself or with a response (as clients' do), 0 for none; never fails."""
    try:
        for holder in (error, getattr(error, "response", None)):
            for name in ("status_code", "status"):
                status = getattr(holder, name, None)
                if isinstance(status, int) and 100 <= status <= 599:
                    return int(status)
    except Exception:
        return 0
    return 0


_CLOSE_TYPES: Final = {1008: "auth", 1011: "internal"}
_ERROR_TYPES: Final = {
    400: "validation",
    401: "auth",
    403: "auth",
    408: "timeout",
    422: "validation",
    502: "upstream",
    503: "upstream",
    504: "timeout",
}

BLAMELESS: Final = ("auth", "validation", "client", "tool_error")
"""Error types of calls that say nothing against a service's health, since it answered: the caller got them wrong, or a
tool that it runs failed (the `isError` of MCP, by the name OpenTelemetry gives it)."""

ERROR_TYPES: Final = ("internal", "upstream", "timeout", "auth", "validation", "client")
"""Every error type, the worst for the operator first."""
