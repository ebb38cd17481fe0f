"""Compaction: every coarse row is what the seconds in it add up to, whoever made it and however often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.course import START, Service, Worker

from fanlight.clock import ManualClock
from fanlight.core.frame import Frame
from fanlight.core.gauge import Gauge, Reading
from fanlight.errors import StoreError
from fanlight.stores.base import SERIES_KEPT, TIERS, InstanceInfo, Store, StoredFrame
from fanlight.stores.compaction import LEASE_SECONDS, MERGED, coarse, due, highest
from fanlight.stores.memory import MemoryStore
from fanlight.stores.own_seconds import unlabelled
from fanlight.stores.ranges import Ranges
from fanlight.stores.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")
    yield Service(store)
    store.close()


def test_every_tier_is_made_of_the_seconds(service: Service) -> None:
    """X-3: two workers' seconds are in every tier once, with their series, counters, records and levels."""
    service.workers.append(service.join())
    one, two = service.workers
    for number in range(14):
        one.serve(3 + number)
        two.serve(2, "/b", 500)
        two.serve(1, "/c", 200, 2_000)
        service.pass_time(10)
    for tier in (10, 60, 900, 21600):
        service.check(tier)
        row = service.rows(tier)[START]
        assert [key[1] for key in sorted(row.series["requests"])] == ["/a", "/b", "/c"]
        assert 0 < row.levels["cpu"] <= 12
        assert row.gauges == {}
        assert set(row.kept) == {"slow", "failed"}
    assert service.rows(10)[START].sources == {worker.recorder.instance: 10 for worker in service.workers}
    assert one.failures == two.failures == []


def test_only_one_instance_compacts(service: Service) -> None:
    """X-3: the second instance leaves it to the holder of the lease, and reads nothing meanwhile."""
    service.workers.append(service.join())
    service.pass_time(30)
    assert [worker.compactor.is_holder for worker in service.workers] == [True, False]


def test_the_next_holder_goes_on(service: Service) -> None:
    """X-3: when the holder is lost, another one goes on from what the store holds; nothing is missing or twice."""
    service.workers.append(service.join())
    for worker in service.workers:
        worker.serve(5)
    service.pass_time(95)
    lost = service.workers.pop(0)
    assert lost.compactor.is_holder
    service.workers[0].serve(7)
    service.pass_time(int(LEASE_SECONDS) + 130)
    assert service.workers[0].compactor.is_holder
    for tier in (10, 60, 900):
        service.check(tier)


def test_a_released_lease_is_taken_at_once(service: Service) -> None:
    """X-3: a holder that closes does not keep the next one waiting for the lease to end."""
    service.workers.append(service.join())
    service.pass_time(30)
    service.workers.pop(0).compactor.release()
    service.pass_time(12)
    assert service.workers[0].compactor.is_holder


def test_late_seconds_reopen_their_buckets(service: Service) -> None:
    """X-3: what an instance could not write for minutes is in every tier once it is written."""
    service.workers.append(service.join())
    late = service.workers[1]
    service.pass_time(35)
    late.late = True
    late.serve(9)
    service.pass_time(200)
    before = service.rows(60)[START + 60].totals.get("requests")
    service.settle()
    assert before is None or before.count < 9
    for tier in (10, 60, 900, 21600):
        service.check(tier)


def test_nothing_is_pruned_before_it_was_compacted(service: Service) -> None:
    """X-3: seconds that lay for an hour, with nobody to compact them, are in every tier before they go."""
    service.workers[0].serve(50)
    service.pass_time(100, compacting=False)
    service.workers = [service.join()]
    service.clock.advance(3600)
    service.pass_time(130)
    service.check(10)
    service.check(60)
    rows = service.rows(60)
    assert sum(row.totals["requests"].count for row in rows.values() if "requests" in row.totals) == 50
    assert all(row.bucket >= START + 3600 for row in service.store.frames("chat", 1, 0))


def test_a_long_backlog_is_made_in_turns(service: Service) -> None:
    """X-3: after a standstill each turn makes a bounded part, and the next comes at once."""
    service.pass_time(600, compacting=False)
    worker = service.workers[0]
    worker.own.forget(renamed=True, anew=False)
    worker.compactor.turn()
    assert len(service.rows(10)) == 20
    service.compact()
    assert len(service.rows(10)) == 40
    service.settle()
    for tier in (10, 60, 900, 21600):
        service.check(tier)


def test_a_clock_set_back_merges_what_comes_again(service: Service) -> None:
    """X-3: minutes that are lived twice hold both, in every tier, also when their seconds were pruned long ago."""
    one = service.workers[0]
    one.serve(10)
    service.pass_time(1_300)
    service.set_back(one, START + 100.0)
    one.serve(3)
    service.pass_time(1_400)
    for tier in (10, 60, 900, 21600):
        service.check(tier)
    assert len({instance for instance, _ in service.truth}) == 2


