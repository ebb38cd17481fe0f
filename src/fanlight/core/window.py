"""Window: the last 15 minutes in bounded memory, fed with frames, read as one consistent view.

Family totals are kept by the second, series in packed cells of 10 s, and running sums of both, so that reading does
not depend on how
much happened. Everything expires by whole 10 s buckets, so totals and series always cover the same span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Final, NamedTuple

import msgspec

from fanlight.core.cell import Cell
from fanlight.core.frame import KEPT_LIMITS, Frame, Gauge, Key, Record, newest
from fanlight.core.pacer import unpaced

SPAN: Final = 900
"""Seconds the window holds."""

BUCKET: Final = 10
"""Seconds per packed cell of a series."""

STEP: Final = 5
"""Seconds per point of a chart: 180 points in 15 minutes."""

STALE: Final = 6
"""Seconds after which a source of a gauge that says nothing no longer counts."""

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


class Point(msgspec.Struct, frozen=True, gc=False):
    """One step of a chart of a family."""

    count: int
    errors: int
    mean: float
    p50: float
    p95: float
    p99: float


EMPTY: Final = Summary(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)


def summarize(cell: Cell, maximum: int | None = None) -> Summary:
    """The figures of a cell."""
    if not cell.count:
        return EMPTY
    p50, p95, p99 = cell.quantiles(FRACTIONS)
    largest = cell.maximum if maximum is None else maximum
    return Summary(cell.count, cell.errors, cell.mean, p50, p95, p99, largest * cell.unit)


class _Series:
    """One series: packed cells by bucket, the open bucket, the running sum, and its figures while they hold."""

    __slots__ = ("extremes", "open", "open_bucket", "packed", "running", "summary")

    def __init__(self) -> None:
        self.packed: dict[int, bytes] = {}
        self.extremes: dict[int, tuple[int, int]] = {}
        self.open = Cell()
        self.open_bucket = 0
        self.running = Cell()
        self.summary: Summary | None = None

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
        self.summary = None

    def _close(self) -> None:
        if self.open.count:
            self._keep(self.open_bucket, self.open)

    def _keep(self, bucket: int, cell: Cell) -> None:
        self.packed[bucket] = cell.pack()
        self.extremes[bucket] = (cell.minimum, cell.maximum)

    def expire(self, buckets: Iterable[int]) -> None:
        changed = False
        for bucket in buckets:
            packed = self.packed.pop(bucket, None)
            if packed is not None:
                self.extremes.pop(bucket, None)
                self.running.subtract(Cell.unpack(packed))
                changed = True
            elif bucket == self.open_bucket and self.open.count:
                self.running.subtract(self.open)
                self.open, self.open_bucket = Cell(), 0
                changed = True
        if changed:
            self._restore_extremes()
            self.summary = None

    def _restore_extremes(self) -> None:
        pairs = list(self.extremes.values())
        if self.open.count:
            pairs.append((self.open.minimum, self.open.maximum))
        self.running.minimum = min((low for low, _ in pairs), default=0)
        self.running.maximum = max((high for _, high in pairs), default=0)

    def figures(self) -> Summary:
        if self.summary is None:
            self.summary = summarize(self.running)
        return self.summary


class _Family:
    """One family: its total by the second, its running total, its series and its chart points."""

    __slots__ = ("points", "running", "seconds", "series")

    def __init__(self) -> None:
        self.seconds: dict[int, Cell] = {}
        self.running = _Series()
        self.series: dict[Key, _Series] = {}
        self.points: dict[int, Point] = {}


class View(NamedTuple):
    """The window at one moment; nothing in it changes any more.

    `rows[family][key]` and `totals[family]` are figures, `outcomes[family]` counts by result code, `points[family]`
    chart points
    from `start` (Unix seconds) in steps of STEP, `gauges` the present levels, `levels[name]` their past by the step,
    `counters` what they went up in
    the span, `counter_points[name]` the same by the step, `kept` records by kind, oldest first.
    """

    start: int
    seconds: int
    totals: Mapping[str, Summary]
    outcomes: Mapping[str, Mapping[str, int]]
    rows: Mapping[str, Mapping[Key, Summary]]
    points: Mapping[str, tuple[Point, ...]]
    gauges: Mapping[tuple[str, str], float]
    levels: Mapping[str, tuple[float | None, ...]]
    counters: Mapping[str, int]
    counter_points: Mapping[str, tuple[int, ...]]
    kept: Mapping[str, tuple[Record, ...]]


class Window:
    """Thread-safe by its lock, which is never taken on the serving loop. `since` is when it began (Unix seconds)."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.lock = RLock()
        self._families: dict[str, _Family] = {}
        self._counters: dict[int, dict[str, int]] = {}
        self._running_counters: dict[str, int] = {}
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._levels: dict[str, dict[int, float]] = {}
        self._kept: dict[str, list[Record]] = {}
        self._oldest = int(since) // BUCKET * BUCKET

    def add(self, frame: Frame, breathe: Callable[[], None] = unpaced) -> None:
        """Take in a frame of one second, late or not; one from before the window is ignored."""
        second = frame.start
        with self.lock:
            if second < self._oldest - SPAN:
                return
            for family, total in frame.totals.items():
                self._add_family(family, second, total, frame.series.get(family, {}), breathe)
            self._add_counters(second, frame.counters)
            self._add_gauges(second, frame)
            for kind, made in frame.kept.items():
                self._kept[kind] = newest(KEPT_LIMITS[kind], self._kept.get(kind, ()), made)
                breathe()
            self._expire(second, breathe)

    def _add_family(
        self, name: str, second: int, total: Cell, cells: Mapping[Key, Cell], breathe: Callable[[], None]
    ) -> None:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _Family()
        bucket = second // BUCKET * BUCKET
        known = family.seconds.get(second)
        if known is None:
            family.seconds[second] = total.copy()
        else:
            known.add(total)
        family.points.pop(second // STEP * STEP, None)
        family.running.add(bucket, total)
        for key, cell in cells.items():
            series = family.series.get(key)
            if series is None:
                series = family.series[key] = _Series()
            series.add(bucket, cell)
            breathe()

    def _add_counters(self, second: int, counters: Mapping[str, int]) -> None:
        if not counters:
            return
        mine = self._counters.setdefault(second, {})
        for name, amount in counters.items():
            mine[name] = mine.get(name, 0) + amount
            self._running_counters[name] = self._running_counters.get(name, 0) + amount

    def _add_gauges(self, second: int, frame: Frame) -> None:
        for name_label, gauge in frame.gauges.items():
            known = self._gauges.get(name_label)
            if known is None:
                known = self._gauges[name_label] = gauge.copy()
            else:
                known.add(gauge)
            name, label = name_label
            if not label:
                value = known.value()
                if value is not None:
                    self._levels.setdefault(name, {})[second] = value

    def _expire(self, second: int, breathe: Callable[[], None]) -> None:
        limit = (second - SPAN) // BUCKET * BUCKET
        self._drop_stale(second)
        if limit <= self._oldest:
            return
        first = max(self._oldest, limit - SPAN - 2 * BUCKET)
        buckets = range(first, limit, BUCKET)
        self._oldest = limit
        for family in list(self._families.values()):
            self._expire_family(family, buckets, limit, breathe)
        for old in [moment for moment in self._counters if moment < limit]:
            for name, amount in self._counters.pop(old).items():
                self._running_counters[name] -= amount
        for level in self._levels.values():
            for old in [moment for moment in level if moment < limit]:
                del level[old]
        for kind, made in self._kept.items():
            if kind != "logs" and made and made[0].at < limit:
                self._kept[kind] = [record for record in made if record.at >= limit]

    def _expire_family(self, family: _Family, buckets: range, limit: int, breathe: Callable[[], None]) -> None:
        for mapping in (family.seconds, family.points):
            for old in [moment for moment in mapping if moment < limit]:
                del mapping[old]
        family.running.expire(buckets)
        for key, series in list(family.series.items()):
            series.expire(buckets)
            if not series.running.count:
                del family.series[key]
            breathe()

    def _drop_stale(self, second: int) -> None:
        for name_label, gauge in list(self._gauges.items()):
            for source, reading in list(gauge.sources.items()):
                if reading.at < second - STALE:
                    del gauge.sources[source]
            if not gauge.sources:
                del self._gauges[name_label]

    def view(self, now: float, breathe: Callable[[], None] = unpaced) -> View:
        """The window at `now` (Unix seconds)."""
        with self.lock:
            end = int(now) // STEP * STEP + STEP
            start = end - SPAN
            totals, outcomes, rows, points = {}, {}, {}, {}
            for name, family in self._families.items():
                totals[name] = family.running.figures()
                outcomes[name] = dict(family.running.running.outcomes)
                rows[name] = self._rows(family, breathe)
                points[name] = self._points(family, start, end, breathe)
            return View(
                start=start,
                seconds=max(1, min(SPAN, int(now - self.since) or 1)),
                totals=totals,
                outcomes=outcomes,
                rows=rows,
                points=points,
                gauges=self._present(),
                levels={name: _by_step(level, start, end) for name, level in self._levels.items()},
                counters={name: amount for name, amount in self._running_counters.items() if amount},
                counter_points=self._counter_points(start, end),
                kept={kind: tuple(made) for kind, made in self._kept.items()},
            )

    def _rows(self, family: _Family, breathe: Callable[[], None]) -> dict[Key, Summary]:
        rows = {}
        for key, series in family.series.items():
            rows[key] = series.figures()
            breathe()
        return rows

    def _points(self, family: _Family, start: int, end: int, breathe: Callable[[], None]) -> tuple[Point, ...]:
        points, seconds = family.points, family.seconds
        for moment in range(start, end, STEP):
            if moment not in points:
                points[moment] = _point(seconds.get(second) for second in range(moment, moment + STEP))
                breathe()
        return tuple(points[moment] for moment in range(start, end, STEP))

    def _present(self) -> dict[tuple[str, str], float]:
        values = ((name_label, gauge.value()) for name_label, gauge in self._gauges.items())
        return {name_label: value for name_label, value in values if value is not None}

    def _counter_points(self, start: int, end: int) -> dict[str, tuple[int, ...]]:
        made: dict[str, list[int]] = {}
        for second, counters in self._counters.items():
            if start <= second < end:
                for name, amount in counters.items():
                    made.setdefault(name, [0] * ((end - start) // STEP))[(second - start) // STEP] += amount
        return {name: tuple(amounts) for name, amounts in made.items()}


_EMPTY_POINT: Final = Point(0, 0, 0.0, 0.0, 0.0, 0.0)


def _point(cells: Iterable[Cell | None]) -> Point:
    merged: Cell | None = None
    for cell in cells:
        if cell is not None:
            if merged is None:
                merged = cell.copy()
            else:
                merged.add(cell)
    if merged is None:
        return _EMPTY_POINT
    figures = summarize(merged)
    return Point(figures.count, figures.errors, figures.mean, figures.p50, figures.p95, figures.p99)


def _by_step(level: Mapping[int, float], start: int, end: int) -> tuple[float | None, ...]:
    made: list[float | None] = [None] * ((end - start) // STEP)
    for second, value in level.items():
        if start <= second < end:
            place = (second - start) // STEP
            known = made[place]
            made[place] = value if known is None else max(known, value)
    return tuple(made)
