"""History: which frames a range is read from, and what they add up to."""

from __future__ import annotations

from functools import partial

import pytest

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame, Record, decode_rows
from fanlight.core.gauge import Gauge, Reading
from fanlight.core.history import PIECE, POINT_LIMIT, PRESETS, History, Span, chosen, preset
from fanlight.core.series import summarize
from fanlight.core.timeline import EMPTY_POINT, LINES, point

KEPT = {1: 900, 10: 21600, 60: 604800, 900: 35 * 86400, 21600: 35 * 86400}
NOW = 1_700_000_123.5


def frame(start: int, seconds: int, routes: int = 1, count: int = 1, failed: bool = False) -> Frame:
    made = Frame(start, start + seconds)
    made.totals["requests"] = Cell()
    made.series["requests"] = {}
    for route in range(routes):
        cell = made.series["requests"]["GET", f"/{route:02}"] = Cell()
        for number in range(count + route):
            cell.record((number + 1) * 1_000_000 + start % 7, "500" if failed else "200", failed)
        made.totals["requests"].add(cell)
    made.counters["requests.slow"] = 2
    made.levels["process.cpu.percent"] = float(start % 100)
    return made


@pytest.mark.parametrize("name", PRESETS)
def test_a_named_range_ends_now_and_begins_with_a_whole_bucket(name: str) -> None:
    """OBS-1: a range covers what its name says, up to a bucket of the ranking more, in steps of its own tier."""
    seconds, tier = PRESETS[name]
    span = preset(name, NOW)
    assert span.tier == tier
    assert span.start <= NOW - seconds < span.start + span.ranking
    assert span.start % span.ranking == span.end % span.tier == 0
    assert NOW <= span.end < NOW + tier


@pytest.mark.parametrize(
    ("ago", "seconds", "tier"),
    [
        (300, 120, 1),
        (850, 700, 1),
        (850, 800, 10),
        (3600, 60, 10),
        (20_000, 7_000, 10),
        (20_000, 7_200, 60),
        (86_400, 600, 60),
        (86_400, 42_000, 60),
        (86_400, 43_000, 900),
        (8 * 86_400, 3_600, 900),
        (20 * 86_400, 7 * 86_400, 900),
        (30 * 86_400, 20 * 86_400, 21_600),
    ],
)
def test_a_chosen_range_gets_the_finest_tier_that_fits(ago: int, seconds: int, tier: int) -> None:
    """OBS-1: the finest tier kept for the whole span with few enough points; the span is covered whole."""
    start = NOW - ago
    span = chosen(start, start + seconds, NOW, KEPT)
    assert span.tier == tier
    assert span.start <= start
    assert span.end >= start + seconds
    assert (span.end - span.start) / tier <= POINT_LIMIT + 2
    assert span.note == ""


def test_what_is_not_kept_is_cut_and_said() -> None:
    """OBS-1: a range from before history began there, or into the future, is cut, and the note says so."""
    old = chosen(NOW - 90 * 86400, NOW - 80 * 86400, NOW, KEPT)
    assert old.note == "older history is not kept"
    assert NOW - 35 * 86400 - 21600 <= old.start < old.end <= NOW
    everything = chosen(0.0, 99_999_999_999.0, NOW, KEPT)
    assert everything.note == "older history is not kept"
    assert everything.start <= NOW - 35 * 86400 < NOW <= everything.end
    ahead = chosen(NOW - 600, NOW + 7200, NOW, KEPT)
    assert ahead.note == "the range ends now"
    assert ahead.end <= NOW + ahead.tier
    later = chosen(NOW + 1000, NOW + 2000, NOW, KEPT)
    assert NOW - 120 <= later.start < later.end <= NOW + 1


def test_a_short_range_is_widened() -> None:
    """OBS-1: a range of a few seconds becomes one that holds a point or more, memory-only tiers included."""
    without_seconds = {tier: kept for tier, kept in KEPT.items() if tier > 1}
    span = chosen(NOW - 100, NOW - 98, NOW, without_seconds)
    assert span.tier == 10
    assert span.end - span.start >= 60


