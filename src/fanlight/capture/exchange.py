"""One HTTP request and its response, from the first byte to the last.

This is the path every request takes, so it is written for speed where that is measured to matter: see `bench/`.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fanlight.capture import correlation
from fanlight.capture.correlation import RESPONSE_HEADER
from fanlight.capture.routes import BY_PATH, Missed, inside
from fanlight.core.facts import BROKE_AS, DISCONNECTED, REQUEST, STREAM, status_of
from fanlight.core.records import describe_error
from fanlight.core.redaction import printable, redact
from fanlight.errors import FanlightError

if TYPE_CHECKING:
    from fanlight.capture.asgi import Capture

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[Any]]

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"})
"""Methods recorded by name; a client may make up others, which are "OTHER"."""

STREAM_TYPES: Final = (
    b"text/event-stream",
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/jsonl",  # and jsonlines
    b"application/x-jsonl",
    b"application/json-seq",
    b"multipart/x-mixed-replace",
)
"""Beginnings of the content types that make a response a stream."""

PLAIN_TYPES: Final = frozenset(
    (b"application/json", b"text/html; charset=utf-8", b"text/plain; charset=utf-8", b"text/plain", b"text/html")
)
"""Content types that most responses have and no stream has: to find one here is quicker than to look at beginnings."""

PATH_LIMIT: Final = 2_048
"""Characters of a path a fact holds."""

UNOWNED: Final = "fanlight.unowned"
"""The scope's mark of a request whose 404 the dashboard answers in its place: no error of the service."""

_OPEN, _TRAILING, _LAST, _ENDED, RECORDED = range(5)  # phases: see Exchange


_Forward = TypeVar("_Forward", bound=Callable[..., Awaitable[None]])


def asynchronous(function: _Forward) -> _Forward:
    """Mark what returns a coroutine without being one as the coroutine function it stands for.

    A server's `send` is one; asgiref, for one, looks, and warns of any other.
    """
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # asyncio has no other way
    return function


