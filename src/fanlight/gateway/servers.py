"""The MCP servers of a gateway on its dashboard: services with a health, a breaker and a restart, below `/mcp`."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fanlight import probes
from fanlight.clock import SystemClock
from fanlight.errors import FanlightError
from fanlight.gateway.asgi import Receive, Scope, Send
from fanlight.gateway.mcp import plain
from fanlight.gateway.mcp.endpoint import Endpoint
from fanlight.gateway.mcp.states import USUAL, Policy
from fanlight.gateway.mcp.status import ServerStatus
from fanlight.gateway.mcp.switchboard import Switchboard
from fanlight.gateway.mcp.tools import Tools
from fanlight.gateway.schema import Config, McpServer

if TYPE_CHECKING:
    from fanlight import Fanlight

ROOT: Final = "/mcp"
SERVER: Final = f"{ROOT}/{{server}}"
TEMPLATES: Final = (ROOT, SERVER, f"{SERVER}/{plain.CALL}")
"""Where tools are called; how long one takes is its own affair."""

STARTING: Final = frozenset({"starting", "stopped"})
"""States in which calls wait for a server; it is stopped only until it is started again, by whichever worker."""


class Servers:
    """MCP servers by the configuration as it is. Belongs to one event loop.

    `place` is a folder that the workers of one gateway share, None for a worker that is alone.
    """

    def __init__(
        self, dashboard: Fanlight, config: Callable[[], Config], environ: Mapping[str, str],
        place: Path | None = None, policy: Policy = USUAL,
    ) -> None:  # fmt: skip
        self._dashboard = dashboard
        self._config = config
        self._resets: dict[str, int] = {}
        self._declared: dict[str, McpServer] = {}
        self._words: defaultdict[str, probes.Told] = defaultdict(lambda: probes.Told("host"))
        self.board = Switchboard(environ, SystemClock(), self._told, place, policy)
        self.tools = Tools(dashboard, self.board, lambda: self._config().mcp)

    async def apply(self) -> None:
        """Have the servers of the configuration as it is now; the first time they are started."""
        config = self._config()
        wanted = config.mcp
        for name in (name for name in self._declared if name not in wanted):
            if name not in config.providers:  # which it may have become
                self._dashboard.withdraw_service(name)
            del self._words[name]
        for name in wanted:
            restart = functools.partial(self._restart, name)
            self._dashboard.service(name, kind="mcp", probe=self._words[name], restart=restart)
            self._words[name].say(health(self.tools.status(name)))
            self._dashboard.breaker(name)
        self._declared = dict(wanted)
        await self.board.apply(wanted)

    async def close(self) -> None:
        """Stop those that are this worker's."""
        await self.board.close()

    async def _restart(self, name: str) -> str:
        pid = await self.board.restart(name)
        return f"{name} was restarted and is ready" + (f", pid {pid}" if pid else "")

    def _told(self, statuses: tuple[ServerStatus, ...]) -> None:
        """How each server is, in every worker; of one that an operator restarted and is ready, what its breaker knew
        is past."""
        for status in statuses:
            if status.name in self._words:
                self._words[status.name].say(health(status))
            if status.state == "ready" and status.resets != self._resets.get(status.name, 0):
                self._resets[status.name] = status.resets
                self._dashboard.breaker(status.name).change("reset", "the restart of its server")

    async def serve(self, path: str, limit: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request below `/mcp`."""
        server, rest = _split(path)
        if server and server not in self._config().mcp:
            known = ", ".join(self._config().mcp) or "none"
            await plain.refuse(send, 404, "server_not_found", f"no MCP server {server[:64]!r} here; these are: {known}")
        elif not rest:
            await Endpoint(self.tools, server, limit).serve(scope, receive, send)
        elif rest == plain.CALL or rest in plain.LISTS:
            await plain.serve(self.tools, server, rest, limit, scope, receive, send)
        else:
            await plain.refuse(send, 404, "not_found", "there is nothing at this address")


def health(status: ServerStatus) -> FanlightError | None:
    """What is the matter with a server, as its supervisor knows it; None: nothing."""
    if status.state == "ready":
        return None
    if status.state in STARTING and not status.looping:
        return probes.Starting(status.reason)
    return FanlightError(": ".join(filter(None, (status.state, status.last_error))))


def is_below(path: str) -> bool:
    """Whether a path is MCP's."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def template(path: str) -> str:
    """The path as it is counted; how a server is, its calls say."""
    server, rest = _split(path)
    if not server:
        return ROOT
    known = rest in ("", plain.CALL, *plain.LISTS)
    return f"{SERVER}/{rest}".rstrip("/") if known else f"{SERVER}/{{path}}"


def _split(path: str) -> tuple[str, str]:
    server, _, rest = path.removeprefix(ROOT).strip("/").partition("/")
    return server, rest
