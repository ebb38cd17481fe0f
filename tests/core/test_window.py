"""The window holds exactly the last fifteen minutes, whatever order frames come in, in bounded memory."""

from __future__ import annotations

import gc
import sys
from random import Random
from types import FunctionType, MethodType, ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.strategies import SAMPLES, Sample, cell_of

from fanlight.clock import ManualClock
from fanlight.core.cell import Cell
from fanlight.core.facts import REQUEST
from fanlight.core.frame import Frame, Record
from fanlight.core.gauge import Gauge, Reading
from fanlight.core.histogram import Dense
from fanlight.core.recorder import Recorder
from fanlight.core.series import BUCKET, EMPTY, Series, summarize
from fanlight.core.timeline import SPAN, STEP
from fanlight.core.window import Window

BEGAN = 1_700_000_000


def frame_at(second: int, samples: dict[str, list[Sample]], counters: dict[str, int] | None = None) -> Frame:
    """A frame of one second with these samples by route."""
    frame = Frame(second, second + 1)
    if samples:
        frame.series["requests"] = {("GET", route): cell_of(made) for route, made in samples.items()}
        frame.totals["requests"] = cell_of([sample for made in samples.values() for sample in made])
    frame.counters = counters or {}
    return frame


def one(second: int, amount: int = 10_000_000, route: str = "/a") -> Frame:
    """A frame with one request."""
    return frame_at(second, {route: [(amount, "200", False)]}, {"x": 1})


