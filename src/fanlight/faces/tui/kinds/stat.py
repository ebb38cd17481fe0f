"""A figure: its value, its last minutes as a spark line, what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fanlight.faces.tui import curves
from fanlight.faces.tui.cells import Line, clean, cut, cut_words, fit, line_width, spread, width
from fanlight.faces.tui.kinds.base import Kind, Label, message, state_role, tone_role
from fanlight.faces.tui.look import Look
from fanlight.panels import Stat

CELL: Final = 26
"""The least cells one of several figures on a line takes."""


def last_number(values: Sequence[object], look: Look) -> int:
    """The absolute number of the last of values that reach back over the span shown."""
    return int(look.at * len(values) / look.span) if values and look.span else 0


def value_line(panel: Stat, look: Look) -> Line:
    """The value, marked where its state wants attention."""
    text, suffix = look.value(panel.value, panel.unit)
    alarming = panel.state in ("warn", "error")
    sign = f"{look.mark(panel.state)} " if alarming else ""
    role = state_role(panel.state) if alarming else "strong"
    gap = "" if suffix.startswith("/") or not suffix else " "
    return ((sign, role), (text, role), (f"{gap}{suffix}", "muted"))


def full(panel: Stat, cells: int, height: int, look: Look) -> list[Line]:
    """Value, spark line, detail; with more room the spark line is a small chart. Where there is no course to draw
    its room stays empty: the details of boxes side by side are level."""
    failed = message(panel, cells, height, look, empty=False)
    if failed is not None:
        return failed
    value = value_line(panel, look)
    detail = ((cut_words(clean(panel.detail), cells), "muted"),)
    if height == 1:
        return [spread(value, detail, cells) if line_width(value) + line_width(detail) < cells else value]
    course: list[Line] = _course(panel, cells, height - 2, look) if panel.spark else [()] * (height - 2)
    return [value, *course, detail][:height]


def _course(panel: Stat, cells: int, height: int, look: Look) -> list[Line]:
    """The spark line in so many lines, one at least."""
    last, role = last_number(panel.spark, look), tone_role(panel.tone)
    if height < 2:
        return [((curves.spark(panel.spark, last, cells, look.glyphs), role),)]
    dots = curves.Dots(cells, height, look.glyphs)
    found = curves.columns(panel.spark, last, dots.columns)
    top = max((value for value in found if value is not None), default=0.0) or 1.0
    scaled = [
        None if value is None else min(max(round(value / top * (dots.rows - 1)), 0), dots.rows - 1) for value in found
    ]
    dots.curve(scaled, role, look.glyphs.lines[:1] or "*")
    return [tuple(dots.cell(x, y) or (" ", "text") for x in range(cells)) for y in range(height)]


def ideal(panel: Stat, cells: int) -> int:
    return 3


def brief(panel: Stat, label: Label, cells: int, look: Look) -> list[Line]:
    return pack([panel], cells, look)


def pack(panels: Sequence[Stat], cells: int, look: Look) -> list[Line]:
    """Figures side by side in columns of one width, as many lines as it takes."""
    most = max((cells - 2) // CELL, 1)
    across = next((n for n in range(most, 0, -1) if len(panels) % n == 0), most) if most > 1 else 1
    each = (cells - 2) // across
    lines = []
    for start in range(0, len(panels), across):
        line: list[tuple[str, str]] = [("  ", "text")]
        for panel in panels[start : start + across]:
            line += _packed(panel, each, look)
        lines.append(tuple(line))
    return lines


def _packed(panel: Stat, cells: int, look: Look) -> Line:
    room = cells - 3
    value = value_line(panel, look)
    name = cut(clean(panel.title), max(room - line_width(value) - 1, 0))
    gap = room - width(name) - line_width(value)
    return ((name, "muted"), (" " * gap, "text"), *value, (fit("", 3), "text"))


KIND = Kind(full=full, ideal=ideal, brief=brief, rank=1, enlarges=False)
