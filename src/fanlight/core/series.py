"""Series: one series over the window: packed cells of ten seconds, their running sum, and its figures."""

from __future__ import annotations

from typing import Final

import msgspec

from fanlight.core.cell import Cell, Head

BUCKET: Final = 10
"""Seconds per packed cell."""

FRACTIONS: Final = (0.5, 0.95, 0.99)
"""The percentiles every summary carries."""


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


class Series:
    """One series: packed cells by bucket, the open bucket, the running sum, and its figures while they hold.

    `packed` begins with the bucket `first`, None where there was nothing.
    """

    __slots__ = ("first", "open", "open_bucket", "packed", "running", "summary", "unusual")

    def __init__(self) -> None:
        self.first = 0
        self.packed: list[bytes | None] = []
        self.open = Cell()
        self.open_bucket = 0
        self.running = Cell()
        self.summary: Summary | None = None
        self.unusual: float | None = None

    def add(self, bucket: int, cell: Cell) -> None:
        """Take in what was in a bucket (a multiple of BUCKET), late or not."""
        if bucket > self.open_bucket:
            if self.open.count:
                self._keep(self.open_bucket, self.open)
            self.open, self.open_bucket = Cell(), bucket
        if bucket == self.open_bucket:
            self.open.add(cell)
        else:
            known = self.cell(bucket) or Cell()
            known.add(cell)
            self._keep(bucket, known)
        self.running.add(cell)
        self.summary = self.unusual = None

    def _keep(self, bucket: int, cell: Cell) -> None:
        packed = self.packed
        if not packed:
            self.first = bucket
        place = (bucket - self.first) // BUCKET
        if place < 0:
            packed[:0] = [None] * -place
            self.first, place = bucket, 0
        packed += [None] * (place + 1 - len(packed))
        packed[place] = cell.pack()

    def _held(self, bucket: int) -> bytes | None:
        place = (bucket - self.first) // BUCKET
        return self.packed[place] if 0 <= place < len(self.packed) else None

    def copy(self) -> Series:
        """A series of its own with the same content."""
        twin = Series()
        twin.first, twin.packed, twin.running = self.first, list(self.packed), self.running.copy()
        twin.open, twin.open_bucket = self.open.copy(), self.open_bucket
        twin.summary, twin.unusual = self.summary, self.unusual
        return twin

    def cell(self, bucket: int) -> Cell | None:
        """What it holds of a bucket, as a cell of its own; None when nothing."""
        found = self.at(bucket)
        return found.copy() if found is self.open else found

    def at(self, bucket: int) -> Cell | None:
        """What is in a bucket, None for nothing; not to be changed."""
        if bucket == self.open_bucket and self.open.count:
            return self.open
        packed = self._held(bucket)
        return None if packed is None else Cell.unpack(packed)

    def expire(self, limit: int) -> None:
        """Forget the buckets before a limit (a multiple of BUCKET)."""
        old = max(0, (limit - self.first) // BUCKET)
        gone = [Cell.unpack(packed) for packed in self.packed[:old] if packed is not None]
        del self.packed[:old]
        self.first += old * BUCKET
        if self.open.count and self.open_bucket < limit:
            gone.append(self.open)
            self.open, self.open_bucket = Cell(), 0
        for cell in gone:
            self.running.subtract(cell)
        if gone:
            self.running.shrink()
            self._restore_extremes(gone)
            self.summary = self.unusual = None

    def _restore_extremes(self, gone: list[Cell]) -> None:
        running = self.running
        low, high = min(cell.minimum for cell in gone), max(cell.maximum for cell in gone)
        if running.count and low > running.minimum and high < running.maximum:
            return
        left: list[Cell | Head] = [Head.of(packed) for packed in self.packed if packed is not None]
        if self.open.count:
            left.append(self.open)
        running.minimum = min((cell.minimum for cell in left), default=0)
        running.maximum = max((cell.maximum for cell in left), default=0)

    @property
    def last(self) -> int:
        """The last bucket anything is in, 0 for none."""
        if self.open.count:
            return self.open_bucket
        return self.first + (len(self.packed) - 1) * BUCKET if self.packed else 0

    def figures(self) -> Summary:
        if self.summary is None:
            self.summary = summarize(self.running)
        return self.summary

    def slow_from(self, share: float) -> float:
        """What this share of it is below, in its unit; always asked for the same share."""
        if self.unusual is None:
            self.unusual = self.running.quantiles((share,))[0]
        return self.unusual
