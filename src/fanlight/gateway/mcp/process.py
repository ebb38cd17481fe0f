"""A stdio server's process: started and stopped through its keeper, so that it never outlives the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.pipes import reader, writer
from fanlight.gateway.schema import McpServer

PASSED: Final = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
"""Variables of the gateway that every server is given; keys are none of them."""

LOG_WIDTH: Final = {"COLUMNS": "200"}
"""How wide a server may write: many wrap what they log, at 80 unless told, and each line would be an entry of ours."""

STOP_SECONDS: Final = 7.0
"""How long the keeper may take to stop a server: twice 2 s, and to clear up."""

KEEPER: Final = str(Path(__file__).with_name("keeper.py"))


class Process:
    """A running server. Belongs to one event loop."""

    def __init__(
        self,
        keeper: subprocess.Popen[bytes],
        told: asyncio.StreamReader,
        lifeline: asyncio.StreamWriter,
        stdin: asyncio.StreamWriter,
        outputs: Sequence[tuple[asyncio.StreamReader, asyncio.ReadTransport]],
    ) -> None:
        self.pid = 0
        self.stdin = stdin
        self.stdout, self.stderr = (reader for reader, _ in outputs)
        self._outputs = outputs
        self._keeper = keeper
        self._lifeline = lifeline
        self._told = told

    async def begun(self) -> str:
        """Wait until it runs; why it does not, or an empty text."""
        kind, _, rest = (await self._told.readline()).decode(errors="replace").strip().partition(" ")
        if kind == "pid":
            self.pid = int(rest)
        return "" if self.pid else rest or "its keeper ended"

    async def ended(self) -> str:
        """Wait until it has ended; says how."""
        said = (await self._told.readline()).decode(errors="replace").strip()
        status = said.removeprefix("exit ")
        if not said:
            return "was lost together with its keeper"
        return f"was killed by signal {status[1:]}" if status.startswith("-") else f"ended with status {status}"

    async def stop(self) -> None:
        """Close its stdin, then, if it stays, SIGTERM after 2 s and SIGKILL after 2 more; what it started, too."""
        self.stdin.close()
        with contextlib.suppress(OSError):
            self._lifeline.write_eof()
        try:
            await asyncio.to_thread(self._keeper.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # the kernel kills the server with it
            await asyncio.to_thread(self._keeper.wait)
        for _, transport in self._outputs:
            transport.close()
        self._lifeline.close()
        for stream in (self.stdin, self._lifeline):
            with contextlib.suppress(OSError):
                await stream.wait_closed()


async def started(name: str, settings: McpServer, environ: Mapping[str, str]) -> Process:
    """Start a server; raises Failure when there is no such program. Cancelled, it leaves nothing behind."""
    starting = asyncio.ensure_future(_started(name, settings, environ))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(Failure):
            await (await starting).stop()
        raise


async def _started(name: str, settings: McpServer, environ: Mapping[str, str]) -> Process:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            keeper = await asyncio.to_thread(_spawn, theirs, settings, environ)
        except (OSError, ValueError) as error:
            ours.close()
            raise Failure("unavailable", f"{name} cannot be started: {error}"[:300]) from error
    told, lifeline = await asyncio.open_connection(sock=ours)
    outputs = [await reader(keeper.stdout), await reader(keeper.stderr)]
    process = Process(keeper, told, lifeline, await writer(keeper.stdin), outputs)
    reason = await process.begun()
    if reason:
        await process.stop()
        raise Failure("unavailable", f"{name} cannot be started: {settings.command}: {reason}")
    return process


def _spawn(lifeline: socket.socket, settings: McpServer, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The keeper. Not by asyncio's own means: uvloop runs what was registered for forks in the child, and that waits
    there for threads that only the parent has."""
    fd = lifeline.fileno()
    return subprocess.Popen(  # noqa: S603 - the command of the configuration, without a shell
        [sys.executable, "-I", "-S", KEEPER, str(fd), settings.command, *settings.args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=settings.cwd or None,
        env=environment(settings, environ), pass_fds=(fd,), start_new_session=True, bufsize=0,
    )  # fmt: skip


def environment(settings: McpServer, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables a server gets: few of the gateway's, those it is promised, and its own.

    Programs that are installed beside this very Fanlight are found, after all others.
    """
    named = {name: environ[name] for name in (*PASSED, *settings.pass_env) if name in environ}
    beside = {"PATH": os.pathsep.join((named.get("PATH") or os.defpath, sysconfig.get_path("scripts")))}
    return {**LOG_WIDTH, **named, **beside, **settings.env}
