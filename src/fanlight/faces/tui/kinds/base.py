"""What every kind of panel has in common: how it is drawn in a box, and in brief without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fanlight.faces.tui.cells import Line, clean, cut_words, fit, line_width, spread, wrapped
from fanlight.faces.tui.look import Look
from fanlight.faces.web.words import pieces
from fanlight.panels import PanelBase

LABEL: Final = 18
"""Cells of the column of titles that brief panels have at their left."""

GAP: Final = 3
"""Cells between what stands side by side."""

MOST_EMPTY_LINES: Final = 5
BRIEF_ROWS: Final = 8
"""Rows of a listing in brief, unless there is room to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind of panel is drawn.

    `full(panel, width, height, look)` gives at most `height` lines for the inside of a box, `ideal(panel, width)` says
    how many it would like, `brief(panel, label, width, look)` gives few lines of their own that begin with the label
    or with a heading. Lines may be shorter than the width and are cut when they are longer. `rank` orders brief pages,
    the most telling first. `enlarges` says that more room shows more.
    """

    full: Callable[[Any, int, int, Look], list[Line]]
    ideal: Callable[[Any, int], int]
    brief: Callable[[Any, Label, int, Look], list[Line]]
    rank: int = 5
    enlarges: bool = True


@dataclass(frozen=True, slots=True)
class Label:
    """A panel's title and the number it is enlarged by, "" for none; `rows` is how many a listing may show."""

    number: str
    title: str
    note: str = ""
    rows: int = BRIEF_ROWS

    @property
    def cell(self) -> Line:
        """Exactly LABEL cells."""
        return (
            (fit(self.number, 2), "muted"),
            (fit(cut_words(clean(self.title), LABEL - 3), LABEL - 3), "title"),
            (" ", "text"),
        )

    def heading(self, width: int, end: str = "") -> Line:
        """A line of its own over what follows; `end` stands at its right."""
        left = [(fit(self.number, 2), "muted"), (clean(self.title), "title"), ("  ", "text")]
        note = cut_words(clean(self.note), max(width // 2, 0))
        return spread([*left, (note, "muted")], [(end, "muted"), (" ", "text")] if end else (), width)


BLANK: Final[Line] = ((" " * LABEL, "text"),)
"""What stands in the column of titles under a title."""


def labelled(label: Label, lines: list[Line]) -> list[Line]:
    """Lines beside a label: the title at the first, room at the others."""
    return [(*(label.cell if place == 0 else BLANK), *line) for place, line in enumerate(lines)]


def flowed(label: Label, pieces: Sequence[Line], cells: int, most: int) -> list[Line]:
    """Pieces one after the other beside a label, on at most so many lines; how many are left out stands at the end."""
    lines: list[list[tuple[str, str]]] = [[]]
    for place, piece in enumerate(pieces):
        more = f" +{len(pieces) - place}"
        room = cells - (len(more) if len(lines) == most else 0)
        if lines[-1] and line_width(tuple(lines[-1])) + GAP + line_width(piece) > room:
            if len(lines) == most:
                lines[-1].append((more, "muted"))
                break
            lines.append([])
        lines[-1] += [(" " * GAP, "text"), *piece] if lines[-1] else piece
    return labelled(label, [tuple(line) for line in lines])


def state_role(state: str, neutral: str = "text") -> str:
    """The role of a value in a state."""
    return {"ok": "ok", "warn": "warn!", "error": "error!", "idle": "muted"}.get(state, neutral)


def tone_role(tone: str) -> str:
    """The role of a line or bar in a tone."""
    return tone if tone in ("main", "second", "ok", "warn", "error", "muted") else "main"


def message(panel: PanelBase, width: int, height: int, look: Look, *, empty: bool) -> list[Line] | None:
    """What stands in place of a panel that failed or has nothing; None for one that has something."""
    if panel.error:
        lines = wrapped(f"{look.mark('error')} {panel.error}", width, "error", min(height, MOST_EMPTY_LINES))
    elif empty:
        lines = _told(panel.empty or "Nothing yet.", width, min(height, MOST_EMPTY_LINES))
    else:
        return None
    return lines


def _told(text: str, width: int, most: int) -> list[Line]:
    """A text on at most so many lines, the code in it set off."""
    parts = pieces(clean(text))
    coded = iter([code for piece, code in parts for character in piece if character != " "])
    found = []
    for ((line, role),) in wrapped("".join(piece for piece, _ in parts), width, "muted", most):
        toned: list[tuple[str, str]] = []
        for character in line:
            tone = role if character != " " else toned[-1][1]
            if character != " " and next(coded, False):
                tone = "accent"
            if toned and toned[-1][1] == tone:
                toned[-1] = (toned[-1][0] + character, tone)
            else:
                toned.append((character, tone))
        found.append(tuple(toned))
    return found


def message_lines(panel: PanelBase, width: int, *, empty: bool) -> int | None:
    """How many lines `message` takes."""
    found = message(panel, width, MOST_EMPTY_LINES, Look(), empty=empty)
    return None if found is None else max(len(found), 1)


def meter(share: float, width: int, look: Look, role: str) -> Line:
    """A level of 0 to 1 as a bar of so many cells: what is full and what is not differ by shape, too."""
    glyphs = look.glyphs
    share = share if share == share else 0.0  # not a number
    halves = round(min(max(share, 0.0), 1.0) * width * 2) if width > 0 else 0
    if share > 0 and not halves:
        halves = 1
    full = glyphs.full * (halves // 2) + (glyphs.half if halves % 2 else "")
    return ((full, role), (glyphs.rest * (width - len(full)), "faint"))
