"""A time limit that moves with every byte and costs next to nothing to move."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Patience:
    """A context that ends with TimeoutError once its limit has passed; `extend` moves the limit.

    As asyncio.timeout, but that moving the limit only notes a time: the timer looks at it when it fires, instead of
    being set anew with every piece of a stream.
    """

    __slots__ = ("_before", "_due", "_fired", "_loop", "_now", "_planned", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._due = self._planned = self._now() + seconds
        self._fired = False
        self._timer: asyncio.TimerHandle

    def extend(self, seconds: float) -> None:
        """The limit is that many seconds from now."""
        self._due = due = self._now() + seconds
        if due < self._planned:
            self._timer.cancel()
            self._plan()

    def _plan(self) -> None:
        self._planned = self._due
        self._timer = self._loop.call_at(self._due, self._fire)

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[object] = task
        self._before = task.cancelling()
        self._plan()
        return self

    def _fire(self) -> None:
        if self._now() < self._due:
            self._plan()
            return
        self._fired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._fired and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
