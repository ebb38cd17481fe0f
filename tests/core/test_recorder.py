"""The recorder folds facts into frames, loses nothing unseen, and is hurt by nothing it is given."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from fanlight.clock import ManualClock
from fanlight.core.facts import BROKE_AS, CALL, COUNT, EVENT, LOG, REQUEST, SOCKET, STREAM
from fanlight.core.fold import BATCH_LIMIT, CLOSE_CODE_LIMIT, COUNTER_LIMIT
from fanlight.core.frame import GAUGE_LIMIT, KEPT_LIMITS, Frame
from fanlight.core.recorder import FACT_LIMIT, Recorder, Sample


class Begun:
    """What a recorder knows of a call that is under way."""

    token: object | None = "held"


class Bench:
    """A recorder on a clock that stands still."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder(self.clock, **options)

    def request(self, route: Any = "/a", seconds: float = 0.01, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "method": "GET", "route": route, "root": "", "status": 200, "flags": 0, "path": "/a", "id": "c",
            "error": None, **changes,
        }  # fmt: skip
        nanoseconds = int(seconds * 1e9)
        head = (REQUEST, self.recorder.next_seq(), self.clock.monotonic_ns(), nanoseconds, nanoseconds)
        self.recorder.append((*head, *fields.values()))

    def socket(self, event: str, code: Any, route: str = "/ws") -> None:
        head = (SOCKET, self.recorder.next_seq(), self.clock.monotonic_ns(), event, route, "", route)
        self.recorder.append((*head, "room", "ann", code, 5, 1, "c"))

    def log(self, level: Any = "INFO", message: Any = "said", **changes: Any) -> None:
        fields = {"logger": "app", "message": message, "file": "a.py", "line": 1, "id": "c", **changes}
        head = (LOG, self.recorder.next_seq(), self.clock.monotonic_ns(), self.clock.time_ns(), 20, level)
        self.recorder.append((*head, *fields.values()))

    def failing_call(self, number: int, id: str) -> None:
        call = SimpleNamespace(service="db", operation=str(number), kind="database", attributes={}, id=0)
        head = (CALL, self.recorder.next_seq(), self.clock.monotonic_ns(), 2_000_000_000)
        self.recorder.append((*head, call, None, id, "timeout", "late"))

    def take(self, seconds: float = 1.0) -> Frame:
        """A second passes and is taken and committed."""
        self.clock.advance(seconds)
        frame = self.recorder.take()
        self.recorder.commit(frame)
        return frame


def test_a_request_is_counted_timed_and_kept() -> None:
    """API-1: one fact becomes a cell of its route, a total of its family and a kept record."""
    bench = Bench()
    bench.request("/items/{id}", 0.25, status=201)
    frame = bench.take()
    cell = frame.series["requests"]["GET", "/items/{id}"]
    assert (cell.count, cell.errors, cell.total, cell.outcomes) == (1, 0, 250_000_000, {"201": 1})
    assert frame.totals["requests"] == cell
    assert [record.data["route"] for record in frame.kept["recent"]] == ["/items/{id}"]
    assert frame.kept.keys() == {"recent"}


def test_failed_slow_and_very_slow_requests_are_kept_and_counted() -> None:
    """API-6: over 1 s is slow, over 5 s very slow, a status from 400 on failed; a route's own threshold moves both."""
    bench = Bench(slow_routes={"/report": 8.0, "/ping": 0.1})
    for route, seconds, status in (("/a", 0.999, 200), ("/a", 1.0, 404), ("/a", 5.0, 200), ("/report", 6.0, 200)):
        bench.request(route, seconds, status=status)
    for route, seconds in (("/report", 39.0), ("/report", 40.0), ("/ping", 0.6)):
        bench.request(route, seconds)
    frame = bench.take()
    assert frame.counters == {"requests.slow": 5, "requests.very_slow": 2}
    assert [record.data["duration"] for record in frame.kept["slow"]] == [1.0, 5.0, 39.0, 40.0, 0.6]
    assert [record.data["status"] for record in frame.kept["failed"]] == [404]
    assert frame.totals["requests"].errors == 1


