"""A server that speaks over stdio: one process, one conversation, many requests at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fanlight.gateway.mcp.eras import negotiate
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.peer import Peer, Progress, offers_nothing
from fanlight.gateway.mcp.process import Process, started
from fanlight.gateway.mcp.server import Connection
from fanlight.gateway.schema import McpServer

logger = logging.getLogger("fanlight.gateway.mcp")
logger.setLevel(logging.INFO)  # what servers say is shown in the log panel, whatever the root logger's level

STDERR_LIMIT = 8_192

STATUS_SECONDS = 0.2
"""How long its status is waited for when a process has closed its input or output."""


class StdioConnection(Connection):
    """A conversation with a process."""

    def __init__(self, name: str, process: Process) -> None:
        self._name = name
        self._process = process
        self.pid = process.pid
        self.peer = Peer(name, process.stdin, offers_nothing, self._hear)
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[str] = loop.create_future()
        self._tasks = [loop.create_task(each) for each in (self._listen(), self._log(), self._wait())]

    async def request(
        self, method: str, params: dict[str, Any], seconds: float | None, progress: Progress | None = None
    ) -> dict[str, Any]:
        try:
            return await self.peer.request(method, params, seconds, progress)
        except Failure as failure:
            if failure.kind != "crashed":
                raise
            await self._over_soon("closed its input")  # who supervises it knows before the caller does
            raise self.peer.over or failure from failure

    async def ended(self) -> str:
        return await asyncio.shield(self._over)

    async def close(self) -> None:
        """Stop the process; what still waits for it fails at once."""
        self._end("was stopped")
        await self._process.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        await self._over_soon(await self.peer.listen(self._process.stdout))

    async def _over_soon(self, why: str) -> None:
        """It cannot be asked any more. A process that ended says more by its status: leave it a moment to."""
        await asyncio.wait((self._over,), timeout=STATUS_SECONDS)
        self._end(why)

    async def _wait(self) -> None:
        self._end(await self._process.ended())

    async def _log(self) -> None:
        """Its stderr, line by line, into the log."""
        stderr, rest = self._process.stderr, b""
        while data := await stderr.read(STDERR_LIMIT):
            *lines, rest = (rest + data).split(b"\n")
            lines += [rest] if len(rest) >= STDERR_LIMIT else []
            rest = b"" if len(rest) >= STDERR_LIMIT else rest
            for line in lines:
                if line.strip():
                    logger.info("%s: %s", self._name, line.decode(errors="replace").rstrip())

    def _end(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_result(f"{self._name} {reason}")
            self.peer.gone(Failure("crashed", f"{self._name} {reason} before it answered"))

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "":
            logger.info("%s: (on stdout, no MCP) %s", self._name, params["line"].rstrip())
        elif method == "notifications/message":
            logger.info("%s: %s", self._name, str(params.get("data"))[:STDERR_LIMIT])


@asynccontextmanager
async def stdio(name: str, settings: McpServer, environ: Mapping[str, str]) -> AsyncIterator[Connection]:
    """A server's process, started and negotiated with; stopped when the context ends. Raises Failure."""
    connection = StdioConnection(name, await started(name, settings, environ))
    try:
        connection.leg = await negotiate(connection.request, connection.peer.notify)
        yield connection
    finally:
        await asyncio.shield(connection.close())
