"""Pacer: keeps background work from holding the interpreter while requests wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, local
from typing import Final

SLICE_NS: Final = 100_000
"""How long a thread may hold the interpreter before it yields (0.1 ms)."""

PAUSE_SECONDS: Final = 0.0002
"""How long it then steps aside: time for the requests that wait. A longer sleep costs more than it lasts: the core
goes to sleep deeper and wakes with cold caches."""

WAITED_SLICE_NS: Final = 300_000
WAITED_PAUSE_SECONDS: Final = 0.0001
"""The same for work that somebody waits for: a request waits for a slice at most; each pause costs 0.2 to 0.3 ms,
whatever it is asked for."""


CONTENDED_SHARE: Final = 5
CONTENDED_SLICE_NS: Final = 2_000_000
"""Where the service leaves the interpreter to nobody, a thread waits 5 ms for it after each pause; a slice then lasts a
fifth of that, at most 2 ms. With a slice of 0.1 ms every 5 ms facts would be lost, on a service that is busy enough."""


class Pacer:
    """Called between small pieces of background work; steps aside when a slice is used up.

    Thread-safe: each thread has a slice of its own. `longest_ns` is the longest slice seen, for the budget.
    """

    def __init__(
        self,
        now_ns: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
        slice_ns: int = SLICE_NS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._slice_ns = slice_ns
        self._pause_seconds = pause_seconds
        self._now_ns = now_ns
        self._sleep = sleep
        self._local = local()
        self.longest_ns = 0
        self.spent_seconds = 0.0
        self._adding = Lock()

    def spent(self, seconds: float) -> None:
        """A thread other than the pulse's spent this much CPU for Fanlight; it is part of what is shown as its cost."""
        with self._adding:
            self.spent_seconds += seconds

    def start(self, pause_seconds: float = 0.0) -> None:
        """Begin a slice: the thread has just woken. Its pauses are of `pause_seconds`, if those are longer than usual,
        until it starts anew."""
        self._local.pause = max(self._pause_seconds, pause_seconds)
        self._begin(self._now_ns(), 0)

    def _begin(self, now_ns: int, waited_ns: int) -> None:
        local = self._local
        local.since = now_ns
        local.slice_ns = max(self._slice_ns, min(waited_ns // CONTENDED_SHARE, CONTENDED_SLICE_NS))

    def breathe(self) -> None:
        """Yield for a moment when this thread's slice is used up."""
        local = self._local
        try:
            now_ns = self._now_ns()
            held = now_ns - local.since
        except AttributeError:  # a thread that never said when it began
            self.start()
            return
        if held < local.slice_ns:
            return
        self.longest_ns = max(self.longest_ns, held)
        pause: float = local.pause
        self._sleep(pause)
        back_ns = self._now_ns()
        self._begin(back_ns, back_ns - now_ns - int((pause - self._pause_seconds) * 1e9))


def waited_for() -> Pacer:
    """A pacer for what somebody waits for: reading stored history, or what other instances did meanwhile."""
    return Pacer(slice_ns=WAITED_SLICE_NS, pause_seconds=WAITED_PAUSE_SECONDS)


def unpaced() -> None:
    """A breath that is none, for work nobody waits behind."""
