"""Colours told to a terminal: only what changes from one piece of text to the next."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_TURN: Final = re.compile(r"(?:\x1b\[0m(\r?\n?(?:\x1b\[\d+;\d+H)?))?\x1b\[([\d;]+)m")
"""A change of colours: from the reset that ends a piece to what begins the next, over the moves in between."""

_OFF: Final = "0"


class _Colours(NamedTuple):
    """What a sequence sets: attributes such as bold, and the two colours, "" where it sets none."""

    attributes: frozenset[str]
    text: str
    ground: str


class Ink:
    """The colours a terminal has now; each piece of text is taken to say all of its own, and to end with a reset."""

    def __init__(self) -> None:
        self._now = _OFF

    def thinned(self, data: str) -> str:
        """The same on the screen, in fewer bytes: half of what Textual says of a page is colours said again."""
        return _TURN.sub(self._turned, data)

    def _turned(self, found: re.Match[str]) -> str:
        moves, then = found.groups()
        before, self._now = self._now, then
        if moves is None:
            return found[0]
        return moves + turn(before, then)


@lru_cache(maxsize=1_024)
def turn(before: str, then: str) -> str:
    """What brings a terminal from one set of colours to the other; both are the codes of a whole sequence."""
    old, new = _read(before), _read(then)
    if not old.attributes <= new.attributes:
        return f"\x1b[0;{then}m"
    changed = [*sorted(new.attributes - old.attributes)]
    if new.text != old.text:
        changed.append(new.text or "39")
    if new.ground != old.ground:
        changed.append(new.ground or "49")
    return f"\x1b[{';'.join(changed)}m" if changed else ""


def _read(codes: str) -> _Colours:
    attributes, text, ground = set[str](), "", ""
    parts = codes.split(";")
    while parts:
        code = int(parts[0] or 0)
        taken = {"2": 5, "5": 3}.get("".join(parts[1:2]), 1) if code in (38, 48) else 1
        whole, parts = ";".join(parts[:taken]), parts[taken:]
        if code == 0:
            attributes, text, ground = set(), "", ""
        elif 30 <= code <= 38 or 90 <= code <= 97:
            text = whole
        elif 40 <= code <= 48 or 100 <= code <= 107:
            ground = whole
        else:
            attributes.add(whole)
    return _Colours(frozenset(attributes), text, ground)
