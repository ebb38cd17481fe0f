"""Curves: values in their columns, old columns that never change, dots where they belong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanlight.faces.tui.curves import Dots, columns, spark
from fanlight.faces.tui.look import ASCII, UNICODE


def test_values_fall_into_columns_the_newest_at_the_right() -> None:
    """TTY-4: one value a column, fewer columns show the largest, more repeat."""
    assert columns([1, 2, 3, 4], 3, 4) == [1, 2, 3, 4]
    assert columns([1, 2, 3, 4], 3, 2) == [2, 4]
    assert columns([1, 2], 1, 4) == [1, 1, 2, 2]
    assert columns([1, None, 3, None], 3, 4) == [1, None, 3, None]
    assert columns([], 0, 3) == [None, None, None]
    assert columns([1, float("nan"), float("inf")], 2, 3) == [1, None, None]


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=240), st.integers(min_value=0, max_value=10_000))
def test_old_columns_never_shimmer(width: int, first: int) -> None:
    """TTY-4: as time goes on a column moves left and keeps its height, at any width; only the ends change."""
    count = 60
    history = [float(number * 7919 % 101) for number in range(first, first + 2 * count)]
    before: list[float | None] = []
    for step in range(count):
        now = columns(history[step : step + count], first + step + count - 1, width)
        if before:
            moved = range(width // count, width // count + 2)  # columns a step takes, or one more
            assert any(before[shift + 1 : -1] == now[1 : width - shift - 1] for shift in moved)
        before = now


def test_a_spark_line_goes_from_nothing_to_its_peak() -> None:
    """TTY-3: zero is the lowest block, the peak the highest; gaps are blank."""
    assert spark([0, 1, None, 2, 4], 4, 5, UNICODE) == "▁▃ ▅█"
    assert spark([0, 0], 1, 2, UNICODE) == "▁▁"
    assert spark([0, 1, 2, 4], 3, 4, ASCII) == "_:=#"
    assert spark([1], 0, 1, UNICODE, peak=8.0) == "▂"


def test_a_curve_is_connected() -> None:
    """TTY-3: neighbouring heights are joined, so that a spike is a line and not a lost dot."""
    dots = Dots(2, 1, UNICODE)
    dots.curve([0, 3, 3, 0], "main", "*")
    assert [dots.cell(x, 0) for x in range(2)] == [("⡸", "main"), ("⢱", "main")]


def test_an_area_gives_way_to_other_lines() -> None:
    """TTY-3: errors drawn in the area under the requests stay thin, and their own colour."""
    dots = Dots(1, 2, UNICODE)
    dots.area([5, 5], "fill")
    dots.curve([0, 0], "error", "*")
    assert dots.cell(0, 1) == ("⣀", "error")
    assert dots.cell(0, 0) == ("⣀", "fill")
    dots.curve([5, 5], "main", "*", over_area=True)
    assert dots.cell(0, 0) == ("⣤", "main")


@pytest.mark.parametrize("sign", ["*", "o"])
def test_ascii_tells_lines_apart_by_their_signs(sign: str) -> None:
    """TTY-4: without colours and braille each line still has a shape of its own."""
    dots = Dots(2, 2, ASCII)
    dots.curve([0, 1], "main", sign)
    assert [dots.cell(0, 1), dots.cell(1, 0), dots.cell(0, 0)] == [(sign, "main"), (sign, "main"), None]
