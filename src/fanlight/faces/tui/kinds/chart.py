"""Lines over one time axis: a chart of braille dots, or one spark line each where there is little room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fanlight.faces.tui import curves
from fanlight.faces.tui.cells import Line, clean, cut_path, fit, width
from fanlight.faces.tui.kinds.base import LABEL, Kind, Label, labelled, message, message_lines, tone_role
from fanlight.faces.tui.look import Look
from fanlight.panels import Line as Curve
from fanlight.panels import TimeSeries

LEAST_HEIGHT: Final = 5
"""Below this many lines a chart says less than spark lines."""

LEAST_WIDTH: Final = 30
SIGNED_FROM: Final = 72
"""Cells from which the lines are named at their ends."""

NAMES: Final = 6
"""The part of the room that the names of lines take at most: one in so many."""

LEAST_NAME: Final = 8
"""Cells of a spark line's name at least, so that those of several panels begin at one place."""

ASIDE: Final = 22
"""Cells of the figures behind a spark line."""

_STEPS: Final = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_TICKS: Final = (10, 30, 60, 120, 180, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800)


def nice(value: float) -> float:
    """A round number at or a little above a value."""
    if not value > 0 or not math.isfinite(value):
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step for step in _STEPS if step * power >= value * 0.999_999) * power)


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def peak(curve: Curve) -> float:
    """The largest value of a line, 0 when it has none."""
    return max((value for value in curve.values if value is not None and math.isfinite(value)), default=0.0)


def latest(curve: Curve) -> float | None:
    """The newest value of a line."""
    return next((value for value in reversed(curve.values) if finite(value)), None)


def newest(panel: TimeSeries) -> int:
    """The absolute number of the newest step."""
    count = max((len(curve.values) for curve in panel.lines), default=0)
    return int(panel.start / panel.step) + count - 1 if panel.step else 0


