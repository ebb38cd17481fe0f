"""Named amounts as bars; the parts of a whole, too, with the share of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fanlight.faces.tui.cells import Line, clean, cut, fit, width
from fanlight.faces.tui.kinds.base import LABEL, Kind, Label, flowed, labelled, message, message_lines, meter, tone_role
from fanlight.faces.tui.look import Look
from fanlight.panels import Bar, Bars, Donut

NAME: Final = 16
BRIEF_LINES: Final = 3
DETAIL: Final = 30
"""Cells of a panel from which the details are shown, too."""


def full(panel: Bars, cells: int, height: int, look: Look) -> list[Line]:
    """One amount a line."""
    instead = message(panel, cells, height, look, empty=not panel.bars)
    if instead is not None:
        return instead
    said = [look.phrase(bar.value, panel.unit) for bar in panel.bars]
    return _bars(panel.bars[:height], said, cells, look)


def full_donut(panel: Donut, cells: int, height: int, look: Look) -> list[Line]:
    """The whole in words, then one part a line."""
    instead = message(panel, cells, height, look, empty=not panel.slices)
    if instead is not None:
        return instead
    lines = _bars(panel.slices, _shares(panel, look), cells, look)
    if panel.text and height > len(lines):
        lines.insert(0, ((clean(panel.text), "strong"),))
    return lines[:height]


def _shares(panel: Donut, look: Look) -> list[str]:
    """Each part's amount and share."""
    whole = sum(max(part.value, 0) for part in panel.slices)
    shares = [look.phrase(max(part.value, 0) / whole if whole else None, "ratio") for part in panel.slices]
    amounts = [look.phrase(part.value, panel.unit) for part in panel.slices]
    wide = max(map(width, shares))
    return [f"{amount} {fit(share, wide + 1, 'right')}" for amount, share in zip(amounts, shares, strict=True)]


def _bars(bars: Sequence[Bar], said: Sequence[str], cells: int, look: Look) -> list[Line]:
    names = min(max(width(clean(bar.name)) for bar in bars), NAME, max(cells // 2, 4))
    figures = max(map(width, said))
    detailed = cells >= DETAIL + names + figures and any(bar.detail for bar in bars)
    aside = min(max(width(clean(bar.detail)) for bar in bars) + 2, cells // 3) if detailed else 0
    room = max(cells - names - figures - aside - 2, 0)
    peak = max((bar.value for bar in bars), default=0.0)
    return [_bar(bar, text, (names, figures, aside, room), peak, look) for bar, text in zip(bars, said, strict=False)]


def _bar(bar: Bar, said: str, widths: tuple[int, int, int, int], peak: float, look: Look) -> Line:
    names, figures, aside, room = widths
    drawn = meter(bar.value / peak if peak > 0 else 0.0, room, look, tone_role(bar.tone))
    detail = ((fit(f"  {cut(clean(bar.detail), aside - 2)}", aside), "muted"),) if aside else ()
    figure = (fit(said, figures, "right"), "strong")
    return ((fit(bar.name, names), "text"), (" ", "text"), *drawn, (" ", "text"), figure, *detail)


def ideal(panel: Bars, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.bars) or len(panel.bars)


def ideal_donut(panel: Donut, cells: int) -> int:
    empty = message_lines(panel, cells, empty=not panel.slices)
    return empty or len(panel.slices) + (1 if panel.text else 0)


def brief(panel: Bars, label: Label, cells: int, look: Look) -> list[Line]:
    """All amounts on a line or two."""
    said = [look.phrase(bar.value, panel.unit) for bar in panel.bars]
    return _brief(panel, panel.bars, said, label, cells, look)


def brief_donut(panel: Donut, label: Label, cells: int, look: Look) -> list[Line]:
    """All parts on a line or two."""
    said = _shares(panel, look) if panel.slices else []
    return _brief(panel, panel.slices, said, label, cells, look)


def _brief(
    panel: Bars | Donut, bars: Sequence[Bar], said: Sequence[str], label: Label, cells: int, look: Look
) -> list[Line]:
    room = cells - LABEL - 1
    instead = message(panel, room, 2, look, empty=not bars)
    if instead is not None:
        return labelled(label, instead)
    pieces = [
        ((f"{cut(clean(bar.name), NAME)} ", "muted"), (text, f"{tone_role(bar.tone)}!"))
        for bar, text in zip(bars, said, strict=True)
    ]
    return flowed(label, pieces, room, BRIEF_LINES)


KIND = Kind(full=full, ideal=ideal, brief=brief, rank=3)
DONUT = Kind(full=full_donut, ideal=ideal_donut, brief=brief_donut, rank=3)
