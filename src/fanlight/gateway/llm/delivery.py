"""An answer on its way: bytes to the client as they come, numbers to the call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fanlight.gateway import refusals, unfinished
from fanlight.gateway.asgi import Send
from fanlight.gateway.llm.attempts import STATUS
from fanlight.gateway.llm.departure import Departure
from fanlight.gateway.llm.framing import Events, Lines, UsageFilter
from fanlight.gateway.llm.headers import to_client
from fanlight.gateway.llm.patience import Patience
from fanlight.gateway.llm.upstream import Reply

if TYPE_CHECKING:
    from fanlight.gateway.llm.endpoints import Endpoint

READ_LIMIT: Final = 1 << 20
"""The longest whole document that is read; of a longer one, the last READ_TAIL bytes, where usage stands."""

READ_TAIL: Final = 16 << 10

BODILESS: Final = (204, 304)
"""Statuses whose answers have no body, whatever length they name."""

STREAMS: Final = {b"text/event-stream": Events, b"application/x-ndjson": Lines, b"application/ndjson": Lines}


class Delivery:
    """One answer. `begun`: the client has got its head; `sending`: it is the client that is waited for.

    Nothing is kept of it but the line being read (of a document: its first 1 MiB until it is read).
    """

    def __init__(
        self, endpoint: Endpoint, send: Send, departure: Departure, call: Any, idle_seconds: float, *,
        strips_usage: bool,
    ) -> None:  # fmt: skip
        self.reader = endpoint.reader()
        self.status = 0
        self.begun = False
        self.sending = False
        self.first_token: float | None = None
        self._protocol = endpoint.protocol
        self._send = send
        self.departure = departure
        self._call = call
        self._idle_seconds = idle_seconds
        self._strips_usage = strips_usage
        self._lines: Lines | None = None
        self._head: dict[str, Any] = {}

    async def run(self, reply: Reply, limit: Patience) -> None:
        """Pass an answer on to its end. `limit` is moved with every byte. Raises UpstreamError when it breaks off."""
        self.status = reply.status
        cut, encoded = None, False
        for name, value in reply.headers:
            if name == b"content-type":
                cut = STREAMS.get(value.partition(b";")[0].strip().lower())
            elif name == b"content-encoding":
                encoded = value.lower() != b"identity"
        strips = self._strips_usage and cut is Events and not encoded
        headers = to_client(reply.headers, sized=not strips and reply.status not in BODILESS)
        self._head = {"type": "http.response.start", "status": reply.status, "headers": headers}
        if encoded:
            await self._pass(await reply.chunk(), reply, limit, lambda chunk: None)
        elif cut is None:
            await self._document(reply, limit)
        else:
            await self._stream(reply, limit, cut(), UsageFilter() if strips else None)

    async def _stream(self, reply: Reply, limit: Patience, lines: Lines, strip: UsageFilter | None) -> None:
        reader = self.reader
        self._lines = lines
        take, feed = reader.take, lines.feed
        while chunk := await reply.chunk():
            for data in feed(chunk):
                take(data)
            if self.first_token is None and reader.pieces:
                self.first_token = self._call.elapsed
            passed = chunk if strip is None else strip.feed(chunk)
            if reply.ended:
                break
            if passed:
                await self._forward(passed, limit)
        else:
            passed = b""
        for data in lines.rest():
            take(data)
        await self._end(passed if strip is None else passed + strip.rest())

    async def _document(self, reply: Reply, limit: Patience) -> None:
        first = await reply.chunk()
        if not reply.ended:
            await self._document_in_pieces(first, reply, limit)
            return
        try:
            await self._end(first)
        finally:
            self._read(first, len(first))

    async def _document_in_pieces(self, first: bytes, reply: Reply, limit: Patience) -> None:
        kept: list[bytes] = []
        size = 0

        def keep(chunk: bytes) -> None:
            nonlocal size
            size += len(chunk)
            kept.append(chunk)
            if size > READ_LIMIT and len(kept) > 1:
                kept[:] = [b"".join(kept)[-READ_TAIL:]]

        try:
            await self._pass(first, reply, limit, keep)
        finally:
            self._read(b"".join(kept), size)

    def _read(self, kept: bytes, size: int) -> None:
        """Read a document of that size, or the end of it where that is all that was kept."""
        if size <= READ_LIMIT:
            self.reader.take(kept)
        else:
            self.reader.take_tail(kept[-READ_TAIL:])

    async def _pass(self, chunk: bytes, reply: Reply, limit: Patience, keep: Callable[[bytes], None]) -> None:
        while chunk:
            keep(chunk)
            if reply.ended:
                break
            await self._forward(chunk, limit)
            chunk = await reply.chunk()
        await self._end(chunk)

    async def _forward(self, data: bytes, limit: Patience) -> None:
        limit.extend(self._idle_seconds)
        self.sending = True
        if not self.begun:
            self.begun = True
            await self._send(self._head)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.sending = False

    async def _end(self, data: bytes) -> None:
        self.departure.over()
        self.sending = True
        if not self.begun:
            self.begun = True
            await self._send(self._head)
        await self._send({"type": "http.response.body", "body": data})
        self.sending = False

    async def break_off(self, kind: str, message: str) -> None:
        """Leave an answer as its provider did, a stream between two events after an error; raises Unfinished."""
        if self._lines is not None and not self._lines.unfinished:
            data = refusals.in_stream(self._protocol, message, f"upstream_{kind}")
            with suppress(TimeoutError), self.departure.patience(self._idle_seconds):
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        unfinished.leave(message, STATUS.get(kind, 502))
