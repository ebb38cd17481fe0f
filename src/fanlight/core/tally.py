"""Tally: figures of cells that are still rows, one or the sum of many, without making the cells."""

from __future__ import annotations

from collections.abc import Sequence

from fanlight.core.cell import CellRow
from fanlight.core.histogram import ordered_quantiles
from fanlight.core.lanes import Lanes, columns
from fanlight.core.series import EMPTY, FRACTIONS, Summary


class Tally:
    """The sum of rows: as a cell that each was added to, in a quarter of the time; its result codes apart.

    Not thread-safe. A row that is no cell raises ValueError and may be partly in.
    """

    __slots__ = ("_few", "_lanes", "count", "errors", "maximum", "minimum", "total", "unit")

    def __init__(self) -> None:
        self.unit = 1e-9
        self.count = 0
        self.errors = 0
        self.total = 0
        self.minimum = 0
        self.maximum = 0
        self._lanes = Lanes()
        self._few: dict[int, int] = {}

    def add(self, row: CellRow) -> None:
        """Count the row's cell; an empty tally takes its unit."""
        count, errors, total, minimum, maximum, unit, buckets, _ = row
        if not count:
            return
        if not self.count:
            self.unit, self.minimum = unit, minimum
        elif minimum < self.minimum:
            self.minimum = minimum
        if maximum > self.maximum:
            self.maximum = maximum
        self.count += count
        self.errors += errors
        self.total += int(total)
        if type(buckets) is bytes:
            self._lanes.add(buckets)
        else:
            few = self._few
            for bucket, amount in zip(*columns(buckets), strict=True):
                few[bucket] = few.get(bucket, 0) + amount

    def figures(self) -> Summary:
        """What was counted, as `series.summarize` says it of a cell."""
        self._lanes.add_counts(self._few)
        self._few = {}
        whole = (self.count, self.errors, self.total, self.minimum, self.maximum, self.unit)
        return _figures(*whole, *self._lanes.columns())


def summarize_row(row: CellRow) -> Summary:
    """As `series.summarize`, of a cell that is still a row. Raises ValueError when it is no cell."""
    count, errors, total, minimum, maximum, unit, buckets, _ = row
    order, counts = columns(buckets)
    if isinstance(order, list) and order != sorted(order):
        tally = Tally()
        tally.add(row)
        return tally.figures()
    return _figures(count, errors, int(total), minimum, maximum, unit, order, counts)


def _figures(
    count: int,
    errors: int,
    total: int,
    minimum: int,
    maximum: int,
    unit: float,
    order: Sequence[int],
    counts: Sequence[int],
) -> Summary:
    if not count:
        return EMPTY
    low, high = minimum * unit, maximum * unit
    p50, p95, p99 = (min(max(value, low), high) for value in ordered_quantiles(order, counts, count, FRACTIONS))
    return Summary(count, errors, total * unit / count, p50, p95, p99, high)
