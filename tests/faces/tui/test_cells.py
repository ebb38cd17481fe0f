"""Cells: exact widths whatever the text, and nothing that a terminal would obey."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanlight.faces.tui.cells import (
    clean,
    cut,
    cut_left,
    cut_path,
    cut_words,
    differing,
    fit,
    fit_line,
    folded,
    line_width,
    plain_ascii,
    spread,
    width,
    words,
    wrapped,
)


@settings(deadline=None)
@given(st.text())
def test_cleaned_text_is_printable_and_one_line(text: str) -> None:
    """X-6: no control, format or bidirectional character of any text reaches a terminal."""
    assert clean(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a b"),
        ("first\r\nsecond", "first⏎second"),
        ("\x1b[2Jgone", "·[2Jgone"),
        ("\u202etxt.exe", "·txt.exe"),
        ("9\u202f064", "9 064"),
        ("❤\ufe0f", "❤"),
    ],
)
def test_what_cannot_be_shown_is_replaced(text: str, shown: str) -> None:
    """X-6: line breaks and tabs stay visible, the rest becomes a dot."""
    assert clean(text) == shown


@settings(deadline=None)
@given(st.text(), st.integers(min_value=0, max_value=40))
def test_fitted_text_takes_exactly_its_cells(text: str, cells: int) -> None:
    """TTY-4: wide, combining and cut characters included, so that no column is ever pushed out of place."""
    assert width(fit(text, cells)) == cells
    assert width(fit(text, cells, "right")) == cells
    assert width(cut(clean(text), cells)) <= cells
    assert width(cut_left(clean(text), cells)) <= cells


@settings(deadline=None)
@given(st.lists(st.tuples(st.text().map(clean), st.just("text"))), st.integers(min_value=0, max_value=40))
def test_fitted_lines_take_exactly_their_cells(pieces: list[tuple[str, str]], cells: int) -> None:
    """TTY-4: lines of several pieces, too."""
    assert line_width(fit_line(pieces, cells)) == cells
    assert line_width(spread(pieces, [("end", "text")], max(cells, 3))) == max(cells, 3)


def test_long_text_ends_or_begins_in_an_ellipsis() -> None:
    """TTY-3: names keep their beginning, paths their end."""
    assert cut("desktop-commander", 8) == "desktop…"
    assert cut_left("/api/chat/groups/12/messages", 10) == "…/messages"
    assert cut("漢字漢字", 5) == "漢字…"
    assert cut("anything", 0) == ""


@settings(deadline=None)
@given(st.text().map(clean))
def test_ascii_keeps_the_width(text: str) -> None:
    """TTY-4: a terminal without other characters shows the same columns."""
    assert plain_ascii(text).isascii()
    assert width(plain_ascii(text)) == width(text)


def test_ascii_says_what_it_can() -> None:
    """TTY-4: accents go, typographic marks have stand-ins, the rest is a question mark."""
    assert plain_ascii("café – 12 µs · 漢 → ok…") == "cafe - 12 us | ?? > ok~"


def test_words_are_kept_whole_where_they_fit() -> None:
    """TTY-3: prose breaks at spaces; what does not fit ends in an ellipsis."""
    assert list(words("one two three", 7)) == ["one two", "three"]
    assert wrapped("one two three four", 7, "muted", 2) == [(("one two", "muted"),), (("three …", "muted"),)]
    assert wrapped("", 7, "muted", 2) == []


@settings(deadline=None)
@given(st.text().map(clean), st.integers(min_value=2, max_value=40))
def test_folding_loses_nothing(text: str, cells: int) -> None:
    """TTY-3: a long line on several rows is still all of it."""
    pieces = list(folded(text, cells))
    assert "".join(pieces) == text
    assert all(width(piece) <= cells for piece in pieces)


def test_lines_are_folded_between_words() -> None:
    """TTY-3: a log line shown whole breaks no word, but for one that is longer than half of the room."""
    assert list(folded("the door is open", 8)) == ["the ", "door is ", "open"]
    assert list(folded("a b", 2)) == ["a ", "b"]


@settings(deadline=None)
@given(st.text(alphabet="ab ·,é中/", max_size=40), st.integers(0, 45))
def test_words_and_paths_are_cut_to_their_room(text: str, cells: int) -> None:
    """TTY-4: whatever is cut keeps to its cells, is left alone where it has room, and says what is missing."""
    for shown in (cut_words(text, cells), cut_path(text, cells)):
        assert width(shown) <= max(cells, 0)
        assert (shown == text) == (width(text) <= cells)
        assert shown == text or cells == 0 or "…" in shown


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("5 of 104 · limit 5 %", 16, "5 of 104…"),
        ("3 646 in all, 40 per call", 16, "3 646 in all…"),
        ("service and what it depends on", 22, "service and what it…"),
        ("Pneumonoultramicroscopic", 10, "Pneumonou…"),
        ("a Pneumonoultramicroscopic", 10, "a Pneumon…"),
    ],
)
def test_phrases_are_cut_whole(text: str, cells: int, shown: str) -> None:
    """TTY-4: no half a word stands before an ellipsis where that can be helped."""
    assert cut_words(text, cells) == shown


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("GET /api/chat/groups/{group_id}/messages", 20, "GET …up_id}/messages"),
        ("/api/chat/groups/{group_id}", 12, "…/{group_id}"),
        ("a long name without one", 10, "a long na…"),
        ("a long name before a / slash", 10, "a long na…"),
    ],
)
def test_paths_keep_their_end(text: str, cells: int, shown: str) -> None:
    """TTY-4: routes are told apart by how they end."""
    assert cut_path(text, cells) == shown


def test_only_the_cells_that_differ_are_named() -> None:
    """TTY-4: over a slow line a changed number costs a few bytes, not its whole row."""
    before = (("cpu ", "muted"), ("34 %", "text"), (" of a core", "muted"))
    after = (("cpu ", "muted"), ("35 %", "text"), (" of a core", "muted"))
    assert differing(before, after) == (4, 4)
    assert differing(before, before) == (18, 0)
    assert differing((), before) == (0, 18)
