"""A cell counts exactly, and merging cells is the same as recording everything in one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import SAMPLES, Sample, cell_of, cells

from fanlight.core.cell import OUTCOME_LIMIT, Cell


def test_a_cell_says_what_was_recorded() -> None:
    """Issue 2, item 2: count, errors, sum, minimum, maximum, mean and counts by outcome."""
    cell = cell_of([(10_000_000, "200", False), (30_000_000, "500", True), (0, "200", False)])
    assert (cell.count, cell.errors, cell.total, cell.minimum, cell.maximum) == (3, 1, 40_000_000, 0, 30_000_000)
    assert cell.outcomes == {"200": 2, "500": 1}
    assert cell.mean == pytest.approx(0.04 / 3)
    assert repr(cell) == "Cell(count=3, errors=1, mean=0.0133333)"


@given(st.lists(SAMPLES, max_size=30), st.integers(0, 30))
def test_merging_two_parts_equals_the_whole(samples: list[Sample], cut: int) -> None:
    """X-2: cells of split samples merge to the cell of all, whichever comes first."""
    left, right = cell_of(samples[:cut]), cell_of(samples[cut:])
    merged, turned = left.copy(), right.copy()
    merged.add(right)
    turned.add(left)
    assert merged == turned == cell_of(samples)


@given(cells, cells)
def test_subtracting_takes_out_what_was_added(kept: Cell, passing: Cell) -> None:
    """X-2: a running sum forgets an expired part without a trace, extremes apart."""
    both = kept.copy()
    both.add(passing)
    both.subtract(passing)
    both.minimum, both.maximum = kept.minimum, kept.maximum
    assert both == kept


@given(st.lists(SAMPLES, min_size=60, max_size=200), st.integers(0, 60))
def test_cells_of_many_amounts_merge_part_and_pack_as_exactly(samples: list[Sample], cut: int) -> None:
    """X-2, memory: whether a histogram is a dictionary or an array, of rows or of cells, changes nothing."""
    whole, left, right = cell_of(samples), cell_of(samples[:cut]), cell_of(samples[cut:])
    merged, rows = left.copy(), Cell()
    merged.add(right)
    rows.add_row(left.to_row())
    rows.add_row(right.to_row())
    assert merged == whole == rows == Cell.unpack(whole.pack())
    assert merged.quantiles((0.0, 0.5, 0.99, 1.0)) == whole.quantiles((0.0, 0.5, 0.99, 1.0))
    merged.subtract(left)
    merged.shrink()
    merged.minimum, merged.maximum = right.minimum, right.maximum
    assert merged == right


@given(cells)
def test_packing_and_rows_lose_nothing(cell: Cell) -> None:
    """X-2: a packed cell and a row are the cell again."""
    assert Cell.unpack(cell.pack()) == cell == Cell.from_row(cell.to_row())


def test_a_sum_beyond_64_bits_survives() -> None:
    """X-2: the nanoseconds of many long WebSockets pass 2^64; they are still packed, sent and read exactly."""
    cell = Cell()
    for _ in range(40):
        cell.record(2**62)
    assert cell.total == 40 * 2**62
    assert Cell.unpack(cell.pack()) == cell
    assert Cell.from_row(msgspec.json.decode(msgspec.json.encode(cell.to_row()))) == cell


@pytest.mark.parametrize("amount", [-1, 10**400, "12"])
def test_what_cannot_be_counted_leaves_nothing_behind(amount: object) -> None:
    """TTY-6: a hostile amount raises and the cell is as before."""
    cell = cell_of([(5, "200", False)])
    before = cell.copy()
    with pytest.raises((ValueError, OverflowError, TypeError)):
        cell.record(amount, "500", True)  # type: ignore[arg-type]  # the point of the test
    assert cell == before


def test_outcomes_are_bounded() -> None:
    """Bounds: beyond the limit distinct outcomes count as "other", none is lost."""
    cell = Cell()
    for code in range(100, 100 + 3 * OUTCOME_LIMIT):
        cell.record(1, str(code))
    assert len(cell.outcomes) == OUTCOME_LIMIT + 1
    assert cell.outcomes["other"] == 2 * OUTCOME_LIMIT
    assert sum(cell.outcomes.values()) == cell.count


def test_quantiles_stay_inside_what_was_recorded() -> None:
    """Issue 2, item 2: no percentile lies outside minimum and maximum."""
    cell = cell_of([(1_000_000_007, "", False)] * 3)
    assert cell.quantiles((0.0, 0.5, 1.0)) == [pytest.approx(1.000000007)] * 3


def test_copies_share_nothing_and_cells_are_no_keys() -> None:
    """X-2: a copy goes its own way; a cell equals only cells and cannot be hashed."""
    cell = cell_of([(5, "200", False)])
    twin = cell.copy()
    twin.record(7, "500", True)
    assert (cell.count, twin.count) == (1, 2)
    assert cell != "cell"
    with pytest.raises(TypeError):
        hash(cell)