def test_a_stream_is_judged_by_its_first_byte() -> None:
    """API-6: a stream is a family of its own; its whole duration is apart and never slow."""
    bench = Bench()
    head = (REQUEST, bench.recorder.next_seq(), 0, 60_000_000_000, 20_000_000)
    bench.recorder.append((*head, "GET", "/feed", "", 200, STREAM, "/feed", "c", None))
    frame = bench.take()
    assert frame.totals["streams"].total == 20_000_000
    assert frame.totals["stream_durations"].total == 60_000_000_000
    assert "requests" not in frame.totals
    assert frame.counters == {}


@pytest.mark.parametrize(
    ("status", "flags", "error", "outcome", "kind"),
    [
        (200, 0, "broke off", "500", "internal"),
        (200, BROKE_AS * 502, "broke off", "502", "upstream"),
        (200, BROKE_AS * 504, "", "504", "timeout"),
        (503, 0, "broke off", "503", "upstream"),
        (200, 0, None, "200", ""),
    ],
)
@pytest.mark.parametrize("stream", [0, STREAM])
def test_what_breaks_off_counts_as_whose_fault_it_was(
    status: int, flags: int, error: str | None, outcome: str, kind: str, stream: int
) -> None:
    """TTY-3: behind a status that was fine, as the one it was told, else as 500; the record keeps what was seen."""
    bench = Bench()
    bench.request(status=status, flags=flags | stream, error=error)
    bench.request(status=200)
    frame = bench.take()
    cell = frame.totals["streams" if stream else "requests"]
    others = 0 if stream else 1
    assert (cell.errors, cell.outcomes[outcome]) == (bool(kind), 1 + (outcome == "200") * others)
    [record, _] = frame.kept["recent"]
    assert (record.data["status"], record.data["error_type"]) == (status, kind)
    assert record.data["stream"] == bool(stream)


def test_websockets_are_counted_when_they_end() -> None:
    """API-4: connects are counted, ends timed by close code, refusals and abnormal closes are errors."""
    bench = Bench()
    for event, code in (("connected", 0), ("disconnected", 1000), ("disconnected", 1011), ("refused", 403)):
        bench.socket(event, code)
    frame = bench.take()
    assert frame.counters == {"websocket.connects": 1}
    cell = frame.series["sockets"]["WS", "/ws"]
    assert (cell.count, cell.errors, cell.outcomes) == (3, 2, {"1000": 1, "1011": 1, "403": 1})
    assert (len(frame.kept["sockets"]), len(frame.kept["failed"])) == (4, 2)


def test_logs_events_and_counters_are_folded() -> None:
    """API-9, OBS-2: lines by level, events by type with their fields, counters by name."""
    bench = Bench()
    bench.log("WARNING", "careful")
    bench.recorder.event("upload", {"size": 3}, "c-1")
    bench.recorder.count("cache_hits_total", 4)
    frame = bench.take()
    assert frame.counters == {"log.lines.warning": 1, "events.upload": 1, "cache_hits_total": 4}
    assert frame.kept["logs"][0].data["message"] == "careful"
    assert frame.kept["events"][0].data["fields"] == {"size": 3}


def test_series_are_capped_and_the_rest_is_visible_and_counted() -> None:
    """Issue 2, item 2: 500 series per family; every fact beyond them is in `other`, and `dropped.series` counts it."""
    bench = Bench()
    for number in range(600):
        bench.request(f"/r/{number}")
    first = bench.take()
    for number in range(600):
        bench.request(f"/r/{number}")
    second = bench.take()
    for frame in (first, second):
        assert len(frame.series["requests"]) == 501
        assert frame.series["requests"]["other", "other"].count == 100
        assert frame.counters["fanlight.dropped.series"] == 100
        assert frame.totals["requests"].count == 600
    assert len(bench.recorder.totals.series["requests"]) == 501


