"""Window: the last 15 minutes in bounded memory, fed with frames, read as one consistent view.

Family totals are kept by the second, series in packed cells of 10 s, and running sums of both, so that reading does
not depend on how much happened. Everything expires by whole 10 s buckets, so totals and series always cover the same
span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from math import ceil
from threading import RLock
from typing import Final, Literal, TypeVar

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame, Key, Record, appended
from fanlight.core.gauge import Gauge
from fanlight.core.health import UNUSUAL, Recent
from fanlight.core.moments import Paces
from fanlight.core.pacer import unpaced
from fanlight.core.series import Series, Summary, summarize
from fanlight.core.timeline import (
    EMPTY_POINT,
    LINES,
    SPAN,
    STEP,
    WINDOW_LIMITS,
    Course,
    Lines,
    Point,
    Share,
    View,
    point,
)

T = TypeVar("T")
A = TypeVar("A")
N = TypeVar("N", int, float)

BUCKET: Final = 10
"""Seconds per packed cell of a series."""

SETTLE: Final = 1
"""Seconds a second is given, after it ended, until every instance's share of it is there."""

RATE_SECONDS: Final = 10
"""Settled seconds a present rate is averaged over."""

STALE: Final = 6
"""Seconds after which a source of a gauge that says nothing no longer counts."""

SERVICES: Final = "services"
"""The family of services, which is followed by the second, too."""

SOURCED: Final = ("breaker.", "service.")
"""Beginnings of the names of gauges that are shown by instance, too."""


class _Family:
    """One family: its total by the second, its running total, its series, and the points of chart and lines."""

    __slots__ = ("points", "running", "seconds", "series", "shares")

    def __init__(self) -> None:
        self.shares: dict[tuple[Key, int], Share | None] = {}
        self.seconds: dict[int, Cell | bytes] = {}  # packed when nothing is added to them any more
        self.running = Series()
        self.series: dict[Key, Series] = {}
        self.points: dict[int, Point] = {}

    def second(self, moment: int) -> Cell | None:
        """The total of a second, not to be changed; None when there was nothing."""
        known = self.seconds.get(moment)
        return Cell.unpack(known) if isinstance(known, bytes) else known

    def pack(self, before: int, breathe: Callable[[], None]) -> None:
        """Pack the seconds before a moment: 900 histograms take ten times the room otherwise."""
        for moment, cell in list(self.seconds.items()):
            if moment < before and not isinstance(cell, bytes):
                self.seconds[moment] = cell.pack()
                breathe()


