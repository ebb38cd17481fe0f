"""Series: one series over the window: packed cells of ten seconds, their running sum, and its figures."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from typing import Final

import msgspec

from fanlight.core.cell import Cell, CellRow
from fanlight.core.histogram import ordered_quantiles

FRACTIONS: Final = (0.5, 0.95, 0.99)
"""The percentiles every summary carries."""

_LARGEST: Final = 2**63 - 1


class Summary(msgspec.Struct, frozen=True, gc=False):
    """A cell as figures, in its unit (seconds): what is shown."""

    count: int
    errors: int
    mean: float
    p50: float
    p95: float
    p99: float
    maximum: float


EMPTY: Final = Summary(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)


def summarize(cell: Cell) -> Summary:
    """The figures of a cell."""
    if not cell.count:
        return EMPTY
    p50, p95, p99 = cell.quantiles(FRACTIONS)
    return Summary(cell.count, cell.errors, cell.mean, p50, p95, p99, cell.maximum * cell.unit)


def summarize_row(row: CellRow) -> Summary:
    """As `summarize`, of a cell that is still a row."""
    count, errors, total, minimum, maximum, unit, flat, _ = row
    order, counts = flat[::2], flat[1::2]
    if not count:
        return EMPTY
    if order != sorted(order):
        return summarize(Cell.from_row(row))
    low, high = minimum * unit, maximum * unit
    p50, p95, p99 = (min(max(value, low), high) for value in ordered_quantiles(order, counts, count, FRACTIONS))
    return Summary(count, errors, int(total) * unit / count, p50, p95, p99, high)


class Series:
    """One series: packed cells by bucket, the open bucket, the running sum, and its figures while they hold."""

    __slots__ = ("extremes", "open", "open_bucket", "packed", "running", "summary", "unusual")

    def __init__(self) -> None:
        self.packed: dict[int, bytes] = {}
        self.extremes = array("q")  # bucket, minimum, maximum of each packed cell, in turn
        self.open = Cell()
        self.open_bucket = 0
        self.running = Cell()
        self.summary: Summary | None = None
        self.unusual: float | None = None

    def add(self, bucket: int, cell: Cell) -> None:
        if bucket > self.open_bucket:
            self._close()
            self.open, self.open_bucket = Cell(), bucket
        if bucket == self.open_bucket:
            self.open.add(cell)
        else:  # a late frame
            known = Cell.unpack(self.packed[bucket]) if bucket in self.packed else Cell()
            known.add(cell)
            self._keep(bucket, known)
        self.running.add(cell)
        self.summary = self.unusual = None

    def _close(self) -> None:
        if self.open.count:
            self._keep(self.open_bucket, self.open)

    def _keep(self, bucket: int, cell: Cell) -> None:
        if bucket in self.packed:
            self._drop_extremes({bucket})
        self.packed[bucket] = cell.pack()
        self.extremes.extend((bucket, min(cell.minimum, _LARGEST), min(cell.maximum, _LARGEST)))

    def _drop_extremes(self, buckets: Collection[int]) -> None:
        kept = array("q")
        for place in range(0, len(self.extremes), 3):
            if self.extremes[place] not in buckets:
                kept.extend(self.extremes[place : place + 3])
        self.extremes = kept

    def copy(self) -> Series:
        """A series of its own with the same content."""
        twin = Series()
        twin.packed, twin.extremes = dict(self.packed), self.extremes[:]
        twin.open, twin.open_bucket, twin.running = self.open.copy(), self.open_bucket, self.running.copy()
        twin.summary, twin.unusual = self.summary, self.unusual
        return twin

    def cell(self, bucket: int) -> Cell | None:
        """What it holds of a bucket, as a cell of its own; None when nothing."""
        if bucket == self.open_bucket and self.open.count:
            return self.open.copy()
        return Cell.unpack(self.packed[bucket]) if bucket in self.packed else None

    def expire(self, limit: int) -> None:
        old = [bucket for bucket in self.packed if bucket < limit]
        for bucket in old:
            self.running.subtract(Cell.unpack(self.packed.pop(bucket)))
        ended = self.open.count and self.open_bucket < limit
        if ended:
            self.running.subtract(self.open)
            self.open, self.open_bucket = Cell(), 0
        if old:
            self._drop_extremes(old)
        if old or ended:
            self.running.shrink()
            self.packed = dict(self.packed)
            self._restore_extremes()
            self.summary = self.unusual = None

    def _restore_extremes(self) -> None:
        lows, highs = list(self.extremes[1::3]), list(self.extremes[2::3])
        if self.open.count:
            lows.append(self.open.minimum)
            highs.append(self.open.maximum)
        self.running.minimum, self.running.maximum = min(lows, default=0), max(highs, default=0)

    @property
    def last(self) -> int:
        """The last bucket anything is in, 0 for none."""
        return self.open_bucket if self.open.count else max(self.packed, default=0)

    def at(self, bucket: int) -> Cell | None:
        """What is in a bucket, None for nothing; not to be changed."""
        if bucket == self.open_bucket and self.open.count:
            return self.open
        packed = self.packed.get(bucket)
        return None if packed is None else Cell.unpack(packed)

    def figures(self) -> Summary:
        if self.summary is None:
            self.summary = summarize(self.running)
        return self.summary

    def slow_from(self, share: float) -> float:
        """What this share of it is below, in its unit; always asked for the same share."""
        if self.unusual is None:
            self.unusual = self.running.quantiles((share,))[0]
        return self.unusual
