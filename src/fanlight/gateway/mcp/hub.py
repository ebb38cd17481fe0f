"""The servers of a configuration, as the process that owns them has them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

from fanlight.clock import Clock
from fanlight.gateway.mcp.child import stdio
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.peer import Progress
from fanlight.gateway.mcp.remote import http
from fanlight.gateway.mcp.server import Connect, Server
from fanlight.gateway.mcp.states import Policy
from fanlight.gateway.mcp.status import ServerStatus
from fanlight.gateway.schema import McpServer

RESTART_SECONDS: Final = 25.0
"""How long a restart may take, its stop included, until it has failed."""


class Hub:
    """Supervises the servers it was told of. Belongs to one event loop; `changed` is called when one changes."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, changed: Callable[[], None], policy: Policy) -> None:
        self._environ = environ
        self._clock = clock
        self._changed = changed
        self._policy = policy
        self._servers: dict[str, Server] = {}

    async def apply(self, wanted: Mapping[str, McpServer]) -> None:
        """Have just these servers: those that are the same go on undisturbed."""
        gone = [server for name, server in self._servers.items() if wanted.get(name) != server.settings]
        for server in gone:
            del self._servers[server.name]
        await asyncio.gather(*(server.stop() for server in gone))
        for name, settings in wanted.items():
            if name not in self._servers:
                self._servers[name] = self._made(name, settings)
        self._changed()

    def _made(self, name: str, settings: McpServer) -> Server:
        reach = http if settings.url else stdio
        connect: Connect = functools.partial(reach, name, settings, self._environ)
        return Server(name, settings, connect, self._clock, self._changed, self._policy)

    async def request(
        self, server: str, method: str, params: dict[str, Any], seconds: float, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Ask a server; raises Failure."""
        return await self._find(server).request(method, params, seconds, progress)

    async def restart(self, server: str) -> int:
        """Its new pid, 0 for a remote one; raises Failure."""
        return await self._find(server).restart(RESTART_SECONDS)

    def statuses(self) -> tuple[ServerStatus, ...]:
        """Every server, in the order of the configuration."""
        return tuple(server.status() for server in self._servers.values())

    async def close(self) -> None:
        """Stop them all."""
        await asyncio.gather(*(server.stop() for server in self._servers.values()))
        self._servers.clear()

    def _find(self, name: str) -> Server:
        server = self._servers.get(name)
        if server is None:
            raise Failure("unavailable", f"there is no MCP server {name[:64]!r}")
        return server
