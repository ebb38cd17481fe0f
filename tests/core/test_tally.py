"""Figures of rows are those of the cells the rows were made from, one or many of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import cells

from fanlight.core.cell import Cell, CellRow
from fanlight.core.series import EMPTY, summarize
from fanlight.core.tally import Tally, summarize_row


def row_of(cell: Cell) -> CellRow:
    return tuple(cell.to_row())


@given(cells)
def test_a_row_is_summarized_as_its_cell(cell: Cell) -> None:
    """X-2: a stored cell has the same figures whether it is made again or not."""
    assert summarize_row(row_of(cell)) == summarize(cell)


@given(st.lists(cells, min_size=1, max_size=6))
def test_a_tally_is_the_cell_that_all_merge_to(parts: list[Cell]) -> None:
    """X-2: count, errors, mean, maximum and percentiles of many rows are exactly those of one merged histogram, in any
    order."""
    merged, tally, turned = Cell(), Tally(), Tally()
    for part in parts:
        merged.add(part)
        tally.add(row_of(part))
    for part in reversed(parts):
        turned.add(row_of(part))
    assert tally.figures() == turned.figures() == summarize(merged)
    tally.add(row_of(parts[0]))
    merged.add(parts[0])
    assert tally.figures() == summarize(merged)


def test_empty_rows_say_nothing() -> None:
    """X-2: a row of nothing changes neither minimum nor unit; a tally takes the unit of what comes."""
    tally = Tally()
    tally.add(row_of(Cell(1.0)))
    assert tally.figures() == EMPTY
    cell = Cell(1.0)
    cell.record(7)
    tally.add(row_of(cell))
    assert tally.figures() == summarize(cell)
    assert summarize_row(row_of(Cell())) == EMPTY


def test_a_row_whose_buckets_are_out_of_order_is_summarized() -> None:
    """X-3: a list in any order has the figures of its buckets."""
    cell = Cell()
    cell.record_all([1_000_000, 2_000_000, 4_000_000, 4_000_000], "", False)
    *rest, buckets, outcomes = row_of(cell)
    assert isinstance(buckets, list)
    turned = [number for at in range(len(buckets) - 2, -1, -2) for number in buckets[at : at + 2]]
    assert summarize_row((*rest, turned, outcomes)) == summarize(cell)  # type: ignore[arg-type]


def test_a_row_that_is_no_cell_is_refused() -> None:
    """X-3: buckets that are none are a ValueError, which a reader of a store turns into advice."""
    for buckets in (b"none", [1]):
        row: CellRow = (1, 0, 5, 5, 5, 1e-9, buckets, {})
        for read in (summarize_row, Tally().add):
            with pytest.raises(ValueError, match="no buckets"):
                read(row)
