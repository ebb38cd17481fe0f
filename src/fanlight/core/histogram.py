"""The base-2 exponential histogram: the index of OpenTelemetry and of Prometheus native histograms.

At scale s the base is b = 2^(2^-s) and bucket i holds (b^i, b^(i+1)]. At s = 5 a bucket is 2.19 % wide, so a percentile
interpolated inside it is at most 2.2 % from the exact one. Merging adds counts, which is exact.
Source: OpenTelemetry metrics data model, "ExponentialHistogram".
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, compress
from math import ceil, frexp, log
from typing import Final

SCALE: Final = 5
"""The scale every Fanlight histogram uses; one scale everywhere makes merging a plain addition."""

_BUCKETS_PER_OCTAVE: Final = 1 << SCALE
_FACTOR: Final = _BUCKETS_PER_OCTAVE / log(2)


def index(value: float) -> int:
    """The bucket of a positive value."""
    mantissa, exponent = frexp(value)
    if mantissa == 0.5:  # an exact power of two closes the bucket below it
        return ((exponent - 1) << SCALE) - 1
    return ceil(log(value) * _FACTOR) - 1


LOWEST, HIGHEST = -2_048, 2_047
"""The buckets a histogram has: from 2^-64 to 2^64."""

SPARSE: Final = 42
"""Buckets a dictionary holds at most: with one more it takes 2 KB, an array a fifth of it."""


class _Numbers(dict[int, int]):
    """The buckets by themselves."""

    def __missing__(self, bucket: int) -> int:
        return LOWEST if bucket < LOWEST else HIGHEST


shared: Final[Callable[[int], int]] = _Numbers((bucket, bucket) for bucket in range(LOWEST, HIGHEST + 1)).__getitem__
"""The one object of a bucket's number: hundreds of histograms would each hold their own otherwise.

