"""Totals: what a cumulative frame says in plain counts, cheap enough to read at every tick."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame, Key
from fanlight.core.pacer import unpaced


class Tally(msgspec.Struct, frozen=True, gc=False):
    """How many, how many failed, and their amounts in all (in the cell's unit: seconds)."""

    count: int = 0
    errors: int = 0
    amount: float = 0.0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.count + other.count, self.errors + other.errors, self.amount + other.amount)

    @property
    def mean(self) -> float:
        """The mean amount; 0 when empty."""
        return self.amount / self.count if self.count else 0.0


class Totals(NamedTuple):
    """Tallies by family, and by family and series; counters by name."""

    families: Mapping[str, Tally]
    rows: Mapping[str, Mapping[Key, Tally]]
    counters: Mapping[str, int]

    def family(self, *names: str) -> Tally:
        """The named families together."""
        tally = Tally()
        for name in names:
            tally = tally.plus(self.families.get(name, Tally()))
        return tally


def tally(cell: Cell) -> Tally:
    """A cell in plain counts."""
    return Tally(cell.count, cell.errors, cell.total * cell.unit)


def totals(frames: Iterable[Frame], breathe: Callable[[], None] = unpaced) -> Totals:
    """The frames together, in plain counts; the caller holds whatever lock guards them."""
    families: dict[str, Tally] = {}
    rows: dict[str, dict[Key, Tally]] = {}
    counters: dict[str, int] = {}
    for frame in frames:
        for family, cell in frame.totals.items():
            families[family] = families.get(family, Tally()).plus(tally(cell))
        for family, cells in frame.series.items():
            mine = rows.setdefault(family, {})
            for key, cell in cells.items():
                known = mine.get(key)
                mine[key] = tally(cell) if known is None else known.plus(tally(cell))
                breathe()
        for name, amount in frame.counters.items():
            counters[name] = counters.get(name, 0) + amount
    return Totals(families, rows, counters)
