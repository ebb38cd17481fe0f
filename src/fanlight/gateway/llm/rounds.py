"""One timer for everything that waits: a timer for each request would cost more than the rest of its waiting."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol
from weakref import WeakKeyDictionary

TICK_SECONDS: Final = 0.02


class Waiting(Protocol):
    """What is looked at while it waits."""

    def look(self, now: float) -> None:
        """What it does about the time, on the loop's clock; it may leave."""


class Rounds:
    """Looks at all that wait every TICK_SECONDS, while there are any. For one event loop."""

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Rounds:
        """Those of a loop."""
        found = _known.get(loop)
        if found is None:
            found = _known[loop] = cls()
        return found

    def __init__(self) -> None:
        self._waiting: dict[Waiting, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no timer runs."""
        return self._timer is None

    def join(self, waiting: Waiting) -> None:
        """Have it looked at from the next tick on."""
        self._waiting[waiting] = None
        if self._timer is None:
            self._plan()

    def _plan(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._go)

    def leave(self, waiting: Waiting) -> None:
        """Look at it no longer. Idempotent."""
        self._waiting.pop(waiting, None)

    def _go(self) -> None:
        now, self._timer = asyncio.get_running_loop().time(), None
        for each in [*self._waiting]:
            each.look(now)
        if self._waiting:
            self._plan()


_known: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Rounds]] = WeakKeyDictionary()
