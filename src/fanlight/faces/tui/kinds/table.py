"""Rows and columns: numbers aligned by their digits, their units in a column of their own, marks at the left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fanlight.faces.tui.cells import Align, Line, clean, cut, cut_path, fit, width
from fanlight.faces.tui.kinds.base import Kind, Label, message, message_lines, meter, state_role
from fanlight.faces.tui.look import Look
from fanlight.faces.web.words import marked_state, state_of
from fanlight.panels import Column, Row, Table

NUMERIC: Final = frozenset({"integer", "number", "rate", "per_minute", "seconds", "bytes", "ratio", "percent", "bar"})
"""Units whose values stand at the right, with their suffix behind them."""

LEAST: Final = {
    "integer": 5, "number": 5, "rate": 6, "per_minute": 8, "seconds": 7, "bytes": 7, "ratio": 6, "percent": 6,
    "bar": 7, "time": 8, "status": 6, "method": 6, "score": 9,
}  # fmt: skip
"""Cells a column has at least, so that it does not jump about while its values change."""

WIDE: Final = 14
"""Cells of the widest text column before it gives way to others."""

BAR: Final = 8
NARROW_BAR: Final = 4
LONGEST: Final = 28
"""Cells of a column that is not the wide one at most."""

FINE: Final = 60
"""Cells of a table from which times have milliseconds."""

DETAIL: Final = 14
"""Cells a row's detail needs to be shown, and by which it gets more."""


@dataclass(frozen=True, slots=True)
class Head:
    """A column as it is drawn: its place in the rows, its cells, those of suffix and bar, its largest value."""

    place: int
    column: Column
    cells: int
    suffix: int = 0
    bar: int = 0
    peak: float = 0.0

    @property
    def align(self) -> Align:
        return "right" if self.column.unit in NUMERIC else "left"


def full(panel: Table, cells: int, height: int, look: Look) -> list[Line]:
    """A line of heads and as many rows as have room."""
    instead = message(panel, cells, height, look, empty=not panel.rows)
    if instead is not None:
        return instead
    look = replace(look, coarse=cells < FINE)
    rows = panel.rows[: max(height - 1, 0)]
    marked = any(row.state in ("warn", "error") and not _says(row, panel.columns) for row in panel.rows)
    room = cells - (2 if marked else 0)
    heads = fitting(panel, rows, room, look)
    detail = _spare(rows, heads, room)
    heads = _widened(heads, room - (detail + 2 if detail else 0))
    told = {} if detail else _told_apart(panel, rows)
    gutter = ((" " * 2, "text"),) if marked else ()
    return [
        (*gutter, *_heads(panel, heads, look)),
        *((*_mark(row, look, marked), *_cells(row, heads, look, told), *_detail(row, detail)) for row in rows),
    ]


def _told_apart(panel: Table, rows: Sequence[Row]) -> dict[str, str]:
    """By key the first words of the details of rows that look alike without them: a route that also streams. Rows with
    a time are told apart by it."""
    if any(column.unit == "time" for column in panel.columns):
        return {}
    places = [place for place, column in enumerate(panel.columns) if column.unit not in NUMERIC]
    seen = {row.key: tuple(row.values[place] for place in places if place < len(row.values)) for row in rows}
    alike = Counter(seen.values())
    return {row.key: clean(row.detail.partition(":")[0]) for row in rows if row.detail and alike[seen[row.key]] > 1}


def _says(row: Row, columns: Sequence[Column]) -> bool:
    """Whether a cell of the row is marked as the row is."""
    said = zip(row.values, columns, strict=False)
    return any(column.unit == "state" and state_of(value) == row.state for value, column in said)


