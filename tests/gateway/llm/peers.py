"""Servers of raw bytes, each of whose connections is served by a function of the test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from fanlight.gateway.llm.http import HttpUpstream

Serve = Callable[["Peer"], Awaitable[None]]
PATIENCE = 10.0


class Peer:
    """One connection, seen from the server; `number` counts the connections of its server from 1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number

    async def asked(self) -> bytes:
        """The next request, head and body; b"" when the client has left."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
        return head + await self.reader.readexactly(length)

    async def say(self, *pieces: bytes) -> None:
        """Send these, each in a packet of its own."""
        for piece in pieces:
            self.writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await self.writer.drain()
            await asyncio.sleep(0)


class Server:
    """Its address, how many connections it was opened, and how many are open."""

    def __init__(self) -> None:
        self.address = ""
        self.opened = 0
        self.open = 0

    async def closed(self, but: int = 0) -> None:
        """Until no more than so many connections are open."""
        for _ in range(2_000):
            if self.open <= but:
                return
            await asyncio.sleep(0.005)
        raise TimeoutError(f"{self.open} connections are open")


@contextlib.asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[HttpUpstream, Server]]:
    """An upstream before a server whose connections are served so; a connection ends when its function does."""
    state = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.opened += 1
        state.open += 1
        try:
            await serve(Peer(reader, writer, state.opened))
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            state.open -= 1
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 24, ssl=tls)
    state.address = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{server.sockets[0].getsockname()[1]}"
    upstream = HttpUpstream("far", lambda path: state.address + path, 5.0)
    try:
        async with asyncio.timeout(PATIENCE * 2):
            yield upstream, state
    finally:
        await upstream.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        await server.wait_closed()
