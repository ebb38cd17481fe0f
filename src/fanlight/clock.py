"""One clock for all of Fanlight, so that tests can hold it still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for labels, monotonic time for durations; both safe from any thread."""

    def time_ns(self) -> int:
        """Nanoseconds since the epoch, UTC; may be set back by the operator."""

    def monotonic_ns(self) -> int:
        """Nanoseconds on a clock that never goes back; only differences mean anything."""


class SystemClock:
    """The machine's own clocks."""

    time_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.perf_counter_ns)


class ManualClock:
    """A clock that moves only when told to; shipped so that applications can test their panels with it."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._wall_ns = int(start * 1e9)
        self._monotonic_ns = 1_000_000_000

    def time_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        step = int(seconds * 1e9)
        self._wall_ns += step
        self._monotonic_ns += step

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock alone, as an operator or NTP would."""
        self._wall_ns = int(seconds * 1e9)
