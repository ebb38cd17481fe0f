"""mcp.pipes: the ends of a process's pipes as streams of the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from io import FileIO

import pytest
import uvloop

from fanlight.gateway.mcp import pipes

LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)


class Probe(FileIO):
    """A file that, as another thread might, opens others in the moment it is closed."""

    opened: list[int]

    def close(self) -> None:
        open_still = not self.closed
        super().close()
        if open_still:
            self.opened += os.pipe()


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("end", ["read", "write"])
def test_a_pipe_is_closed_once(
    end: str, new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HUB-2, X-8: a server that ends closes its own descriptors, and not what takes their numbers meanwhile."""
    opened: list[int] = []
    monkeypatch.setattr(Probe, "opened", opened, raising=False)
    monkeypatch.setattr(pipes, "FileIO", Probe)

    async def scene() -> int:
        out, into = (FileIO(fd, mode) for fd, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
        if end == "read":
            stream, transport = await pipes.reader(out)
            into.write(b"said\n")
            assert await stream.readline() == b"said\n"
            transport.close()
            into.close()
        else:
            writer = await pipes.writer(into)
            writer.write(b"said\n")
            await writer.drain()
            assert out.read(5) == b"said\n"
            writer.close()
            out.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert opened
        while opened:
            os.close(opened.pop())  # OSError where somebody else has
        return len(os.listdir("/proc/self/fd"))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scene())  # a loop opens something of its own at first
        assert runner.run(scene()) == runner.run(scene())
