"""The ends of a process's pipes as streams of the event loop."""

from __future__ import annotations

import asyncio
import os
from io import FileIO
from typing import Any

from fanlight.gateway.mcp.peer import LINE_LIMIT


async def reader(pipe: Any) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """What is read from a pipe, and the transport that closes it; `pipe` is closed."""
    loop, stream = asyncio.get_running_loop(), asyncio.StreamReader(limit=LINE_LIMIT)
    protocol = asyncio.StreamReaderProtocol(stream)
    transport, _ = await loop.connect_read_pipe(lambda: protocol, _owned(pipe, loop))
    return stream, transport


async def writer(pipe: Any) -> asyncio.StreamWriter:
    """What is written to a pipe; `pipe` is closed."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), _owned(pipe, loop)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


def _owned(pipe: Any, loop: asyncio.AbstractEventLoop) -> FileIO:
    """The pipe as a file that a transport of this loop closes once.

    uvloop closes the file and then, by its number, the descriptor, which may be another thread's by then: a database's,
    a client's (its issue 763). It is given a file that closes nothing.
    """
    mode, descriptor = pipe.mode, os.dup(pipe.fileno())
    pipe.close()
    twice = type(loop).__module__.partition(".")[0] == "uvloop"
    return FileIO(descriptor, mode, closefd=not twice)