def test_paths_of_one_template_fold_together() -> None:
    """HUB-3: where paths decide, each is told by its template, and all of one come to one cell, beyond any limit."""
    bench = Bench()
    bench.recorder.resolve_routes(lambda route, root, path: "/" + path.split("/")[1], lambda route: True)
    for number in range(BATCH_LIMIT + 200):
        bench.request(None, path=f"/{'ab'[number % 2]}/{number}", status=200 if number % 4 else 500)
        bench.request(None, path="/a/again")
    cells = bench.take().series["requests"]
    assert {key: (cell.count, cell.errors) for key, cell in cells.items()} == {
        ("GET", "/a"): ((BATCH_LIMIT + 200) * 3 // 2, (BATCH_LIMIT + 200) // 4),
        ("GET", "/b"): ((BATCH_LIMIT + 200) // 2, 0),
    }


def test_a_stream_beyond_the_cap_counts_once() -> None:
    """Issue 2, item 2: `dropped.series` counts facts, also where one fact goes to two families."""
    bench = Bench(max_series=1)
    for route in ("/a", "/b", "/b"):
        bench.request(route, flags=STREAM)
    frame = bench.take()
    assert frame.counters["fanlight.dropped.series"] == 2
    assert {family: len(rows) for family, rows in frame.series.items()} == {"streams": 2, "stream_durations": 2}


def test_counters_are_capped_within_their_group() -> None:
    """Bounds: beyond 1,000 names a counter counts as the `other` of its group; Fanlight's own are never displaced."""
    bench = Bench()
    for number in range(COUNTER_LIMIT + 50):
        bench.recorder.count(f"events.{number}")
        bench.recorder.count(f"{number}.odd")
    for name in ("fanlight.dropped.logs", "dashboard_refresh_total", "cache.hits.prompts"):
        bench.recorder.count(name)
    frame = bench.take()
    assert sum(frame.counters.values()) == 2 * (COUNTER_LIMIT + 50) + 3
    assert len(frame.counters) == COUNTER_LIMIT + 5
    assert frame.counters["events.other"] > 50
    assert frame.counters["other"] > 50
    assert frame.counters["cache.hits.other"] == 1
    assert frame.counters["fanlight.dropped.logs"] == frame.counters["dashboard_refresh_total"] == 1


def test_log_levels_are_counters_like_others() -> None:
    """Bounds: an application that invents levels does not invent counters without end."""
    bench = Bench()
    for number in range(COUNTER_LIMIT + 10):
        bench.log(f"LEVEL{number}")
    assert bench.take().counters["log.lines.other"] == 10


def test_close_codes_are_bounded() -> None:
    """Bounds: clients choose close codes; beyond the limit they count as one outcome, and still as errors."""
    bench = Bench()
    for code in range(4000, 4000 + CLOSE_CODE_LIMIT + 5):
        bench.socket("disconnected", code)
    bench.take()
    bench.socket("disconnected", 4900)
    cell = bench.take().series["sockets"]["WS", "/ws"]
    assert cell.outcomes == {"other": 1}
    assert cell.errors == 1


def test_facts_are_bounded_while_nobody_folds_and_the_loss_is_counted_exactly() -> None:
    """Issue 2, item 2: with a dead pulse the deque stays at its bound; when it comes back the drop count is exact."""
    bench = Bench()
    for _ in range(FACT_LIMIT + 1_234):
        bench.recorder.count("x")
    assert bench.recorder.pending == FACT_LIMIT
    assert bench.take().counters == {"x": FACT_LIMIT, "fanlight.dropped.facts": 1_234}
    for _ in range(FACT_LIMIT + 7):
        bench.recorder.count("x")
    assert bench.take().counters == {"x": FACT_LIMIT, "fanlight.dropped.facts": 7}
    assert bench.take().counters == {}


def test_calls_under_way_are_those_begun_that_have_not_ended() -> None:
    """ORC-2: what ended is let go of, whether it was looked at before or not; the one begun first is the first."""
    bench = Bench()
    first, second, third = calls = Begun(), Begun(), Begun()
    for call in calls:
        bench.recorder.begin(call)
    second.token = None
    assert list(bench.recorder.open_calls()) == [first, third]
    first.token = None
    bench.take()
    assert list(bench.recorder.open_calls()) == [third]
    bench.recorder.renew()
    assert not bench.recorder.open_calls()


def test_calls_that_begin_while_nobody_looks_are_bounded() -> None:
    """ORC-2: a dead pulse holds no more of them than of facts."""
    bench = Bench()
    for _ in range(FACT_LIMIT + 5):
        bench.recorder.begin(Begun())
    assert len(bench.recorder.open_calls()) == FACT_LIMIT


def test_a_full_deque_that_lost_nothing_says_nothing() -> None:
    """Issue 2, item 2: exactly as many facts as fit are no loss."""
    bench = Bench()
    for _ in range(FACT_LIMIT):
        bench.recorder.count("x")
    assert bench.take().counters["x"] == FACT_LIMIT
    assert bench.recorder.totals.counters.get("fanlight.dropped.facts", 0) == 0


def test_kept_facts_are_the_newest_up_to_their_limits() -> None:
    """Bounds: of a flood the newest of each kind are kept, in order; refusals and events have a place each."""
    bench = Bench()
    for number in range(1_200):
        bench.log(message=f"line {number}")
        bench.request(path=f"/{number}", status=500, seconds=2.0, id=f"r{number}")
        bench.recorder.event("e", {"n": number})
        bench.recorder.event("audit", {"n": number})
        bench.recorder.event("start", {"n": number})
        bench.socket("connected", 0)
        bench.failing_call(number, "")
        bench.failing_call(number, f"r{number}")
        bench.failing_call(number, f"r{number}")
    frame = bench.take()
    assert {kind: len(made) for kind, made in frame.kept.items()} == dict(KEPT_LIMITS)
    assert frame.kept["logs"][-1].data["message"] == "line 1199"
    assert [record.data["path"] for record in frame.kept["recent"][-2:]] == ["/1198", "/1199"]


class Unsayable(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Label(str):
    """A text that is not quite one."""


HOSTILE: tuple[Any, ...] = (
    None,
    "",
    "\ud800 lone",
    "x" * 100_000,
    b"\xff\x00",
    10**30,
    -1,
    1.5,
    Label("sub"),
    Unsayable(),
    object(),
    [],
)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(type(value)))
@pytest.mark.parametrize("field", ["method", "route", "root", "path", "status", "flags", "id", "error"])
def test_hostile_requests_hurt_nothing(field: str, value: Any) -> None:
    """TTY-6: whatever is in a fact, its neighbours are folded, and the frame can be stored and shown."""
    bench = Bench()
    bench.request()
    bench.request(**{field: value}, seconds=2.0)
    bench.request()
    frame = bench.take()
    later = bench.take()
    failures = later.counters.get("fanlight.failures", 0)
    assert frame.totals["requests"].count + (1 if "streams" in frame.totals else 0) + failures >= 3
    assert frame.totals["requests"].count >= 2
    assert bool(failures) == bool(bench.recorder.last_failure)
    assert_encodes(frame, bench.recorder.totals)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(type(value)))
@pytest.mark.parametrize("field", ["level", "message", "logger", "file", "line", "id"])
def test_hostile_log_lines_hurt_nothing(field: str, value: Any) -> None:
    """TTY-6: whatever a log record holds, the lines beside it are kept and the frame can be stored."""
    bench = Bench()
    bench.log()
    bench.log(**{field: value})
    frame = bench.take()
    assert len(frame.kept["logs"]) == 2
    assert_encodes(frame)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(type(value)))
