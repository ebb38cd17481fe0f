"""Fleet: every instance shows the same truth, from whichever one looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fanlight.clock import ManualClock
from fanlight.core.facts import LOG, REQUEST
from fanlight.core.frame import KEPT_LIMITS, Frame
from fanlight.core.pacer import unpaced
from fanlight.core.recorder import Recorder
from fanlight.core.series import BUCKET
from fanlight.core.timeline import SPAN, View
from fanlight.core.totals import Totals, totals
from fanlight.core.window import Window
from fanlight.errors import StoreError
from fanlight.stores import MemoryStore, open_store
from fanlight.stores.base import InstanceInfo, Store
from fanlight.stores.fleet import Fleet
from fanlight.stores.writer import StoreWriter


class StillPulse:
    """A pulse that never ticks by itself."""

    version = 0

    def refresh(self) -> None:
        """Nothing to do: the tests tick."""


class Worker:
    """One instance of a service on a shared store, ticked by hand."""

    def __init__(self, store: Store, clock: ManualClock, service: str = "chat") -> None:
        self.clock = clock
        self.store = store
        self.service = service
        self.recorder = Recorder(clock)
        self.writer = StoreWriter(store, clock=clock)
        self.fleet = self.follower()
        self.apart = self.follower()
        self.apart._joint, self.apart._joined_until = Window(self.recorder.started), 2**62

    def follower(self) -> Fleet:
        """A fleet of this instance; `apart` has two windows from its start to its end: what the other must show."""
        own = Window(self.recorder.started)
        return Fleet(self.store, self.writer, self.recorder, StillPulse(), self.info, self.clock, own)

    def info(self) -> InstanceInfo:
        now = self.clock.time_ns() / 1e9
        recorder = self.recorder
        return InstanceInfo(self.service, recorder.instance, "host", 1, "1.0", recorder.started, now)

    def serve(self, count: int, status: int = 200, path: str = "/a") -> None:
        for _ in range(count):
            seq, at = self.recorder.next_seq(), self.recorder.clock.monotonic_ns()
            self.recorder.append((REQUEST, seq, at, 5_000_000, 1, "GET", path, "", status, 0, path, "id", None))

    def close_second(self) -> None:
        """What the pulse does when a second is over."""
        frame = self.recorder.take()
        self.recorder.commit(frame)
        self.fleet.add(frame, unpaced)
        self.apart.add(frame, unpaced)
        self.fleet.publish(frame, unpaced)
        assert self.writer.flush()

    def log(self, text: str) -> None:
        at, wall = self.clock.monotonic_ns(), self.clock.time_ns()
        self.recorder.append((LOG, self.recorder.next_seq(), at, wall, 20, "INFO", "shop", text, "a.py", 1, ""))

    def look(self) -> View:
        """What the fleet shows, the same as if it had kept two windows all the time."""
        for fleet in (self.fleet, self.apart):
            fleet.follow()
            assert not fleet.error
        now = self.clock.time_ns() / 1e9
        shown = self.fleet.window.view(now)
        assert shown == self.apart.window.view(now)
        return shown

    @property
    def holds_two(self) -> bool:
        """Whether the fleet keeps a window beside the instance's own."""
        return self.fleet.window is not self.fleet._own

    def totals(self) -> Totals:
        self.fleet.follow()
        assert not self.fleet.error
        return totals(self.fleet.total_frames())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def join(tmp_path: Path, clock: ManualClock) -> Callable[..., Worker]:
    def make(service: str = "chat") -> Worker:
        return Worker(open_store(f"sqlite:////{tmp_path}/fleet.db".replace("////", "///", 1)), clock, service)

    return make


def tick(clock: ManualClock, *workers: Worker) -> None:
    clock.advance(1.0)
    for worker in workers:
        worker.close_second()


