"""A supervised MCP server: brought up, watched, brought up again; how it is reached is its connection's business."""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fanlight.clock import Clock
from fanlight.gateway.mcp.eras import Leg, dressed, offered
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.peer import Progress
from fanlight.gateway.mcp.states import Policy, Supervision
from fanlight.gateway.mcp.status import TOOL_LIMIT, ServerStatus
from fanlight.gateway.schema import McpServer

START_SECONDS: Final = 60.0
"""How long a server may take until it answers."""

PAGES: Final = 20
"""Pages of a list that are read."""

_CHANCE: Final = random.Random()  # noqa: S311 - spreads restarts, no secret


class Connection(ABC):
    """A server that answers."""

    leg: Leg
    pid = 0

    @abstractmethod
    async def request(
        self, method: str, params: dict[str, Any], seconds: float | None, progress: Progress | None = None
    ) -> dict[str, Any]:
        """The result; raises Failure."""

    @abstractmethod
    async def ended(self) -> str:
        """Wait until it answers no more; says why."""


Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Brings a server up: the connection is negotiated, and everything is gone when the context ends."""


class Server:
    """One server of the configuration, kept alive by one task. Belongs to one event loop; `changed` is called then."""

    def __init__(
        self, name: str, settings: McpServer, connect: Connect, clock: Clock, changed: Callable[[], None],
        policy: Policy,
    ) -> None:  # fmt: skip
        self.name = name
        self.settings = settings
        self._connect = connect
        self._clock = clock
        self._changed = changed
        self._supervision = Supervision(policy, _CHANCE.random)
        self._connection: Connection | None = None
        self._tools: tuple[str, ...] = ()
        self._resets = 0
        self._failed_at: float | None = None
        self._pause = 0.0
        self._turn = asyncio.Event()
        self._wanted = asyncio.Event()
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    async def request(
        self, method: str, params: dict[str, Any], seconds: float, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Ask it; waits while it starts. Raises Failure, at once when it is down or goes down meanwhile."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._supervision.state in ("starting", "stopped") and not self._stopping:
            await self._next_turn(until - loop.time())
        if self._connection is None:
            raise self._unavailable()
        asked = dressed(params, self._connection.leg.version)
        result = await self._connection.request(method, asked, max(until - loop.time(), 0.01), progress)
        if method == "tools/list":
            self._learn(result)
        return result

    def _unavailable(self) -> Failure:
        status = self.status()
        wait = None if status.retry_at is None else max(status.retry_at - self._clock.time_ns() / 1e9, 0.0)
        return Failure("unavailable", status.reason, retry_after=wait)

    async def _next_turn(self, seconds: float) -> None:
        turn = self._turn
        try:
            async with asyncio.timeout(seconds):
                await turn.wait()
        except TimeoutError:
            raise Failure("timeout", f"{self.name} is still starting", retry_after=1.0) from None

    async def restart(self, seconds: float) -> int:
        """End it and start it anew, whatever failed before; its new pid once it is ready. Raises Failure."""
        self._supervision.forgive()
        self._resets += 1
        before = self._supervision.restarts
        self._wanted.set()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._supervision.restarts == before or self._supervision.state in ("starting", "stopped"):
            await self._next_turn(until - loop.time())
        if self._connection is None:
            raise self._unavailable()
        return self._connection.pid

    async def stop(self) -> None:
        """End it for good."""
        self._stopping = True
        self._wanted.set()
        await self._task

    def status(self) -> ServerStatus:
        """What is known of it now."""
        watched, wall = self._supervision, self._clock.time_ns() / 1e9 - self._now()
        leg = self._connection.leg if self._connection else None
        return ServerStatus(
            name=self.name,
            remote=bool(self.settings.url),
            state=watched.state,
            since=watched.since + wall,
            pid=self._connection.pid if self._connection else 0,
            restarts=watched.restarts,
            resets=self._resets,
            looping=watched.looping,
            retry_at=None if watched.retry_at is None else watched.retry_at + wall,
            last_error=watched.last_error,
            last_error_at=self._failed_at,
            tools=self._tools,
            version=leg.version if leg else "",
            title=f"{leg.info.get('name', '')} {leg.info.get('version', '')}".strip()[:100] if leg else "",
            capabilities=tuple(offered(leg.capabilities)) if leg else (),
            instructions=leg.instructions[:10_000] if leg else "",
        )

    async def _supervise(self) -> None:
        while not self._stopping:
            self._wanted.clear()
            self._supervision.begin(self._now())
            self._told()
            reason = await self._life()
            if self._wanted.is_set():
                continue
            if self._supervision.retry_at is None:
                self._fell(reason)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._wanted.wait()
        self._supervision.stopped(self._now())
        self._told()

    async def _life(self) -> str:
        """From one start to its end; says why it ended."""
        wanted = asyncio.ensure_future(self._wanted.wait())
        life = asyncio.ensure_future(self._live())
        try:
            await asyncio.wait((wanted, life), return_when=asyncio.FIRST_COMPLETED)
            if not life.done():
                self._connection = None
                self._supervision.stopped(self._now())
                self._told()
                life.cancel()
                await asyncio.wait((life,))
            return "was stopped" if life.cancelled() else life.result()
        except Failure as failure:
            return str(failure)
        except TimeoutError:
            return f"{self.name} did not answer within {START_SECONDS:g} s"
        except Exception as error:  # whatever it is, it must not end the supervision
            return f"{self.name} failed: {type(error).__name__}: {error}"[:300]
        finally:
            self._connection = None
            wanted.cancel()

    async def _live(self) -> str:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(START_SECONDS):
                connection = await stack.enter_async_context(self._connect())
                await self._list_tools(connection)
            self._connection = connection
            self._supervision.ready(self._now())
            self._told()
            reason = await connection.ended()
            self._fell(reason)
            return reason

    def _fell(self, reason: str) -> None:
        """It is down, which everybody knows at once; clearing up takes its time."""
        self._connection = None
        self._failed_at = self._clock.time_ns() / 1e9
        self._pause = self._supervision.ended(self._now(), reason)
        self._told()

    async def _list_tools(self, connection: Connection) -> None:
        if "tools" not in connection.leg.capabilities:
            self._tools = ()
            return
        names: list[str] = []
        cursor: Any = None
        for _ in range(PAGES):
            params = dressed({"cursor": cursor} if cursor else {}, connection.leg.version)
            found = await connection.request("tools/list", params, START_SECONDS)
            names += _names(found)
            cursor = found.get("nextCursor")
            if not cursor:
                break
        self._tools = tuple(names[:TOOL_LIMIT])

    def _learn(self, result: dict[str, Any]) -> None:
        fresh = [name for name in _names(result) if name not in self._tools]
        if fresh:
            self._tools = (*self._tools, *fresh)[:TOOL_LIMIT]
            self._told()

    def _told(self) -> None:
        """Everybody who waits for its next state looks again."""
        self._turn.set()
        self._turn = asyncio.Event()
        self._changed()

    def _now(self) -> float:
        return self._clock.monotonic_ns() / 1e9


def _names(result: dict[str, Any]) -> list[str]:
    tools = result.get("tools")
    return [str(tool.get("name", ""))[:200] for tool in tools if isinstance(tool, dict)] if tools else []