def counted(service: Service, tier: int) -> int:
    return sum(row.totals["requests"].count for row in service.rows(tier).values() if row.totals)


def test_a_day_lived_again_is_added_to_what_is_kept_of_it(service: Service) -> None:
    """X-3: of a day ago only minutes and coarser rows are left; the clock is set back to it, and loses none of them."""
    one = service.workers[0]
    one.serve(10)
    service.pass_time(700)
    service.clock.advance(86_400)
    one.serve(5)
    service.pass_time(1_000)
    service.set_back(one, START + 95.0)
    for _ in range(5):
        one.serve(3)
        service.pass_time(150)
        service.compact()
    assert [counted(service, tier) for tier in (60, 900, 21600)] == [30, 30, 30]
    now = service.clock.time_ns() / 1e9
    ranges = Ranges(service.store, "chat", service.clock)
    hour = ranges.get("", START, now)
    assert (hour.view.step, hour.view.totals["requests"].count) == (10, 25)
    week = ranges.get("", START - 5 * 86_400, now)
    assert (week.view.step, week.view.totals["requests"].count) == (900, 25)
    assert sum(point.count for point in week.view.points["requests"]) == 25


def test_seconds_of_one_whose_clock_is_hours_behind_replace_nothing(service: Service) -> None:
    """X-2, X-3: they are kept beside what was there, however often more of them come."""
    one, slow = service.workers[0], service.join()
    one.serve(10)
    service.pass_time(1_300)
    slow.recorder.clock = slow.clock = ManualClock(START + 60)
    service.clock.advance(7_200)
    for _ in range(4):
        for _ in range(20):
            slow.serve(1)
            slow.clock.advance(1.0)
            slow.second()
        service.pass_time(60)
    assert [counted(service, tier) for tier in (10, 60, 900, 21600)] == [90, 90, 90, 90]


def test_retention_is_enforced(service: Service) -> None:
    """X-3: seconds are there for fifteen minutes and no longer; tens keep their series for an hour."""
    service.workers[0].serve(10)
    service.pass_time(1_100)
    now = service.clock.time_ns() // 10**9
    seconds = [row.bucket for row in service.store.frames("chat", 1, 0)]
    assert now - TIERS[1] - 70 <= seconds[0] <= now - TIERS[1] + 1
    service.clock.advance(SERIES_KEPT[10])
    service.pass_time(70)
    assert not [row for row in service.store.frames("chat", 10, 0, START + 1_000) if row.series]
    assert service.store.frames("chat", 10, 0, START + 1_000)


def totals_of(service: Service) -> int:
    blobs = service.store.totals("chat").values()
    return sum(Frame.decode(blob).totals["requests"].count for blob in blobs if Frame.decode(blob).totals)


def test_the_last_seconds_of_a_lost_worker_stay_in_the_totals(service: Service) -> None:
    """X-3: what a killed worker had written after its last totals is added to them before it is pruned, once."""
    service.workers.append(service.join())
    lost = service.workers.pop()
    lost.serve(4)
    service.clock.advance(1.0)
    lost.second()
    lost.serve(3)
    service.clock.advance(1.0)
    frame = lost.recorder.take()
    service.store.write(lost.info(), [StoredFrame(1, frame.start, lost.recorder.instance, *frame.parts())], None)
    assert totals_of(service) == 4
    service.pass_time(200)
    assert totals_of(service) == 7
    service.pass_time(1_000)
    assert totals_of(service) == 7


def test_a_worker_lost_before_its_first_totals_counts(service: Service) -> None:
    """X-3: a worker killed in its first seconds has no totals at all; its seconds become them."""
    lost = service.join()
    lost.serve(6)
    service.clock.advance(1.0)
    frame = lost.recorder.take()
    service.store.write(lost.info(), [StoredFrame(1, frame.start, lost.recorder.instance, *frame.parts())], None)
    service.pass_time(200)
    assert totals_of(service) == 6


def test_a_row_that_cannot_be_read_is_left_out_and_told(service: Service) -> None:
    """X-3: garbage among the seconds costs that second alone, and is said."""
    service.workers[0].serve(5)
    service.pass_time(5)
    service.store.write(service.workers[0].info(), [StoredFrame(1, START + 3, "broken", b"garbage")], None)
    service.pass_time(70)
    assert "compaction" in service.workers[0].failures
    assert service.rows(60)[START].totals["requests"].count == 5


class FailingStore(MemoryStore):
    """A store that can be told to refuse coarse rows."""

    broken = False

    def write(self, info: InstanceInfo, frames: Any, totals: bytes | None) -> None:
        if self.broken and any(frame.tier > 1 for frame in frames):
            raise StoreError("the disk is full")
        super().write(info, frames, totals)