What lies beyond the lowest and the highest is in those.
"""


def counted(amounts: Iterable[int], unit: float) -> dict[int, int]:
    """How many of `amounts * unit` fall into each bucket (see `shared`); each must be above zero.

    As `index` of each, but looked up once for a bucket: in order, its amounts are neighbours.
    """
    ordered, found = sorted(amounts), dict[int, int]()
    start = first = most = 0
    ends: list[int] = []
    while start < len(ordered):
        amount = ordered[start]
        if amount > most or amount <= 0:
            first, ends = _octave(unit, amount.bit_length() if amount > 0 else 0)
            most = ends[-1] if ends else 0
        if most:
            place = bisect_left(ends, amount)
            bucket, after = shared(first + place), bisect_right(ordered, ends[place], start)
        else:
            bucket, after = shared(index(amount * unit)), start + 1
        found[bucket] = found.get(bucket, 0) + after - start
        start = after
    return found


@lru_cache(maxsize=512)
def _octave(unit: float, bits: int) -> tuple[int, list[int]]:
    """The first bucket that amounts of so many bits fall into, and from it on the greatest amount of each bucket.

    Without ends from 53 bits on: a float does not tell such amounts apart.
    """
    if not 0 < bits <= 52:
        return 0, []
    least, most = 1 << bits - 1, (1 << bits) - 1
    first, ends = index(least * unit), []
    for bucket in range(first, index(most * unit)):
        last = int(2.0 ** ((bucket + 1) / _BUCKETS_PER_OCTAVE) / unit)
        while index((last + 1) * unit) <= bucket:
            last += 1
        while index(last * unit) > bucket:
            last -= 1
        ends.append(last)
    return first, [*ends, most]


class Dense:
    """The counts of neighbouring buckets, from `base` on, in 2 bytes each, or in 4 or 8 where one needs it.

    A histogram of many amounts takes a twentieth of the room of a dictionary, at the same speed. Counts beyond 64 bits
    stay at the highest number.
    """

    __slots__ = ("base", "counts")

    def __init__(self, buckets: Buckets | None = None) -> None:
        self.base = min(buckets, default=0) if buckets is not None else 0
        self.counts = array("H")
        if buckets is not None:
            self.add(buckets)

    def add(self, other: Buckets) -> None:
        """Add what each bucket (see `shared`) counts in another histogram."""
        base, counts = self.base, self.counts
        for bucket, amount in other.items():
            if bucket >= base:
                try:
                    counts[bucket - base] += amount
                    continue
                except (IndexError, OverflowError):  # no place yet, or not enough bytes
                    pass
            self._reach(min(other), max(other))
            self._add_widely(bucket, amount)
            base, counts = self.base, self.counts

    def _reach(self, low: int, high: int) -> None:
        """Have places for these buckets and those between."""
        zeros = array(self.counts.typecode, bytes(self.counts.itemsize))
        if low < self.base:
            self.base, self.counts = low, zeros * (self.base - low) + self.counts
        self.counts.extend(zeros * (high - self.base + 1 - len(self.counts)))

    def _add_widely(self, bucket: int, count: int) -> None:
        """Add to a count that may need more bytes."""
        total = self.counts[bucket - self.base] + count
        if total >= 1 << 8 * self.counts.itemsize:
            self.counts = array("I" if total < 1 << 32 else "Q", self.counts)
        self.counts[bucket - self.base] = min(total, (1 << 64) - 1)

    def subtract(self, other: Buckets) -> None:
        """Take out what was added before."""
        base, counts = self.base, self.counts
        for bucket, amount in other.items():
            counts[bucket - base] -= amount

    def shrink(self) -> None:
        """Give back the room at both ends that is not needed any more."""
        counts = self.counts
        used = next((place for place in range(len(counts) - 1, -1, -1) if counts[place]), -1) + 1
        empty = next((place for place in range(used) if counts[place]), 0)
        if empty or used < len(counts):
            self.base, self.counts = self.base + empty, counts[empty:used]

    def __iter__(self) -> Iterator[int]:
        """The buckets that count something, in ascending order."""
        return compress(range(self.base, self.base + len(self.counts)), self.counts)

    def items(self) -> Iterable[tuple[int, int]]:
        """The same with what they count."""
        return zip(self, filter(None, self.counts), strict=True)

    def copy(self) -> Dense:
        """A histogram of its own with the same content."""
        twin = Dense()
        twin.base, twin.counts = self.base, self.counts[:]
        return twin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Dense, dict)) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment]  # histograms change


Buckets = dict[int, int] | Dense
"""What each bucket counts: a dictionary while there are few."""


def merged(buckets: Buckets, other: Buckets) -> Buckets:
    """The buckets, which are changed, with the other's added: as they are, or dense when there are too many."""
    if isinstance(buckets, Dense):
        buckets.add(other)
        return buckets
    for bucket, amount in other.items():
        buckets[bucket] = buckets.get(bucket, 0) + amount
    return buckets if len(buckets) <= SPARSE else Dense(buckets)


def quantiles(buckets: Buckets, total: int, fractions: Iterable[float]) -> list[float]:
    """Values at the given fractions (0 to 1) by nearest rank, interpolated geometrically inside the bucket.

    `total` counts all samples: those in no bucket were zero. An empty histogram answers 0.0 everywhere.
    """
    if isinstance(buckets, Dense):
        base, counts = buckets.base, buckets.counts
        return ordered_quantiles(range(base, base + len(counts)), counts, total, fractions)
    order = sorted(buckets)
    return ordered_quantiles(order, map(buckets.__getitem__, order), total, fractions)


def ordered_quantiles(
    order: Sequence[int], counts: Iterable[int], total: int, fractions: Iterable[float]
) -> list[float]:
    """As `quantiles`, of buckets in ascending order and what each of them counts; nothing, in some of them."""
    below = list(accumulate(counts, initial=0))  # below[i]: samples in buckets under order[i]
    last, zeros = len(order), total - below[-1]
    answers: list[float] = []
    for fraction in fractions:
        rank = max(ceil(fraction * total - 1e-9), 1) - zeros  # nearest rank, so that the sample meant is in the bucket
        if rank <= 0 or not order:
            answers.append(0.0)
            continue
        place = bisect_left(below, rank, 1, last) - 1
        inside = (rank - below[place] - 0.5) / (below[place + 1] - below[place])
        answers.append(2.0 ** ((order[place] + inside) / _BUCKETS_PER_OCTAVE))
    return answers
