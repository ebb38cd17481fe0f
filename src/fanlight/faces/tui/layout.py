"""Where the panels of a page stand: the browser's grid of 12 columns, scaled to the terminal.

Pure arithmetic, done when the page, the size or the room a panel wants changes; never because a number did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

COLUMNS: Final = 12
DENSE_WIDTH: Final = 100
"""Below so many cells panels have no boxes and stand under one another."""

DENSE_HEIGHT: Final = 28
LEAST: Final = (60, 15)
"""Below so many cells and lines there is room for the log only."""

FRAME: Final = 2
"""Lines a box takes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a panel asks for: its place in the browser's grid, the lines it needs inside its box, and how many more
    it could use if there is room. `boxed` False needs no frame, `widens` False leaves room at its right empty; `rank`
    says how telling it is, `glance` that it must be seen without scrolling."""

    name: str
    span: int
    rows: int
    lines: int
    more: int = 0
    boxed: bool = True
    widens: bool = True
    rank: int = 5
    glance: bool = False

    @property
    def height(self) -> int:
        return self.lines + (FRAME if self.boxed else 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands, in cells and lines."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Zones:
    """The lines of the screen from above: header, page, log, footer. `dense` pages have no boxes."""

    header: int
    page: int
    log: int
    dense: bool
    footer: int = 1


def zones(width: int, height: int, *, log: bool, alone: bool, empty: bool = False, told: int = 0) -> Zones:
    """How the screen is shared out; `log` wants the log under the page, `alone` instead of it. An empty one under the
    page has its title only. `told` more lines of the header say what is wrong."""
    if width < LEAST[0] or height < LEAST[1]:
        return Zones(header=1, page=0, log=max(height - 2, 0), dense=True, footer=min(height - 1, 1))
    dense = width < DENSE_WIDTH or height < DENSE_HEIGHT
    header = (2 if height < DENSE_HEIGHT else 3) + told
    room = height - header - 1
    if alone:
        return Zones(header=header, page=0, log=room, dense=dense)
    wanted = max(room * 2 // 5, 5) if dense else min(max(room // 5, 7), 14)
    taken = (1 if empty else wanted) if log else 0
    return Zones(header=header, page=room - taken, log=taken, dense=dense)


@dataclass(slots=True)
class _Cell:
    """A panel in the grid: its first column, its row, its columns."""

    wish: Wish
    column: int
    row: int
    span: int


def arrange(wishes: Sequence[Wish], width: int, height: int) -> list[Place]:
    """The panels in the grid, row by row; rows grow into the room that is left where panels can use it.

    Where levels would be below the first screen, the most telling panels come first, unless headings order the page.
    """
    cells = _flow(wishes)
    heights = _heights(cells)
    if height and all(wish.boxed for wish in wishes) and _hidden(cells, heights, height):
        cells = _flow(sorted(wishes, key=lambda wish: wish.rank))
        heights = _heights(cells)
    _widen(cells)
    _grow(cells, heights, height)
    tops = [sum(heights[:row]) for row in range(len(heights) + 1)]
    return [
        Place(
            cell.wish.name,
            x := cell.column * width // COLUMNS,
            tops[cell.row],
            (cell.column + cell.span) * width // COLUMNS - x,
            tops[cell.row + cell.wish.rows] - tops[cell.row],
        )
        for cell in cells
    ]


def _span(wish: Wish) -> int:
    return min(max(wish.span, 1), COLUMNS)


def _flow(wishes: Sequence[Wish]) -> list[_Cell]:
    """Each panel at the first free place after the one before, as CSS grids do."""
    taken: set[tuple[int, int]] = set()
    cells: list[_Cell] = []
    row = column = 0
    for wish in wishes:
        span = _span(wish)
        while column + span > COLUMNS or any((row, each) in taken for each in range(column, column + span)):
            column += 1
            if column + span > COLUMNS:
                row, column = row + 1, 0
        taken |= {(row + down, column + across) for down in range(wish.rows) for across in range(span)}
        cells.append(_Cell(wish, column, row, span))
        column += span
    return cells


def _hidden(cells: Sequence[_Cell], heights: Sequence[int], height: int) -> bool:
    """Whether what must be seen at a glance does not end on the first screen."""
    return any(cell.wish.glance and sum(heights[: cell.row + cell.wish.rows]) > height for cell in cells)


def _widen(cells: Sequence[_Cell]) -> None:
    """Panels take the columns at their right that nobody has."""
    for cell in cells:
        rows = range(cell.row, cell.row + cell.wish.rows)
        right = [each.column for each in cells if each.column > cell.column and _shares(each, rows)]
        if cell.wish.widens:
            cell.span = min(right, default=COLUMNS) - cell.column


def _shares(cell: _Cell, rows: range) -> bool:
    return cell.row < rows.stop and cell.row + cell.wish.rows > rows.start


def _heights(cells: Sequence[_Cell]) -> list[int]:
    """Each row as high as its panels need; one over several rows has the last of them grow."""
    heights = [0] * max((cell.row + cell.wish.rows for cell in cells), default=0)
    for cell in cells:
        if cell.wish.rows == 1:
            heights[cell.row] = max(heights[cell.row], cell.wish.height)
    for cell in cells:
        if cell.wish.rows > 1:
            last = cell.row + cell.wish.rows
            heights[last - 1] += max(cell.wish.height - sum(heights[cell.row : last]), 0)
    return heights


def _grow(cells: Sequence[_Cell], heights: list[int], height: int) -> None:
    """Hand out the lines that are left, one at a time, to the rows whose panels could all show more."""
    spare = height - sum(heights)
    full = {cell.row for cell in cells if cell.wish.rows == 1 and not cell.wish.more}
    able = [cell for cell in cells if cell.wish.rows > 1 or cell.row not in full]
    while spare > 0:
        needy = [cell for cell in able if _lacking(cell, heights) > 0]
        if not needy:
            return
        neediest = max(needy, key=lambda cell: _lacking(cell, heights))
        rows = range(neediest.row, neediest.row + neediest.wish.rows)
        heights[min(rows, key=heights.__getitem__)] += 1
        spare -= 1


def _lacking(cell: _Cell, heights: Sequence[int]) -> int:
    wish = cell.wish
    return wish.height + wish.more - sum(heights[cell.row : cell.row + wish.rows]) if wish.more else 0
