"""Histograms are stored and summed side by side without a count lost, and what is none is refused."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import busy_cells

from fanlight.core.cell import Cell
from fanlight.core.lanes import FEWEST, FURTHEST, Lanes, columns, stored

BUCKETS = st.dictionaries(st.integers(-200, 200), st.integers(1, 2**33), max_size=60)
CLOSE = st.tuples(st.integers(-40_000, 40_000), st.lists(st.integers(0, 70_000), min_size=FEWEST, max_size=300)).map(
    lambda drawn: {drawn[0] + place: count for place, count in enumerate(drawn[1]) if count}
)


def as_buckets(given: tuple[object, object]) -> dict[int, int]:
    order, counts = given
    return {bucket: count for bucket, count in zip(order, counts, strict=True) if count}  # type: ignore[call-overload]


@given(st.one_of(BUCKETS, CLOSE))
def test_what_is_stored_is_read_again(buckets: dict[int, int]) -> None:
    """X-2: buckets far apart, close together or few are the same buckets when they are read, in ascending order."""
    order, counts = columns(stored(buckets))
    assert as_buckets((order, counts)) == buckets
    assert list(order) == sorted(order)


def test_the_shorter_form_is_taken() -> None:
    """X-3: close together a bucket takes a byte, or as many as its count needs; far apart buckets are a list."""
    close = stored(dict.fromkeys(range(-300, -200), 255))
    assert isinstance(close, bytes)
    assert len(close) == 105
    assert [len(stored(dict.fromkeys(range(100), count))) for count in (256, 2**16, 2**32 - 1)] == [205, 405, 405]
    assert isinstance(stored(dict.fromkeys(range(100), 2**32)), list)
    assert isinstance(stored(dict.fromkeys(range(0, 1_000, 10), 1)), list)
    assert isinstance(stored(dict.fromkeys(range(FEWEST - 1), 1)), list)


@given(st.lists(st.one_of(CLOSE, BUCKETS), max_size=6))
def test_a_sum_of_lanes_is_the_sum_of_each_bucket(histograms: list[dict[int, int]]) -> None:
    """X-2: whatever the forms, the order and the places, every bucket counts what all have in it."""
    lanes, expected = Lanes(), dict[int, int]()
    for buckets in histograms:
        given = stored(buckets)
        if isinstance(given, bytes):
            lanes.add(given)
        else:
            lanes.add_counts(buckets)
        for bucket, count in buckets.items():
            expected[bucket] = expected.get(bucket, 0) + count
    assert as_buckets(lanes.columns()) == expected


@given(st.lists(busy_cells, min_size=1, max_size=5))
def test_cells_are_summed_as_they_merge(cells: list[Cell]) -> None:
    """X-2: the lanes of busy cells add up to the histogram that the cells merge to."""
    lanes, merged = Lanes(), Cell()
    for cell in cells:
        lanes.add_counts(dict(cell.buckets.items()))
        merged.add(cell)
    assert as_buckets(lanes.columns()) == merged.buckets


HOSTILE = [
    b"",
    b"\0\0\0\0\1",
    pack("<iB", 0, 1) + b"\0",
    pack("<iB", 0, 1) + b"\7\0",
    pack("<iB", 0, 3) + b"\1\1\1",
    pack("<iB", 0, 0) + b"\1\1\1",
    pack("<iB", 0, 2) + b"\1\1\1",
    pack("<iB", FURTHEST, 1) + b"\1",
    pack("<iB", -FURTHEST - 1, 1) + b"\1",
    pack("<iB", 0, 1) + b"\1" * (FURTHEST + 1),
]


@pytest.mark.parametrize("given", HOSTILE)
def test_bytes_that_are_no_histogram_are_refused(given: bytes) -> None:
    """X-3: bytes cut off, of an unknown width, with an empty end or of buckets no number falls into are a ValueError,
    and leave a sum as it was."""
    lanes = Lanes()
    lanes.add_counts({1: 2})
    for read in (columns, lanes.add):
        with pytest.raises(ValueError, match=r"bytes that are no buckets|into which no number falls"):
            read(given)
    assert as_buckets(lanes.columns()) == {1: 2}


@pytest.mark.parametrize("buckets", [{1: -1}, {1: 2**64}, {FURTHEST: 1}, {-(2**40): 1, 0: 1}])
def test_counts_that_none_can_be_are_refused(buckets: dict[int, int]) -> None:
    """Bounds: a count below zero or beyond 64 bits, or a bucket far off, is a ValueError, not a gigabyte of zeros."""
    lanes = Lanes()
    with pytest.raises(ValueError, match=r"a count that none can be|into which no number falls"):
        lanes.add_counts(buckets)
    assert as_buckets(lanes.columns()) == {}


def test_a_list_of_odd_length_is_refused() -> None:
    """X-3: a bucket without its count is a ValueError."""
    with pytest.raises(ValueError, match="3 numbers"):
        columns([1, 2, 3])
