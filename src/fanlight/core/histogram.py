"""The base-2 exponential histogram: the index of OpenTelemetry and of Prometheus native histograms.

At scale s the base is b = 2^(2^-s) and bucket i holds (b^i, b^(i+1)]. At s = 5 a bucket is 2.19 % wide, so a percentile
interpolated inside it is at most 2.2 % from the exact one. Merging adds counts, which is exact.
Source: OpenTelemetry metrics data model, "ExponentialHistogram".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def upper_bound(bucket: int) -> float:
    """The inclusive upper edge of a bucket."""
    return float(2.0 ** ((bucket + 1) / _BUCKETS_PER_OCTAVE))


def quantiles(buckets: Mapping[int, int], zeros: int, fractions: Iterable[float]) -> list[float]:
    """Values at the given fractions (0 to 1, ascending), interpolated geometrically inside the bucket.

    `zeros` counts the samples that were zero. An empty histogram answers 0.0 everywhere.
    """
    total = zeros + sum(buckets.values())
    if not total:
        return [0.0 for _ in fractions]
    ordered = sorted(buckets.items())
    answers: list[float] = []
    position, below = 0, zeros
    for fraction in fractions:
        rank = fraction * (total - 1) + 1  # 1-based, as the nearest-rank definition with interpolation
        if rank <= zeros:
            answers.append(0.0)
            continue
        while position < len(ordered) - 1 and below + ordered[position][1] < rank:
            below += ordered[position][1]
            position += 1
        bucket, count = ordered[position]
        inside = min(max((rank - below - 0.5) / count, 0.0), 1.0)
        answers.append(float(2.0 ** ((bucket + inside) / _BUCKETS_PER_OCTAVE)))
    return answers