def test_points_totals_and_figures_are_those_of_one_merged_histogram() -> None:
    """X-2: each point is its frame's, the whole is all of them merged, and a gap is a gap."""
    span = Span(1_700_000_100, 1_700_000_400, 60)
    frames = [frame(1_700_000_100, 60, 2), frame(1_700_000_220, 60, 3, 5, failed=True), frame(1_700_000_280, 60)]
    history = History(span)
    merged = Frame(span.start, span.start)
    for made in frames:
        history.add_head(made.start, decode_rows(made.parts()[0]))
        history.rank(decode_rows(*made.parts()))
        merged.add(made)
    view = history.view()
    assert (view.start, view.end, view.step) == (*span[:2], 60)
    assert view.widths == (60, 0, 60, 60, 0)
    expected = {made.start: point(summarize(made.totals["requests"])) for made in frames}
    assert view.points["requests"] == tuple(expected.get(at, EMPTY_POINT) for at in range(*span[:3]))
    assert view.totals["requests"] == summarize(merged.totals["requests"])
    assert view.rows["requests"] == {key: summarize(cell) for key, cell in merged.series["requests"].items()}
    assert view.outcomes["requests"] == merged.totals["requests"].outcomes
    assert view.counters == {"requests.slow": 6}
    assert view.counter_points["requests.slow"] == (2, 0, 2, 2, 0)
    assert view.levels["process.cpu.percent"] == (0.0, None, 20.0, 80.0, None)
    assert view.seconds == 180


def test_seconds_of_several_instances_are_one_point() -> None:
    """X-2: in the finest tier each instance has a frame of its own: they add up before percentiles are taken."""
    one, two = frame(1_700_000_100, 1, 1, 3), frame(1_700_000_100, 1, 1, 9)
    for instance, made in (("a", one), ("b", two)):
        made.gauges["process.memory.bytes", ""] = Gauge("sum", {instance: Reading(1.0, 10.0)})
    history = History(Span(1_700_000_100, 1_700_000_160, 1))
    for made in (one, two):
        history.add_head(made.start, decode_rows(made.parts()[0]))
    both = Cell()
    both.add(one.totals["requests"])
    both.add(two.totals["requests"])
    view = history.view()
    assert view.points["requests"][0] == point(summarize(both))
    assert view.widths[:2] == (1, 0)
    assert view.levels["process.memory.bytes"][:2] == (20.0, None)


def test_the_busiest_series_get_a_line() -> None:
    """OBS-1: ten lines at most, the busiest first; each step says how much of it there is."""
    span = Span(1_700_000_100, 1_700_002_800, 60)
    history = History(span)
    for start in (1_700_000_100, 1_700_000_160, 1_700_001_000):
        made = frame(start, 60, 14)
        history.rank(decode_rows(*made.parts()))
        history.draw(start, decode_rows(*made.parts()))
    lines = history.lines()
    assert (lines.start, lines.step) == (1_700_000_100, 900)
    assert lines.widths == (120, 60, 0)
    keys = list(lines.families["requests"])
    assert keys == [("GET", f"/{route:02}") for route in range(13, 13 - LINES, -1)]
    first, second, third = lines.families["requests"]["GET", "/13"]
    assert (first and first.count, second and second.count, third) == (28, 14, None)
    assert first is not None
    assert first.amount == pytest.approx(2 * sum(range(1, 15)) / 1e3, rel=1e-3)


def test_a_large_range_is_collected_and_let_go_of_in_pieces() -> None:
    """TTY-6: a breath at least every few rows, and what was made of them stays when they are let go of."""
    span, breaths = Span(1_700_000_100, 1_700_000_700, 60), [0]

    def breathe() -> None:
        breaths[0] += 1

    history = History(span, breathe)
    made = frame(1_700_000_100, 60, 10 * PIECE)
    history.add_head(made.start, decode_rows(made.parts()[0]))
    for work in (history.rank, partial(history.draw, made.start)):
        breaths[0] = 0
        work(decode_rows(*made.parts()))
        assert breaths[0] >= 10
    breaths[0] = 0
    view, lines = history.view(), history.lines()
    assert breaths[0] >= 10 * PIECE + 10
    breaths[0] = 0
    history.release()
    assert breaths[0] >= 10 * PIECE
    assert len(view.rows["requests"]) == 10 * PIECE
    assert view.counters == {"requests.slow": 2}
    assert [share is not None for share in lines.families["requests"]["GET", "/159"]] == [True]


def test_records_outside_the_range_stay_out() -> None:
    """OBS-1: of a bucket that reaches beyond the range only the records inside it are listed, the newest last."""
    span = Span(1_700_000_100, 1_700_000_160, 10)
    made = Frame(1_700_000_040, 1_700_000_200)
    moments = (1_700_000_099.9, 1_700_000_100.0, 1_700_000_159.9, 1_700_000_160.0)
    made.kept["failed"] = [Record(at, f"r{at}", "request") for at in moments]
    history = History(span)
    history.draw(made.start, decode_rows(*made.parts()))
    assert [record.at for record in history.view().kept["failed"]] == list(moments[1:3])


def test_an_empty_range_is_empty() -> None:
    """OBS-1: a range nothing was kept of has its steps, all of them gaps."""
    view = History(Span(600, 1200, 60)).view()
    assert view.widths == (0,) * 10
    assert (view.points, view.rows, view.kept, view.seconds) == ({}, {}, {}, 1)
    assert History(Span(600, 1200, 60)).lines().families == {}