def test_hostile_events_sockets_counters_and_samples_hurt_nothing(value: Any) -> None:
    """TTY-6: event types, field names, field values, close codes, counter names and levels may be anything."""
    bench = Bench()
    bench.recorder.event(value, {"field": value, Label("n"): HTTPStatus.OK}, value)
    if value.__hash__ is not None:
        bench.recorder.event("named", {value: 1})
    bench.socket("disconnected", value)
    bench.recorder.count(value)
    bench.recorder.count("x", value)
    bench.recorder.samplers += [
        lambda: [Sample("a", value, 1.0, "sum", "instance"), Sample("b", "", value, "sum", "instance")],
        lambda: [Sample("c", "", 2.0, "max", value)],
        lambda: [Sample("d", "", 3.0, "max", "host")],
    ]
    frame = bench.take()
    assert "d" in {name for name, _ in frame.gauges}
    assert_encodes(frame, bench.take(), bench.recorder.totals)


@pytest.mark.parametrize("fact", [(), None, (99, 1, 0), (REQUEST, 1, 0), ("x", "y"), (COUNT, None, 0, "x", 1), 7])
def test_a_fact_that_is_none_is_counted(fact: Any) -> None:
    """TTY-6: what cannot be folded counts as a failure of Fanlight's own, with the last one's text."""
    bench = Bench()
    bench.recorder.append(fact)
    bench.recorder.count("x")
    assert bench.take().counters["x"] == 1
    assert bench.take().counters == {"fanlight.failures": 1}
    assert bench.recorder.last_failure.startswith("fold: ")


