"""Ends the work for a client that has left."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from fanlight.gateway.asgi import Receive
from fanlight.gateway.llm.patience import Patience
from fanlight.gateway.llm.rounds import Rounds


class Departure:
    """A context in which the current task is cancelled once its client leaves; the cancellation ends at its exit.

    Enter it when the request's body has been read whole. `gone` is whether the client left. It begins to watch with the
    next round: an answer that is there sooner is not worth a task. `late`: nothing is waited for until `patience` is
    asked for, so that is when it begins.
    """

    __slots__ = ("_before", "_late", "_receive", "_rounds", "_task", "_watch", "gone")

    def __init__(self, receive: Receive, *, late: bool = False) -> None:
        self._late = late
        self._receive = receive
        self._rounds: Rounds | None = None
        self._watch: asyncio.Task[None] | None = None
        self.gone = False

    def __enter__(self) -> Self:
        if not self._late:
            self._begin()
        return self

    def _begin(self) -> Rounds:
        task = asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[object] = task
        self._before = task.cancelling()
        rounds = self._rounds = Rounds.of(task.get_loop())
        rounds.join(self)
        return rounds

    def patience(self, seconds: float) -> Patience:
        """A time limit of the same task."""
        return Patience(self._rounds or self._begin(), self._task, seconds)

    def look(self, now: float) -> None:
        """Begin to watch."""
        if self._rounds is not None:
            self._rounds.leave(self)
            self._watch = self._task.get_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True
        self._task.cancel()

    def over(self) -> None:
        """Watch no longer: the last bytes are about to be sent. Idempotent."""
        if self._rounds is not None:
            self._rounds.leave(self)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None  # it knows this by its frame: the two would wait for the collector

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.over()
        return self.gone and kind is asyncio.CancelledError and self._task.uncancel() <= self._before
