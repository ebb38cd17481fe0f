"""Work of the faces off the serving loop: on few threads of their own, and paced."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from fanlight.core.pacer import Pacer

THREADS: Final = 2
"""How many build documents at once: more would only take turns at the interpreter with the service."""

P = ParamSpec("P")
T = TypeVar("T")

_limiter: Final[RunVar[CapacityLimiter]] = RunVar("fanlight_faces_limiter")


async def in_thread(pacer: Pacer, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(...)` on a thread, its slice of the interpreter begun; the application's own pool is left alone."""

    def work() -> T:
        began = time.thread_time()
        pacer.start()
        try:
            return function(*args, **kwargs)
        finally:
            pacer.spent(time.thread_time() - began)

    return await to_thread.run_sync(work, limiter=_of_this_loop())


def _of_this_loop() -> CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(THREADS)
        _limiter.set(limiter)
        return limiter
