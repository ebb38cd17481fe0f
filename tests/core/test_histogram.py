"""The histogram's buckets are OpenTelemetry's, and its percentiles are close to exact."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.logarithm_mapping import LogarithmMapping

from fanlight.core.histogram import (
    HIGHEST,
    LOWEST,
    SCALE,
    SPARSE,
    Dense,
    counted,
    index,
    merged,
    quantiles,
    shared,
)

THEIRS = LogarithmMapping(SCALE)
FRACTIONS = (0.5, 0.9, 0.95, 0.99)
WIDTH = 0.022
"""The promised error: a bucket's width."""

dice = random.Random(5)
DISTRIBUTIONS: dict[str, Callable[[], float]] = {
    "uniform": lambda: dice.uniform(0.001, 1.0),
    "exponential": lambda: dice.expovariate(20),
    "lognormal": lambda: dice.lognormvariate(-3, 1),
    "bimodal": lambda: dice.gauss(0.01, 0.001) if dice.random() < 0.8 else dice.gauss(2.0, 0.1),
    "constant": lambda: 0.0421,
    "heavy tail": lambda: 0.001 * dice.paretovariate(1.1),
}


def test_indices_agree_with_opentelemetry_over_the_whole_range() -> None:
    """Issue 2, item 2: 40,000 values from nanoseconds to weeks fall where OpenTelemetry's SDK puts them."""
    values = [10 ** dice.uniform(-9, 6) for _ in range(40_000)]
    assert [value for value in values if index(value) != THEIRS.map_to_index(value)] == []


def upper_bound(bucket: int) -> float:
    """The inclusive upper edge of a bucket of scale 5."""
    return float(2.0 ** ((bucket + 1) / 32))


def test_exact_powers_of_two_close_the_bucket_below() -> None:
    """Issue 2, item 2: every normal power of two agrees with OpenTelemetry's SDK, and so does what is beside it."""
    for exponent in range(-1000, 1000):
        edge = 2.0**exponent
        assert index(edge) == THEIRS.map_to_index(edge)
        assert upper_bound(index(edge)) == edge
        for value in (edge * (1 - 1e-12), edge * (1 + 1e-12)):
            assert index(value) == THEIRS.map_to_index(value), value


def test_bucket_edges_agree_but_for_the_rounding_of_the_edge_itself() -> None:
    """Issue 2, item 2: values clear of an edge by a millionth agree; at the edge both are within one bucket."""
    for bucket in range(-1000, 600):
        edge = upper_bound(bucket)
        for value in (edge * (1 - 1e-9), edge * (1 + 1e-9)):
            assert index(value) == THEIRS.map_to_index(value)
        assert abs(index(edge) - THEIRS.map_to_index(edge)) <= 1


def test_subnormals_have_a_bucket_below_all_others() -> None:
    """Issue 2, item 2: what is smaller than any normal number has a bucket, at or below OpenTelemetry's lowest."""
    lowest = THEIRS.map_to_index(5e-324)
    for value in (5e-324, 1e-310, 2.0**-1030):
        assert index(value) <= lowest


_AMOUNTS = st.one_of(
    st.integers(1, 2**63), st.sampled_from([2**power for power in range(40)] + [500_000_000, 125_000_000])
)


@given(st.lists(_AMOUNTS, max_size=40), st.sampled_from([1e-9, 1.0, 1e-6]))
def test_many_at_once_fall_where_each_does(amounts: list[int], unit: float) -> None:
    """X-2: counting amounts together puts each into its own bucket, exact powers of two too."""
    assert counted(amounts, unit) == Counter(index(amount * unit) for amount in amounts)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_value_lies_in_its_bucket(value: float) -> None:
    """Issue 2, item 2: a bucket's edges enclose its values, to the rounding of the edges."""
    bucket = index(value)
    assert upper_bound(bucket - 1) * (1 - 1e-12) <= value <= upper_bound(bucket) * (1 + 1e-12)


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_what_is_no_positive_number_has_no_bucket(value: float) -> None:
    """Issue 2, item 2: a negative or unbounded value is refused rather than put somewhere."""
    with pytest.raises((ValueError, OverflowError)):
        index(value)


def _fill(values: Sequence[float]) -> tuple[dict[int, int], int]:
    buckets: dict[int, int] = {}
    for value in values:
        if value:
            buckets[index(value)] = buckets.get(index(value), 0) + 1
    return buckets, len(values)