class Naive:
    """Keeps every sample it accepted, and forgets by the rule in words: whole buckets older than 15 minutes."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, str, Sample]] = []
        self.counted: list[tuple[int, int]] = []
        self.oldest = (BEGAN - SPAN) // BUCKET * BUCKET

    def add(self, second: int, samples: dict[str, list[Sample]], counter: int) -> None:
        if second >= self.oldest:
            self.samples += [(second, route, sample) for route, made in samples.items() for sample in made]
            self.counted.append((second, counter))
            self.expire(second)

    def expire(self, second: int) -> None:
        self.oldest = max(self.oldest, (second - SPAN) // BUCKET * BUCKET)
        self.samples = [kept for kept in self.samples if kept[0] >= self.oldest]
        self.counted = [kept for kept in self.counted if kept[0] >= self.oldest]

    def cell(self, route: str | None = None) -> Cell:
        return cell_of([sample for _, name, sample in self.samples if route in (None, name)])


steps = st.one_of(st.integers(-20, 20), st.integers(-1_000, 1_000), st.sampled_from((899, 900, 901, 905, 910, 3_600)))
batches = st.dictionaries(st.sampled_from(("/a", "/b", "/c")), st.lists(SAMPLES, min_size=1, max_size=3), max_size=3)


@settings(max_examples=150)
@given(st.lists(st.tuples(steps, batches, st.integers(0, 5)), min_size=1, max_size=30))
def test_the_window_is_what_a_naive_model_says(moves: list[tuple[int, dict[str, list[Sample]], int]]) -> None:
    """Issue 2, item 2: for any sequence of frames, late ones and gaps included, totals and series are exact."""
    window, naive, second, newest = Window(float(BEGAN)), Naive(), BEGAN, BEGAN
    for step, samples, counter in moves:
        second += step
        newest = max(newest, second)
        window.add(frame_at(second, samples, {"x": counter}))
        naive.add(second, samples, counter)
    naive.expire(newest)
    view = window.view(newest + 0.5)
    assert view.totals.get("requests", EMPTY) == summarize(naive.cell())
    rows = {key[1]: figures for key, figures in view.rows.get("requests", {}).items()}
    present = {name for _, name, _ in naive.samples}
    assert rows == {route: summarize(naive.cell(route)) for route in present}
    assert view.outcomes.get("requests", {}) == naive.cell().outcomes
    assert view.counters.get("x", 0) == sum(amount for _, amount in naive.counted)
    start, end = view.start, view.start + SPAN
    shown = [point.count for point in view.points.get("requests", ())]
    assert sum(shown) == sum(start <= moment < end for moment, _, _ in naive.samples)
    for place, count in enumerate(shown):
        first = start + place * STEP
        assert count == sum(first <= moment < first + STEP for moment, _, _ in naive.samples)


def test_expiry_is_exact() -> None:
    """Issue 2, item 2: a second stays until its whole ten-second bucket is 15 minutes old, and then is gone."""
    window = Window(float(BEGAN))
    window.add(one(BEGAN))
    window.add(Frame(BEGAN + SPAN + BUCKET - 1, BEGAN + SPAN + BUCKET))
    assert window.view(BEGAN + SPAN + BUCKET - 0.5).totals["requests"].count == 1
    window.add(Frame(BEGAN + SPAN + BUCKET, BEGAN + SPAN + BUCKET + 1))
    view = window.view(BEGAN + SPAN + BUCKET + 0.5)
    assert view.totals["requests"] == EMPTY
    assert view.rows["requests"] == {}
    assert view.counters == {}


def test_a_dead_pulse_still_lets_the_past_go() -> None:
    """Issue 2, item 2: reading alone expires, so a window nobody feeds does not show old numbers as new."""
    window = Window(float(BEGAN))
    window.add(one(BEGAN))
    assert window.view(BEGAN + 2 * SPAN).totals["requests"] == EMPTY


def test_frames_from_before_the_window_are_ignored() -> None:
    """Issue 2, item 2: a frame older than the window is refused, so nothing is added that would never expire."""
    window = Window(float(BEGAN))
    window.add(one(BEGAN - SPAN - 1))
    window.add(one(BEGAN - SPAN))
    assert window.view(float(BEGAN)).totals["requests"].count == 1
    assert window.since == BEGAN - SPAN


def test_a_clock_set_back_beyond_the_window_begins_it_again() -> None:
    """Issue 2, item 2: a day back, and the window shows the new present instead of nothing for a day."""
    window = Window(float(BEGAN))
    window.add(one(BEGAN + 5))
    now = BEGAN - 86_400
    window.view(now + 0.5)
    window.add(one(now))
    view = window.view(now + 1.5)
    assert view.totals["requests"].count == 1
    assert view.counters == {"x": 1}


def test_a_clock_set_forward_lets_the_past_go() -> None:
    """Issue 2, item 2: an hour forward leaves only what was seen since."""
    window = Window(float(BEGAN))
    for second in range(100):
        window.add(one(BEGAN + second))
    window.add(one(BEGAN + 3_600))
    assert window.view(BEGAN + 3_600.5).totals["requests"].count == 1


def test_extremes_follow_what_is_left() -> None:
    """Issue 2, item 2: the maximum goes when the bucket it came from expires."""
    window = Window(float(BEGAN))
    window.add(one(BEGAN, 9_000_000_000))
    window.add(one(BEGAN + 100, 1_000_000))
    assert window.view(BEGAN + 100.5).totals["requests"].maximum == 9.0
    window.add(one(BEGAN + SPAN + 20, 2_000_000))
    assert window.view(BEGAN + SPAN + 20.5).totals["requests"].maximum == pytest.approx(0.002)


def test_stale_gauges_vanish() -> None:
    """API-7: a source that says nothing for six seconds counts no more, and its level is gone."""
    window = Window(float(BEGAN))
    frame = Frame(BEGAN, BEGAN + 1)
    frame.gauges[("cpu", "")] = Gauge("sum", {"web1": Reading(float(BEGAN), 5.0), "web2": Reading(BEGAN + 3.0, 7.0)})
    window.add(frame)
    assert window.view(BEGAN + 6.0).gauges == {("cpu", ""): 12.0}
    assert window.view(BEGAN + 7.0).gauges == {("cpu", ""): 7.0}
    assert window.view(BEGAN + 10.0).gauges == {}


def test_levels_are_kept_by_the_step_and_expire() -> None:
    """Issue 2, item 5: a chart of a level shows the highest in each step, gaps where nothing was said."""
    window = Window(float(BEGAN))
    for second, value in ((0, 5.0), (1, 9.0), (2, 1.0), (12, 4.0)):
        frame = Frame(BEGAN + second, BEGAN + second + 1)
        frame.gauges[("cpu", "")] = Gauge("last", {"web": Reading(float(BEGAN + second), value)})
        frame.gauges[("rooms", "a")] = Gauge("last", {"web": Reading(float(BEGAN + second), value)})
        window.add(frame)
    levels = window.view(BEGAN + 12.5).levels
    assert levels["cpu"][-3:] == (9.0, None, 4.0)
    assert set(levels) == {"cpu"}
    assert window.view(BEGAN + 3 * SPAN).levels == {}


def test_chart_points_and_counters_by_the_step() -> None:
    """Issue 2, item 5: 180 points of five seconds; a late frame changes the point it belongs to."""
    window = Window(float(BEGAN))
    for second in (0, 4, 5, 20):
        window.add(one(BEGAN + second))
    window.view(BEGAN + 20.5)
    window.add(one(BEGAN + 6))
    view = window.view(BEGAN + 20.5)
    assert [point.count for point in view.points["requests"][-5:]] == [2, 2, 0, 0, 1]
    assert view.counter_points["x"][-5:] == (2, 2, 0, 0, 1)
    assert len(view.points["requests"]) == SPAN // STEP


def test_kept_records_leave_with_their_time_but_logs_stay() -> None:
    """TTY-3: kept requests go after 15 minutes; the last log lines stay, however old."""
    window = Window(float(BEGAN))
    frame = Frame(BEGAN, BEGAN + 1)
    for kind in ("slow", "logs"):
        frame.keep(kind, [Record(float(BEGAN), f"{kind}-1", kind)])
    window.add(frame)
    kept = window.view(BEGAN + 2.0 * SPAN).kept
    assert {kind: len(made) for kind, made in kept.items()} == {"logs": 1}


@pytest.mark.parametrize("phase", [0.003, 0.1, 0.26, 0.5, 0.74, 0.999])
def test_the_rate_holds_still_under_a_constant_load(phase: float) -> None:
    """Issue 2, item 5: 40 requests/s read as 40.0 at any moment of a step, from two seconds after the start on."""
    window = Window(BEGAN + 0.0)
    rates = []
    for second in range(60):
        window.add(frame_at(BEGAN + second, {"/a": [(1_000, "200", False)] * 40}))
        view = window.view(BEGAN + second + 1 + phase)
        rates.append(view.recent["requests"][0] / view.recent_seconds)
    assert rates[2:] == [40.0] * 58
    assert all(20.0 <= rate <= 41.0 for rate in rates)


def test_the_rate_waits_until_every_instance_has_spoken() -> None:
    """X-2: a share of a second that comes a second late changes no rate that was shown."""
    window = Window(float(BEGAN))
    for second in range(30):
        window.add(frame_at(BEGAN + second, {"/a": [(1_000, "200", False)] * 10}))
        if second:
            window.add(frame_at(BEGAN + second - 1, {"/a": [(1_000, "500", True)] * 30}))
        view = window.view(BEGAN + second + 1.1)
        if second > 11:
            assert [count / view.recent_seconds for count in view.recent["requests"]] == [40.0, 30.0]


def test_a_rate_right_after_the_start_is_over_the_time_there_was() -> None:
    """Issue 2, item 5: three requests in the first second are 3/s, not 0.3/s."""
    window = Window(BEGAN + 0.4)
    window.add(frame_at(BEGAN, {"/a": [(1_000, "200", False)] * 3}))
    view = window.view(BEGAN + 1.0)
    assert view.recent["requests"][0] / view.recent_seconds == 3.0


@pytest.mark.parametrize("phase", [0.0, 3.2, 8.99, 9.0, 9.2, 9.99])
def test_the_step_a_service_began_in_is_watched_from_that_second_on(phase: float) -> None:
    """ORC-3: what begins within the last second of a step is there all the same, in its course and in every line."""
    window = Window(BEGAN + phase)
    frame = frame_at(BEGAN + int(phase), {})
    frame.totals["services"] = cell_of([(1_000, "200", False)])
    frame.series["services"] = {("ollama", "llm"): frame.totals["services"]}
    window.add(frame)
    course, lines = window.course("ollama", BEGAN + phase), window.lines(BEGAN + 30.0)
    assert [(point.count, width) for point, width in zip(course.points, course.widths, strict=True)][-1] == (1, 1)
    at = (BEGAN - lines.start) // BUCKET
    assert lines.widths[at] == BUCKET - int(phase)


def test_breathing_between_series() -> None:
    """TTY-6: adding and reading stop for breath at every series."""
    window = Window(float(BEGAN))
    breaths: list[int] = []
    frame = frame_at(BEGAN, {f"/{number}": [(5, "", False)] for number in range(50)})
    window.add(frame, lambda: breaths.append(1))
    assert len(breaths) >= 50
    breaths.clear()
    window.view(BEGAN + 1.0, lambda: breaths.append(1))
    assert len(breaths) >= 50


def _traffic(recorder: Recorder, clock: ManualClock, window: Window, seconds: int) -> None:
    """Each of 500 routes gets ten requests in every ten seconds; every one of them has a path of 10,000."""
    amounts = [int(1e6 * 1.13**power) for power in range(60)]
    append, next_seq = recorder.append, recorder.next_seq
    for second in range(seconds):
        now = clock.monotonic_ns()
        for number in range(500):
            amount, route = amounts[(number * 7 + second * 13) % 60], f"/r/{number // 10 * 10 + second % 10}"
            path = f"/path/{(second * 500 + number) % 10_000}"
            append((REQUEST, next_seq(), now, amount, amount, "GET", route, "", 200, 0, path, "c", None))
        clock.advance(1)
        frame = recorder.take()
        recorder.commit(frame)
        window.add(frame)
    window.view(clock.time_ns() / 1e9)


def _size(*roots: object) -> int:
    """The bytes of everything reachable, shared things once; code and modules apart."""
    apart = (type, ModuleType, FunctionType, MethodType, ManualClock)
    seen, waiting, total = {id(root) for root in roots}, list(roots), 0
    while waiting:
        found = waiting.pop()
        total += sys.getsizeof(found)
        for part in gc.get_referents(found):
            if id(part) not in seen and not isinstance(part, apart):
                seen.add(id(part))
                waiting.append(part)
    return total


def test_memory_is_bounded_and_flat() -> None:
    """Budget: 500 active series over 15 simulated minutes and 10,000 distinct paths, of 40 MB in all 10, then flat."""
    clock = ManualClock()
    recorder = Recorder(clock)
    window = Window(recorder.started)
    _traffic(recorder, clock, window, SPAN + BUCKET)
    full = _size(recorder, window)
    assert len(window.view(clock.time_ns() / 1e9).rows["requests"]) == 500
    _traffic(recorder, clock, window, SPAN // 5)
    assert full < 10e6
    assert _size(recorder, window) < 1.02 * full


def test_what_came_and_went_takes_no_room() -> None:
    """TTY-6: amounts that differ from minute to minute leave a histogram no larger than what is in it needs."""
    series, chance = Series(), Random(1)
    for bucket in range(0, 60_000, BUCKET):
        cell = Cell()
        cell.record_all([int(chance.lognormvariate(17, 1)) for _ in range(10)], "200", False)
        series.add(bucket, cell)
        series.expire(bucket - SPAN)
    buckets, packed = series.running.buckets, series.packed
    assert isinstance(buckets, Dense)
    held = list(buckets)
    assert len(held) > 150
    assert len(buckets.counts) == held[-1] - held[0] + 1
    assert len(packed) == SPAN // BUCKET


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), max_size=40))
def test_a_series_is_what_is_in_its_buckets(added: list[tuple[int, int]]) -> None:
    """X-2, memory: whatever came late, and whatever has gone, the sum and its extremes are those of what is left."""
    series, held, limit = Series(), dict[int, Cell](), 0
    for place, amount in added:
        bucket = limit + place * BUCKET
        series.add(bucket, cell_of([(amount, "200", False)]))
        held.setdefault(bucket, Cell()).add(cell_of([(amount, "200", False)]))
        limit = max(limit, bucket - 5 * BUCKET)
        series.expire(limit)
        held = {bucket: cell for bucket, cell in held.items() if bucket >= limit}
        whole = Cell()
        for cell in held.values():
            whole.add(cell)
        assert series.running == whole
        assert series.last == max(held, default=0)
        for twin in (series, series.copy()):
            found = {at: twin.cell(at) for at in range(limit - 30, limit + 130, BUCKET)}
            assert {at: cell for at, cell in found.items() if cell is not None} == held


def test_seconds_that_are_packed_are_still_added_to_and_shown() -> None:
    """X-2, TTY-6: totals by the second are packed when ten seconds are over; a late frame still goes into its own."""
    window = Window(0.0)
    for second in range(60):
        window.add(cell_frame(second))
    seconds = window._families["requests"].seconds
    assert [second for second, held in seconds.items() if isinstance(held, bytes)] == list(range(50))
    window.add(cell_frame(7))
    points = window.view(59.5).points["requests"]
    assert sum(point.count for point in points) == 61
    assert window.frame(0).totals["requests"].count == 11
    assert window.view(59.5).recent["requests"][0] == 10


def cell_frame(second: int) -> Frame:
    """A request in a second."""
    frame = Frame(second, second + 1)
    cell = frame.totals["requests"] = Cell()
    cell.record(5_000_000, "200", False)
    frame.series["requests"] = {("GET", "/a"): cell.copy()}
    return frame
