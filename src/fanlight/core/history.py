"""History: a range of stored frames as the view that a window gives, so that every chart works from either.

Points come from the heads of one tier; figures by series, their lines and the records kept from the frames of a coarser
one, of which there are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, Final, NamedTuple, TypeVar

from fanlight.core.cell import CellRow
from fanlight.core.frame import Key, Record, SentFrame, newest
from fanlight.core.gauge import Gauge
from fanlight.core.pacer import unpaced
from fanlight.core.series import Summary
from fanlight.core.tally import Tally, summarize_row
from fanlight.core.timeline import EMPTY_POINT, LINES, WINDOW_LIMITS, Lines, Point, Share, View, point

T = TypeVar("T")
A = TypeVar("A")

POINT_LIMIT: Final = 700
"""Points a range of the viewer's own choice gets at most, where a coarser tier is kept for it."""

PRESETS: Final[Mapping[str, tuple[int, int]]] = {"1h": (3600, 10), "24h": (86400, 60), "7d": (7 * 86400, 900)}
"""The seconds each named range covers, and the tier its points come from. 15m is the window's own."""

RANKING: Final[Mapping[int, int]] = {1: 10, 10: 60, 60: 900, 900: 21600, 21600: 21600}
"""The tier that figures by series come from, by the tier of the points."""

PIECE: Final = 16
"""Rows worked on between two breaths: some 0.04 ms."""

SHORTEST: Final = 60
"""Seconds a range covers at least."""


class Span(NamedTuple):
    """What to read: buckets of `tier` from `start` up to `end` (Unix seconds, multiples); `note` on what was cut."""

    start: int
    end: int
    tier: int
    note: str = ""

    @property
    def ranking(self) -> int:
        """The tier that figures by series come from."""
        return RANKING[self.tier]


def preset(name: str, now: float) -> Span:
    """The span of a named range that ends now; it begins with a whole bucket of its ranking."""
    seconds, tier = PRESETS[name]
    start = int(now - seconds)
    return Span(start - start % RANKING[tier], _up(now, tier), tier)


def chosen(start: float, end: float, now: float, kept: Mapping[int, int]) -> Span:
    """The span of a range of the viewer's own: the finest tier kept for all of it that gives few enough points.

    `kept` says how many seconds each tier is kept. What lies ahead or is not kept any more is cut, which the note says.
    """
    oldest = now - max(kept.values())
    first, last = max(start, oldest), min(end, now)
    if last - first < SHORTEST:
        last = min(max(last, first + SHORTEST), now)
        first = max(last - SHORTEST, oldest)
    note = "older history is not kept" if start < oldest else "the range ends now" if end > now + SHORTEST else ""
    fitting = (t for t in sorted(kept) if first >= now - kept[t] and (last - first) / t <= POINT_LIMIT)
    tier = next(fitting, max(kept))
    return Span(int(first) - int(first) % tier, _up(last, tier), tier, note)


