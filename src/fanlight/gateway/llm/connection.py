"""One connection to an address that speaks HTTP/1.1: a request at a time, its answer in pieces as they come.

httptools reads heads and chunks (strictly: what has two framings, or a line of another shape, is no HTTP); limits,
back-pressure and what may be used again are decided here. Bytes are passed as they came: nothing is decompressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import httptools

from fanlight.gateway.llm.upstream import UpstreamError

HEAD_LIMIT: Final = 64 << 10
"""About how many bytes may come without one of a body: heads, interim answers, trailers, extensions of chunks."""

HELD_LIMIT: Final = 256 << 10
"""Bytes of an answer that wait for their reader before the provider is told to wait."""

WHOLE: Final = ""
"""The end of an answer that is complete; any other end is the kind of an UpstreamError."""

RESET: Final = "reset"
PROTOCOL: Final = "protocol"
SAID: Final = {RESET: "closed the connection before its answer was whole", PROTOCOL: "does not answer as HTTP"}


class Answer:
    """What comes back for one request. `status` is 0 until its head is there; for one reader, on the event loop.

    `now` is the loop's clock: to ask for the running loop is a system call each time, before CPython 3.12.
    """

    __slots__ = (
        "_connection", "_end", "_loop", "_name", "_pieces", "_waiter", "headers", "held", "now", "status", "touched",
    )  # fmt: skip

    def __init__(self, name: str, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.held = 0
        self.touched = False
        self.now = loop.time
        self._name = name
        self._loop = loop
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._end: str | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether all of it was given out, and it is whole."""
        return self._end == WHOLE and not self._pieces

    async def begun(self) -> Answer:
        """Itself once its head is there; raises UpstreamError. Given up when it fails or nobody waits any more."""
        try:
            while not self.status:
                if self._end is not None:
                    raise self._broken(self._end)
                await self._news()
        except BaseException:
            self.close()
            raise
        return self

    async def chunk(self) -> bytes:
        """All bytes of the body that have come since the last call, b"" at its end; raises UpstreamError."""
        while not self._pieces:
            if self._end is not None:
                if self._end != WHOLE:
                    raise self._broken(self._end)
                return b""
            await self._news()
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.held = 0
        if self._connection is not None:
            self._connection.resume()
        return data

    def _broken(self, end: str) -> UpstreamError:
        return UpstreamError(f"{self._name} {SAID[end]}", kind=end)

    def _news(self) -> asyncio.Future[None]:
        """The next news, for one who waits."""
        self._waiter = self._loop.create_future()
        return self._waiter

    def close(self) -> None:
        """Give it up: what is not whole closes its connection. Idempotent."""
        if self._connection is not None:
            self._connection.abort()

    def take(self, piece: bytes) -> None:
        """A piece of the body came."""
        self._pieces.append(piece)
        self.held += len(piece)

    def finish(self, end: str) -> None:
        """Nothing more will come."""
        self._end = end
        self._connection = None

    def wake(self) -> None:
        """Tell the reader that something came."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Connection(asyncio.Protocol):
    """Asks one request after the other; `free` is called when another one may be, `gone` when none ever may be.

    It is used again only after an answer that was whole, was followed by nothing, and did not announce its end.
    """

    def __init__(self, name: str, free: Callable[[Connection], None], gone: Callable[[Connection], None]) -> None:
        self._name = name
        self._free = free
        self._gone = gone
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self.loop: Any = None
        self._transport: Any = None
        self._closed = False
        self._paused = False
        self._bodiless = 0
        self._sized = False
        self._complete = False
        self._surplus = False
        self._lasting = False

    @property
    def closed(self) -> bool:
        """Whether it was lost, or is being closed."""
        return self._closed or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.loop = asyncio.get_running_loop()

    def ask(self, parts: Iterable[bytes]) -> Answer:
        """Send a request, of which one is under way at a time."""
        answer = self._answer = Answer(self._name, self, self.loop)
        self._bodiless = 0
        self._transport.writelines(parts)
        return answer

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # nobody asked
            self.abort()
            return
        answer.touched = True
        self._bodiless += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._surplus = True
        if self._complete:
            self._completed(answer)
        elif self._surplus or self._bodiless > HEAD_LIMIT:
            self._fail(answer, PROTOCOL)
        elif answer.held > HELD_LIMIT and not self._paused and not self.closed:
            self._paused = True
            self._transport.pause_reading()
        answer.wake()

    def on_message_begin(self) -> None:
        self._surplus = self._surplus or self._complete
        self._sized = False

    def on_header(self, name: bytes, value: bytes) -> None:
        answer = self._answer
        if answer is None or answer.status or self._surplus:
            return  # of a trailer, or of what nobody asked for
        lower = name.lower()
        if lower == b"content-length":
            self._sized = True
        elif lower == b"transfer-encoding":
            self._sized = value.lower().rpartition(b",")[2].strip() == b"chunked"
        answer.headers.append((lower, value))

    def on_headers_complete(self) -> None:
        answer = self._answer
        if answer is None or self._complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            answer.headers.clear()
        elif 200 <= status < 600:
            answer.status = status
            self._sized = self._sized or status in (204, 304)
        else:
            self._surplus = True

    def on_body(self, body: bytes) -> None:
        answer = self._answer
        if answer is not None and not self._complete:
            self._bodiless = 0
            answer.take(body)

    def on_message_complete(self) -> None:
        if self._answer is not None and self._answer.status and not self._complete:
            self._complete = True
            self._lasting = self._parser.should_keep_alive()

    def _completed(self, answer: Answer) -> None:
        """The answer is whole: its end for its reader, the connection for the next request if it can be."""
        transport = self._transport
        clean = self._lasting and not self._surplus and not transport.get_write_buffer_size()
        self._answer, self._complete = None, False
        answer.finish(WHOLE)
        self.resume()
        if clean and not self.closed:
            self._free(self)
        else:
            self.abort()

    def _fail(self, answer: Answer, end: str) -> None:
        self._answer = None
        answer.finish(end)
        self.abort()

    def resume(self) -> None:
        """The reader has taken what was held."""
        if self._paused:
            self._paused = False
            if not self.closed:
                self._transport.resume_reading()

    def eof_received(self) -> None:
        """The other end says no more; what is not asked for any more is closed by the transport."""

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        answer, self._answer = self._answer, None
        if answer is not None:
            unsized = bool(answer.status) and not self._sized and error is None
            answer.finish(WHOLE if unsized else RESET)
            answer.wake()
        self._gone(self)

    def abort(self) -> None:
        """Close it at once, whatever is under way. Idempotent."""
        if not self._closed:
            self._closed = True
            self._transport.abort()
