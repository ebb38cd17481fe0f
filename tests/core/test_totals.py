"""Totals are what cumulative frames say in plain counts."""

from __future__ import annotations

import pytest
from tests.core.strategies import cell_of

from fanlight.core.frame import Frame
from fanlight.core.totals import Tally, totals


def frame_of(*amounts: int, counter: int = 1) -> Frame:
    """A frame whose one route took these amounts, the last one failing."""
    frame = Frame(0, 1)
    samples = [(amount, "200", amount == amounts[-1]) for amount in amounts]
    frame.series["requests"] = {("GET", "/a"): cell_of(samples)}
    frame.totals["requests"] = cell_of(samples)
    frame.counters["x"] = counter
    return frame


def test_frames_add_up() -> None:
    """X-1: families, rows and counters of several frames together."""
    both = totals((frame_of(10**9, 2 * 10**9), frame_of(5 * 10**9, counter=4)))
    assert both.families["requests"] == both.rows["requests"]["GET", "/a"] == Tally(3, 2, 8.0)
    assert both.counters == {"x": 5}
    assert both.family("requests", "unheard of").mean == pytest.approx(8 / 3)


def test_nothing_is_nothing() -> None:
    """X-1: no frames, no figures."""
    none = totals(())
    assert none.family("requests") == Tally()
    assert none.family("requests").mean == 0.0


def test_breathing_between_families() -> None:
    """TTY-6: reading many series stops for breath."""
    breaths: list[int] = []
    totals((frame_of(1),), lambda: breaths.append(1))
    assert breaths