class Window:
    """Thread-safe by its lock, which is never taken on the serving loop. `since` is when what it holds began (Unix
    seconds); frames from before the 15 minutes that end there are refused."""

    def __init__(self, since: float) -> None:
        self.lock = RLock()
        self._begin(since)

    def _begin(self, since: float) -> None:
        self.since = since
        self._families: dict[str, _Family] = {}
        self._counters: dict[str, dict[int, int]] = {}  # by the step, as levels
        self._running_counters: dict[str, int] = {}
        self._gauges: dict[tuple[str, str], Gauge] = {}
        self._levels: dict[str, dict[int, float]] = {}
        self._kept: dict[str, list[Record]] = {}
        self._paces = Paces()
        self._oldest = (int(since) - SPAN) // BUCKET * BUCKET

    def add(self, frame: Frame, breathe: Callable[[], None] = unpaced) -> None:
        """Take in a frame of one second, late or not; one from before the window is ignored."""
        second = frame.start
        with self.lock:
            if second < self._oldest:
                return
            if second + 1 < self.since:
                self.since = float(second)
            for family, total in frame.totals.items():
                self._add_family(family, second, total, frame.series.get(family, {}), breathe)
            self._paces.add(second, frame.series.get(SERVICES, {}), breathe)
            self._add_counters(second, frame.counters, breathe)
            self._add_gauges(second, frame, breathe)
            for kind, made in frame.kept.items():
                self._kept[kind] = appended(WINDOW_LIMITS[kind], self._kept.get(kind, []), made)
                breathe()
            self._expire(second, breathe)

    def _add_family(
        self, name: str, second: int, total: Cell, cells: Mapping[Key, Cell], breathe: Callable[[], None]
    ) -> None:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _Family()
        bucket = second // BUCKET * BUCKET
        known = family.second(second)
        if known is None:
            known = family.seconds[second] = total.copy()
        else:
            known.add(total)
            family.seconds[second] = known
        family.points.pop(second // STEP * STEP, None)
        for key in cells:
            family.shares.pop((key, bucket), None)
        family.running.add(bucket, total)
        breathe()
        for key, cell in cells.items():
            series = family.series.get(key)
            if series is None:
                series = family.series[key] = Series()
            series.add(bucket, cell)
            breathe()

    def _add_counters(self, second: int, counters: Mapping[str, int], breathe: Callable[[], None]) -> None:
        step = second // STEP * STEP
        for name, amount in counters.items():
            mine = self._counters.setdefault(name, {})
            mine[step] = mine.get(step, 0) + amount
            self._running_counters[name] = self._running_counters.get(name, 0) + amount
            breathe()

    def _add_gauges(self, second: int, frame: Frame, breathe: Callable[[], None]) -> None:
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
                    level, step = self._levels.setdefault(name, {}), second // STEP * STEP
                    level[step] = max(level.get(step, value), value)
            breathe()

    def _expire(self, second: int, breathe: Callable[[], None]) -> None:
        limit = (second - SPAN) // BUCKET * BUCKET
        self._drop_stale(second, breathe)
        if limit <= self._oldest:
            return
        self._oldest = limit
        for family in self._families.values():
            self._expire_family(family, limit, breathe)
        self._forget_services()
        for name, steps in list(self._counters.items()):
            self._running_counters[name] -= _drop_before(steps, limit)
            if not steps:
                del self._counters[name], self._running_counters[name]
            breathe()
        for name, level in list(self._levels.items()):
            _drop_before(level, limit)
            if not level:
                del self._levels[name]
            breathe()
        for kind, made in self._kept.items():
            if kind != "logs" and made and made[0].at < limit:
                self._kept[kind] = [record for record in made if record.at >= limit]
            breathe()

    def _forget_services(self) -> None:
        family = self._families.get(SERVICES)
        self._paces.keep(family.series if family is not None else {})

    def _expire_family(self, family: _Family, limit: int, breathe: Callable[[], None]) -> None:
        for mapping in (family.seconds, family.points):
            for old in [moment for moment in mapping if moment < limit]:
                del mapping[old]
            breathe()
        family.pack(limit + SPAN, breathe)
        family.running.expire(limit)
        breathe()
        for key, series in list(family.series.items()):
            series.expire(limit)
            if not series.running.count:
                del family.series[key]
            breathe()

    def _drop_stale(self, second: int, breathe: Callable[[], None]) -> None:
        for name_label, gauge in list(self._gauges.items()):
            for source, reading in list(gauge.sources.items()):
                if reading.at < second - STALE:
                    del gauge.sources[source]
            if not gauge.sources:
                del self._gauges[name_label]
            breathe()

    def rewind(self, now: float) -> None:
        """The clock was set back to `now`: begin anew when that is before everything held."""
        with self.lock:
            if now < self._oldest:
                self._begin(now)

    def frame(self, bucket: int, breathe: Callable[[], None] = unpaced) -> Frame:
        """The BUCKET seconds from `bucket` (a multiple) as one frame: cells, totals and counters; what is held of them.

        Levels and records are not: a window does not tell by which second they came.
        """
        made = Frame(bucket, bucket + BUCKET)
        with self.lock:
            for name, family in self._families.items():
                total = Cell()
                for second in range(bucket, bucket + BUCKET):
                    part = family.second(second)
                    if part is not None:
                        total.add(part)
                if not total.count:
                    continue
                made.totals[name] = total
                cells = made.series[name] = {}
                for key, series in family.series.items():
                    cell = series.cell(bucket)
                    if cell is not None:
                        cells[key] = cell
                    breathe()
            for name, steps in self._counters.items():
                amounts = [steps[step] for step in range(bucket, bucket + BUCKET, STEP) if step in steps]
                if amounts:
                    made.counters[name] = sum(amounts)
        return made

    def view(self, now: float, breathe: Callable[[], None] = unpaced) -> View:
        """The window at `now` (Unix seconds)."""
        with self.lock:
            self.rewind(now)
            self._expire(int(now), breathe)
            end = int(now) // STEP * STEP + STEP
            start = end - SPAN
            recent_seconds, recent = self._recent(now)
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
                levels=self._by_step(self._levels, None, start, end, breathe),
                counters=dict(self._running_counters),
                counter_points=self._by_step(self._counters, 0, start, end, breathe),
                kept={kind: tuple(made) for kind, made in self._kept.items()},
                recent=recent,
                recent_seconds=recent_seconds,
                sources=self._by_source(),
                services=self._recent_calls(int(now), breathe),
            )

    def lines(self, now: float, breathe: Callable[[], None] = unpaced) -> Lines:
        """The busiest series of each family by the BUCKET; the one that is still open is left out."""
        with self.lock:
            end = (int(now) - SETTLE) // BUCKET * BUCKET
            places = range(end - SPAN, end, BUCKET)
            widths = tuple(min(BUCKET, max(0, int(at + BUCKET - self.since))) for at in places)
            families = {}
            for name, family in self._families.items():
                busiest = sorted(family.series, key=lambda key: (-family.series[key].running.count, key))[:LINES]
                known, family.shares = family.shares, {}
                for place in ((key, at) for key in busiest for at in places):
                    family.shares[place] = (
                        known[place] if place in known else _share(family.series[place[0]].cell(place[1]))
                    )
                    breathe()
                families[name] = {key: tuple(family.shares[key, at] for at in places) for key in busiest}
            return Lines(end - SPAN, BUCKET, widths, families)

    def _recent(self, now: float) -> tuple[float, dict[str, tuple[int, int]]]:
        """Counts of the last settled seconds, which no longer change; right after the start of all there is."""
        last = int(now) - SETTLE
        first = max(last - RATE_SECONDS, self.since)
        if last - first < 1:
            last, first = int(now) + 1, self.since
        moments = range(int(first), last)
        cells = {
            name: [cell for cell in map(family.second, moments) if cell is not None]
            for name, family in self._families.items()
        }
        counts = {name: (sum(c.count for c in found), sum(c.errors for c in found)) for name, found in cells.items()}
        return max(min(last, now) - first, 1.0), counts

    def _rows(self, family: _Family, breathe: Callable[[], None]) -> dict[Key, Summary]:
        rows = {}
        for key, series in family.series.items():
            rows[key] = series.figures()
            breathe()
        return rows

    def _points(self, family: _Family, start: int, end: int, breathe: Callable[[], None]) -> tuple[Point, ...]:
        points = family.points
        moments = range(start, end, STEP)
        for moment in moments:
            if moment not in points:
                points[moment] = _point(map(family.second, range(moment, moment + STEP)))
                breathe()
        return tuple(map(points.__getitem__, moments))

    def _present(self) -> dict[tuple[str, str], float]:
        values = ((name_label, gauge.value()) for name_label, gauge in self._gauges.items())
        return {name_label: value for name_label, value in values if value is not None}

    def _recent_calls(self, now: int, breathe: Callable[[], None]) -> dict[Key, Recent]:
        family, found = self._families.get(SERVICES), {}
        for key, series in family.series.items() if family is not None else ():
            pace, normal = self._paces.get(key), series.figures().p50
            if pace is not None:
                found[key] = pace.recent(now, normal, series.last, series.running.outcomes, series.slow_from(UNUSUAL))
            breathe()
        return found

    def course(self, service: str, now: float) -> Course:
        """A service's calls of every kind by the bucket, the open one with them."""
        first = (int(now) - SPAN) // BUCKET * BUCKET + BUCKET
        places = range(first, int(now) + 1, BUCKET)
        with self.lock:
            family = self._families.get(SERVICES)
            rows = [row for key, row in family.series.items() if key[0] == service] if family is not None else []
            widths = tuple(max(0, min(BUCKET, ceil(at + BUCKET - self.since), int(now) + 1 - at)) for at in places)
            points = tuple(_point(row.at(at) for row in rows) for at in places) if rows else ()
        return Course(first, BUCKET, widths, points)

    def _by_source(self) -> dict[tuple[str, str], dict[str, float]]:
        return {
            name_label: {source: reading.value for source, reading in gauge.sources.items()}
            for name_label, gauge in self._gauges.items()
            if name_label[0].startswith(SOURCED)
        }

    def _by_step(
        self, named: Mapping[str, Mapping[int, T]], absent: A, start: int, end: int, breathe: Callable[[], None]
    ) -> dict[str, tuple[T | A, ...]]:
        made = {}
        for name, steps in named.items():
            made[name] = tuple(map(steps.get, range(start, end, STEP), repeat(absent)))
            breathe()
        return made


def _drop_before(steps: dict[int, N], limit: int) -> N | Literal[0]:
    """Forget the steps before a limit; what they held in all."""
    return sum([steps.pop(old) for old in [moment for moment in steps if moment < limit]])


def _share(cell: Cell | None) -> Share | None:
    return None if cell is None else Share(cell.count, cell.errors, cell.total * cell.unit)


def _point(cells: Iterable[Cell | None]) -> Point:
    merged: Cell | None = None
    for cell in cells:
        if cell is not None:
            if merged is None:
                merged = cell.copy()
            else:
                merged.add(cell)
    if merged is None:
        return EMPTY_POINT
    return point(summarize(merged))
