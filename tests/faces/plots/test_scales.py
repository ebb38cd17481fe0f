"""faces.plots.scales: round marks on axes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight.faces.plots.scales import moment_text, moments, ticks


@given(st.floats(min_value=1e-9, max_value=1e12), st.integers(2, 10), st.sampled_from(("number", "bytes", "integer")))
def test_marks_begin_at_zero_and_reach_the_top(top: float, most: int, unit: str) -> None:
    """ORC-5: the marks of a value axis are evenly spaced, cover the largest value, and are as few as asked for."""
    marks = ticks(top, most, unit)
    assert marks[0] == 0
    assert marks[-1] >= top * (1 - 1e-9)
    assert len(marks) <= most + 1
    assert all(math.isclose(b - a, marks[1]) for a, b in pairwise(marks))


@given(st.floats(min_value=1e-9, max_value=1e12), st.integers(2, 10))
def test_marks_are_round_in_their_unit(top: float, most: int) -> None:
    """ORC-5: what is counted is marked at whole numbers, bytes at powers of two."""
    assert all(mark % 1 == 0 for mark in ticks(top, most, "integer"))
    assert math.log2(ticks(top, most, "bytes")[1]) % 1 == 0


@pytest.mark.parametrize("top", [0.0, -1.0, math.inf, math.nan])
def test_nothing_to_scale_by_still_has_an_axis(top: float) -> None:
    """ORC-5: a chart without a value above zero has an axis from 0 to 1."""
    assert ticks(top, 4) == [0.0, 1.0]


@given(st.floats(min_value=1e9, max_value=4e9), st.floats(min_value=10, max_value=35 * 86_400))
def test_moments_are_round_and_inside(start: float, span: float) -> None:
    """ORC-5: a time axis is marked at round moments inside its span, at most as many as there is room for."""
    found = moments(start, start + span, 6)
    assert len(found) <= 7
    assert all(start <= at <= start + span for at in found)
    steps = {b - a for a, b in pairwise(found)}
    assert len(steps) <= 1


@pytest.mark.parametrize(
    ("span", "text"), [(60, "12:26:40"), (3_600, "12:26"), (2 * 86_400, "21 Nov 12:26"), (7 * 86_400, "21 Nov")]
)
def test_a_moment_says_what_its_axis_needs(span: float, text: str) -> None:
    """ORC-5: seconds in short spans, the day in long ones."""
    assert moment_text(1_795_263_999 + 1, span) == text
