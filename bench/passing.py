"""What the gateway is measured with: a mock upstream, a load of keep-alive connections, and the bare pass-through."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

CHUNKS = 50
WORD = json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
    {"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}]}).encode()  # fmt: skip
EVENT = b"data: " + WORD + b"\n\n"
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":50,"total_tokens":70}}\n\n'
ANSWER = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "x" * 260}, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 65, "total_tokens": 85}}).encode()  # fmt: skip


def chunked(data: bytes) -> bytes:
    """One chunk of a body without a length."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


Figures = dict[str, float]
Times = list[tuple[float, float]]
"""Seconds until an answer was whole, and until its first byte."""


class Upstream(asyncio.Protocol):
    """Answers at once: 500 bytes, or a stream of 50 events, ten at a time as a busy network would bring them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (head := self.data.find(b"\r\n\r\n")) >= 0:
            at = self.data.lower().find(b"content-length:", 0, head)
            length = int(self.data[at + 15 : self.data.find(b"\r\n", at)]) if at >= 0 else 0
            if len(self.data) < head + 4 + length:
                return
            body, self.data = self.data[head + 4 : head + 4 + length], self.data[head + 4 + length :]
            if b'"stream":true' in body.replace(b" ", b""):
                self.loop = asyncio.get_running_loop()
                self.transport.write(STREAM_HEAD + chunked(EVENT))
                self.loop.call_soon(self.more, 1)
            else:
                self.transport.write(JSON_HEAD + ANSWER)

    def more(self, sent: int) -> None:
        """The next event in a packet of its own."""
        if sent == CHUNKS:
            self.transport.write(chunked(USAGE) + chunked(b"data: [DONE]\n\n") + chunked(b""))
            return
        self.transport.write(chunked(EVENT))
        self.loop.call_soon(self.more, sent + 1)


class Refused(Exception):
    """What is measured does not answer as it should."""


class Load(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(
        self, request: bytes, until: float, times: list[tuple[float, float]], done: asyncio.Future[None]
    ) -> None:
        self.request, self.until, self.times, self.done = request, until, times, done
        self.size, self.tail, self.first = -1, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.ask()

    def ask(self) -> None:
        """Send the request."""
        self.size, self.tail, self.first, self.began = -1, b"", 0.0, time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.tail += data
        if self.size < 0:
            head = self.tail.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self.tail.startswith(b"HTTP/1.1 200"):
                self.refused(self.tail[:200].split(b"\r\n")[0].decode("latin-1"))
                return
            at = self.tail.lower().find(b"content-length:", 0, head)
            self.size = int(self.tail[at + 15 : self.tail.find(b"\r\n", at)]) if at >= 0 else 0
            self.tail = self.tail[head + 4 :]
        if self.tail and not self.first:
            self.first = time.perf_counter()
        if len(self.tail) >= self.size if self.size else self.tail.endswith(b"\r\n0\r\n\r\n"):
            self.answered()

    def answered(self) -> None:
        """Note the times, and go on or end."""
        now = time.perf_counter()
        self.times.append((now - self.began, self.first - self.began))
        if now < self.until:
            self.ask()
        elif not self.done.done():
            self.done.set_result(None)

    def refused(self, said: str) -> None:
        """What answers anything but 200 is not measured."""
        self.transport.abort()
        if not self.done.done():
            self.done.set_exception(Refused(said))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed in the middle"))


async def load(port: int, path: str, headers: str, many: int, stream: bool, seconds: float) -> Figures:
    """Requests a second, and median and 99th percentile of whole and first byte in ms, of `many` connections."""
    wish = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Hello there. " * 8}]}
    body = json.dumps(wish, separators=(",", ":"))
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    request = "\r\n".join([*lines, *([headers] if headers else []), "", body]).encode()
    loop = asyncio.get_running_loop()
    times: Times = []
    began = time.perf_counter()
    ends = [loop.create_future() for _ in range(many)]
    for end in ends:
        await loop.create_connection(lambda end=end: Load(request, began + seconds, times, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    spent = time.perf_counter() - began
    whole, first = sorted(each for each, _ in times), sorted(each for _, each in times)
    return {
        "rps": len(times) / spent,
        "p50": whole[len(whole) // 2] * 1e3,
        "p99": whole[int(len(whole) * 0.99)] * 1e3,
        "first": first[len(first) // 2] * 1e3,
        "count": float(len(times)),
    }


def bare(upstream: str) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The least a pass-through by uvicorn and aiohttp does: no routing, no limits, nothing read, nothing recorded."""
    import aiohttp

    session: aiohttp.ClientSession | None = None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal session
        if scope["type"] != "http":
            return
        session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        body = (await receive())["body"]
        headers = {"content-type": "application/json"}
        async with session.post(upstream + scope["path"], data=body, headers=headers) as response:
            kept = [(k, v) for k, v in response.raw_headers if k.lower() != b"transfer-encoding"]
            await send({"type": "http.response.start", "status": response.status, "headers": kept})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def run(work: Any) -> Any:
    """Run a coroutine on uvloop."""
    import uvloop

    return uvloop.run(work)


async def serve_upstream(port: int) -> None:
    """The mock upstream, until it is killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=512)
    await server.serve_forever()
