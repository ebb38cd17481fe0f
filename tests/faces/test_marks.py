"""The smallest pieces of HTML: right, and escaped whatever comes."""

from __future__ import annotations

from typing import Any

import pytest

from fanlight.faces.web.marks import MARKS, breaking, mark, moment, value

HOSTILE = "<script>alert(1)</script>"


def test_a_state_is_a_shape_and_a_word() -> None:
    """Issue 2, item 5: meaning never by colour alone; no state, no mark."""
    assert mark("warn") == '<i class="mark warn" aria-hidden="true"></i><span class="unseen">warning </span>'
    assert mark("") == ""


def test_a_time_is_utc_until_a_script_makes_it_the_viewers() -> None:
    """HUB-11: the time as machines read it, as the script reads it and as people do."""
    assert moment(0.5) == '<time datetime="1970-01-01T00:00:00.500Z">1970-01-01 00:00:00.500 UTC</time>'


@pytest.mark.parametrize(
    ("raw", "unit", "html"),
    [
        (0.045, "seconds", "45<small> ms</small>"),
        (184.0, "rate", "184<small>/s</small>"),
        (None, "integer", "–"),
        ("N/A", "bytes", "N/A"),
    ],
)
def test_a_unit_stands_apart(raw: Any, unit: str, html: str) -> None:
    """LOOK: a value with its unit smaller, behind a space where people write one."""
    assert value(raw, unit) == html


def test_a_path_breaks_at_its_slashes() -> None:
    """A phone: a long path may break before each slash, and copies as it was."""
    assert breaking("/api/{id}") == "/api<wbr>/{id}<wbr>"
    assert breaking(7) == "7<wbr>"


@pytest.mark.parametrize("name", sorted(MARKS))
def test_markup_shows_as_text(name: str) -> None:
    """X-6: none of them passes markup on."""
    hostile: Any = {"moment": 1.0}.get(name, HOSTILE)
    made = MARKS[name](hostile, "text") if name == "value" else MARKS[name](hostile)
    assert "<script" not in made