def test_a_failure_whose_error_cannot_be_said_is_counted() -> None:
    """TTY-6: `failed` never raises, whatever the error's own text does."""
    bench = Bench()
    bench.recorder.failed("pulse", Unsayable())
    assert bench.take().counters == {"fanlight.failures": 1}
    assert bench.recorder.last_failure == "pulse: Unsayable: (its text cannot be shown)"


def assert_encodes(*frames: Frame) -> None:
    """Frames cross a process, and what they keep becomes JSON."""
    for frame in frames:
        decoded = Frame.decode(frame.encode())
        assert decoded.totals == frame.totals
        assert msgspec.json.encode(decoded.kept)


def test_seconds_are_labelled_by_where_most_of_a_frame_fell() -> None:
    """Issue 2, item 2: a take just behind a boundary belongs to the second before it, one just before it too."""
    bench = Bench()  # at a whole second
    assert [bench.take(step).start - 1_700_000_000 for step in (1.002, 1.0, 0.25, 0.25, 0.49, 0.012)] == [
        0,
        1,
        2,
        2,
        2,
        2,
    ]


def test_a_late_take_is_the_second_that_just_was() -> None:
    """Issue 2, item 2: after a long sleep facts are labelled with the last second, not with half the sleep ago."""
    assert Bench().take(3_600.002).start == 1_700_000_000 + 3_599


@pytest.mark.parametrize("jump", [-86_400, -30, 30, 86_400])
def test_a_clock_that_is_set_labels_by_the_new_time(jump: int) -> None:
    """Issue 2, item 2: after the wall clock is set, frames and records follow it; durations do not care."""
    bench = Bench()
    bench.take()
    bench.clock.set_wall(1_700_000_001.0 + jump)
    bench.request(seconds=0.5)
    frame = bench.take()
    assert frame.start == 1_700_000_001 + jump
    assert frame.kept["recent"][0].at == pytest.approx(1_700_000_001 + jump)
    assert frame.totals["requests"].total == 500_000_000


def test_samplers_are_asked_once_a_second_and_a_bad_one_is_counted() -> None:
    """API-7: levels are read once per second, "N/A" ones left out, and a sampler that raises hurts no other."""
    bench = Bench()
    asked = []

    def good() -> list[Sample]:
        asked.append(1)
        return [Sample("cpu", "", 5.0, "sum", "instance"), Sample("fds", "", None, "sum", "instance")]

    def bad() -> list[Sample]:
        raise OSError("gone")

    bench.recorder.samplers += [bad, good]
    frames = [bench.take(0.25) for _ in range(8)]
    assert len(asked) in (2, 3)
    assert {name for frame in frames for name, _ in frame.gauges} == {"cpu"}
    assert "sampler: OSError: gone" in bench.recorder.last_failure


def test_news_is_read_with_the_next_take() -> None:
    """HUB-2: a sampler that has news is read again within its second, once however often it says so; no other is."""
    bench, levels = Bench(), [0.0]
    samplers = {name: lambda name=name: [Sample(name, "", levels[0], "max", "host")] for name in ("cpu", "time")}
    bench.recorder.samplers += samplers.values()
    while not bench.take(0.01).gauges:
        continue
    levels[0] = 1.0
    bench.recorder.sample_soon(samplers["time"])
    bench.recorder.sample_soon(samplers["time"])
    found = bench.take(0.01).gauges
    assert {name: gauge.value() for (name, _), gauge in found.items()} == {"time": 1.0}
    assert not bench.take(0.01).gauges


