"""Gauge: a level that several may report, and how their words combine."""

from __future__ import annotations

from typing import Literal

import msgspec


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """One source's last word on a gauge: when (Unix seconds) and how much."""

    at: float
    value: float


class Gauge:
    """A level, as said by each of its sources.

    `merge` is how sources combine: "sum", "max", "min" or "last". A source is an instance, a host or a shared thing
    (its id names it), so a value every worker of a host reports counts once.
    """

    __slots__ = ("merge", "sources")

    def __init__(self, merge: str, sources: dict[str, Reading] | None = None) -> None:
        self.merge = merge
        self.sources = {} if sources is None else sources

    def add(self, other: Gauge) -> None:
        """Take the newer word of every source; of two at the same instant the larger."""
        for source, reading in other.sources.items():
            mine = self.sources.get(source)
            if mine is None or (reading.at, reading.value) > (mine.at, mine.value):
                self.sources[source] = reading

    def value(self) -> float | None:
        """The sources combined; None when there is none."""
        if not self.sources:
            return None
        if self.merge == "last":
            newest = max(self.sources.values(), key=lambda reading: (reading.at, reading.value))
            return newest.value
        values = [reading.value for reading in self.sources.values()]
        return max(values) if self.merge == "max" else min(values) if self.merge == "min" else sum(values)

    def copy(self) -> Gauge:
        """A gauge of its own with the same content."""
        return Gauge(self.merge, dict(self.sources))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gauge) and (self.merge, self.sources) == (other.merge, other.sources)

    __hash__ = None  # type: ignore[assignment]  # gauges change


GaugeRow = tuple[str, str, Literal["sum", "max", "min", "last"], dict[str, Reading]]
"""A gauge as it is sent: its name, its label, how it merges, and what each source said last."""
