"""What the panel templates draw: paths, widths and chart data worked out once, so that templates compute nothing.

`draw` gives the drawing of a panel's kind, None for kinds whose template needs nothing but the panel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, singledispatch
from typing import Any, Final

import msgspec

from fanlight import formats
from fanlight.faces.web import links
from fanlight.panels import (
    Bars,
    Column,
    Donut,
    Filter,
    Line,
    Log,
    Panel,
    Row,
    Stat,
    Table,
    TimeSeries,
    View,
    Waterfall,
)

SPARK_POINTS: Final = 75
"""Points of a spark line: more would not be seen on a figure's card."""

SPARKS: Final = 64
"""Spark lines remembered."""

NUMERIC: Final = frozenset(
    {"integer", "number", "rate", "per_minute", "seconds", "bytes", "ratio", "percent", "bar", "score"}
)
"""Units shown right-aligned, whose columns sort the largest first."""


@dataclass(frozen=True, slots=True)
class Spark:
    """A spark line in a box of 300 x 100: SVG path data of the line and of the area under it."""

    line: str
    area: str


@dataclass(frozen=True, slots=True)
class Head:
    """A column as its header and cells need it. `path` says that its texts may break at slashes; `order` is
    "ascending", "descending" or ""."""

    title: str
    unit: str
    css: str
    path: bool
    href: str
    order: str
    peak: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A table's columns, the column whose text is the row's link, the one that carries the row's mark (-1: none),
    whether rows say a detail, and whether each cell carries its column's title, for where it stands without it."""

    heads: tuple[Head, ...]
    link: int
    mark: int
    detailed: bool
    filters: Form | None
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A filter form: where it goes, what it keeps of the view, and its fields."""

    action: str
    keep: tuple[tuple[str, str], ...]
    fields: tuple[Filter, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Legend:
    """One entry of a chart's legend: the line's last value as text."""

    name: str
    tone: str
    value: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: `pieces` gives its JSON for the `fan-chart` element, `summary` is for those who cannot see it."""

    pieces: Callable[[], Iterator[str]]
    legend: tuple[Legend, ...]
    summary: str


@dataclass(frozen=True, slots=True)
class Arc:
    """One slice of a doughnut of circumference 100."""

    name: str
    tone: str
    dash: str
    offset: str
    value: str
    share: str
    detail: str
    href: str


@dataclass(frozen=True, slots=True)
class Track:
    """One bar of a waterfall, in percent of the request."""

    left: str
    width: str
    indent: int


Drawing = Spark | Grid | Form | Chart | tuple[Arc, ...] | tuple[Track, ...] | float | None
"""What `draw` gives: by kind a Spark, Grid, Form, Chart, Arcs, Tracks or the largest bar."""


@singledispatch
def draw(panel: Panel, view: View, name: str) -> Drawing:
    """The drawing of a panel in its place `name`, for a view."""
    return None


@draw.register
def _stat(panel: Stat, view: View, name: str) -> Spark | None:
    return spark(tuple(panel.spark))  # an application's may be a list


@draw.register
def _table(panel: Table, view: View, name: str) -> Grid:
    heads = tuple(_head(panel, place, column, view) for place, column in enumerate(panel.columns))
    units = [column.unit for column in panel.columns]
    return Grid(
        heads=heads,
        link=_first_of(units, "route", "code", "text"),
        mark=_mark_place(panel.rows, units),
        detailed=any(row.detail for row in panel.rows),
        filters=_form(panel.filters, view),
    )


@draw.register
def _log(panel: Log, view: View, name: str) -> Form | None:
    return _form(panel.filters, view)


@draw.register
def _timeseries(panel: TimeSeries, view: View, name: str) -> Chart:
    legend = tuple(
        Legend(line.name, line.tone, formats.phrase(_last(line.values), line.unit or panel.unit))
        for line in panel.lines
    )
    said = "; ".join(f"{entry.name} {entry.value}" for entry in legend) or "no lines"
    return Chart(partial(chart_pieces, panel), legend, f"{panel.title or 'Chart'}, latest values: {said}")


@draw.register
def _donut(panel: Donut, view: View, name: str) -> tuple[Arc, ...]:
    total = sum(piece.value for piece in panel.slices if piece.value > 0)
    arcs, before = [], 0.0
    for piece in panel.slices:
        share = max(piece.value, 0) / total * 100 if total else 0.0
        arcs.append(
            Arc(
                name=piece.name,
                tone=piece.tone,
                dash=f"{_tidy(share)} {_tidy(100 - share)}",
                offset=_tidy(-before),
                value=formats.phrase(piece.value, panel.unit),
                share=formats.phrase(share, "percent"),
                detail=piece.detail,
                href=piece.href,
            )
        )
        before += share
    return tuple(arcs)


@draw.register
def _bars(panel: Bars, view: View, name: str) -> float:
    return max((abs(bar.value) for bar in panel.bars), default=0.0)


