"""Family: one family of the window: its total by the second, its running total, its series, and what charts need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nsmallest

from fanlight.core.cell import Cell, Head
from fanlight.core.frame import Key
from fanlight.core.pacer import unpaced
from fanlight.core.series import BUCKET, Series, Summary, summarize
from fanlight.core.timeline import EMPTY_POINT, LINES, SPAN, STEP, Point, Share, point


class Family:
    """Not thread-safe: under the lock of its window. Points of charts and shares of lines are kept while they hold."""

    __slots__ = ("points", "running", "seconds", "series", "shares")

    def __init__(self) -> None:
        self.shares: dict[tuple[Key, int], Share | None] = {}
        self.seconds: dict[int, Cell | bytes] = {}  # packed when nothing is added to them any more
        self.running = Series()
        self.series: dict[Key, Series] = {}
        self.points: dict[int, Point] = {}

    def add(self, second: int, total: Cell, cells: Mapping[Key, Cell], breathe: Callable[[], None]) -> None:
        """Take in a second's total and cells."""
        bucket = second // BUCKET * BUCKET
        known = self.second(second)
        if known is None:
            known = total.copy()
        else:
            known.add(total)
        self.seconds[second] = known
        breathe()
        self.points.pop(second // STEP * STEP, None)
        for key in cells if self.shares else ():
            self.shares.pop((key, bucket), None)
        self.running.add(bucket, total)
        breathe()
        for key, cell in cells.items():
            series = self.series.get(key)
            if series is None:
                series = self.series[key] = Series()
            series.add(bucket, cell)
            breathe()

    def second(self, moment: int) -> Cell | None:
        """The total of a second, not to be changed; None when there was nothing."""
        known = self.seconds.get(moment)
        return Cell.unpack(known) if isinstance(known, bytes) else known

    def counts(self, moments: Iterable[int]) -> tuple[int, int]:
        """How many there were in these seconds, and how many failed."""
        count = errors = 0
        for cell in map(self.seconds.get, moments):
            found = Head.of(cell) if isinstance(cell, bytes) else cell
            if found is not None:
                count, errors = count + found.count, errors + found.errors
        return count, errors

    def expire(self, limit: int, breathe: Callable[[], None]) -> None:
        """Forget what was before a limit, and pack the seconds that are over."""
        for mapping in (self.seconds, self.points):
            for old in [moment for moment in mapping if moment < limit]:
                del mapping[old]
            breathe()
        self._pack(limit + SPAN, breathe)
        self.running.expire(limit)
        breathe()
        for key, series in list(self.series.items()):
            series.expire(limit)
            if not series.running.count:
                del self.series[key]
            breathe()

    def _pack(self, before: int, breathe: Callable[[], None]) -> None:
        """Pack the seconds before a moment: 900 histograms take ten times the room otherwise."""
        for moment, cell in list(self.seconds.items()):
            if moment < before and not isinstance(cell, bytes):
                self.seconds[moment] = cell.pack()
                breathe()

    def copy(self, breathe: Callable[[], None]) -> Family:
        """A family of its own with the same content."""
        twin = Family()
        twin.seconds = {at: cell if isinstance(cell, bytes) else cell.copy() for at, cell in self.seconds.items()}
        twin.running, twin.points, twin.shares = self.running.copy(), dict(self.points), dict(self.shares)
        for key, series in self.series.items():
            twin.series[key] = series.copy()
            breathe()
        return twin

    def part(self, bucket: int, breathe: Callable[[], None]) -> tuple[Cell, dict[Key, Cell]]:
        """The total of the BUCKET seconds from `bucket`, and its cells."""
        total, cells = Cell(), {}
        for part in map(self.second, range(bucket, bucket + BUCKET)):
            if part is not None:
                total.add(part)
                breathe()
        for key, series in self.series.items() if total.count else ():
            cell = series.cell(bucket)
            if cell is not None:
                cells[key] = cell
            breathe()
        return total, cells

    def rows(self, breathe: Callable[[], None]) -> dict[Key, Summary]:
        """The figures of each series."""
        rows = {}
        for key, series in self.series.items():
            rows[key] = series.figures()
            breathe()
        return rows

    def chart(self, start: int, end: int, breathe: Callable[[], None]) -> tuple[Point, ...]:
        """The points from `start` to `end`, both multiples of STEP."""
        points = self.points
        moments = range(start, end, STEP)
        for moment in moments:
            if moment not in points:
                points[moment] = merged_point(map(self.second, range(moment, moment + STEP)), breathe)
        return tuple(map(points.__getitem__, moments))

    def lines(self, places: Sequence[int], breathe: Callable[[], None]) -> dict[Key, tuple[Share | None, ...]]:
        """The busiest series by the BUCKET, at these places."""
        ranked = []
        for key, series in self.series.items():
            ranked.append((-series.running.count, key))
            breathe()
        busiest = [key for _, key in nsmallest(LINES, ranked)]
        known, self.shares = self.shares, {}
        for place in ((key, at) for key in busiest for at in places):
            self.shares[place] = known[place] if place in known else _share(self.series[place[0]].cell(place[1]))
            breathe()
        return {key: tuple(self.shares[key, at] for at in places) for key in busiest}


def merged_point(cells: Iterable[Cell | None], breathe: Callable[[], None] = unpaced) -> Point:
    """All of these as one point of a chart."""
    merged: Cell | None = None
    for cell in cells:
        if cell is not None:
            if merged is None:
                merged = cell.copy()
            else:
                merged.add(cell)
            breathe()
    if merged is None:
        return EMPTY_POINT
    return point(summarize(merged))


def _share(cell: Cell | None) -> Share | None:
    return None if cell is None else Share(cell.count, cell.errors, cell.total * cell.unit)