def _spare(rows: Sequence[Row], heads: Sequence[Head], room: int) -> int:
    """The cells that columns with their texts whole leave for details; 0 where that is too little to be read. They come
    in steps, so that not every new row moves the columns."""
    longest = max((width(clean(row.detail or "")) for row in rows), default=0)
    left = room - sum(head.cells for head in heads) - 2 * len(heads)
    return min(left, -(-longest // DETAIL) * DETAIL) if left >= DETAIL else 0


def fitting(panel: Table, rows: Sequence[Row], room: int, look: Look) -> list[Head]:
    """The columns that have room, each as wide as its texts; those further right go first, never the telling ones."""
    heads = [_head(panel, place, column, rows, look) for place, column in enumerate(panel.columns)]
    while len(heads) > 1 and _least(heads) > room:
        if any(head.bar > NARROW_BAR for head in heads):
            heads = [_rebarred(head, NARROW_BAR) for head in heads]
        elif (dispensable := _dispensable(heads)) is not None:
            heads.remove(dispensable)
        elif any(head.bar for head in heads):
            heads = [_rebarred(head, 0) for head in heads]
        else:
            heads.pop()
    return heads


def _least(heads: Sequence[Head]) -> int:
    """The cells columns need when the wide one has given way."""
    wide = _wide(heads)
    taken = sum(min(head.cells, WIDE) if head is wide else head.cells for head in heads)
    return taken + 2 * (len(heads) - 1)


def _wide(heads: Sequence[Head]) -> Head | None:
    return next((head for head in heads if head.column.wide), None) or next(
        (head for head in heads if head.column.unit in ("text", "code", "route")), None
    )


def _dispensable(heads: Sequence[Head]) -> Head | None:
    """The column furthest to the right that tells least; neither the first nor the wide one."""
    wide = _wide(heads)
    found = [head for head in heads[1:] if head.column.unit not in ("status", "bar", "state") and head is not wide]
    return found[-1] if found else None


def _widened(heads: list[Head], room: int) -> list[Head]:
    """The wide column takes what is left, or gives what is lacking; one that only happens to be text takes its text."""
    wide = _wide(heads)
    if wide is None:
        return heads
    others = sum(head.cells for head in heads if head is not wide) + 2 * (len(heads) - 1)
    cells = max(room - others, 1)
    if not wide.column.wide:
        cells = min(wide.cells, cells)
    return [_resized(head, cells) if head is wide else head for head in heads]


def _resized(head: Head, cells: int) -> Head:
    return Head(head.place, head.column, cells, head.suffix, head.bar, head.peak)


def _rebarred(head: Head, bar: int) -> Head:
    less = max(head.bar - bar, 0)
    return Head(head.place, head.column, head.cells - less, head.suffix, head.bar - less, head.peak)


def _head(panel: Table, place: int, column: Column, rows: Sequence[Row], look: Look) -> Head:
    values = [row.values[place] if place < len(row.values) else None for row in rows]
    said = [look.value(value, column.unit) for value in values]
    title = width(clean(column.title)) + (2 if panel.sorted.lstrip("-") == column.name else 0)
    if column.unit not in NUMERIC:
        text = max((width(clean(each)) for each, _ in said), default=0) + (2 if column.unit == "state" else 0)
        text = text if column.wide else min(text, LONGEST)
        return Head(place, column, max(text, title, LEAST.get(column.unit, 1)))
    suffix = max((width(each) for _, each in said), default=0)
    gap = 1 if suffix else 0
    number = max((width(each) for each, _ in said), default=0) + gap + suffix
    bar = BAR + 1 if column.unit == "bar" else 0
    cells = max(number, title, LEAST.get(column.unit, 1)) + bar
    return Head(place, column, cells, suffix, bar, _peak(values) if bar else 0.0)


def _peak(values: Sequence[Any]) -> float:
    return max((value for value in values if isinstance(value, int | float)), default=0.0)


def _heads(panel: Table, heads: Sequence[Head], look: Look) -> Line:
    line: list[tuple[str, str]] = []
    for head in heads:
        sorted_here = panel.sorted.lstrip("-") == head.column.name
        sign = look.glyphs.down_sign if panel.sorted.startswith("-") else look.glyphs.up_sign
        title = f"{head.column.title} {sign}" if sorted_here else head.column.title
        text = fit(title, head.cells - head.bar, head.align) + " " * head.bar
        line += [(text, "accent" if sorted_here else "muted"), ("  ", "text")]
    return tuple(line[:-1])


def _mark(row: Row, look: Look, marked: bool) -> Line:
    if not marked:
        return ()
    alarming = row.state in ("warn", "error")
    return ((f"{look.mark(row.state)} " if alarming else "  ", state_role(row.state)),)


def _cells(row: Row, heads: Sequence[Head], look: Look, told: Mapping[str, str]) -> Line:
    line: list[tuple[str, str]] = []
    wide = _wide(heads)
    for head in heads:
        value = row.values[head.place] if head.place < len(row.values) else None
        aside = told.get(row.key, "") if head is wide else ""
        line += [*_cell(value, head, row, look, aside), ("  ", "text")]
    return tuple(line[:-1])


def _cell(value: Any, head: Head, row: Row, look: Look, aside: str = "") -> Line:
    """A value in its cells; `aside` are words that stand behind it."""
    unit = head.column.unit
    if aside:
        shown = cut_path(clean(look.value(value, unit)[0]), max(head.cells - width(aside) - 1, 1))
        return ((f"{shown} ", "text"), (fit(aside, head.cells - width(shown) - 1), "muted"))
    if unit in NUMERIC:
        return _number(value, head, row, look)
    text, _ = look.value(value, unit)
    if unit == "score":
        return _score(value, head, look)
    if unit == "state":
        state = state_of(value)
        return ((fit(f"{look.mark(state)} {text}", head.cells), state_role(state)),)
    if unit == "status":
        state = marked_state(value, row.state)
        return ((fit(text, head.cells), state_role(state, "muted")),)
    if unit in ("route", "code") and width(clean(text)) > head.cells:
        return ((fit(cut_path(clean(text), head.cells), head.cells), "text"),)
    return ((fit(text, head.cells), "muted" if unit in ("time", "method") else "text"),)


def _number(value: Any, head: Head, row: Row, look: Look) -> Line:
    text, suffix = look.value(value, head.column.unit)
    behind = head.suffix + (1 if head.suffix else 0)
    cells = head.cells - head.bar
    alarming = head.bar and row.state in ("warn", "error")
    role = state_role(row.state) if alarming else "text"
    number = fit(text, cells - behind, "right")
    shown = ((number, role), (" " + fit(suffix, head.suffix), "muted")) if behind else ((number, role),)
    if not head.bar:
        return shown
    share = value / head.peak if isinstance(value, int | float) and head.peak > 0 else 0.0
    full_bar, _ = meter(share, head.bar - 1, look, state_role(row.state, "main").rstrip("!"))
    return (*shown, (" ", "text"), full_bar, (" " * (head.bar - 1 - len(full_bar[0])), "text"))


def _score(value: Any, head: Head, look: Look) -> Line:
    if not isinstance(value, int | float):
        return ((fit(look.phrase(value, "number"), head.cells, "right"), "muted"),)
    role = "ok" if value >= 80 else "warn" if value >= 50 else "error"
    return (*meter(value / 100, head.cells - 4, look, role), (fit(look.phrase(value, "number"), 4, "right"), "text"))


def _detail(row: Row, cells: int) -> Line:
    return (("  ", "text"), (cut(clean(row.detail), cells), "muted")) if cells and row.detail else ()


def left_out(panel: Table, shown: int) -> int:
    """How many rows are not seen."""
    return max(len(panel.rows) - shown, 0) + panel.more


def ideal(panel: Table, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.rows) or len(panel.rows) + 1


def brief(panel: Table, label: Label, cells: int, look: Look) -> list[Line]:
    """A heading, the heads and the first rows."""
    instead = message(panel, cells - 4, 2, look, empty=not panel.rows)
    if instead is not None:
        return [label.heading(cells), *((("  ", "text"), *line) for line in instead)]
    rows = full(panel, cells - 3, label.rows + 1, look)
    beyond = left_out(panel, len(rows) - 1)
    end = f"{beyond} more" if beyond else ""
    return [label.heading(cells, end), *((("  ", "text"), *line) for line in rows)]


KIND = Kind(full=full, ideal=ideal, brief=brief, rank=6)