def _top(value: float, unit: str) -> float:
    """The upper end of an axis; bytes are round in steps of 1024, counts can be cut in four."""
    if unit == "integer":
        return math.ceil(nice(value) / 4) * 4.0
    if unit != "bytes" or value < 1024:
        return nice(value)
    step = 1024.0 ** int(math.log(value, 1024))
    return nice(value / step) * step


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of one unit: from 0 to `top`."""

    unit: str
    top: float

    def level(self, value: float, rows: int) -> int:
        """How many dots from below a value is, within the raster."""
        return min(max(round(value / self.top * (rows - 1)), 0), rows - 1)


def scales(panel: TimeSeries) -> dict[str, Scale]:
    """The axis of each unit the lines have."""
    found: dict[str, float] = {}
    for curve in panel.lines:
        unit = curve.unit or panel.unit
        found[unit] = max(found.get(unit, 0.0), peak(curve))
    if panel.limit and found.get(panel.unit, 0.0) * 2 >= panel.limit:
        found[panel.unit] = max(found[panel.unit], panel.limit)
    return {unit: Scale(unit, _top(top, unit)) for unit, top in found.items()}


def _empty(panel: TimeSeries) -> bool:
    return not any(curve.values for curve in panel.lines)


def full(panel: TimeSeries, cells: int, height: int, look: Look) -> list[Line]:
    """A chart with its axes; every line is named, with its newest value, where it ends."""
    instead = message(panel, cells, height, look, empty=_empty(panel))
    if instead is not None:
        return instead
    if height < LEAST_HEIGHT or cells < LEAST_WIDTH:
        return [spark_line(panel, curve, cells, look) for curve in panel.lines[:height]]
    return Plot(panel, cells, height, look).lines()


class Plot:
    """One chart in so many cells and lines."""

    def __init__(self, panel: TimeSeries, cells: int, height: int, look: Look) -> None:
        self.panel, self.look = panel, look
        self.scales = scales(panel)
        self.scale = self.scales.get(panel.unit) or next(iter(self.scales.values()))
        signed = cells >= SIGNED_FROM
        self.legend = 0 if signed else 1
        self.high = height - 1 - self.legend
        self.left = max(width(text) for text in self._axis().values()) + 1
        self.signs = self._signs(cells) if signed else {}
        self.right = max((width(name) + width(value) + 2 for name, value in self.signs.values()), default=0)
        self.across = max(cells - self.left - self.right, 4)
        self.dots = curves.Dots(self.across, self.high, look.glyphs)
        self.count = max(len(curve.values) for curve in panel.lines)
        self.step = panel.step if panel.step > 0 else 1.0
        self.last = newest(panel)

    def lines(self) -> list[Line]:
        """All of it, from above."""
        self._draw()
        axis, beside = self._axis(), self._beside()
        rows = [
            (*self._left(axis.get(row, "")), *self._row(row, row in axis), *beside.get(row, ()))
            for row in range(self.high)
        ]
        return [*([self._legend()] if self.legend else ()), *rows, self._times()]

    def _axis(self) -> dict[int, str]:
        """What the axis says, by the row."""
        parts = 4 if self.high >= 12 else 2
        rows = {round((self.high - 1) * part / parts): self.scale.top * (1 - part / parts) for part in range(parts + 1)}
        return {row: _round(self.look.value(value, self.scale.unit)) for row, value in rows.items()}

    def _left(self, text: str) -> Line:
        return ((fit(text, self.left - 1, "right"), "muted"), (" ", "text"))

    def _signs(self, cells: int) -> dict[int, tuple[str, str]]:
        return {
            place: (_named(curve, cells // NAMES), self.look.phrase(latest(curve), curve.unit or self.panel.unit))
            for place, curve in enumerate(self.panel.lines)
        }

    def _draw(self) -> None:
        """The first line last, in front of the others: the lowest percentile would be hidden by the highest."""
        for place, curve in reversed(tuple(enumerate(self.panel.lines))):
            heights = self._heights(curve)
            sign = (self.look.glyphs.lines or "*")[place % max(len(self.look.glyphs.lines), 1)]
            if curve.fill and self.look.glyphs.braille:
                self.dots.area(heights, "fill")
            self.dots.curve(heights, tone_role(curve.tone), sign, over_area=curve.fill)

    def _heights(self, curve: Curve) -> list[int | None]:
        scale = self.scales[curve.unit or self.panel.unit]
        found = curves.columns(curve.values, self.last, self.dots.columns)
        return [None if value is None else scale.level(value, self.dots.rows) for value in found]

    def _row(self, row: int, gridded: bool) -> Line:
        """The cells of a row: dots, and behind them markers, the limit and the grid."""
        markers, limit = self._markers(), self._limit_row()
        pieces: list[tuple[str, str]] = []
        for column in range(self.across):
            found = self.dots.cell(column, row)
            if found is None:
                found = self._behind(column, row, gridded, markers, limit)
            if pieces and pieces[-1][1] == found[1]:
                pieces[-1] = (pieces[-1][0] + found[0], found[1])
            else:
                pieces.append(found)
        return tuple(pieces)

    def _behind(self, column: int, row: int, gridded: bool, markers: dict[int, str], limit: int) -> tuple[str, str]:
        if row == limit:
            return self.look.glyphs.grid, "warn"
        if column in markers:
            return self.look.glyphs.tick, "muted"
        return (self.look.glyphs.grid, "faint") if gridded else (" ", "text")

    def _limit_row(self) -> int:
        limit = self.panel.limit
        if not limit or limit > self.scale.top:
            return -1
        return self.high - 1 - self.scale.level(limit, self.high)

    def _column(self, at: float) -> int:
        """The cell a moment falls into; outside of the chart for others."""
        steps, number = self.dots.columns, int(at // self.step)
        end = max((self.last + 1) * steps // self.count, self.last * steps // self.count + 1)
        return (number * steps // self.count - end + steps) // self.dots.across

    def _markers(self) -> dict[int, str]:
        return {self._column(marker.at): marker.text for marker in self.panel.markers}

    def _beside(self) -> dict[int, Line]:
        """The lines' names and newest values, each at its own height or as near as there is room."""
        wanted = sorted((self._end_row(curve), place) for place, curve in enumerate(self.panel.lines) if self.signs)
        taken: dict[int, Line] = {}
        for row, place in wanted[: self.high]:
            free = sorted((each for each in range(self.high) if each not in taken), key=lambda each: abs(each - row))
            taken[free[0]] = self._sign(place)
        return taken

    def _end_row(self, curve: Curve) -> int:
        value = latest(curve)
        scale = self.scales[curve.unit or self.panel.unit]
        return self.high - 1 - (0 if value is None else scale.level(value, self.high))

    def _sign(self, place: int) -> Line:
        name, value = self.signs[place]
        curve = self.panel.lines[place]
        return (
            (" ", "text"),
            (name, tone_role(curve.tone)),
            (fit(value, self.right - width(name) - 1, "right"), "text"),
        )

    def _legend(self) -> Line:
        pieces: list[tuple[str, str]] = []
        for curve in self.panel.lines:
            said = self.look.phrase(latest(curve), curve.unit or self.panel.unit)
            pieces += [(f"{clean(curve.name)} ", tone_role(curve.tone)), (f"{said}  ", "text")]
        return tuple(pieces)

    def _times(self) -> Line:
        """The time axis: round times of day under their columns."""
        text = [" "] * self.across
        for at, column in self._ticks():
            form = "%H:%M:%S" if self.step * self.count < 300 else "%H:%M"
            said = self.look.clock(at, form if self.step * self.count <= 172_800 else "%d %b")
            start = min(max(column - len(said) // 2, 0), max(self.across - len(said), 0))
            if all(character == " " for character in text[max(start - 1, 0) : start + len(said) + 1]):
                text[start : start + len(said)] = said[: self.across]
        return ((" " * self.left, "text"), ("".join(text), "muted"))

    def _ticks(self) -> Iterator[tuple[float, int]]:
        span = self.step * self.count
        apart = next((each for each in _TICKS if span / each * 8 <= self.across), _TICKS[-1])
        first = math.ceil(self.panel.start / apart)
        for number in range(first, int((self.panel.start + span) / apart) + 1):
            column = self._column(number * apart)
            if 0 <= column < self.across:
                yield number * apart, column


def _round(said: tuple[str, str]) -> str:
    """A value of an axis, which is round: without the zeros behind its point."""
    text, suffix = said
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}{'' if suffix.startswith('/') or not suffix else ' '}{suffix}"


def spark_line(panel: TimeSeries, curve: Curve, cells: int, look: Look) -> Line:
    """A line of a chart on one line: its name, its course, its newest value, its peak."""
    names = min(max(LEAST_NAME, *(width(clean(each.name)) for each in panel.lines)), 2 * cells // NAMES)
    unit = curve.unit or panel.unit
    room = cells - names - 1 - ASIDE
    # lines share one scale, as in the chart; errors would vanish beside what succeeds
    top = None if curve.tone == "error" else max(map(peak, _alike(panel, unit)), default=None)
    drawn = curves.spark(curve.values, newest(panel), room, look.glyphs, top)
    now, most = look.phrase(latest(curve), unit), look.phrase(peak(curve), unit)
    role = tone_role(curve.tone)
    return ((fit(_named(curve, names), names), "muted"), (" ", "text"), (drawn, role), (fit(now, 9, "right"), "text"),
            (fit(f"max {most}", ASIDE - 9, "right"), "muted"))  # fmt: skip


def _named(curve: Curve, cells: int) -> str:
    """What a line is called, in at most so many cells."""
    return cut_path(clean(curve.name), cells)


def _alike(panel: TimeSeries, unit: str) -> list[Curve]:
    """The lines of a unit."""
    return [curve for curve in panel.lines if (curve.unit or panel.unit) == unit]


def ideal(panel: TimeSeries, cells: int) -> int:
    return message_lines(panel, cells, empty=_empty(panel)) or (9 if cells < 70 else 10)


def brief(panel: TimeSeries, label: Label, cells: int, look: Look) -> list[Line]:
    """A spark line for each line."""
    room = cells - LABEL - 1
    instead = message(panel, room, 2, look, empty=_empty(panel))
    return labelled(label, instead or [spark_line(panel, curve, room, look) for curve in panel.lines[:6]])


KIND = Kind(full=full, ideal=ideal, brief=brief, rank=4)
