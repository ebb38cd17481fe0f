"""Timeline: what a service's past looks like to a chart, whether it comes from a window or from stored history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from fanlight.core.frame import KEPT_LIMITS, Key, Record
from fanlight.core.health import Recent
from fanlight.core.series import Summary

SPAN: Final = 900
"""Seconds the window holds."""

STEP: Final = 5
"""Seconds per point of a chart: 180 points in 15 minutes."""

LINES: Final = 10
"""Series of a family that get a line of their own: the busiest."""

WINDOW_LIMITS: Final[Mapping[str, int]] = {**KEPT_LIMITS, "recent": 200, "calls": 1000, "traces": 1000}
"""How many kept facts of each kind the window holds; of the last requests and of their calls more than any one
frame."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One step of a chart of a family."""

    count: int
    errors: int
    mean: float
    p50: float
    p95: float
    p99: float


class Share(msgspec.Struct, frozen=True, gc=False):
    """What a series had in one step of its line: how many, how many failed, and their amounts in all (seconds)."""

    count: int
    errors: int
    amount: float

    def plus(self, other: Share) -> Share:
        """Both together."""
        return Share(self.count + other.count, self.errors + other.errors, self.amount + other.amount)


class Lines(NamedTuple):
    """The busiest series over time, from `start` in steps of `step`; None where one had nothing.

    `widths` are the seconds of each step that are in it: 0 where nothing was watched.
    """

    start: int
    step: int
    widths: tuple[int, ...]
    families: Mapping[str, Mapping[Key, tuple[Share | None, ...]]]


class Course(NamedTuple):
    """One service's calls over time, from `start` in steps of `step`; `widths` as in Lines, `note` as in View.

    Without points there was no call.
    """

    start: int
    step: int
    widths: tuple[int, ...]
    points: tuple[Point, ...]
    note: str = ""


class View(NamedTuple):
    """The window at one moment; nothing in it changes any more.

    `rows[family][key]` and `totals[family]` are figures, `outcomes[family]` counts by result code, `points[family]`
    chart points from `start` (Unix seconds) in steps of STEP, `gauges` the present levels, `levels[name]` their past
    (the highest in each step), `counters` what they went up in the span, `counter_points[name]` the same by the step,
    `kept` records by kind, oldest first. `recent[family]` counts all and failed in the last `recent_seconds`.
    `sources[(name, label)]` says the level of each source, of those gauges that differ by instance on purpose;
    `services` the last calls of each service.

    A range of stored history is the same, in steps of `step`. `widths` are the seconds of each step that are in it, 0
    where the service was not watched; empty for the window, which has them all but the open one's. `note` says what
    is missing of what was asked for.
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
    recent: Mapping[str, tuple[int, int]] = {}
    recent_seconds: float = 1.0
    sources: Mapping[tuple[str, str], Mapping[str, float]] = {}
    services: Mapping[Key, Recent] = {}
    step: int = STEP
    widths: tuple[int, ...] = ()
    note: str = ""

    @property
    def end(self) -> int:
        """Where the last step ends (Unix seconds)."""
        return self.start + self.step * (len(self.widths) or SPAN // STEP)


EMPTY_POINT: Final = Point(0, 0, 0.0, 0.0, 0.0, 0.0)


def point(figures: Summary) -> Point:
    """Figures as a point of a chart."""
    return Point(figures.count, figures.errors, figures.mean, figures.p50, figures.p95, figures.p99)
