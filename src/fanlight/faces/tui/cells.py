"""Character cells: lines of text in named roles, cut and padded to exact widths.

A line is a tuple of (text, role) pieces. A role says what a piece means ("muted", "error"); a theme says how that
looks. A role that ends in "!" is drawn bold.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Literal

Piece = tuple[str, str]
Line = tuple[Piece, ...]

Align = Literal["left", "right"]


_ASCII: Final = {
    "–": "-", "—": "-", "−": "-", "·": "|", "…": "~", "→": ">", "←": "<", "µ": "u", "×": "x", "⏎": "/",
    "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
"""What stands for typographic characters on a terminal without them."""


def clean(text: str) -> str:
    """Text that cannot move the cursor or hide what it says: one line of printable characters.

    Line breaks become a mark, tabs a space; escape, other control, format and bidirectional characters a dot. Narrow
    spaces become spaces: many terminal fonts lack them.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_cleaned, text))


def _cleaned(character: str) -> str:
    if character in "\n\t\u202f\xa0":
        return "⏎" if character == "\n" else " "
    if character == "\r" or character in "\ufe0e\ufe0f":
        return ""
    return character if character.isprintable() else "·"


def plain_ascii(text: str) -> str:
    """A cleaned text in ASCII alone and of the same width: accents dropped, what has no letter a question mark."""
    return text if text.isascii() else "".join(map(_in_ascii, text))


@lru_cache(maxsize=4_096)
def _in_ascii(character: str) -> str:
    found = _ASCII.get(character) or unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return found if len(found) == _cell_width(character) else "?" * _cell_width(character)


def width(text: str) -> int:
    """The cells a cleaned text takes."""
    return len(text) if text.isascii() else sum(map(_cell_width, text))


@lru_cache(maxsize=4_096)
def _cell_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, cells: int) -> str:
    """A cleaned text in at most so many cells; one that was too long ends in an ellipsis."""
    if width(text) <= cells:
        return text
    if cells <= 0:
        return ""
    kept, taken = [], 0
    for character in text:
        taken += _cell_width(character)
        if taken > cells - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def cut_words(text: str, cells: int) -> str:
    """As `cut`, but between two phrases, or else two words, where that keeps half of the room."""
    shown = cut(text, cells)
    if shown == text or cells <= 0:
        return shown
    heads = (shown[:-1].rpartition(apart)[0].rstrip(" ·,;:") for apart in (" · ", ", ", " "))
    return next((f"{head}…" for head in heads if 2 * width(head) >= cells), shown)


def cut_path(text: str, cells: int) -> str:
    """As `cut`, but a path keeps its end, where it tells most, and what stands before it: "GET …/messages"."""
    head, slash, path = text.partition("/")
    room = cells - width(head)
    return head + cut_left(slash + path, room) if slash and 2 * room >= cells else cut(text, cells)


def cut_left(text: str, cells: int) -> str:
    """As `cut`, keeping the end: "…/storage.py:17"."""
    if width(text) <= cells:
        return text
    return cut(text[::-1], cells)[::-1] if cells > 0 else ""


def fit(text: str, cells: int, align: Align = "left") -> str:
    """A text in exactly so many cells, cleaned, cut or padded."""
    shown = cut(clean(text), cells)
    room = " " * (cells - width(shown))
    return room + shown if align == "right" else shown + room


def line_width(line: Line) -> int:
    """The cells of a line."""
    return sum(width(text) for text, _ in line)


def fit_line(line: Iterable[Piece], cells: int) -> Line:
    """A line of exactly so many cells: cut at its end, or padded."""
    pieces: list[Piece] = []
    left = cells
    for text, role in line:
        taken = width(text)
        if taken > left:
            shown = cut(text, left)
            pieces.append((shown, role))
            left -= width(shown)
            break
        if text:
            pieces.append((text, role))
        left -= taken
    if left > 0:
        pieces.append((" " * left, "text"))
    return tuple(pieces)


def spread(left: Iterable[Piece], right: Iterable[Piece], cells: int) -> Line:
    """Two ends of one line; the right one stays whole and the left one gives way."""
    end = tuple(right)
    taken = line_width(end)
    if taken >= cells:
        return fit_line(end, cells)
    return (*fit_line(left, cells - taken), *end)


def words(text: str, cells: int) -> Iterator[str]:
    """A cleaned text broken at spaces into lines of at most so many cells; long words are cut."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width(longer) <= cells:
            line = longer
            continue
        if line:
            yield line
        line = cut(word, cells)
    if line:
        yield line


def folded(text: str, cells: int) -> Iterator[str]:
    """A cleaned text cut into pieces of at most so many cells, after a space in the last half of one where there is
    any; nothing of it is lost."""
    piece, taken = "", 0
    for character in text:
        more = _cell_width(character)
        if piece and taken + more > cells:
            end = piece.rfind(" ") + 1
            end = end if 2 * width(piece[:end]) >= cells else len(piece)
            yield piece[:end]
            piece = piece[end:]
            taken = width(piece)
        piece, taken = piece + character, taken + more
    yield piece


def wrapped(text: str, cells: int, role: str, most: int) -> list[Line]:
    """A text as at most so many lines."""
    lines = list(words(clean(text), max(cells, 1)))
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(" ".join(lines[most - 1 :]), cells)] if most > 0 else []
    return [((line, role),) for line in lines]


def differing(before: Line, after: Line) -> tuple[int, int]:
    """Where two lines of one width begin to differ, and for how many cells."""
    start = end = 0
    fewer = min(len(before), len(after))
    while start < fewer and before[start] == after[start]:
        start += 1
    while end < fewer - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return line_width(after[:start]), line_width(after[start : len(after) - end])
