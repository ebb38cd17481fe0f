"""Window: the last 15 minutes in bounded memory, fed with frames, read as one consistent view.

Family totals are kept by the second, series in packed cells of 10 s, and running sums of both, so that reading does
not depend on how much happened. Everything expires by whole 10 s buckets, so totals and series always cover the same
span.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import repeat
from threading import RLock
from typing import Final, Literal, TypeVar

from fanlight.core.family import Family, merged_point
from fanlight.core.frame import Frame, Key, Record, appended
from fanlight.core.gauge import Gauge
from fanlight.core.health import UNUSUAL, Recent
from fanlight.core.moments import Paces
from fanlight.core.pacer import unpaced
from fanlight.core.series import BUCKET
from fanlight.core.timeline import SPAN, STEP, WINDOW_LIMITS, Course, Lines, View

K = TypeVar("K")
T = TypeVar("T")
A = TypeVar("A")
N = TypeVar("N", int, float)

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


class Window:
    """Thread-safe by its lock, which is never taken on the serving loop. `since` is when what it holds began (Unix
    seconds); frames from before the 15 minutes that end there are refused."""

    def __init__(self, since: float) -> None:
        self.lock = RLock()
        self._begin(since)

    def _begin(self, since: float) -> None:
        self.since = since
        self._families: dict[str, Family] = {}
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
            for name, total in frame.totals.items():
                self._family(name).add(second, total, frame.series.get(name, {}), breathe)
            self._paces.add(second, frame.series.get(SERVICES, {}), breathe)
            self._add_counters(second, frame.counters, breathe)
            self._add_gauges(second, frame, breathe)
            for kind, made in frame.kept.items():
                self._kept[kind] = appended(WINDOW_LIMITS[kind], self._kept.get(kind, []), made)
                breathe()
            self._expire(second, breathe)

    def _family(self, name: str) -> Family:
        known = self._families.get(name)
        if known is None:
            known = self._families[name] = Family()
        return known

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
            family.expire(limit, breathe)
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

    def _drop_stale(self, second: int, breathe: Callable[[], None]) -> None:
        for name_label, gauge in list(self._gauges.items()):
            for source, reading in list(gauge.sources.items()):
                if reading.at < second - STALE:
                    del gauge.sources[source]
            if not gauge.sources:
                del self._gauges[name_label]
            breathe()

    def rewind(self, now: float) -> bool:
        """The clock was set back to `now`: whether that is before everything held, so that it begins anew."""
        with self.lock:
            anew = now < self._oldest
            if anew:
                self._begin(now)
            return anew

    @property
    def oldest(self) -> int:
        """The first second that is still taken in (Unix)."""
        return self._oldest

    def copy(self, breathe: Callable[[], None] = unpaced) -> Window:
        """A window of its own with the same content."""
        twin = Window(self.since)
        with self.lock:
            twin._oldest = self._oldest
            twin._families = {name: family.copy(breathe) for name, family in self._families.items()}
            twin._counters = _copied(self._counters, dict, breathe)
            twin._running_counters = dict(self._running_counters)
            twin._gauges = _copied(self._gauges, Gauge.copy, breathe)
            twin._levels = _copied(self._levels, dict, breathe)
            twin._kept = _copied(self._kept, list, breathe)
            twin._paces = self._paces.copy(breathe)
        return twin

    def agrees_with(self, other: Window) -> bool:
        """Whether both show the same, if as far back as they reach they took in the same seconds."""
        with self.lock, other.lock:
            begun = self.since == other.since or max(self.since, other.since) <= self._oldest
            kinds = self._kept.keys() | other._kept.keys()
            same = all(self._kept.get(kind, []) == other._kept.get(kind, []) for kind in kinds)
            return begun and same and self._oldest == other._oldest

    def frame(self, bucket: int, breathe: Callable[[], None] = unpaced) -> Frame:
        """The BUCKET seconds from `bucket` (a multiple) as one frame: cells, totals and counters; what is held of them.

        Levels and records are not: a window does not tell by which second they came.
        """
        made = Frame(bucket, bucket + BUCKET)
        with self.lock:
            for name, family in self._families.items():
                total, cells = family.part(bucket, breathe)
                if total.count:
                    made.totals[name], made.series[name] = total, cells
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
            breathe()
            totals, outcomes, rows, points = {}, {}, {}, {}
            for name, family in self._families.items():
                totals[name] = family.running.figures()
                outcomes[name] = dict(family.running.running.outcomes)
                breathe()
                rows[name] = family.rows(breathe)
                points[name] = family.chart(start, end, breathe)
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
                kept={kind: tuple(made) for kind, made in self._kept.items() if made},
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
            widths = tuple(_watched(at, self.since, end) for at in places)
            families = {name: family.lines(places, breathe) for name, family in self._families.items()}
            return Lines(end - SPAN, BUCKET, widths, families)

    def _recent(self, now: float) -> tuple[float, dict[str, tuple[int, int]]]:
        """Counts of the last settled seconds, which no longer change; right after the start of all there is."""
        last = int(now) - SETTLE
        first = max(last - RATE_SECONDS, self.since)
        if last - first < 1:
            last, first = int(now) + 1, self.since
        moments = range(int(first), last)
        counts = {name: family.counts(moments) for name, family in self._families.items()}
        return max(min(last, now) - first, 1.0), counts

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
            widths = tuple(_watched(at, self.since, int(now) + 1) for at in places)
            points = tuple(merged_point(row.at(at) for row in rows) for at in places) if rows else ()
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


def _watched(at: int, since: float, until: int) -> int:
    """Whole seconds of a bucket between two times; the second one began in is one of them."""
    return max(0, min(at + BUCKET, until) - max(at, int(since)))


def _copied(named: Mapping[K, T], copy: Callable[[T], T], breathe: Callable[[], None]) -> dict[K, T]:
    made = {}
    for name, value in named.items():
        made[name] = copy(value)
        breathe()
    return made


def _drop_before(steps: dict[int, N], limit: int) -> N | Literal[0]:
    """Forget the steps before a limit; what they held in all."""
    return sum([steps.pop(old) for old in [moment for moment in steps if moment < limit]])
