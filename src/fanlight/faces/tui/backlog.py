"""The log as a reader has it: the last lines in order, and where one reads. It stands still while one reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from fanlight.panels import LogLine

LIMIT: Final = 2_000
"""Lines kept; the oldest go."""


class Backlog:
    """Lines merged by their keys, and a window on those that match the filter.

    `bottom` is the key of the lowest line shown, "" while the newest is followed.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lines: list[LogLine] = []
        self._known: set[str] = set()
        self._words: tuple[str, ...] = ()
        self._shown: list[LogLine] = []
        self._bottom = ""
        self._unread = 0

    @property
    def newest(self) -> float:
        """The time of the newest line, in Unix seconds; 0 when there is none."""
        return self._lines[-1].at if self._lines else 0.0

    @property
    def following(self) -> bool:
        """Whether the newest line is shown as it comes."""
        return not self._bottom

    @property
    def unread(self) -> int:
        """Lines that came since one stopped following."""
        return self._unread

    @property
    def shown(self) -> Sequence[LogLine]:
        """The lines that match the filter, the newest last."""
        return self._shown

    @property
    def words(self) -> str:
        """The filter."""
        return " ".join(self._words)

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, lines: Iterable[LogLine]) -> bool:
        """Take in lines, those known already and in any order among them; whether any was new."""
        new = [line for line in lines if line.key not in self._known]
        if not new:
            return False
        in_order = not self._lines or new[0].at >= self._lines[-1].at
        self._lines += new
        self._known.update(line.key for line in new)
        if not in_order or any(first.at > second.at for first, second in pairwise(new)):
            self._lines.sort(key=lambda line: line.at)
        beyond = len(self._lines) - self._limit
        if beyond > 0:
            self._known.difference_update(line.key for line in self._lines[:beyond])
            del self._lines[:beyond]
        if self._bottom:
            self._unread += sum(map(self._matches, new))
        self._sift()
        return True

    def filter(self, text: str) -> None:
        """Show only lines that hold each of these words, in any case; "" shows all."""
        self._words = tuple(text.lower().split())
        self.follow()
        self._sift()

    def follow(self) -> None:
        """Show the newest line, and what comes."""
        self._bottom, self._unread = "", 0

    def move(self, lines: int, height: int) -> None:
        """Scroll down by so many lines (up if negative) in a window of this height; at the end it follows again."""
        last = len(self._shown) - 1
        place = self._place() + lines
        if place >= last:
            self.follow()
        elif last >= height:
            self._bottom = self._shown[max(place, height - 1)].key

    def window(self, height: int) -> Sequence[LogLine]:
        """The lines to be seen, at most `height`."""
        end = self._place() + 1
        return self._shown[max(end - height, 0) : max(end, min(height, len(self._shown)))]

    def _place(self) -> int:
        """Where the lowest line shown is; the oldest one when it is gone."""
        last = len(self._shown) - 1
        if not self._bottom:
            return last
        for place in range(last, -1, -1):
            if self._shown[place].key == self._bottom:
                return place
        return 0

    def _matches(self, line: LogLine) -> bool:
        if not self._words:
            return True
        text = f"{line.level} {line.logger} {line.source} {line.message} {line.correlation_id}".lower()
        return all(word in text for word in self._words)

    def _sift(self) -> None:
        self._shown = [line for line in self._lines if self._matches(line)] if self._words else self._lines
