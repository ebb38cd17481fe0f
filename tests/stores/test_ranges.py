"""Ranges: stored history read once for all, exactly, and never waited for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.stores.course import START, Service

from fanlight.core.cell import Cell
from fanlight.core.history import Span, chosen, preset
from fanlight.core.pacer import unpaced
from fanlight.core.series import Summary, summarize
from fanlight.core.timeline import View, point
from fanlight.errors import FanlightError, StoreError
from fanlight.services.calls import record_call
from fanlight.stores import ranges
from fanlight.stores.base import TIERS, StoredFrame
from fanlight.stores.memory import MemoryStore
from fanlight.stores.ranges import CACHED, COURSES, Ranges, read, read_calls
from fanlight.stores.sqlite import SqliteStore


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two workers over fifty minutes, one of them late now and then, compacted as they went."""
    store = SqliteStore(tmp_path_factory.mktemp("ranges") / "store.db")
    service = Service(store)
    service.workers.append(service.join())
    for minute in range(50):
        service.workers[1].late = minute % 7 == 3
        for number, worker in enumerate(service.workers):
            for route in range(4):
                worker.serve(minute % 5 + route, f"/{route}", 500 if route == minute % 9 else 200, 3 + number * 40)
            if minute % 11 == 0:
                worker.serve(1, "/slow", 200, 2_500)
            for name, kind in (("ollama", "llm"), ("ollama", "http"), ("redis", "cache")):
                error = "timeout" if minute % 3 == 0 else None
                record_call(worker.recorder, name, "ask", duration=0.01 * (minute + 1), kind=kind, error=error)
        service.pass_time(60)
    service.workers[1].late = False
    service.settle()
    yield service
    store.close()


def truth(service: Service, start: float, end: float) -> dict[tuple[str, ...], Cell]:
    made: dict[tuple[str, ...], Cell] = {}
    for _, frame in service.truth:
        if start <= frame.start < end:
            for key, cell in frame.series.get("requests", {}).items():
                made.setdefault(key, Cell()).add(cell)
    return made


def whole(cells: dict[tuple[str, ...], Cell]) -> Summary:
    total = Cell()
    for cell in cells.values():
        total.add(cell)
    return summarize(total)


def covered(view: View) -> int:
    """The end of what the view holds."""
    last = max(place for place, width in enumerate(view.widths) if width)
    return view.start + last * view.step + view.widths[last]


@pytest.mark.parametrize("name", ["1h", "24h", "7d"])
def test_a_named_range_is_exact(service: Service, name: str) -> None:
    """X-2, X-3: totals, percentiles and rankings of a range are those of all its seconds merged in one histogram."""
    now = service.clock.time_ns() / 1e9
    span = preset(name, now)
    view, lines = read(service.store, "chat", span, now, unpaced)
    expected = truth(service, span.start, covered(view))
    assert view.totals["requests"] == whole(expected)
    ranked = truth(service, span.start, lines_end(lines))
    assert view.rows["requests"] == {key: summarize(cell) for key, cell in ranked.items()}
    assert covered(view) - lines_end(lines) <= 60
    assert now - covered(view) <= 75
    assert {record.data["path"] for record in view.kept["slow"]} == {"/slow"}
    assert set(lines.families["requests"]) == set(ranked)


