"""Lines in character cells: spark lines of block characters, charts of braille dots.

Values fall into columns by their absolute number (how many steps since the epoch), not by their place in the list. So a
column's content never changes as time goes on: old columns move left and do not shimmer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fanlight.faces.tui.look import Glyphs

Values = Sequence[float | None]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a braille character by row from above and by column (Unicode 16, block Braille Patterns)."""

BRAILLE = 0x2800


def columns(values: Values, last: int, width: int) -> list[float | None]:
    """Values as so many columns, the newest at the right; `last` is the absolute number of the last value.

    Several values in one column show their largest, so that spikes stay; with more columns than values a value fills
    several. A column without a value is a gap.
    """
    count = len(values)
    if not count or width <= 0:
        return [None] * max(width, 0)
    found: list[float | None] = [None] * width
    end = _end(last, width, count)
    for place, value in enumerate(values):
        if value is None or not math.isfinite(value):
            continue
        number = last - count + 1 + place
        first = number * width // count - end + width
        beyond = max((number + 1) * width // count - end + width, first + 1)
        for column in range(max(first, 0), min(beyond, width)):
            known = found[column]
            found[column] = value if known is None else max(known, value)
    return found


def _end(last: int, width: int, count: int) -> int:
    """The absolute number of the column after the newest."""
    return max((last + 1) * width // count, last * width // count + 1)


def spark(values: Values, last: int, width: int, glyphs: Glyphs, peak: float | None = None) -> str:
    """A line of block characters from 0 to `peak` (the largest value unless given); gaps are spaces."""
    shown = columns(values, last, width)
    top = peak if peak else max((value for value in shown if value is not None), default=0.0)
    steps = len(glyphs.levels) - 1
    return "".join(
        " " if value is None else glyphs.levels[_level(value, top, steps)] if top > 0 else glyphs.levels[0]
        for value in shown
    )


def _level(value: float, top: float, steps: int) -> int:
    return min(max(math.ceil(value / top * steps - 1e-9), 0), steps)


class Dots:
    """A raster of dots: two by four in each cell of braille, one by one of ASCII. Row 0 is the uppermost.

    A cell has one role: the last line's. Areas lie behind the lines; a line that does not bound the area clears it from
    its cells.
    """

    def __init__(self, width: int, height: int, glyphs: Glyphs) -> None:
        self.across, self.high = (2, 4) if glyphs.braille else (1, 1)
        self.width, self.height = width, height
        self._braille = glyphs.braille
        self._lines: dict[tuple[int, int], tuple[int, str]] = {}
        self._areas: dict[tuple[int, int], tuple[int, str]] = {}
        self._cleared: set[tuple[int, int]] = set()

    @property
    def columns(self) -> int:
        """Dots from left to right."""
        return self.width * self.across

    @property
    def rows(self) -> int:
        """Dots from top to bottom."""
        return self.height * self.high

    def curve(self, heights: Sequence[int | None], role: str, sign: str, *, over_area: bool = False) -> None:
        """A connected line through one height (dots from below) for each column of dots; `sign` is for ASCII."""
        before: int | None = None
        for x, height in enumerate(heights):
            if height is not None:
                start = height if before is None else before + (height > before) - (height < before)
                for level in range(min(start, height), max(start, height) + 1):
                    cell = self._set(self._lines, x, self.rows - 1 - level, role, sign)
                    if not over_area:
                        self._cleared.add(cell)
            before = height

    def area(self, heights: Sequence[int | None], role: str) -> None:
        """Everything from the ground up to the heights."""
        for x, height in enumerate(heights):
            for level in range(height or 0):
                self._set(self._areas, x, self.rows - 1 - level, role, ":")

    def _set(
        self, layer: dict[tuple[int, int], tuple[int, str]], x: int, y: int, role: str, sign: str
    ) -> tuple[int, int]:
        cell = (x // self.across, y // self.high)
        bits = layer.get(cell, (0, ""))[0]
        layer[cell] = (bits | _DOTS[y % 4][x % 2] if self._braille else ord(sign), role)
        return cell

    def cell(self, x: int, y: int) -> tuple[str, str] | None:
        """What is in a cell: (character, role); None where no dot is set."""
        line, area = self._lines.get((x, y)), self._areas.get((x, y))
        if area is not None and (x, y) in self._cleared:
            area = None
        if line is None:
            return (chr(BRAILLE | area[0]), area[1]) if area is not None else None
        if not self._braille:
            return chr(line[0]), line[1]
        return chr(BRAILLE | line[0] | (area[0] if area is not None else 0)), line[1]