def test_two_workers_show_one_total(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: whichever worker is asked, the totals are those of both."""
    one, two = join(), join()
    one.serve(7)
    two.serve(5, 500)
    tick(clock, one, two)
    for worker in (one, two):
        family = worker.totals().family("requests")
        assert (family.count, family.errors) == (12, 5)


def test_nothing_is_counted_twice_however_often_one_follows(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: following again, before and after more seconds, never adds what was added before."""
    one, two = join(), join()
    for expected in (3, 6, 9):
        two.serve(3)
        tick(clock, one, two)
        assert one.totals().family("requests").count == expected
        assert one.totals().family("requests").count == expected


def test_a_late_comer_sees_what_was_before(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: a worker that starts later has the earlier ones' totals and their last fifteen minutes."""
    one = join()
    for _ in range(4):
        one.serve(2)
        tick(clock, one)
    late = join()
    tick(clock, one, late)
    assert late.totals().family("requests").count == 8
    assert late.fleet.window.view(clock.time_ns() / 1e9).totals["requests"].count == 8


def test_percentiles_are_those_of_one_merged_histogram(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: percentiles come from merged counts and are never averaged."""
    one, two = join(), join()
    one.serve(100)
    two.serve(50)
    tick(clock, one, two)
    one.fleet.follow()
    merged = Frame(0, 0)
    for worker in (one, two):
        merged.add(worker.recorder.totals)
    figures = one.fleet.window.view(clock.time_ns() / 1e9).totals["requests"]
    assert figures.p95 == merged.totals["requests"].quantiles([0.95])[0]


def test_one_alone_keeps_one_window(join: Callable[..., Worker], clock: ManualClock) -> None:
    """Issue 2, memory: a fleet of one shows the instance's own window, and keeps no second one."""
    one = join()
    for count in range(30):
        one.serve(count)
        tick(clock, one)
        one.look()
    assert not one.holds_two


def test_an_instance_appears_and_goes(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2, memory: nothing is lost or counted twice when another comes, and when its last second is over."""
    one = join()
    for _ in range(25):
        one.serve(2)
        tick(clock, one)
    assert one.look().totals["requests"].count == 50
    two = join()
    for _ in range(5):
        one.serve(2)
        two.serve(1, 500)
        tick(clock, one, two)
        one.look()
    shown = one.look().totals["requests"]
    assert (shown.count, shown.errors) == (65, 5)
    assert one.holds_two
    two.fleet.close()
    for second in range(SPAN + 2 * BUCKET):
        one.serve(2)
        tick(clock, one)
        if second % 50 == 0 or second > SPAN - BUCKET:
            one.look()
    assert not one.holds_two
    assert one.look().totals["requests"].errors == 0


def test_several_appear_at_once_and_one_comes_back(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2, memory: two that are found at one look, one of them silent for a while, are each counted once."""
    one, two, three = join(), join(), join()
    for second in range(70):
        for worker in (one, two, three):
            worker.serve(second % 3)
        tick(clock, one, two, three)
    assert one.look().totals["requests"].count == 3 * sum(second % 3 for second in range(70))
    for _ in range(SPAN + 2 * BUCKET):
        one.serve(1)
        tick(clock, one)
    assert not one.holds_two
    two.serve(5)
    tick(clock, one, two)
    before = one.fleet.window.view(clock.time_ns() / 1e9).totals["requests"].count
    assert one.look().totals["requests"].count == before + 5
    assert one.holds_two


@pytest.mark.parametrize("ahead", [-40, -3, 4, 70, 2 * SPAN])
def test_an_instance_whose_clock_is_elsewhere(join: Callable[..., Worker], clock: ManualClock, ahead: int) -> None:
    """X-2, memory: of one whose clock is ahead or behind the fleet shows what two windows all the time would show."""
    one, odd = join(), join()
    odd.clock = odd.recorder.clock = ManualClock(clock.time_ns() / 1e9 + ahead)
    for _ in range(30):
        one.serve(1)
        odd.serve(1)
        odd.clock.advance(1.0)
        tick(clock, one, odd)
        one.look()
    for second in range(abs(ahead) + SPAN + 30):
        one.serve(1)
        tick(clock, one)
        if second % 61 == 0:
            one.look()
    one.look()
    assert not one.holds_two


def test_one_whose_clock_is_far_ahead_pushes_nothing_out(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2, issue 3: its seconds count in the totals; the window goes on showing those whose clock is right."""
    one, odd = join(), join()
    odd.clock = odd.recorder.clock = ManualClock(clock.time_ns() / 1e9 + 86_400)
    for _ in range(5):
        one.serve(2)
        odd.serve(1)
        odd.clock.advance(1.0)
        tick(clock, one, odd)
        assert one.totals().family("requests").count == 3 * one.recorder.totals.totals["requests"].count // 2
    assert one.look().totals["requests"].count == 10


def test_one_killed_before_the_clock_was_set_back_is_gone(join: Callable[..., Worker], clock: ManualClock) -> None:
    """HUB-7, issue 3: its last word is from the future then; no action waits for it."""
    one, killed = join(), join()
    tick(clock, one, killed)
    clock.set_wall(clock.time_ns() / 1e9 - 3_600)
    one.fleet.follow()
    live = {instance.id: instance.live for instance in one.fleet.instances()}
    assert live == {one.recorder.instance: True, killed.recorder.instance: False}


@pytest.mark.parametrize("call", ["write", "instances"])
def test_a_store_that_fails_makes_nobody_gone(
    join: Callable[..., Worker], clock: ManualClock, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """HUB-7, issue 3: while nobody's word can be stored or read, those who lived when it began count as alive."""
    one, two = join(), join()
    tick(clock, one, two)
    one.fleet.follow()

    def full(*_arguments: object) -> None:
        raise StoreError("the disk is full")

    for worker in (one, two):
        monkeypatch.setattr(worker.store, call, full)
    one.serve(1)
    for _ in range(40):
        clock.advance(1.0)
        for worker in (one, two):
            worker.fleet.publish(worker.recorder.take(), unpaced)
        one.fleet.follow()
    assert [instance.live for instance in one.fleet.instances()] == [True, True]
    monkeypatch.undo()
    assert one.writer.flush()
    clock.advance(10)
    one.close_second()
    one.fleet.follow()
    assert [instance.live for instance in one.fleet.instances()] == [True, False]


def test_log_lines_of_one_that_is_gone_stay(join: Callable[..., Worker], clock: ManualClock) -> None:
    """HUB-10, memory: lines of one that ended stay until newer ones push them out, and with them the second window."""
    one, two = join(), join()
    two.log("its last words")
    tick(clock, one, two)
    one.look()
    for _ in range(SPAN + 2 * BUCKET):
        tick(clock, one)
    assert [line.data["message"] for line in one.look().kept["logs"]] == ["its last words"]
    assert one.holds_two
    for number in range(KEPT_LIMITS["logs"]):
        one.log(f"line {number}")
    tick(clock, one)
    assert len(one.look().kept["logs"]) == KEPT_LIMITS["logs"]
    assert not one.holds_two


def test_seconds_that_end_while_another_is_joined_count_once(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: the pulse goes on while the windows part; whichever thread is first, each second is in the new one once."""
    one, two = join(), join()
    two.serve(1)
    for route in range(100):
        one.serve(1, path=f"/{route}")
    tick(clock, one, two)
    parting = threading.Event()

    def slowly() -> None:
        parting.set()
        threading.Event().wait(0.0005)

    def pulse() -> None:
        assert parting.wait(30)
        for _ in range(50):
            one.serve(1)
            tick(clock, one)

    one.fleet._hurried.breathe = slowly  # type: ignore[method-assign]  # a copy that takes a while
    thread = threading.Thread(target=pulse)
    thread.start()
    one.fleet.follow()
    thread.join(30)
    assert one.holds_two
    assert one.look().totals["requests"].count == 151


def test_who_waits_is_not_kept_waiting_by_pauses(
    join: Callable[..., Worker], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OBS-4: for a first look and for a reader the others' seconds are read with fewer pauses than behind viewers."""
    monkeypatch.setattr("fanlight.stores.fleet.FRESH_SECONDS", 0.0)
    one, two = join(), join()
    paces = list[str]()
    for pace in ("calm", "hurried"):
        getattr(one.fleet, f"_{pace}").breathe = partial(paces.append, pace)
    read = list[set[str]]()
    for look in (one.fleet.follow, one.fleet.follow, one.fleet.refresh):
        two.serve(1)
        tick(clock, one, two)
        look()
        read.append(set(paces))
        paces.clear()
    assert read == [{"hurried"}, {"calm"}, {"hurried"}]


def test_an_instance_is_known_before_its_first_second_is_over(join: Callable[..., Worker], clock: ManualClock) -> None:
    """HUB-7, X-2: an action that runs everywhere is for a worker that has just started, too."""
    one, two = join(), join()
    two.fleet.announce()
    assert two.writer.flush()
    one.fleet.follow()
    assert {instance.id for instance in one.fleet.instances()} == {one.recorder.instance, two.recorder.instance}


def test_services_are_never_merged(join: Callable[..., Worker], clock: ManualClock) -> None:
    """Two services on one store stay two."""
    one, other = join("chat"), join("mail")
    one.serve(2)
    other.serve(40)
    tick(clock, one, other)
    assert one.totals().family("requests").count == 2
    assert [instance.id for instance in one.fleet.instances()] == [one.recorder.instance]


def test_an_instance_that_is_gone_stays_in_the_totals(join: Callable[..., Worker], clock: ManualClock) -> None:
    """HUB-10: what a worker counted before it ended still counts since the first start, no longer since this one."""
    one, two = join(), join()
    two.serve(4)
    tick(clock, one, two)
    two.fleet.close()
    assert two.writer.flush()
    one.serve(1)
    tick(clock, one)
    assert one.totals().family("requests").count == 5
    assert totals(one.fleet.run_frames()).family("requests").count == 1
    gone = {instance.id: instance.live for instance in one.fleet.instances()}
    assert gone == {one.recorder.instance: True, two.recorder.instance: False}


def test_a_retired_instance_is_counted_once(join: Callable[..., Worker], clock: ManualClock) -> None:
    """HUB-10: when the store sums up an instance that is gone for good, the total stays what it was."""
    one, two = join(), join()
    two.serve(4)
    tick(clock, one, two)
    assert one.totals().family("requests").count == 4
    two.fleet.close()
    assert two.writer.flush()
    clock.advance(3600)
    one.serve(1)
    tick(clock, one)
    one.fleet._store.prune("chat", clock.time_ns() / 1e9)
    assert one.totals().family("requests").count == 5
    third = join()
    tick(clock, one, third)
    assert third.totals().family("requests").count == 5


def test_a_broken_store_is_said_and_hurts_nothing(join: Callable[..., Worker], clock: ManualClock) -> None:
    """A store that cannot be read leaves the numbers there are and says why."""
    one = join()
    one.serve(2)
    tick(clock, one)
    one.fleet._store.close()
    one.fleet.follow()
    assert "closed" in one.fleet.error
    assert totals(one.fleet.total_frames()).family("requests").count == 2


def test_totals_are_exact_between_two_writes_of_them(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: totals are written every ten seconds; whoever reads adds the seconds since, early or late."""
    one, two = join(), join()
    two.totals()
    for second in range(25):
        one.serve(second)
        tick(clock, one, two)
    written = Frame.decode(one.fleet._store.totals("chat")[one.recorder.instance])
    assert written.totals["requests"].count < sum(range(25))
    for reader in (two, join()):
        assert reader.totals().family("requests").count == sum(range(25))


def test_a_killed_worker_loses_nothing_it_had_written(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: after kill -9 (no goodbye, no last totals) what it wrote counts, an hour later still, for a new worker."""
    killed = join()
    for _ in range(7):
        killed.serve(3)
        tick(clock, killed)
    clock.advance(3600)
    late = join()
    tick(clock, late)
    assert late.totals().family("requests").count == 21


def test_a_clean_end_writes_the_last_totals(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: who says goodbye leaves totals that need no seconds beside them."""
    one = join()
    for _ in range(4):
        one.serve(2)
        tick(clock, one)
    one.fleet.close()
    assert one.writer.flush()
    assert Frame.decode(one.fleet._store.totals("chat")[one.recorder.instance]).totals["requests"].count == 8
    assert join().totals().family("requests").count == 8


def test_totals_are_read_again_after_a_gap(join: Callable[..., Worker], clock: ManualClock) -> None:
    """X-2: when seconds of an instance were lost on their way, its next totals put the sum right."""
    one, two = join(), join()
    tick(clock, one, two)
    two.totals()
    for _ in range(70):  # seconds that a full queue dropped
        one.serve(1)
        clock.advance(1.0)
        one.recorder.commit(one.recorder.take())
    for _ in range(11):
        one.serve(1)
        tick(clock, one, two)
    assert two.totals().family("requests").count == 81


class FailingStore(MemoryStore):
    """A store whose reads fail while it is told to, and are counted."""

    failing = False
    reads = 0

    def instances(self, service: str) -> list[InstanceInfo]:
        self.reads += 1
        if self.failing:
            raise StoreError("the store gave no answer")
        return super().instances(service)


def test_readers_do_not_queue_before_a_store_that_fails(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: after a failed read readers take what there is for a while; the follower finds out when it is over."""
    store = FailingStore()
    worker = Worker(store, clock)
    store.failing = True
    for _ in range(20):
        worker.fleet.refresh()
    assert store.reads == 1
    assert worker.fleet.history() == "the store gave no answer"
    store.failing = False
    worker.fleet.follow()
    assert worker.fleet.history() == ""
    monkeypatch.setattr("fanlight.stores.fleet.FRESH_SECONDS", 0.0)
    worker.fleet.refresh()
    assert store.reads == 3


def test_a_reader_waits_for_another_only_so_long(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: while a read hangs the others take the numbers there are."""
    monkeypatch.setattr("fanlight.stores.fleet.REFRESH_SECONDS", 0.01)
    store = FailingStore()
    worker = Worker(store, clock)
    with worker.fleet._following:
        worker.fleet.refresh()
    assert store.reads == 0
    worker.fleet.refresh()
    assert store.reads == 1