def test_a_write_that_failed_is_made_up_for() -> None:
    """X-3: what could not be written is made again from the store, and pruning waits for it."""
    store = FailingStore()
    service = Service(store)
    service.workers[0].serve(5)
    service.pass_time(30)
    store.broken = True
    service.workers[0].serve(5)
    for _ in range(1_000):
        try:
            service.pass_time(1)
        except StoreError:
            continue
    assert min(row.bucket for row in store.frames("chat", 1, 0)) < START + 40
    store.broken = False
    service.settle()
    for tier in (10, 60, 900, 21600):
        service.check(tier)


def test_without_seconds_in_the_store_the_memory_is_enough() -> None:
    """X-3: an instance alone, whose seconds are written nowhere, makes the tiers of what it remembers."""
    store, clock = MemoryStore(), ManualClock(START)
    worker = Worker(store, clock, [])
    worker.late = True
    worker.serve(5)
    for _ in range(130):
        clock.advance(1.0)
        worker.second()
        worker.compactor.turn()
    assert store.frames("chat", 1, 0) == []
    assert Frame.decode(*_parts(store, 60)).totals["requests"].count == 5


def _parts(store: Store, tier: int) -> tuple[bytes, bytes]:
    row = store.frames("chat", tier, 0)[0]
    return row.data, row.series


def test_what_is_due() -> None:
    """X-3: a bucket is made again when an instance has more seconds than were merged, never because of fewer."""
    observed = {10: {"a": 10, "b": 3}, 20: {"a": 10}, 30: {"a": 1}, 40: {"a": 2}}
    merged = {10: {"a": 10, "b": 2}, 20: {"a": 10, "gone": 7}, 40: {"a": 9}}
    assert due(observed, merged) == [10, 30]


def test_levels_are_combined_before_the_highest_is_taken() -> None:
    """X-3: sources add up within a second, a silent one counts a moment longer, labelled gauges stay out."""
    first = Frame(1, 2)
    first.gauges = {("memory", ""): Gauge("sum", {"a": Reading(1.0, 5.0)}), ("users", "x"): Gauge("sum")}
    memory = [
        (1, unlabelled(first)),
        (1, {"memory": Gauge("sum", {"b": Reading(1.0, 7.0)})}),
        (2, {"memory": Gauge("sum", {"a": Reading(2.0, 1.0)})}),
        (9, {"memory": Gauge("sum", {"a": Reading(9.0, 9.0)})}),
    ]
    assert highest(reversed(memory)) == {"memory": 12.0}
    assert highest(memory[2:]) == {"memory": 9.0}


def test_coarse_frames_are_associative() -> None:
    """X-3: minutes made of tens and quarters made of minutes are what quarters made of tens would be."""
    tens = []
    for number in range(12):
        ten = Frame(START + number * 10, START + number * 10 + 10)
        ten.counters["n"], ten.sources, ten.levels = number, {"a": 10}, {"cpu": float(number)}
        tens.append(coarse(10, ten.start, [ten]))
    minutes = [coarse(60, START, tens[:6]), coarse(60, START + 60, tens[6:])]
    whole = coarse(900, START, minutes)
    assert whole == coarse(900, START, tens)
    assert (whole.end, whole.counters, whole.levels) == (START + 120, {"n": 66}, {"cpu": 11.0})
    assert whole.sources == {MERGED: 120}


STEPS = st.one_of(
    st.tuples(st.just("serve"), st.integers(0, 2), st.integers(1, 5)),
    st.tuples(st.just("pass"), st.integers(1, 40)),
    st.tuples(st.just("idle"), st.integers(1, 40)),
    st.tuples(st.just("late"), st.integers(0, 2)),
    st.tuples(st.just("catch up"), st.integers(0, 2)),
    st.tuples(st.just("replace"), st.integers(0, 2)),
)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEPS, min_size=3, max_size=14))
def test_any_course_of_events_ends_in_the_truth(steps: list[Any]) -> None:
    """X-3: whatever is served, delayed, lost and taken over, in the end every tier holds every second written once."""
    service = Service()
    service.workers += [service.join(), service.join()]
    for operation, *values in steps:
        if operation == "pass":
            service.pass_time(values[0])
        elif operation == "idle":
            service.pass_time(values[0], compacting=False)
        else:
            worker = service.workers[values[0]]
            if operation == "serve":
                worker.serve(values[1], f"/{values[0]}", 500)
            elif operation == "late":
                worker.late = True
            elif operation == "catch up":
                worker.late = False
            elif not worker.delayed:  # what it had not written is lost with it
                service.workers[values[0]] = service.join()
    service.settle()
    service.pass_time(int(LEASE_SECONDS))
    service.settle()
    for tier in (10, 60, 900, 21600):
        service.check(tier)
