"""Panels that are charts, laid out on a sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Final

from fanlight import formats
from fanlight.faces.plots.scales import moment_text, moments, ticks
from fanlight.faces.plots.sheet import Label, Path, Place, Sheet
from fanlight.panels import Bar, Bars, Donut, Line, Panel, TimeSeries, Unit

WIDTH: Final = 560.0
HEIGHT: Final = 230.0
TOP: Final = 44.0
"""Points above the plot: title and legend."""
BOTTOM: Final = 28.0
"""Points under the plot: the time axis."""
SIDE: Final = 58.0
"""Points beside the plot: the labels of an axis."""
MARGIN: Final = 14.0
BAR: Final = 20.0
"""Points from one bar to the next."""
LETTER: Final = 4.5
"""Points that a letter of a marker's name takes."""
LEGEND_LIMIT: Final = 60
"""Characters of a line's name that are said."""
NAME: Final = 150.0
"""Points for the names of bars."""
NAME_LIMIT: Final = 26
"""Characters of a bar's name that fit into that."""


class NotAChart(ValueError):
    """A panel of a kind that is no chart."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """A value axis: its marks, and where a value lies between `low` (the bottom) and `high` (the top)."""

    marks: Sequence[float]
    unit: str
    bottom: float
    height: float

    def y(self, value: float) -> float:
        return self.bottom - min(max(value / self.marks[-1], 0.0), 1.0) * self.height


@singledispatch
def sheet(panel: Panel) -> Sheet:
    """The panel as a drawing; raises NotAChart for a kind that is none."""
    raise NotAChart(f"{panel.title or type(panel).__name__} is no chart; time series, bars and doughnuts are")


@sheet.register
def _timeseries(panel: TimeSeries) -> Sheet:
    end = panel.start + panel.step * max((len(line.values) for line in panel.lines), default=1)
    units = list(dict.fromkeys(line.unit or panel.unit for line in panel.lines)) or [panel.unit]
    axes = {unit: _axis(panel, unit) for unit in units[:2]}
    right = WIDTH - (SIDE if len(axes) > 1 else MARGIN)

    def x(at: float) -> float:
        return SIDE + (at - panel.start) / (end - panel.start or 1) * (right - SIDE)

    paths = [*_grid(next(iter(axes.values())), right), *_limit(panel, axes, right)]
    dashes = _dashes(panel.lines)
    for line, dash in zip(panel.lines, dashes, strict=True):
        paths += _line(line, axes.get(line.unit or panel.unit), panel, x, dash)
    labels = [*_axis_labels(list(axes.values()), right), *_time_labels(panel.start, end, x), *_title(panel)]
    marked = [(x(marker.at), marker.text[:40]) for marker in panel.markers if panel.start <= marker.at <= end]
    paths += [Path(((at, TOP), (at, HEIGHT - BOTTOM)), "muted", dash=3) for at, _ in marked]
    labels += _names(marked, right)
    signs, names, height = _legend(panel, dashes)
    return Sheet(WIDTH, height, _said(panel), (*paths, *signs), (*labels, *names))


def _dashes(lines: Sequence[Line]) -> list[float]:
    """Which lines are dashed, as an earlier one has their colour, and how."""
    return [
        4.0 if any(line.tone == earlier.tone for earlier in lines[:place]) else 0.0 for place, line in enumerate(lines)
    ]


def _axis(panel: TimeSeries, unit: str) -> _Axis:
    values = [
        value
        for line in panel.lines
        if (line.unit or panel.unit) == unit
        for value in line.values
        if value is not None and math.isfinite(value)
    ]
    top = max((*values, panel.limit or 0.0) if unit == panel.unit else values, default=0.0)
    marks = [0.0, 0.25, 0.5, 0.75, 1.0] if unit == "ratio" and top > 0.5 else ticks(top, 4, unit)
    return _Axis(marks, unit, HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP)


def _grid(axis: _Axis, right: float) -> Iterator[Path]:
    for mark in axis.marks:
        yield Path(((SIDE, axis.y(mark)), (right, axis.y(mark))), "line")


def _limit(panel: TimeSeries, axes: Mapping[Unit, _Axis], right: float) -> Iterator[Path]:
    axis = axes.get(panel.unit)
    if panel.limit is not None and axis is not None:
        yield Path(((SIDE, axis.y(panel.limit)), (right, axis.y(panel.limit))), "warn", dash=4)


def _line(
    line: Line, axis: _Axis | None, panel: TimeSeries, x: Callable[[float], float], dash: float
) -> Iterator[Path]:
    if axis is None:  # a third unit has no axis to be read from
        return
    for run in _runs(line.values):
        places = tuple((x(panel.start + place * panel.step), axis.y(value)) for place, value in run)
        if line.fill:
            floor = ((places[-1][0], axis.bottom), (places[0][0], axis.bottom))
            yield Path((*places, *floor), fill=line.tone, opacity=0.12)
        if len(places) == 1:  # a value alone between gaps is a dot
            places = (places[0], (places[0][0] + 1.5, places[0][1]))
        yield Path(places, line.tone, width=1.5, dash=dash)


def _runs(values: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Places and values, split at gaps."""
    run: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is not None and math.isfinite(value):
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _axis_labels(axes: list[_Axis], right: float) -> Iterator[Label]:
    for number, axis in enumerate(axes):
        x, anchor = (SIDE - 6, "end") if number == 0 else (right + 6, "start")
        for mark in axis.marks:
            text = formats.tick(mark, axis.unit)
            yield Label((x, axis.y(mark) + 3), text, anchor=anchor)  # type: ignore[arg-type]  # one of the two above


