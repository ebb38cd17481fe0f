"""Levels against their limits, as bars."""

from __future__ import annotations

from typing import Final

from fanlight.faces.tui.cells import Line, clean, fit, width
from fanlight.faces.tui.kinds.base import LABEL, Kind, Label, labelled, message, message_lines, meter, state_role
from fanlight.faces.tui.look import Look
from fanlight.panels import Gauge, Meter

NAME: Final = 12
BESIDE: Final = 30
"""The cells a level takes where several stand on a line."""


def full(panel: Gauge, cells: int, height: int, look: Look) -> list[Line]:
    """One level a line."""
    instead = message(panel, cells, height, look, empty=not panel.meters)
    if instead is not None:
        return instead
    shown = panel.meters[:height]
    names = min(max(width(clean(each.name)) for each in shown), NAME)
    said = max(width(_said(each, look)) for each in shown)
    return [_level(each, cells, names, said, look) for each in shown]


def _said(each: Meter, look: Look) -> str:
    return clean(each.text) or look.phrase(each.value, each.unit)


def _level(each: Meter, cells: int, names: int, said: int, look: Look) -> Line:
    share = each.value / each.maximum if each.value and each.maximum else 0.0
    room = max(cells - names - said - 4, 0)
    alarming = each.state in ("warn", "error")
    sign = look.mark(each.state) if alarming else " "
    role = state_role(each.state) if alarming else "text"
    bar = meter(share, room, look, state_role(each.state, "main").rstrip("!"))
    return ((fit(each.name, names), "muted"), (" ", "text"), *bar, (f" {sign} ", role),
            (fit(_said(each, look), said, "right"), role))  # fmt: skip


def ideal(panel: Gauge, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.meters) or len(panel.meters)


def brief(panel: Gauge, label: Label, cells: int, look: Look) -> list[Line]:
    """As many levels on a line as have room."""
    room = cells - LABEL - 1
    instead = message(panel, room, 2, look, empty=not panel.meters)
    if instead is not None:
        return labelled(label, instead)
    across = max(room // BESIDE, 1)
    each = room // across
    names = min(max(width(clean(one.name)) for one in panel.meters), NAME)
    said = max(width(_said(one, look)) for one in panel.meters)
    lines = []
    for start in range(0, len(panel.meters), across):
        line: list[tuple[str, str]] = []
        for one in panel.meters[start : start + across]:
            line += [*_level(one, each - 3, names, said, look), ("   ", "text")]
        lines.append(tuple(line))
    return labelled(label, lines)


KIND = Kind(full=full, ideal=ideal, brief=brief, rank=2, enlarges=False)
