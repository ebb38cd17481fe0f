"""The grid: the browser's arrangement in cells, without gaps or overlaps, at any size."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanlight.faces.tui.layout import Place, Wish, arrange, zones

WISHES = st.lists(
    st.builds(
        Wish,
        name=st.just(""),
        span=st.integers(min_value=0, max_value=14),
        rows=st.integers(min_value=1, max_value=4),
        lines=st.integers(min_value=1, max_value=20),
        more=st.integers(min_value=0, max_value=10),
        boxed=st.sampled_from([True, True, True, False]),
        widens=st.booleans(),
        rank=st.integers(min_value=0, max_value=9),
        glance=st.booleans(),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(WISHES, st.integers(min_value=60, max_value=300), st.integers(min_value=0, max_value=200))
def test_panels_never_overlap_and_have_what_they_need(wishes: list[Wish], width: int, height: int) -> None:
    """TTY-4: whatever a page asks for, every panel has its place inside the width and its lines."""
    wishes = [replace(wish, name=str(number)) for number, wish in enumerate(wishes)]
    places = {place.name: place for place in arrange(wishes, width, height)}
    assert len(places) == len(wishes)
    for wish in wishes:
        place = places[wish.name]
        assert place.width > 0
        assert place.x >= 0
        assert place.x + place.width <= width
        assert place.height >= wish.height
    assert not any(overlap(first, second) for first, second in combinations(places.values(), 2))


def overlap(first: Place, second: Place) -> bool:
    across = first.x < second.x + second.width and second.x < first.x + first.width
    return across and first.y < second.y + second.height and second.y < first.y + first.height


def test_it_is_the_browsers_grid() -> None:
    """X-5: spans share rows, and one over several rows stands beside those that follow."""
    wishes = [Wish("a", 6, 1, 8), Wish("b", 6, 1, 6), Wish("c", 8, 2, 4), Wish("d", 4, 1, 3), Wish("e", 4, 1, 5)]
    assert arrange(wishes, 120, 0) == [
        Place("a", 0, 0, 60, 10),
        Place("b", 60, 0, 60, 10),
        Place("c", 0, 10, 80, 12),
        Place("d", 80, 10, 40, 5),
        Place("e", 80, 15, 40, 7),
    ]


def test_levels_are_seen_without_scrolling() -> None:
    """TTY-3: CPU and memory are on the first screen, the most telling panels before the others; with room to spare and
    under headings the order is the browser's."""
    wishes = [
        Wish("chart", 12, 1, 8, rank=3),
        Wish("table", 8, 1, 8, rank=6),
        Wish("levels", 4, 1, 4, rank=2, glance=True),
    ]
    assert [place.name for place in arrange(wishes, 120, 14)] == ["levels", "chart", "table"]
    assert [place.name for place in arrange(wishes, 120, 40)] == ["chart", "table", "levels"]
    heading = Wish("heading", 12, 1, 1, boxed=False)
    assert [place.name for place in arrange([heading, *wishes], 120, 14)][:2] == ["heading", "chart"]


def test_no_room_beside_a_panel_stays_empty() -> None:
    """TTY-4: a panel takes the columns nobody has; figures keep their size."""
    wishes = [Wish("figure", 2, 1, 3, widens=False), Wish("chart", 6, 1, 8), Wish("table", 8, 1, 8)]
    assert [(place.x, place.width) for place in arrange(wishes, 120, 0)] == [(0, 20), (20, 100), (0, 120)]


def test_lines_that_are_left_go_to_panels_that_can_use_them() -> None:
    """TTY-4: a tall terminal shows more rows and higher charts, and no more than they have."""
    wishes = [Wish("chart", 12, 1, 8, more=4), Wish("figure", 12, 1, 3), Wish("table", 12, 1, 8, more=2)]
    assert [place.height for place in arrange(wishes, 120, 28)] == [13, 5, 10]
    assert [place.height for place in arrange(wishes, 120, 100)] == [14, 5, 12]
    assert [place.height for place in arrange(wishes, 120, 5)] == [10, 5, 10]
    beside = [Wish("chart", 6, 1, 8, more=4), Wish("figure", 6, 1, 3)]
    assert [place.height for place in arrange(beside, 120, 100)] == [10, 10]


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("told", [0, 2])
def test_the_zones_fill_every_screen(log: bool, alone: bool, told: int) -> None:
    """TTY-4: from a single cell to 300 x 80; below 60 x 15 there is no page, but always the log. One without a line
    yet leaves its room to the page. What is wrong has lines of its own."""
    for width in (1, 59, 60, 80, 99, 100, 300):
        for height in range(1, 81):
            shared = zones(width, height, log=log, alone=alone, told=told)
            assert shared.header + shared.page + shared.log + shared.footer == height
            assert min(shared.page, shared.log, shared.footer) >= 0
            if width < 60 or height < 15:
                assert shared.page == 0
            elif not alone:
                assert shared.page >= 7 - told
                empty = zones(width, height, log=log, alone=alone, empty=True, told=told)
                assert empty.log == (1 if log else 0)
                assert empty.page - shared.page == shared.log - empty.log


def test_small_screens_are_dense_and_large_ones_are_not() -> None:
    """TTY-4: 80 x 24 has no boxes, 120 x 40 has."""
    assert zones(80, 24, log=True, alone=False).dense
    assert not zones(120, 40, log=True, alone=False).dense


def test_what_stands_beside_a_tall_panel_grows_evenly() -> None:
    """TTY-4: the lines a chart takes go to all of the boxes at its side, not to the last of them."""
    wishes = [Wish("chart", 9, 2, 10, more=10), Wish("a", 3, 1, 3), Wish("b", 3, 1, 3)]
    assert [place.height for place in arrange(wishes, 120, 30)] == [22, 11, 11]
