"""One owner of the servers however many workers: the others ask it over a local socket.

The owner is whoever holds the lock of a file. The kernel lets go of it when its process ends, however it ends, so there
is no lease to expire and no clock to agree on; another worker takes over, and the servers of the one before are gone
with it. A worker alone needs neither file nor socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from fanlight.clock import Clock
from fanlight.gateway.mcp.failure import METHOD_NOT_FOUND, Failure, unpacked
from fanlight.gateway.mcp.hub import RESTART_SECONDS, Hub
from fanlight.gateway.mcp.peer import LINE_LIMIT, Peer, Progress, offers_nothing
from fanlight.gateway.mcp.states import USUAL, Policy
from fanlight.gateway.mcp.status import ServerStatus
from fanlight.gateway.schema import McpServer

AGAIN_SECONDS: Final = 0.1
"""How soon a worker that found neither a free lock nor an open socket looks again."""

SEAT_SECONDS: Final = 10.0
"""How long a request waits for an owner."""

Told = Callable[[tuple[ServerStatus, ...]], None]


class Switchboard:
    """Reaches the servers from this worker. Belongs to one event loop; `told` is called with all when one changes.

    `place` is a folder that the workers share, None for a worker that is alone.
    """

    def __init__(
        self, environ: Mapping[str, str], clock: Clock, told: Told, place: Path | None = None,
        policy: Policy = USUAL,
    ) -> None:  # fmt: skip
        self._hub = Hub(environ, clock, self._changed, policy)
        self._told = told
        self._place = place
        self._wanted: Mapping[str, McpServer] = {}
        self._statuses: tuple[ServerStatus, ...] = ()
        self._owner: Peer | None = None
        self._workers: set[Peer] = set()
        self._seated = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.owns = False

    async def apply(self, wanted: Mapping[str, McpServer]) -> None:
        """Have just these servers; the first time it begins."""
        self._wanted = wanted
        if self._place is None:
            self.owns = True
            self._seated.set()
        elif self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._sit(self._place))
        if self.owns:
            await self._hub.apply(wanted)

    def statuses(self) -> tuple[ServerStatus, ...]:
        """Every server as it is known here, without asking."""
        return self._statuses

    def status(self, name: str) -> ServerStatus | None:
        """One of them."""
        return next((status for status in self._statuses if status.name == name), None)

    async def request(
        self, server: str, method: str, params: dict[str, Any], seconds: float, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Ask a server; raises Failure."""
        owner = await self._find_owner()
        if owner is None:
            return await self._hub.request(server, method, params, seconds, progress)
        asked = {"server": server, "method": method, "params": params, "seconds": seconds}
        return await _through(owner, "hub/request", asked, seconds + 1, progress)

    async def restart(self, server: str) -> int:
        """Its new pid once it is ready, 0 for a remote one; raises Failure."""
        owner = await self._find_owner()
        if owner is None:
            return await self._hub.restart(server)
        answer = await _through(owner, "hub/restart", {"server": server}, RESTART_SECONDS + 1, None)
        return int(answer["pid"])

    async def close(self) -> None:
        """Stop the servers that are this worker's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._hub.close()

    async def _find_owner(self) -> Peer | None:
        try:
            async with asyncio.timeout(SEAT_SECONDS):
                await self._seated.wait()
        except TimeoutError:
            said = "no worker owns the MCP servers yet; the one that did has just ended"
            raise Failure("unavailable", said, retry_after=1.0) from None
        return self._owner

    def _changed(self) -> None:
        """A server of ours changed: tell this worker and the others."""
        statuses = self._hub.statuses()
        for worker in self._workers:
            worker.notify("hub/changed", {"servers": msgspec.to_builtins(statuses)})
        self._take(statuses)

    def _take(self, statuses: tuple[ServerStatus, ...]) -> None:
        self._statuses = statuses
        self._told(statuses)

    async def _sit(self, place: Path) -> None:
        """Own the servers or know who does, for as long as this worker lives."""
        with (place / "mcp.lock").open("w") as lock:
            while not _locked(lock.fileno()):
                with contextlib.suppress(OSError):
                    await self._follow(place / "mcp.sock")
                await asyncio.sleep(AGAIN_SECONDS)
            await self._lead(place / "mcp.sock")

    async def _lead(self, socket: Path) -> None:
        """Own the servers until cancelled."""
        await asyncio.to_thread(socket.unlink, missing_ok=True)
        self.owns = True
        server = await asyncio.start_unix_server(self._admit, str(socket), limit=LINE_LIMIT)
        async with server:
            await self._hub.apply(self._wanted)
            self._seated.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                for worker in tuple(self._workers):
                    worker.gone(Failure("crashed", "the worker that owns the MCP servers is stopping"))
                    worker.hang_up()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Another worker asks."""
        worker = Peer("a worker", writer, self._serve, lambda method, params: None)
        self._workers.add(worker)
        worker.notify("hub/changed", {"servers": msgspec.to_builtins(self._hub.statuses())})
        try:
            await worker.listen(reader)
        finally:
            self._workers.discard(worker)
            worker.gone(Failure("crashed", "the worker ended"))
            writer.close()

    async def _serve(self, method: str, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
        if method == "hub/restart":
            return {"pid": await self._hub.restart(params["server"])}
        if method == "hub/request":
            wished = progress if "_meta" in params else None
            return await self._hub.request(
                params["server"], params["method"], params["params"], params["seconds"], wished
            )
        raise Failure("refused", f"no method {method[:100]}", code=METHOD_NOT_FOUND)

    async def _follow(self, socket: Path) -> None:
        """Ask the owner for as long as it lives."""
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=LINE_LIMIT)
        owner = Peer("the owner of the MCP servers", writer, offers_nothing, self._hear)
        self._owner = owner
        self._seated.set()
        try:
            await owner.listen(reader)
        finally:
            self._seated.clear()
            self._owner = None
            owner.gone(Failure("crashed", "the worker that owns the MCP servers ended during the call"))
            writer.close()
            down = {"state": "stopped", "last_error": "the worker that owned it ended", "pid": 0}
            self._take(tuple(msgspec.structs.replace(each, **down) for each in self._statuses))

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "hub/changed":
            self._take(msgspec.convert(params["servers"], tuple[ServerStatus, ...]))


async def _through(
    owner: Peer, method: str, params: dict[str, Any], seconds: float, progress: Progress | None
) -> dict[str, Any]:
    try:
        return await owner.request(method, params, seconds, progress)
    except Failure as failure:
        raise unpacked(failure) from None


def _locked(fd: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: one worker there
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
