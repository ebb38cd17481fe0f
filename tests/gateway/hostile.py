"""A provider that does all it should not, on real sockets; what it does is chosen by the model it is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

EVENT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
LAST = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}\n\n'
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WHOLE = b'{"id":"c","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7}}'


def chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def plain(status: str, body: bytes, *headers: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status}".encode(), b"content-type: application/json", *headers]
    return b"\r\n".join([*lines, f"content-length: {len(body)}".encode(), b"", body])


class Hostile:
    """The provider's state: what it was asked, and how many of its connections are open."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.heads: list[str] = []
        self.open = 0
        self.left = threading.Event()
        self.let_go = threading.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    continue
        finally:
            self.open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = json.loads(await reader.readexactly(int(length[1]))) if length else {}
        self.heads.append(head)
        self.asked.append(body)
        deed: Callable[..., Awaitable[bool]] = getattr(self, str(body["model"]).replace("-", "_"))
        return await deed(reader, writer)

    async def fine(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.asked[-1].get("stream"):
            wanted = USAGE if self.asked[-1].get("stream_options") else b""
            writer.write(
                HEAD + b"".join(map(chunked, (EVENT, EVENT, EVENT, LAST, wanted, DONE))).replace(chunked(b""), b"")
            )
            writer.write(chunked(b""))
        else:
            writer.write(plain("200 OK", WHOLE))
        await writer.drain()
        return True

    async def bytewise(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A right stream, one byte at a time."""
        writer.write(HEAD)
        for byte in EVENT * 3 + LAST + USAGE + DONE:
            writer.write(chunked(bytes([byte])))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(chunked(b""))
        return True

    async def hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await self._until_left(reader)
        return False

    async def hang_in_the_middle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + chunked(EVENT * 3))
        await self._until_left(reader)
        return False

    async def _until_left(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(1)
        self.left.set()

    async def endless(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A stream that ends only when its client leaves."""
        writer.write(HEAD)
        try:
            while not reader.at_eof():
                writer.write(chunked(EVENT))
                await writer.drain()
                await asyncio.sleep(0.001)
        finally:
            self.left.set()
        return False

    async def endless_at_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A stream without an end, as fast as it is taken."""
        writer.write(HEAD)
        while not reader.at_eof():
            writer.write(chunked(EVENT * 500))
            await writer.drain()
        return False

    async def reset(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        return self._abort(writer)

    def _abort(self, writer: asyncio.StreamWriter) -> bool:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    async def reset_in_the_middle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + chunked(EVENT * 3))
        await writer.drain()
        await asyncio.sleep(0.05)
        return self._abort(writer)

    async def half_an_event(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + chunked(EVENT * 3) + chunked(EVENT[:40]))
        await writer.drain()
        return False

    async def hang_in_an_event(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(HEAD + chunked(EVENT * 3) + chunked(EVENT[:40]))
        await self._until_left(reader)
        return False

    async def half_a_chunk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A chunk that is announced longer than what comes of it: two events of three."""
        writer.write(HEAD + chunked(EVENT) + chunked(EVENT * 3)[: -len(EVENT) - 2])
        await writer.drain()
        return False

    async def no_chunk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """What should be the length of a chunk is no number."""
        writer.write(HEAD + chunked(EVENT * 2) + b"zzz\r\n" + EVENT)
        await writer.drain()
        return False

    async def no_events(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A stream of bytes that are no events, and no text."""
        writer.write(HEAD + chunked(b"\x00\xff data: [[[\n\ndata: {no json}\n\n") + chunked(b""))
        await writer.drain()
        return True

    async def half_a_document(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(plain("200 OK", WHOLE)[:-30])
        await writer.drain()
        return False

    async def no_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"\x00\xff\x16\x03 this is no HTTP\r\n\r\n")
        await writer.drain()
        return False

    async def no_json(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(plain("200 OK", b"<html>\xff</html>"))
        return True

    async def long_line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """An event of 10 MB among ordinary ones."""
        big = b'data: {"choices":[{"delta":{"content":"' + b"x" * 10_000_000 + b'"}}]}\n\n'
        writer.write(HEAD + chunked(EVENT))
        for at in range(0, len(big), 65_536):
            writer.write(chunked(big[at : at + 65_536]))
            await writer.drain()
        writer.write(chunked(EVENT + LAST + USAGE + DONE) + chunked(b""))
        return True

    async def held(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """An answer that comes when it is let go."""
        while not self.let_go.is_set() and not reader.at_eof():  # noqa: ASYNC110 - it is let go from another thread
            await asyncio.sleep(0.01)
        writer.write(plain("200 OK", b'{"choices":[{"message":{"content":"better"}}]}'))
        return True

    async def limited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        said = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
        writer.write(plain("429 Too Many Requests", said, b"retry-after: 7", b"x-ratelimit-remaining: 0"))
        return True

    async def once_limited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """The first time a 429 with a short pause, then fine."""
        if len(self.asked) == 1:
            writer.write(plain("429 Too Many Requests", b"{}", b"retry-after: 0"))
            return True
        return await self.fine(reader, writer)

    async def broken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(plain("500 Internal Server Error", b'{"error":{"message":"our fault"}}'))
        return True

    async def error_in_the_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        error = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
        writer.write(HEAD + chunked(EVENT * 2 + error) + chunked(b""))
        return True

    async def refused(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(plain("400 Bad Request", b'{"error":{"message":"no such parameter"}}', b"x-request-id: r1"))
        return True

    async def not_modified(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """The length of a body that does not come, as it should not."""
        writer.write(plain("304 Not Modified", WHOLE)[: -len(WHOLE)])
        return True

    async def echoes(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A refusal that repeats the key it was given."""
        key = re.search(r"authorization: (.*?)\r\n", self.heads[-1], re.IGNORECASE)
        said = {"error": {"message": f"wrong key: {key[1] if key else 'none'}"}}
        writer.write(plain("401 Unauthorized", json.dumps(said).encode()))
        return True

    async def headers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """An answer with headers that concern one hop only."""
        hop = (b"connection: x-hop, close", b"x-hop: 1", b"keep-alive: 5", b"set-cookie: a=b", b"x-request-id: r1")
        writer.write(plain("200 OK", WHOLE, *hop))
        return False


@contextmanager
def hostile() -> Iterator[tuple[str, Hostile]]:
    """The address of a hostile provider, and itself."""
    loop, provider = asyncio.new_event_loop(), Hostile()
    server = loop.run_until_complete(asyncio.start_server(provider.serve, "127.0.0.1", 0, limit=1 << 24))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", provider
    finally:
        loop.call_soon_threadsafe(_stop, loop, server)
        thread.join(10)
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()

    async def settle() -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        loop.stop()

    _kept.append(loop.create_task(settle()))


_kept: list[asyncio.Task[None]] = []
