"""A time limit that moves with every byte and costs next to nothing to move."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from fanlight.gateway.llm.rounds import Rounds


class Patience:
    """A context of this task that ends with TimeoutError once its limit has passed; `extend` moves the limit.

    As asyncio.timeout, but that moving the limit only notes a time, which is looked at in rounds: it may pass by a
    tick.
    """

    __slots__ = ("_before", "_due", "_fired", "_now", "_rounds", "_task")

    def __init__(self, rounds: Rounds, task: asyncio.Task[object], seconds: float) -> None:
        self._rounds = rounds
        self._task = task
        self._now = task.get_loop().time
        self._due = self._now() + seconds
        self._fired = False

    def extend(self, seconds: float) -> None:
        """The limit is that many seconds from now."""
        self._due = self._now() + seconds

    def __enter__(self) -> Self:
        self._before = self._task.cancelling()
        self._rounds.join(self)
        return self

    def look(self, now: float) -> None:
        """End it when it is due."""
        if now >= self._due:
            self._rounds.leave(self)
            self._fired = True
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rounds.leave(self)
        if self._fired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
