"""Lanes: the counts of a histogram side by side, as it is stored when its buckets lie close together, and as many are
summed.

Stored, a histogram is a list of buckets and counts in turn or, where that is shorter, bytes: the number of its first
bucket (4 bytes), how many bytes each count has (1), and the counts of all buckets from that one on, little-endian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from struct import Struct, error, pack, unpack_from
from typing import Final

from fanlight.core.histogram import Buckets

Stored = list[int] | bytes
"""The buckets of a histogram as they are stored."""

FEWEST: Final = 16
"""A histogram of fewer buckets is a list: it is as quick to read."""

FURTHEST: Final = 2**16
"""No number falls into a bucket further from zero."""

_HEAD: Final = Struct("<iB")
_LETTERS: Final = {1: "B", 2: "H", 4: "I"}
"""How `struct` calls counts of so many bytes."""

_LANE: Final = 8
"""Bytes of each count while histograms are summed."""


def stored(given: Buckets) -> Stored:
    """The buckets of a histogram, in ascending order, in the shorter of the two forms."""
    buckets = given if isinstance(given, dict) else dict(given.items())
    if len(buckets) >= FEWEST:
        first, end = min(buckets), max(buckets) + 1
        largest = max(buckets.values())
        width = 1 if largest < 2**8 else 2 if largest < 2**16 else 4
        listed = (3 + width) * len(buckets)  # some three bytes for each bucket's number
        if (end - first) * width < listed and largest < 2**32:
            counts = map(buckets.get, range(first, end), repeat(0))
            return _HEAD.pack(first, width) + pack(f"<{end - first}{_LETTERS[width]}", *counts)
    return [number for item in sorted(buckets.items()) for number in item]


def columns(given: Stored) -> tuple[Sequence[int], Sequence[int]]:
    """The buckets that were stored and what each of them counts, which may be nothing. Raises ValueError when they are
    no histogram."""
    if isinstance(given, bytes):
        first, width, size = _opened(given)
        return range(first, first + size), unpack_from(f"<{size}{_LETTERS[width]}", given, _HEAD.size)
    if len(given) % 2:
        raise ValueError(f"{len(given)} numbers, which are no buckets and counts in turn")
    return given[::2], given[1::2]


def _opened(given: bytes) -> tuple[int, int, int]:
    """The first bucket, the bytes of a count, and how many counts there are."""
    size = len(given) - _HEAD.size
    first, width = _HEAD.unpack_from(given) if size > 0 else (0, 0)
    if width not in _LETTERS or size % width or not given[-width:].strip(b"\0"):
        raise ValueError(f"{len(given)} bytes that are no buckets")
    count = size // width
    _check(first, first + count)
    return first, width, count


def _check(first: int, end: int) -> None:
    if not -FURTHEST <= first < end <= FURTHEST:
        raise ValueError(f"the buckets from {first} to {end}, into which no number falls")


class Lanes:
    """The sum of many histograms: one large integer that has 64 bits for each bucket, so that a single addition of
    Python's adds all of their counts.

    Not thread-safe. What is no histogram raises ValueError and leaves the sum as it was.
    """

    __slots__ = ("_first", "_sum")

    def __init__(self) -> None:
        self._first = 0
        self._sum = 0

    def add(self, given: bytes) -> None:
        """A histogram that was stored as bytes."""
        first, width, size = _opened(given)
        spread = bytearray(_LANE * size)
        for place in range(width):
            spread[place::_LANE] = given[_HEAD.size + place :: width]
        self._add(first, int.from_bytes(spread, "little"))

    def add_counts(self, buckets: Mapping[int, int]) -> None:
        """A histogram as a mapping."""
        if not buckets:
            return
        first, end = min(buckets), max(buckets) + 1
        _check(first, end)
        counts = map(buckets.get, range(first, end), repeat(0))
        try:
            spread = pack(f"<{end - first}Q", *counts)
        except error as problem:
            raise ValueError(f"a count that none can be ({problem})") from None
        self._add(first, int.from_bytes(spread, "little"))

    def _add(self, first: int, lanes: int) -> None:
        shift = 8 * _LANE * (first - self._first)
        if not self._sum:
            self._first, self._sum = first, lanes
        elif shift >= 0:
            self._sum += lanes << shift
        else:
            self._first, self._sum = first, (self._sum << -shift) + lanes

    def columns(self) -> tuple[Sequence[int], Sequence[int]]:
        """The buckets and what each of them counts, as the function of that name says it."""
        size = -(-self._sum.bit_length() // (8 * _LANE))
        counts = unpack_from(f"<{size}Q", self._sum.to_bytes(_LANE * size, "little"))
        return range(self._first, self._first + size), counts