def _exact(ordered: Sequence[float], fraction: float) -> float:
    """The percentile of sorted samples by nearest rank."""
    return ordered[max(math.ceil(fraction * len(ordered) - 1e-9), 1) - 1]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_percentiles_are_close_to_exact(name: str) -> None:
    """Issue 2, item 2: within 2.2 % of the sorted samples on every distribution, and under 1 % on average."""
    errors = []
    for _ in range(10):
        values = sorted(max(DISTRIBUTIONS[name](), 1e-6) for _ in range(2_000))
        for answer, fraction in zip(quantiles(*_fill(values), FRACTIONS), FRACTIONS, strict=True):
            exact = _exact(values, fraction)
            errors.append(abs(answer - exact) / exact)
    assert max(errors) <= WIDTH
    assert sum(errors) / len(errors) < 0.01


@given(st.lists(st.floats(min_value=1e-9, max_value=1e6), min_size=1, max_size=60), st.floats(0, 1))
def test_a_percentile_is_never_further_off_than_a_bucket(values: list[float], fraction: float) -> None:
    """Issue 2, item 2: whatever the samples and the fraction, the answer is within 2.2 % of the exact one."""
    (answer,) = quantiles(*_fill(values), (fraction,))
    assert answer == pytest.approx(_exact(sorted(values), fraction), rel=WIDTH)


@given(st.lists(st.floats(min_value=1e-9, max_value=1e6), max_size=60))
def test_percentiles_never_fall_as_the_fraction_rises(values: list[float]) -> None:
    """Issue 2, item 2: p50 <= p95 <= p99, whatever the samples."""
    answers = quantiles(*_fill(values), (0.0, 0.25, 0.5, 0.95, 0.99, 1.0))
    assert answers == sorted(answers)


def test_zeros_and_nothing() -> None:
    """Issue 2, item 2: samples of zero count below all buckets; an empty histogram answers zero."""
    assert quantiles({}, 0, FRACTIONS) == [0.0] * 4
    assert quantiles({}, 7, FRACTIONS) == [0.0] * 4
    half, most = quantiles({index(1.0): 40}, 100, (0.5, 0.95))
    assert half == 0.0
    assert most == pytest.approx(1.0, rel=WIDTH)


def test_many_buckets_give_the_same_answers_as_few() -> None:
    """Issue 2, item 2: percentiles of an array of counts are those of a dictionary of the same."""
    buckets, total = _fill([dice.expovariate(3) for _ in range(500)])
    assert quantiles(Dense(buckets), total, FRACTIONS) == quantiles(buckets, total, FRACTIONS)


_COUNTED = st.dictionaries(
    st.integers(LOWEST, HIGHEST), st.sampled_from((1, 7, 70_000, 2**33, 2**50)), min_size=1, max_size=60
)


@given(_COUNTED, _COUNTED)
def test_a_dense_histogram_counts_as_a_dictionary_does(kept: dict[int, int], passing: dict[int, int]) -> None:
    """X-2, memory: adding, in any order and size, and taking out again is exact; copies stand for themselves."""
    dense = Dense(kept)
    before = dense.copy()
    assert dense == kept == dense == Dense(dict(reversed(kept.items())))
    dense.add(passing)
    assert before == kept != dense
    dense.subtract(passing)
    dense.shrink()
    assert dict(dense.items()) == kept
    assert list(dense) == sorted(kept)
    assert len(dense.counts) == max(kept) - min(kept) + 1


def test_a_dense_histogram_takes_little_room_whatever_comes() -> None:
    """Bounds, memory: 2 bytes a bucket until one needs more; what is beyond all buckets is in the last of them."""
    few = Dense(dict.fromkeys(range(-200, 100), 60_000))
    assert len(few.counts) * few.counts.itemsize == 600
    few.add({0: 60_000})
    assert dict(few.items())[0] == 120_000
    widest = Dense({shared(-(10**9)): 1, shared(10**9): 2**64 - 1})
    widest.add({HIGHEST: 5})
    assert list(widest.items()) == [(LOWEST, 1), (HIGHEST, 2**64 - 1)]
    assert len(widest.counts) * widest.counts.itemsize == 32_768


def test_a_histogram_becomes_dense_when_a_dictionary_would_be_larger() -> None:
    """Memory: few buckets stay a dictionary, which is smaller then; from one more than the limit on it is an array."""
    buckets = merged({}, dict.fromkeys(range(SPARSE), 1))
    assert isinstance(buckets, dict)
    dense = merged(buckets, {0: 1, SPARSE: 1})
    assert isinstance(dense, Dense)
    assert dense == {0: 2, **dict.fromkeys(range(1, SPARSE + 1), 1)}
    assert sys.getsizeof(dense.counts) < sys.getsizeof(buckets) / 5
    assert merged(dense, {5: 1}) is dense