@pytest.mark.parametrize("name", ["1h", "24h", "7d"])
def test_no_series_is_read_twice(service: Service, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets: a range reads the series of each stored row once at most: decoding them is most of its cost."""
    now = service.clock.time_ns() / 1e9
    asked: list[tuple[int, int]] = []
    frames = service.store.frames

    def counted(*given: Any) -> list[StoredFrame]:
        rows = frames(*given)
        asked.extend((row.tier, row.bucket) for row in rows if row.series)
        return rows

    monkeypatch.setattr(service.store, "frames", counted)
    read(service.store, "chat", preset(name, now), now, unpaced)
    assert asked
    assert len(asked) == len(set(asked))


def lines_end(lines: Any) -> int:
    last = max(place for place, width in enumerate(lines.widths) if width)
    return int(lines.start + last * lines.step + lines.widths[last])


@pytest.mark.parametrize(
    ("first", "last"), [(2_650, 2_790), (130, 1_345), (725, 2_725), (1_000, 1_001), (-50_000, 60_000)]
)
def test_a_chosen_range_is_exact(service: Service, first: int, last: int) -> None:
    """X-2, X-3: a range of the viewer's own counts each second in it once, wherever it begins and ends."""
    now = service.clock.time_ns() / 1e9
    span = chosen(START + first, START + last, now, TIERS)
    view, _ = read(service.store, "chat", span, now, unpaced)
    expected = truth(service, span.start, min(span.end, covered(view)))
    assert view.totals["requests"] == whole(expected)
    assert view.rows["requests"] == {key: summarize(cell) for key, cell in expected.items()}


@pytest.mark.parametrize("last", [1_000, 2_777])
def test_older_than_its_finer_series_a_range_counts_whole_buckets(service: Service, last: int) -> None:
    """X-3: where the series of the finer tier are gone, the ranking is of the coarser buckets that hold the range."""
    later = START + 8 * 3600.0
    span = chosen(START + 800, START + last, START + 2 * 3600.0 + 1, {10: 7 * 3600, 60: 86400})
    assert span.tier == 10
    view, lines = read(service.store, "chat", span, later, unpaced)
    assert view.totals["requests"] == whole(truth(service, span.start, span.end))
    assert lines.widths == (60,) * len(lines.widths)
    first, last = span.start // 60 * 60, -(-span.end // 60) * 60
    assert view.rows["requests"] == {key: summarize(cell) for key, cell in truth(service, first, last).items()}


def test_the_calls_of_one_service_are_exact(service: Service) -> None:
    """ORC-3, X-3: step by step, of any kind it was called as, those of all workers and of no other service."""
    now = service.clock.time_ns() / 1e9
    span = chosen(now - 3_600, now, now, {60: 12 * 3_600, 900: 8 * 86_400})
    view, _ = read_calls(service.store, "chat", span, "ollama", unpaced)
    expected: dict[int, Cell] = {}
    for _, frame in service.truth:
        for key, cell in frame.series.get("services", {}).items():
            if key[0] == "ollama" and span.start <= frame.start < covered(view):
                expected.setdefault(frame.start // 60 * 60, Cell()).add(cell)
    found = {view.start + place * 60: each for place, each in enumerate(view.points["services"]) if each.count}
    assert found == {at: point(summarize(cell)) for at, cell in expected.items()}
    assert len(found) == 50
    assert set(view.points) == {"services"}
    assert now - covered(view) <= 75


class SlowStore(MemoryStore):
    """A store whose reads can be held, and fail."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def frames(self, *arguments: Any, **named: Any) -> list[StoredFrame]:
        self.reads += 1
        self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return super().frames(*arguments, **named)


@pytest.fixture
def slow() -> Service:
    service = Service(SlowStore())
    service.workers[0].serve(5)
    service.pass_time(130)
    return service


def count(ranged: Any) -> int:
    figures = ranged.view.totals.get("requests")
    return figures.count if figures else 0


def eventually(check: Callable[[], bool]) -> None:
    deadline = threading.Event()
    for _ in range(500):
        if check():
            return
        deadline.wait(0.01)
    raise AssertionError("it did not come about within five seconds")


def test_many_viewers_cost_one_reading(slow: Service) -> None:
    """OBS-4: a range is read once for all who look, and again when there can be more of it."""
    made = Ranges(slow.store, "chat", slow.clock)
    first = made.get("1h")
    assert count(first) == 5
    reads = slow.store.reads  # type: ignore[attr-defined]  # a SlowStore
    assert all(made.get("1h") is first for _ in range(20))
    assert slow.store.reads == reads  # type: ignore[attr-defined]
    slow.workers[0].serve(2)
    slow.pass_time(30)
    eventually(lambda: count(made.get("1h")) == 7)


def test_the_past_does_not_change(slow: Service) -> None:
    """OBS-4: a range that ended is not read again and again."""
    made = Ranges(slow.store, "chat", slow.clock)
    first = made.get("", START, START + 60.0)
    slow.pass_time(300)
    reads = slow.store.reads  # type: ignore[attr-defined]
    assert made.get("", START, START + 60.0).view.totals == first.view.totals
    slow.pass_time(1)
    again = made.get("", START, START + 60.0)
    before = slow.store.reads  # type: ignore[attr-defined]
    assert made.get("", START, START + 60.0) is again
    assert slow.store.reads == before >= reads  # type: ignore[attr-defined]


def test_a_slow_store_shows_what_there_was(slow: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: while the store hangs a reader gets the last data with its age, soon; then the new."""
    monkeypatch.setattr(ranges, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(ranges, "LATER_WAIT", 0.05)
    store: Any = slow.store
    made = Ranges(store, "chat", slow.clock)
    store.gate.clear()
    nothing = made.get("1h")
    assert (nothing.at, nothing.view.note) == (0.0, "not read yet: it is still being read")
    assert nothing.view.widths
    store.gate.set()
    eventually(lambda: count(made.get("1h")) == 5)
    slow.pass_time(40)
    store.gate.clear()
    old = made.get("1h")
    assert (count(old), old.view.note) == (5, "as of 40s ago: it is still being read")
    store.gate.set()
    eventually(lambda: made.get("1h").view.note == "")


def test_a_broken_store_is_said_and_not_hammered(slow: Service) -> None:
    """X-3: what went wrong is in the note; the store is not asked again at once, however many look."""
    store: Any = slow.store
    made = Ranges(store, "chat", slow.clock)
    store.fault = StoreError("the disk is full")
    assert made.get("1h").view.note == "not read yet: the disk is full"
    reads = store.reads
    for _ in range(10):
        assert made.get("1h").view.note == "not read yet: the disk is full"
    assert store.reads == reads


def test_ranges_held_are_bounded(slow: Service) -> None:
    """Bounds: the range not asked for longest goes first, failures too."""
    made = Ranges(slow.store, "chat", slow.clock)
    for number in range(CACHED + 5):
        made.get("", START + number, START + number + 60.0)
    assert len(made._held) == CACHED
    for number in range(COURSES + 5):
        made.get("", START, START + 60.0, f"s{number}")
    assert len(made._held) == CACHED + COURSES
    store: Any = slow.store
    store.fault = StoreError("gone")
    for number in range(CACHED + 5):
        made.get("", START + 500 + number, START + number + 600.0)
    assert len(made._failed) == CACHED


def test_a_row_that_is_no_frame_is_an_error_with_advice(slow: Service) -> None:
    """X-3: garbage in the store is told in one line, whatever it looks like."""
    slow.store.write(slow.workers[0].info(), [StoredFrame(10, START, "x", b"garbage")], None)
    with pytest.raises(FanlightError, match="that are no frame"):
        read(slow.store, "chat", Span(START, START + 60, 10), START + 100.0, unpaced)
