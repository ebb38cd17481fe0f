"""The base-2 exponential histogram: the index of OpenTelemetry and of Prometheus native histograms.

At scale s the base is b = 2^(2^-s) and bucket i holds (b^i, b^(i+1)]. At s = 5 a bucket is 2.19 % wide, so a percentile
interpolated inside it is at most 2.2 % from the exact one. Merging adds counts, which is exact.
Source: OpenTelemetry metrics data model, "ExponentialHistogram".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
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


def counted(amounts: Sequence[int], unit: float) -> Mapping[int, int]:
    """How many of `amounts * unit` fall into each bucket; each must be above zero.

    As `index` of each, in half the time.
    """
    if _powers(unit).isdisjoint(amounts):
        above = Counter([ceil(log(amount * unit) * _FACTOR) for amount in amounts])
        return {bucket - 1: count for bucket, count in above.items()}
    return Counter([index(amount * unit) for amount in amounts])


@cache
def _powers(unit: float) -> frozenset[int]:
    """The amounts that are exact powers of two in the unit; `index` treats them apart."""
    nearest = (round(2.0**exponent / unit) for exponent in range(-64, 64))
    return frozenset(amount for amount in nearest if amount and frexp(amount * unit)[0] == 0.5)


_SHARED: Final = {bucket: bucket for bucket in range(-2_048, 2_048)}


def shared(bucket: int) -> int:
    """The one object of a bucket number: hundreds of histograms would each hold their own otherwise."""
    return _SHARED.get(bucket, bucket)


def upper_bound(bucket: int) -> float:
    """The inclusive upper edge of a bucket."""
    return float(2.0 ** ((bucket + 1) / _BUCKETS_PER_OCTAVE))


def quantiles(
    buckets: Mapping[int, int], total: int, fractions: Iterable[float], order: Sequence[int] | None = None
) -> list[float]:
    """Values at the given fractions (0 to 1) by nearest rank, interpolated geometrically inside the bucket.

    `total` counts all samples: those in no bucket were zero. `order` is the buckets sorted, for callers who have it.
    An empty histogram answers 0.0 everywhere.
    """
    order = sorted(buckets) if order is None else order
    return ordered_quantiles(order, map(buckets.__getitem__, order), total, fractions)


def ordered_quantiles(
    order: Sequence[int], counts: Iterable[int], total: int, fractions: Iterable[float]
) -> list[float]:
    """As `quantiles`, of buckets in ascending order and what each of them counts."""
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
