"""How the demonstration misbehaves, on purpose and from a seed: slow queries, a busy database, a flaky upstream.

SQLite answers these small questions in well under a millisecond and never fails; a dashboard over that would be a flat
line. So each query takes a little longer than it would, now and then much longer. The upstream, a moderation service,
is not there at all: its latency and its failures are made here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final


@dataclass(frozen=True)
class Episode:
    """A stretch of trouble that comes back: `seconds` long, first after `start`, then once per `Behaviour.period`."""

    start: float
    seconds: float
    rate: float


@dataclass(frozen=True)
class Behaviour:
    """Every knob of the made-up trouble. Seconds are medians, rates are shares of 1."""

    seed: int = 7
    spread: float = 0.45
    query_seconds: float = 0.006
    search_seconds: float = 0.028
    slow_rate: float = 0.0015
    slow_seconds: tuple[float, float] = (1.05, 2.2)
    very_slow_share: float = 0.04
    very_slow_seconds: tuple[float, float] = (5.1, 6.5)
    busy_rate: float = 0.0002
    moderation_seconds: float = 0.055
    moderation_timeout: float = 1.5
    moderation_rate: float = 0.015
    period: float = 540.0
    outage: Episode = field(default_factory=lambda: Episode(start=150.0, seconds=25.0, rate=0.6))
    reindex: Episode = field(default_factory=lambda: Episode(start=380.0, seconds=15.0, rate=0.25))


CALM: Final = Behaviour(
    query_seconds=0.0, search_seconds=0.0, slow_rate=0.0, busy_rate=0.0, moderation_seconds=0.0, moderation_rate=0.0,
    outage=Episode(0.0, 0.0, 0.0), reindex=Episode(0.0, 0.0, 0.0),
)  # fmt: skip
"""Nothing is made slower and nothing fails."""


class UpstreamError(Exception):
    """The moderation service gave no answer; `status` is what the caller should see (502, 503 or 504)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


OUTCOMES: Final = ((502, "sent an answer that makes no sense"), (503, "is overloaded"), (504, "did not answer in time"))


class Simulation:
    """Plays a behaviour: one seeded random source decides, `sleep` waits. For one event loop."""

    def __init__(
        self,
        behaviour: Behaviour,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.behaviour = behaviour
        self._clock = clock
        self._sleep = sleep
        self._random = Random(behaviour.seed)
        self._started = clock()

    async def query(self) -> None:
        """What an ordinary query costs; raises sqlite3.OperationalError when the database is "busy"."""
        await self._wait(self._around(self.behaviour.query_seconds))
        if self._random.random() < self.behaviour.busy_rate:
            raise sqlite3.OperationalError("database is locked")

    async def search(self) -> None:
        """What a query that reads a lot costs: seldom over a second, very seldom over five."""
        await self._wait(self.search_seconds())

    async def moderate(self, text: str) -> bool:
        """Whether the moderation service would remove this text; raises UpstreamError."""
        status = self.moderation_status()
        knobs = self.behaviour
        await self._wait(knobs.moderation_timeout if status == 504 else self._around(knobs.moderation_seconds))
        if status != 200:
            raise UpstreamError(status, f"moderation {dict(OUTCOMES)[status]}")
        return "spam" in text.lower()

    def search_seconds(self) -> float:
        """How long the next search takes."""
        knobs = self.behaviour
        if self._random.random() >= self._rate(knobs.slow_rate, knobs.reindex):
            return self._around(knobs.search_seconds)
        very = self._random.random() < knobs.very_slow_share
        return self._random.uniform(*(knobs.very_slow_seconds if very else knobs.slow_seconds))

    def moderation_status(self) -> int:
        """How the next call of the moderation service ends: 200, or one of 502, 503 and 504."""
        if self._random.random() >= self._rate(self.behaviour.moderation_rate, self.behaviour.outage):
            return 200
        return self._random.choices([status for status, _ in OUTCOMES], weights=(2, 6, 1))[0]

    def _rate(self, ordinary: float, episode: Episode) -> float:
        into = (self._clock() - self._started) % self.behaviour.period - episode.start
        return episode.rate if 0 <= into < episode.seconds else ordinary

    def _around(self, median: float) -> float:
        return median * self._random.lognormvariate(0.0, self.behaviour.spread)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._sleep(seconds)