def test_gauges_are_bounded_and_totals_hold_none() -> None:
    """Bounds: so many gauges a frame, the rest counted; levels of a moment never pile up in the totals."""
    bench = Bench()
    seconds = iter(range(100))
    bench.recorder.samplers.append(
        lambda second=seconds: [  # type: ignore[misc]  # a default that holds the iterator
            Sample("users", f"{next(second)}-{n}", 1.0, "sum", "instance") for n in range(6)
        ]
    )
    rooms = range(GAUGE_LIMIT + 100)
    bench.recorder.samplers.append(lambda: [Sample("rooms", str(n), 1.0, "sum", "instance") for n in rooms])
    frame = bench.take()
    assert len(frame.gauges) == GAUGE_LIMIT
    assert frame.counters["fanlight.dropped.gauges"] == 106
    bench.take()
    assert bench.recorder.totals.gauges == {}


def test_after_a_fork_the_child_begins_again() -> None:
    """Issue 2, item 9: a renewed recorder has an id of its own, nothing of the parent's, and no false loss."""
    bench = Bench()
    before = bench.recorder.instance
    for _ in range(100):
        bench.recorder.count("x")
    bench.recorder.renew()
    assert bench.recorder.instance != before
    for _ in range(FACT_LIMIT):
        bench.recorder.count("y")
    assert bench.take().counters == {"y": FACT_LIMIT}


def test_taking_apart_from_committing() -> None:
    """X-2: totals take in a frame only when told, so that they can be stored up to a closed second."""
    bench = Bench()
    bench.request()
    bench.clock.advance(1)
    frame = bench.recorder.take()
    assert bench.recorder.totals.totals == {}
    bench.recorder.commit(frame)
    assert bench.recorder.totals.totals["requests"].count == 1


def test_folding_breathes() -> None:
    """TTY-6: a flood is folded with a breath every 64 requests alike, after each other fact, and after every record."""
    bench = Bench()
    for number in range(1_600):
        bench.request(error="ValueError: no" if number % 8 == 0 else None)
    breaths: list[int] = []
    breathe: Callable[[], None] = lambda: breaths.append(1)  # noqa: E731  # a name says more here
    bench.recorder.take(breathe)
    assert len(breaths) >= 1_600 // 64 + 1_600 // 8 + KEPT_LIMITS["recent"]


def test_event_fields_are_copied() -> None:
    """API-9: what the application does with its dict afterwards changes nothing."""
    bench = Bench()
    fields = {"a": 1}
    bench.recorder.event("e", fields)
    fields["a"] = 2
    assert bench.take().kept["events"][0].data["fields"] == {"a": 1}
    bench.recorder.append((EVENT, bench.recorder.next_seq(), 0, "none", None, ""))
    assert bench.take().kept["events"][0].data["fields"] == {}


def test_a_link_records_and_holds_nothing() -> None:
    """TTY-6: what the whole process holds of a recorder reaches it, keeps it not alive, and is deaf after it."""
    bench = Bench()
    link, gone = bench.recorder.link(), weakref.ref(bench.recorder)
    link.samplers.append(lambda: [Sample("level", "", 1.0, "sum", "instance")])
    link.count("seen", 2)
    link.append((COUNT, link.next_seq(), link.clock.monotonic_ns(), "seen", 3))
    link.failed("logging", ValueError("of the hook"))
    frame = bench.take()
    assert frame.counters == {"seen": 5, "fanlight.failures": 1}
    assert ("level", "") in frame.gauges
    assert bench.recorder.last_failure == "logging: ValueError: of the hook"
    del bench
    gc.collect()
    assert gone() is None
    link.count("seen")
    link.append((COUNT, link.next_seq(), link.clock.monotonic_ns(), "seen", 1))
    link.failed("logging", ValueError("late"))
    assert link.samplers == []