class Exchange:
    """One request and its response; makes exactly one REQUEST fact.

    `phase` goes from _OPEN (_TRAILING: the last byte will be in trailers) over _LAST (it is on its way) and _ENDED (it
    is out, the request no longer in flight; a 5xx waits here for the exception the application may yet raise) to
    RECORDED.

    Whoever makes one sets every field but `ended_ns` (when the last byte was out, or the client left before it): an
    `__init__` would cost 0.1 µs more on CPython 3.11. What a field holds is taken out before it is called:
    `self.send(message)` would look for a method at full length first.
    """

    __slots__ = (
        "began_ns",
        "capture",
        "correlation_id",
        "ended_ns",
        "first_byte_ns",
        "flags",
        "path",
        "phase",
        "receive",
        "root_path",
        "scope",
        "send",
        "status",
    )

    began_ns: int
    capture: Capture
    correlation_id: str
    ended_ns: int
    first_byte_ns: int
    flags: int
    path: str
    phase: int
    receive: Receive
    root_path: str
    scope: Scope
    send: Send
    status: int

    async def listen(self) -> Message:
        """`receive` for the application: notes that the client has gone, which ends what it waited for."""
        message = await self.receive()
        if message["type"] == "http.disconnect" and self.phase < _LAST:
            if not self.flags & DISCONNECTED:
                self.flags |= DISCONNECTED
                now_ns = self.capture.now_ns
                self.ended_ns = now_ns()
            if not self.status:
                self.status = 499
        return message

    @asynchronous
    def forward(self, message: Message) -> Awaitable[None]:
        """`send` for the application. Only the last message costs a coroutine of its own."""
        kind, send = message["type"], self.send
        if kind == "http.response.body":
            if message.get("more_body"):
                if not self.first_byte_ns and message.get("body"):
                    self.first_byte_ns = self.capture.now_ns() - self.began_ns
                return send(message)
            return self.finish(message)
        if kind == "http.response.start":
            try:
                message = self._start(message)
            except Exception as error:
                self.capture.recorder.failed("capture", error)
            return send(message)
        return self._forward_rare(message)

    async def finish(self, message: Message) -> None:
        """Send the last message; the request ends when that is done."""
        send, capture = self.send, self.capture
        if self.phase == _OPEN:
            self.phase = _LAST
        await send(message)
        if self.phase == _LAST:
            self.phase = _ENDED
            now_ns = capture.now_ns
            capture.active -= 1
            flags = self.flags
            if not (flags and flags & DISCONNECTED):  # else it is noted when the client left
                self.ended_ns = now_ns()
            if self.status < 500:
                try:
                    self._record(None)
                except Exception as error:
                    capture.recorder.failed("capture", error)

    def close(self, error: BaseException | None = None) -> None:
        """The application is done, or raised; record what has not been recorded."""
        try:
            if self.phase < _ENDED:
                if not self.flags & DISCONNECTED:
                    self.ended_ns = self.capture.now_ns()
                self.capture.active -= 1
                error = self._judge(error)
            if self.phase < RECORDED:
                self._record(described(error))
            elif error is not None and not abandoned(error):
                self._note_late(error)
        except Exception as failure:
            self.capture.recorder.failed("capture", failure)

    def _start(self, message: Message) -> Message:
        """The start of the response with the correlation ID: a new message, the application's is left as it is."""
        if len(message) != 3 or "headers" not in message:
            return self._start_rare(message)
        status, headers = message["status"], message["headers"]
        if type(headers) is not list:
            return self._start_rare(message)
        if not self.flags:  # a client that left before got none of this
            self.status = status
        for name, value in headers:
            length = len(name)
            if length == 12:
                if value not in PLAIN_TYPES and value.startswith(STREAM_TYPES) and name.lower() == b"content-type":
                    self.flags |= STREAM
            elif length == 16 and name.lower() == RESPONSE_HEADER:
                return self._start_named(message)
        return {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (RESPONSE_HEADER, self.correlation_id.encode())],
        }

    def _start_named(self, message: Message) -> Message:
        """A start to which the application itself gave a correlation ID: that one is recorded."""
        for name, value in message["headers"]:
            if name.lower() == RESPONSE_HEADER:
                self.correlation_id = correlation.valid(value) or self.correlation_id
            elif name.lower() == b"content-type" and value.startswith(STREAM_TYPES):
                self.flags |= STREAM
        return message

    def _start_rare(self, message: Message) -> Message:
        """A start with headers of another shape (they may be an iterator), or with more than status and headers."""
        headers = [*message.get("headers", ())]
        stamped = self._start({"type": "http.response.start", "status": message["status"], "headers": headers})
        if message.get("trailers"):
            self.phase = _TRAILING
        return {**message, "headers": stamped["headers"]}

    def _forward_rare(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.trailers" and not message.get("more_trailers"):
            self.phase = _OPEN if self.phase == _TRAILING else self.phase
            return self.finish(message)
        if kind == "http.response.pathsend" or (kind == "http.response.zerocopysend" and not message.get("more_body")):
            return self.finish(message)
        return self.send(message)

    def _judge(self, error: BaseException | None) -> BaseException | None:
        """Settle status, flags and error of a request that ended without its last byte."""
        if error is not None and (abandoned(error) or type(error).__name__ == "ClientDisconnect"):
            self.flags |= DISCONNECTED
            error = None
        if self.flags & DISCONNECTED:
            self.status = self.status or 499
            return error
        if self.status:
            self.flags |= broken_by(error)
        self.status = self.status or 500
        return error or FanlightError("the application returned without completing its response")

    def _note_late(self, error: BaseException) -> None:
        """What failed after the response, a background task say, is no error of the request; it is an event."""
        fields = {"path": self.path[:200], "error": f"{type(error).__name__}: {redact(str(error)[:300])}"[:300]}
        self.capture.recorder.event("failed_after_response", fields, self.correlation_id)

    def _record(self, error: str | None) -> None:
        capture, scope, status, ended_ns = self.capture, self.scope, self.status, self.ended_ns
        duration = ended_ns - self.began_ns
        first_byte_ns = self.first_byte_ns or (duration if self.phase == _ENDED else 0)  # it came with the last
        self.phase = RECORDED
        if capture.is_declared_stream is not None and capture.is_declared_stream(inside(self.path, self.root_path)):
            self.flags |= STREAM
        if status == 404 and UNOWNED in scope:
            capture.recorder.count("fanlight.dashboard.requests")
            return
        route = scope.get("endpoint")
        if route is None:
            route = scope.get("path_template") or (None if status == 404 else BY_PATH)
        elif status == 404:
            route = Missed(route)
        method, path = scope["method"], self.path
        append, next_seq = capture.append, capture.next_seq
        append(
            (
                REQUEST,
                next_seq(),
                ended_ns,
                duration,
                first_byte_ns,
                method if method in METHODS else "OTHER",
                route,
                self.root_path,
                status,
                self.flags,
                path if len(path) <= PATH_LIMIT else path[:PATH_LIMIT],
                self.correlation_id,
                error,
            )
        )


def described(error: BaseException | None) -> str | None:
    """An exception as one line without secrets; the exception itself would keep the request's objects alive."""
    return None if error is None else redact(printable(describe_error(error)))


def broken_by(error: BaseException | None) -> int:
    """The flag of the status that a response counts as which this exception broke off.

    It is the one the exception carries, or the one that was raised from (Starlette wraps an HTTPException), from 500
    on: what broke off was the service's to complete, whatever somebody else answered it.
    """
    status = status_of(error) or status_of(getattr(error, "__cause__", None))
    return BROKE_AS * status if status >= 500 else 0


def abandoned(error: BaseException) -> bool:
    """Whether this exception means that the server gave the request up: a cancellation, by whatever event loop."""
    return not isinstance(error, Exception | KeyboardInterrupt | SystemExit)
