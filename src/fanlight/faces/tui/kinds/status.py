"""Things and how they are: a shape, a name, a word."""

from __future__ import annotations

from typing import Final

from fanlight.faces.tui.cells import Line, clean, cut, fit, width
from fanlight.faces.tui.kinds.base import LABEL, Kind, Label, flowed, labelled, message, message_lines, state_role
from fanlight.faces.tui.look import STATE_WORDS, Look
from fanlight.panels import Status, StatusItem

NAME: Final = 24
BRIEF_LINES: Final = 3
KIND_CELLS: Final = 12


def full(panel: Status, cells: int, height: int, look: Look) -> list[Line]:
    """One thing a line."""
    instead = message(panel, cells, height, look, empty=not panel.items)
    if instead is not None:
        return instead
    shown = panel.items[:height]
    names = min(max(width(clean(item.name)) for item in shown), NAME, max(cells - 10, 4))
    kinds = min(max(width(clean(item.kind)) for item in shown), KIND_CELLS)
    return [_item(item, names, kinds if cells >= 44 else 0, cells, look) for item in shown]


def _item(item: StatusItem, names: int, kinds: int, cells: int, look: Look) -> Line:
    kind = ((f"  {fit(item.kind, kinds)}", "muted"),) if kinds else ()
    room = cells - names - 4 - (kinds + 2 if kinds else 0)
    return ((f"{look.mark(item.state)} ", state_role(item.state)), (fit(item.name, names), "text"), *kind,
            (f"  {cut(said(item), room)}", state_role(item.state).rstrip("!")))  # fmt: skip


def said(item: StatusItem) -> str:
    """How a thing is, in words."""
    return clean(item.text) or STATE_WORDS[item.state]


def ideal(panel: Status, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.items) or len(panel.items)


def brief(panel: Status, label: Label, cells: int, look: Look) -> list[Line]:
    """As many things on a line as have room, those in trouble first."""
    room = cells - LABEL - 1
    instead = message(panel, room, 2, look, empty=not panel.items)
    if instead is not None:
        return labelled(label, instead)
    order = {"error": 0, "warn": 1}
    pieces = [
        ((f"{look.mark(item.state)} ", state_role(item.state)), (cut(clean(item.name), NAME), "text"),
         (f" {cut(said(item), NAME)}", "muted"))
        for item in sorted(panel.items, key=lambda each: order.get(each.state, 2))
    ]  # fmt: skip
    return flowed(label, pieces, room, BRIEF_LINES)


KIND = Kind(full=full, ideal=ideal, brief=brief, rank=3)