def _time_labels(start: float, end: float, x: Callable[[float], float]) -> Iterator[Label]:
    for at in moments(start, end, 6):
        yield Label((x(at), HEIGHT - BOTTOM + 14), moment_text(at, end - start), anchor="middle")
    yield Label((MARGIN, HEIGHT - 4), f"UTC, {formats.moment(start)[:16]} to {formats.moment(end)[:16]}", size=7.5)


def _names(marked: Sequence[tuple[float, str]], right: float) -> Iterator[Label]:
    """The names of markers beside them, the newest first; an older one is left out where it would lie over a newer."""
    room = math.inf
    for at, text in reversed(marked):
        width = LETTER * len(text)
        left = at + 3 if at + 3 + width <= right else at - 3 - width
        if left + width <= room:
            yield Label((left, TOP + 8), text, size=8)
            room = left - 3


def _title(panel: Panel) -> Iterator[Label]:
    yield Label((MARGIN, 16), panel.title or "Chart", "text", 12, bold=True)
    if panel.note:
        yield Label((MARGIN, 31), panel.note)


def _legend(panel: TimeSeries, dashes: Sequence[float]) -> tuple[list[Path], list[Label], float]:
    """Colours and names of the lines, beside the note or, where there is no room, in rows under the chart; and how high
    the sheet is with them."""
    names = [line.name[:LEGEND_LIMIT] for line in panel.lines]
    sizes = [30 + 5.8 * len(name) for name in names]
    x, y = WIDTH - sum(sizes), 31.0
    if x < MARGIN + 5.8 * len(panel.note):
        x, y = MARGIN, HEIGHT + 10
    paths, labels = [], []
    for name, line, size, dash in zip(names, panel.lines, sizes, dashes, strict=True):
        if y > HEIGHT and MARGIN < x > WIDTH - size:
            x, y = MARGIN, y + 14
        paths.append(Path(((x, y - 3), (x + 11, y - 3)), line.tone, width=2, dash=dash and 3))
        labels.append(Label((x + 16, y), name))
        x += size
    return paths, labels, max(HEIGHT, y + 8)


def _said(panel: TimeSeries) -> str:
    latest = (next((value for value in reversed(line.values) if value is not None), None) for line in panel.lines)
    parts = [
        f"{line.name} {formats.phrase(value, line.unit or panel.unit)}"
        for line, value in zip(panel.lines, latest, strict=True)
    ]
    return f"{panel.title or 'Chart'}, latest values: {'; '.join(parts) or 'none'}"


@sheet.register
def _bars(panel: Bars) -> Sheet:
    return _amounts(panel, panel.bars, panel.unit)


@sheet.register
def _donut(panel: Donut) -> Sheet:
    """Slices round a middle, and beside them what each is."""
    base = _amounts(panel, panel.slices, panel.unit, left=150.0)
    total, before = sum(max(piece.value, 0) for piece in panel.slices), 0.0
    paths = []
    for piece in panel.slices:
        share = max(piece.value, 0) / total if total else 0.0
        if share:
            paths.append(Path(_ring((76, TOP + 62), 40, 60, before, before + share), fill=piece.tone))
        before += share
    middle = Label((76, TOP + 66), panel.text, "text", 12, "middle", bold=True)
    height = max(base.height, TOP + 136)
    return Sheet(base.width, height, base.summary, (*base.paths, *paths), (*base.labels, middle))


def _ring(middle: Place, inner: float, outer: float, first: float, last: float) -> tuple[Place, ...]:
    """The outline of a piece of a ring between two fractions of a turn, from the top clockwise."""
    steps = max(2, math.ceil((last - first) * 90))
    turns = [2 * math.pi * (first + (last - first) * place / steps) for place in range(steps + 1)]

    def at(radius: float, turn: float) -> Place:
        return middle[0] + radius * math.sin(turn), middle[1] - radius * math.cos(turn)

    return (*(at(outer, turn) for turn in turns), *(at(inner, turn) for turn in reversed(turns)))


def _amounts(panel: Panel, bars: Sequence[Bar], unit: str, left: float = MARGIN) -> Sheet:
    """Named amounts as bars one under the other."""
    largest = max((abs(bar.value) for bar in bars), default=0.0) or 1.0
    start, room = left + NAME, WIDTH - left - NAME - 90
    paths, labels = [], list(_title(panel))
    for place, bar in enumerate(bars):
        y = TOP + place * BAR
        end = start + max(abs(bar.value) / largest * room, 0.5 if bar.value else 0.0)
        paths.append(Path(((start, y), (end, y), (end, y + 11), (start, y + 11)), fill=bar.tone))
        labels.append(Label((left, y + 9), bar.name[:NAME_LIMIT], "text"))
        labels.append(Label((end + 6, y + 9), formats.phrase(bar.value, unit)))
    said = "; ".join(f"{bar.name} {formats.phrase(bar.value, unit)}" for bar in bars) or "none"
    height = TOP + max(len(bars), 1) * BAR + MARGIN
    return Sheet(WIDTH, height, f"{panel.title or 'Amounts'}: {said}", tuple(paths), tuple(labels))