def _up(moment: float, tier: int) -> int:
    return -(-ceil(moment) // tier) * tier


class _Family:
    """One family of a range: its points, its whole, and its series with what each had in each step of a line."""

    def __init__(self) -> None:
        self.points: dict[int, Tally | Point] = {}
        self.latest: CellRow | None = None  # of the last point
        self.total = Tally()
        self.outcomes: dict[str, int] = {}
        self.series: dict[Key, Tally] = {}
        self.shares: dict[int, dict[Key, Share]] = {}

    def count(self, row: CellRow) -> None:
        """Count the row in the whole."""
        self.total.add(row)
        for outcome, amount in row[7].items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + amount


class History:
    """Collects the frames of a span: `add_head` those of its tier, `rank` and `draw` those with series, for the figures
    and the lines; `view` and `lines` are the result.

    One thread at a time. Rows that are no cells raise ValueError and are partly in.
    """

    def __init__(self, span: Span, breathe: Callable[[], None] = unpaced) -> None:
        self.span = span
        self._breathe = breathe
        self._families: dict[str, _Family] = {}
        self._widths: dict[int, int] = {}
        self._line_widths: dict[int, dict[int, int]] = {}
        self._counters: dict[int, dict[str, int]] = {}
        self._levels: dict[int, dict[str, float]] = {}
        self._gauges: dict[int, dict[str, Gauge]] = {}
        self._kept: dict[str, list[Record]] = {}

    def add_head(self, bucket: int, head: SentFrame, whole: bool = False) -> None:
        """A frame of the span's tier; several of one bucket (instances) add up. With `whole` it counts in the totals of
        the span too, which otherwise come from the frames that rank."""
        tier = self.span.tier
        self._widths[bucket] = max(self._widths.get(bucket, 0), min(head.end - bucket, tier))
        for name, row in head.totals.items():
            family = self._family(name)
            self._add_point(family, bucket, row)
            if whole:
                family.count(row)
            self._breathe()
        counters = {name: int(amount) for name, amount in head.counters.items()}
        for name, amount in self._counters.get(bucket, {}).items():
            counters[name] = counters.get(name, 0) + amount
        levels = dict(head.levels)
        for name, level in self._levels.get(bucket, {}).items():
            levels[name] = max(level, levels.get(name, level))
        self._counters[bucket], self._levels[bucket] = counters, levels
        for name, label, merge, sources in head.gauges:
            if not label:
                self._gauges.setdefault(bucket, {}).setdefault(name, Gauge(merge)).add(Gauge(merge, sources))
        self._breathe()

    def add_calls(self, bucket: int, end: int, family: str, rows: Iterable[CellRow]) -> None:
        """What a frame that ends at `end` holds of a few of a family's series; several of one bucket add up."""
        tier = self.span.tier
        self._widths[bucket] = max(self._widths.get(bucket, 0), min(end - bucket, tier))
        for row in rows:
            self._add_point(self._family(family), bucket, row)
        self._breathe()

    def _add_point(self, family: _Family, bucket: int, row: CellRow) -> None:
        """Of a coarse tier most buckets have one row, whose figures are made at once: a histogram takes more room."""
        known = family.points.get(bucket)
        if known is None and self.span.tier > 1:
            family.points[bucket], family.latest = point(summarize_row(row)), row
            return
        tally = known if isinstance(known, Tally) else Tally()
        if tally is not known:
            family.points[bucket] = tally
            if known is not None and family.latest is not None:
                tally.add(family.latest)
        tally.add(row)

    def rank(self, frame: SentFrame, whole: bool = True) -> None:
        """A frame whose cells are part of the figures by series, and of the totals; each moment of the span, of each
        instance, may be in one of them only."""
        for name, row in frame.totals.items() if whole else ():
            self._family(name).count(row)
        for name, rows in frame.series.items():
            series = self._family(name).series
            for piece in self._pieces(rows):
                for labels, row in piece:
                    tally = series.get(labels)
                    if tally is None:
                        tally = series[labels] = Tally()
                    tally.add(row)

    def draw(self, bucket: int, frame: SentFrame) -> None:
        """A frame that is a step of the lines, or a part of one, and whose records are listed; each moment once."""
        place = bucket - bucket % self.span.ranking
        self._line_widths.setdefault(place, {})[bucket] = frame.end - bucket
        for name, rows in frame.series.items():
            shares = self._family(name).shares.setdefault(place, {})
            for piece in self._pieces(rows):
                for labels, row in piece:
                    known, share = shares.get(labels), Share(row[0], row[1], int(row[2]) * row[5])
                    shares[labels] = share if known is None else known.plus(share)
        for kind, records in frame.kept.items():
            inside = (record for record in records if self.span.start <= record.at < self.span.end)
            self._kept[kind] = newest(WINDOW_LIMITS[kind], self._kept.get(kind, ()), inside)

    def _pieces(self, rows: Sequence[T]) -> Iterator[Sequence[T]]:
        """A few rows at a time, and a breath after them."""
        for at in range(0, len(rows), PIECE):
            yield rows[at : at + PIECE]
            self._breathe()

    def _family(self, name: str) -> _Family:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _Family()
        return family

    def view(self) -> View:
        """The range as a window shows itself; present levels and rates are left empty: they are no past."""
        span, families = self.span, self._families
        places = range(span.start, span.end, span.tier)
        for bucket, gauges in self._gauges.items():
            for name, gauge in gauges.items():
                value = gauge.value()
                if value is not None:
                    self._levels.setdefault(bucket, {}).setdefault(name, value)
        counters = self._by_name(self._counters, places, 0)
        counted = {name: sum(steps) for name, steps in counters.items()}
        self._breathe()
        return View(
            start=span.start,
            seconds=max(1, sum(self._widths.values())),
            totals={name: family.total.figures() for name, family in families.items()},
            outcomes={name: family.outcomes for name, family in families.items()},
            rows={name: self._rows(family) for name, family in families.items()},
            points={name: self._points(family, places) for name, family in families.items()},
            gauges={},
            levels=self._by_name(self._levels, places, None),
            counters=counted,
            counter_points=counters,
            kept={kind: tuple(records) for kind, records in self._kept.items()},
            step=span.tier,
            widths=tuple(self._widths.get(at, 0) for at in places),
            note=span.note,
        )

    def _by_name(
        self, steps: Mapping[int, Mapping[str, T]], places: Iterable[int], absent: A
    ) -> dict[str, tuple[T | A, ...]]:
        """Each name's past, by the place."""
        held: list[Mapping[str, T]] = [steps.get(at, {}) for at in places]
        names: dict[str, T] = {}
        for piece in self._pieces(held):
            for each in piece:
                names.update(each)
        made = {}
        for name in names:
            made[name] = tuple([each.get(name, absent) for each in held])
            self._breathe()
        return made

    def _rows(self, family: _Family) -> dict[Key, Summary]:
        rows = {}
        for key, tally in family.series.items():
            rows[key] = tally.figures()
            self._breathe()
        return rows

    def _points(self, family: _Family, places: Iterable[int]) -> tuple[Point, ...]:
        made = []
        for at in places:
            known = family.points.get(at, EMPTY_POINT)
            made.append(point(known.figures()) if isinstance(known, Tally) else known)
            self._breathe()
        return tuple(made)

    def lines(self) -> Lines:
        """The busiest series of each family, over the span."""
        step = self.span.ranking
        start = self.span.start - self.span.start % step
        places = range(start, self.span.end, step)
        widths = tuple(sum(self._line_widths.get(at, {}).values()) for at in places)
        families = {}
        for name, family in self._families.items():
            self._breathe()
            busiest = sorted(family.series, key=lambda key: (-family.series[key].count, key))[:LINES]
            self._breathe()
            shares = [family.shares.get(at, {}) for at in places]
            families[name] = {key: tuple([each.get(key) for each in shares]) for key in busiest}
            self._breathe()
        return Lines(start, step, widths, families)

    def release(self) -> None:
        """Let go of what was collected piece by piece, as a frame does; nothing can be asked of it afterwards."""
        collected: list[dict[Any, Any]] = [self._counters, self._levels]
        for family in self._families.values():
            collected += family.series, family.shares
        for held in collected:
            while held:
                held.popitem()
                self._breathe()
