"""Knows that the server is stopping before its connections have closed.

Servers wait for open responses before they tell the application of the end, so an endless stream has to find out by
itself. uvicorn says so on its Server object, which is found without importing or changing anything: as the owner of the
signal handler, or as `self` of the coroutine that serves on this loop. Elsewhere the streams end with the lifespan or
by cancellation.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

DEEPEST: Final = 20
"""Awaits followed into a task in search of the server."""


def watch_server() -> Callable[[], bool]:
    """What tells whether the server of the running loop is stopping; called once on that loop, the result often."""
    servers = tuple(_servers())
    return lambda: any(bool(getattr(server, "should_exit", False)) for server in servers)


def _servers() -> Iterator[Any]:
    for number in (signal.SIGTERM, signal.SIGINT):
        owner = getattr(signal.getsignal(number), "__self__", None)
        if _is_server(owner):
            yield owner
    for task in asyncio.all_tasks():
        yield from _serving(task.get_coro())


def _serving(awaited: Any) -> Iterator[Any]:
    """Servers among the objects whose methods a task waits in, followed from its outermost coroutine inwards."""
    for _ in range(DEEPEST):
        frame: FrameType | None = getattr(awaited, "cr_frame", None)
        if frame is None:
            return
        owner = frame.f_locals.get("self")
        if _is_server(owner):
            yield owner
            return
        awaited = getattr(awaited, "cr_await", None)


def _is_server(candidate: Any) -> bool:
    """uvicorn's Server, or one made like it."""
    return isinstance(getattr(candidate, "should_exit", None), bool) and hasattr(candidate, "main_loop")