@draw.register
def _waterfall(panel: Waterfall, view: View, name: str) -> tuple[Track, ...]:
    whole = panel.duration or max((span.start + span.duration for span in panel.spans), default=0.0)
    return tuple(
        Track(share(span.start, whole), share(span.duration, whole), min(max(span.depth, 0), 8)) for span in panel.spans
    )


def share(value: float | None, whole: float | None, least: float = 0.0) -> str:
    """`value` of `whole` as a percentage for a width attribute, within 0 % and 100 %."""
    if not value or not whole or value != value:
        return f"{_tidy(least)}%"
    return f"{_tidy(min(max(value / whole * 100, least), 100))}%"


@lru_cache(SPARKS)
def spark(values: tuple[float | None, ...]) -> Spark | None:
    """The spark line of values, thinned by taking the largest of neighbours so that spikes stay; None below two
    points. Remembered, because most figures are looked at more often than their lines change."""
    points = _thinned(values, SPARK_POINTS)
    known = [value for value in points if value is not None]
    if len(known) < 2:
        return None
    top = max(known)
    low = min(0.0, min(known))
    height = (top - low) or 1.0
    step = 300 / (len(points) - 1)
    runs = _runs([(round(place * step), value) for place, value in enumerate(points)])
    lines = ["M" + "L".join(f"{x} {round(96 - (y - low) / height * 90)}" for x, y in run) for run in runs]
    areas = [f"{line}V100H{run[0][0]}Z" for line, run in zip(lines, runs, strict=True)]
    return Spark("".join(lines), "".join(areas))


def chart_pieces(panel: TimeSeries) -> Iterator[str]:
    """A chart as JSON, a line at a time: {start, step, unit, markers, select, limit, lines: [{name, tone, unit, fill,
    values}]}; values keep about four significant digits of their line's largest."""
    about = {
        "start": panel.start,
        "step": panel.step,
        "unit": panel.unit,
        "markers": [{"at": marker.at, "text": marker.text} for marker in panel.markers],
        "select": panel.select,
        "limit": panel.limit,
    }
    yield f'{_json(about)[:-1]},"lines":['
    for place, line in enumerate(panel.lines):
        look = {"name": line.name, "tone": line.tone, "unit": line.unit, "fill": line.fill, "values": _rounded(line)}
        yield f"{',' if place else ''}{_json(look)}"
    yield "]}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _rounded(line: Line) -> list[float | None]:
    """A line's values to four digits of its largest; what is no number is a gap."""
    finite = [value if value is not None and math.isfinite(value) else None for value in line.values]
    peak = max((abs(value) for value in finite if value is not None), default=0.0)
    digits = 3 - math.floor(math.log10(peak)) if peak else 0
    return [None if value is None else (round(value, digits) if digits > 0 else round(value)) for value in finite]


def _head(panel: Table, place: int, column: Column, view: View) -> Head:
    sortable = panel.sortable and column.sort and bool(column.title)
    return Head(
        title=column.title,
        unit=column.unit,
        css=_css(column),
        path=column.unit == "route" or (column.unit == "code" and column.wide),
        href=(
            links.sort_href(view, column.name, applied=panel.sorted, descending_first=column.unit in NUMERIC | {"time"})
            if sortable
            else ""
        ),
        order={column.name: "ascending", f"-{column.name}": "descending"}.get(panel.sorted, ""),
        peak=_peak(panel.rows, place) if column.unit == "bar" else 0.0,
    )


def _css(column: Column) -> str:
    """The classes of a column's cells."""
    names = [f"is-{column.unit}"]
    if column.unit in NUMERIC:
        names.append("number")
    if column.wide:
        names.append("wide")
    return " ".join(names)


def _peak(rows: Sequence[Row], place: int) -> float:
    return max((row.values[place] or 0.0 for row in rows if place < len(row.values)), default=0.0)


def _first_of(units: Sequence[str], *wanted: str) -> int:
    return next((units.index(unit) for unit in wanted if unit in units), 0)


def _mark_place(rows: Sequence[Row], units: Sequence[str]) -> int:
    """Where a row's state is marked: at its status, else at its first cell; nowhere when a column says the state
    itself."""
    if not any(row.state for row in rows):
        return -1
    if "status" in units:
        return units.index("status")
    return 0 if "state" not in units[:1] else -1


def _form(fields: tuple[Filter, ...], view: View) -> Form | None:
    if not fields:
        return None
    own = frozenset(field.name for field in fields)
    return Form(links.page_path(view), links.pairs(view, leave=own), fields, any(field.value for field in fields))


def _last(values: Sequence[Any]) -> Any:
    return next((value for value in reversed(values) if value is not None), None)


def _thinned(values: Sequence[float | None], most: int) -> list[float | None]:
    if len(values) <= most:
        return [_finite(value) for value in values]
    groups = (values[len(values) * i // most : len(values) * (i + 1) // most] for i in range(most))
    return [max((v for v in map(_finite, group) if v is not None), default=None) for group in groups]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _runs(points: Sequence[tuple[int, float | None]]) -> list[list[tuple[int, float]]]:
    """Points split at gaps."""
    runs: list[list[tuple[int, float]]] = [[]]
    for x, y in points:
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _tidy(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".") or "0"
