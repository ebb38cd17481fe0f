"""capture.system: what the process, its machine, its loops and its collector say of themselves."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import psutil
import pytest

from fanlight.capture.process import CpuTimes, Memory, PsutilReadings
from fanlight.capture.system import BEAT_SECONDS, GcMonitor, LoopMonitor, SystemSampler
from fanlight.clock import ManualClock, SystemClock
from fanlight.core.recorder import Recorder, Sample


class FakeReadings:
    """Readings that are what a test sets."""

    def __init__(self) -> None:
        self.process_cpu = 1.0
        self.thread_cpu = 0.5
        self.cpu = CpuTimes(busy=10.0, total=100.0)
        self.fds: int | None = 7
        self.broken: set[str] = set()

    def _give(self, kind: str, value: Any) -> Any:
        if kind in self.broken:
            raise PermissionError(kind)
        return value

    def process_cpu_seconds(self) -> float:
        return float(self._give("process_cpu", self.process_cpu))

    def thread_cpu_seconds(self) -> float:
        return float(self._give("thread_cpu", self.thread_cpu))

    def machine_cpu(self) -> CpuTimes:
        return CpuTimes(*self._give("machine_cpu", self.cpu))

    def process_memory_bytes(self) -> int:
        return int(self._give("process_memory", 250))

    def machine_memory(self) -> Memory:
        return Memory(*self._give("machine_memory", Memory(1000, 400, 60.0)))

    def threads(self) -> int:
        return int(self._give("threads", 3))

    def open_fds(self) -> int | None:
        return self._give("open_fds", self.fds)  # type: ignore[no-any-return]


KINDS = {"process_cpu", "thread_cpu", "machine_cpu", "process_memory", "machine_memory", "threads", "open_fds"}


def values(samples: Iterable[Sample]) -> dict[str, float | None]:
    return {sample.name: sample.value for sample in samples}


def failures(recorder: Recorder) -> int:
    return recorder.take().counters.get("fanlight.failures", 0)


def test_every_gauge_is_sampled_with_its_merge_and_source() -> None:
    """API-7: process and machine CPU and memory, threads and descriptors, each merged as it must be over workers."""
    clock, readings = ManualClock(), FakeReadings()
    sampler = SystemSampler(Recorder(clock), clock, lambda: readings)
    clock.advance(2)
    readings.process_cpu, readings.thread_cpu, readings.cpu = 2.0, 0.51, CpuTimes(11.0, 104.0)
    found = {(s.name, s.merge, s.source): s.value for s in sampler()}
    assert found == {
        ("process.cpu.percent", "sum", "instance"): pytest.approx(50.0),
        ("system.cpu.percent", "max", "host"): pytest.approx(25.0),
        ("fanlight.cpu.percent", "sum", "instance"): pytest.approx(0.5),
        ("process.threads", "sum", "instance"): 3,
        ("process.open_fds", "sum", "instance"): 7,
        ("process.memory.bytes", "sum", "instance"): 250,
        ("process.memory.percent", "sum", "instance"): 25.0,
        ("system.memory.percent", "max", "host"): 60.0,
        ("system.memory.available.bytes", "min", "host"): 400,
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_unreadable_value_is_na_and_one_failure(kind: str) -> None:
    """API-7: what cannot be read is None, never an error, and counts once per kind, not once per second."""
    clock, readings = ManualClock(), FakeReadings()
    recorder = Recorder(clock)
    sampler = SystemSampler(recorder, clock, lambda: readings)
    readings.broken = {kind}
    for _ in range(5):
        clock.advance(1)
        readings.cpu = CpuTimes(readings.cpu.busy, readings.cpu.total + 2)
        found = values(sampler())
    assert failures(recorder) == 1
    assert kind in recorder.last_failure
    missing = {name for name, value in found.items() if value is None}
    assert (
        missing
        == {
            "process_cpu": {"process.cpu.percent"},
            "thread_cpu": {"fanlight.cpu.percent"},
            "machine_cpu": {"system.cpu.percent"},
            "process_memory": {"process.memory.bytes", "process.memory.percent"},
            "machine_memory": {"process.memory.percent", "system.memory.percent", "system.memory.available.bytes"},
            "threads": {"process.threads"},
            "open_fds": {"process.open_fds"},
        }[kind]
    )


def test_a_value_that_can_be_read_again_comes_back() -> None:
    """API-7: N/A lasts no longer than its cause."""
    clock, readings = ManualClock(), FakeReadings()
    sampler = SystemSampler(Recorder(clock), clock, lambda: readings)
    readings.broken = set(KINDS)
    clock.advance(1)
    assert set(values(sampler()).values()) == {None}
    readings.broken = set()
    list(sampler())
    clock.advance(1)
    readings.cpu = CpuTimes(10.5, 101.0)
    assert None not in values(sampler()).values()


def test_no_readings_at_all_is_na() -> None:
    """API-7: a machine that refuses everything leaves a dashboard that works."""

    def refuse() -> FakeReadings:
        raise psutil.AccessDenied

    recorder = Recorder(ManualClock())
    sampler = SystemSampler(recorder, recorder.clock, refuse)
    assert set(values(sampler()).values()) == {None}
    assert failures(recorder) == 1


def test_platforms_without_descriptors_say_na_and_fail_nothing() -> None:
    """API-7: a platform that has no file descriptors is no failure."""
    clock, readings = ManualClock(), FakeReadings()
    readings.fds = None
    recorder = Recorder(clock)
    assert values(SystemSampler(recorder, clock, lambda: readings)())["process.open_fds"] is None
    assert failures(recorder) == 0


def test_a_fork_starts_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-2: a forked worker reads its own process and compares nothing with its parent's."""
    made: list[FakeReadings] = []

    def make() -> FakeReadings:
        made.append(FakeReadings())
        return made[-1]

    clock = ManualClock()
    sampler = SystemSampler(Recorder(clock), clock, make)
    clock.advance(1)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert values(sampler())["process.cpu.percent"] is None
    assert len(made) == 2
    clock.advance(1)
    made[1].process_cpu += 0.25
    assert values(sampler())["process.cpu.percent"] == pytest.approx(25.0)


def test_another_thread_is_not_compared_with_the_last_one() -> None:
    """X-9: Fanlight's own CPU is that of the thread that samples, from its second sample on."""
    clock, readings = ManualClock(), FakeReadings()
    sampler = SystemSampler(Recorder(clock), clock, lambda: readings)
    found: list[float | None] = []

    def sample_twice() -> None:
        for _ in range(2):
            clock.advance(1)
            readings.thread_cpu += 0.25
            found.append(values(sampler())["fanlight.cpu.percent"])

    thread = threading.Thread(target=sample_twice)
    thread.start()
    thread.join()
    assert found == [None, pytest.approx(25.0)]


def test_the_real_readings_are_plausible() -> None:
    """API-7: this process and this machine can be read."""
    readings = PsutilReadings()
    total, available, percent = readings.machine_memory()
    assert 0 < readings.process_memory_bytes() < total
    assert 0 < available < total
    assert 0 < percent < 100
    assert readings.threads() >= threading.active_count()
    assert (readings.open_fds() or 3) >= 3
    assert readings.process_cpu_seconds() >= readings.thread_cpu_seconds() > 0
    busy, whole = readings.machine_cpu()
    assert 0 < busy < whole


def test_samples_reach_the_frame() -> None:
    """API-7: what is sampled is in the frame, and what is N/A is not."""
    clock, readings = ManualClock(), FakeReadings()
    readings.fds = None
    recorder = Recorder(clock)
    recorder.samplers.append(SystemSampler(recorder, clock, lambda: readings))
    clock.advance(1)
    gauges = recorder.take().gauges
    assert gauges[("process.threads", "")].value() == 3
    assert ("process.open_fds", "") not in gauges


class FakeLoop:
    """A loop whose timers fire when a test says so."""

    def __init__(self) -> None:
        self.timers: list[Callable[[], None]] = []
        self.closed = False
        self.runs = True

    def is_closed(self) -> bool:
        return self.closed

    def is_running(self) -> bool:
        return self.runs

    def call_later(self, _delay: float, callback: Callable[[], None], *, context: Any) -> None:
        self.timers.append(lambda: context.run(callback))

    def call_soon_threadsafe(self, callback: Callable[[], None], *, context: Any) -> None:
        context.run(callback)

    def fire(self) -> None:
        self.timers.pop()()


def attached(clock: ManualClock) -> tuple[LoopMonitor, FakeLoop]:
    monitor, loop = LoopMonitor(clock), FakeLoop()
    monitor.attach(loop)  # type: ignore[arg-type]
    return monitor, loop


def test_lag_is_the_worst_since_the_last_sample() -> None:
    """TTY-3: a late timer is the loop's lag; a sample takes the worst and starts anew."""
    clock = ManualClock()
    monitor, loop = attached(clock)
    for late in (0.01, 0.3, 0.02):
        clock.advance(BEAT_SECONDS + late)
        loop.fire()
    (sample,) = monitor()
    assert sample._replace(value=None) == Sample("event_loop.lag.seconds", "", None, "max", "instance")
    assert sample.value == pytest.approx(0.3)
    assert monitor()[0].value == 0


def test_a_block_that_still_lasts_is_seen() -> None:
    """TTY-3: a loop that hangs now is late now, not only once it is free again."""
    clock = ManualClock()
    monitor, _ = attached(clock)
    clock.advance(BEAT_SECONDS + 5)
    assert monitor()[0].value == pytest.approx(5)


def test_an_early_timer_is_no_lag() -> None:
    """TTY-3: a timer a loop rounds down is not a negative lag."""
    clock = ManualClock()
    monitor, loop = attached(clock)
    clock.advance(BEAT_SECONDS - 0.001)
    loop.fire()
    assert monitor()[0].value == 0


def test_a_loop_that_stands_still_or_is_closed_says_nothing() -> None:
    """TTY-6: a loop nobody runs has no lag, and none is shown."""
    clock = ManualClock()
    monitor, loop = attached(clock)
    loop.runs = False
    clock.advance(60)
    assert monitor() == []
    loop.runs, loop.closed = True, True
    assert monitor() == []


def test_each_loop_counts_once_and_the_worst_of_many_shows() -> None:
    """TTY-3: attaching again changes nothing; with many loops the worst is the lag."""
    clock = ManualClock()
    monitor, first = attached(clock)
    monitor.attach(first)  # type: ignore[arg-type]
    assert len(first.timers) == 1
    clock.advance(BEAT_SECONDS)
    first.fire()
    second = FakeLoop()
    monitor.attach(second)  # type: ignore[arg-type]
    clock.advance(BEAT_SECONDS + 0.5)
    first.fire()
    clock.advance(0.25)
    second.fire()
    assert monitor()[0].value == pytest.approx(0.75)


def test_a_fork_forgets_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-2: the copy of a loop that a fork leaves behind is not watched."""
    clock = ManualClock()
    monitor, _ = attached(clock)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    clock.advance(9)
    assert monitor() == []


def test_detaching_or_dropping_the_monitor_ends_its_timers() -> None:
    """TTY-6: nothing is scheduled any more once nobody asks."""
    clock = ManualClock()
    monitor, loop = attached(clock)
    monitor.detach()
    loop.fire()
    assert loop.timers == []
    monitor.attach(loop)  # type: ignore[arg-type]
    del monitor
    gc.collect()
    loop.fire()
    assert loop.timers == []


def test_a_closed_loop_is_left_alone() -> None:
    """TTY-6: attaching to a closed loop does nothing and raises nothing."""
    loop = asyncio.new_event_loop()
    loop.close()
    monitor = LoopMonitor(SystemClock())
    monitor.attach(loop)
    assert monitor() == []


def test_a_real_loop_is_watched_and_ends_without_a_word() -> None:
    """TTY-6: on asyncio's own loop, in its debug mode, nothing warns, blocks its end or keeps it alive."""
    monitor = LoopMonitor(SystemClock())

    async def main() -> tuple[list[Sample], weakref.ref[asyncio.AbstractEventLoop]]:
        monitor.attach()
        return monitor(), weakref.ref(asyncio.get_running_loop())

    samples, loop = asyncio.run(main(), debug=True)
    gc.collect()
    assert [sample.name for sample in samples] == ["event_loop.lag.seconds"]
    assert monitor() == []
    assert loop() is None


def test_a_loop_can_be_attached_from_another_thread() -> None:
    """TTY-3: the pulse may attach the serving loop."""
    monitor = LoopMonitor(SystemClock())

    async def main() -> list[Sample]:
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(monitor.attach, loop)
        return monitor()

    assert len(asyncio.run(main())) == 1


def test_gc_pauses_and_collections_are_seen() -> None:
    """TTY-3: the worst pause since the last sample, and how many there were."""
    clock = ManualClock()
    recorder = Recorder(clock)
    monitor = GcMonitor(recorder, clock)
    for pause in (0.25, 0.5, 0.125):
        monitor._collected("start", {})
        clock.advance(pause)
        monitor._collected("stop", {})
    assert monitor() == [Sample("gc.pause.seconds", "", 0.5, "max", "instance")]
    assert monitor()[0].value == 0
    assert recorder.take().counters["gc.collections"] == 3


def test_an_end_without_a_start_is_no_pause() -> None:
    """TTY-6: starting in the middle of a collection measures nothing."""
    monitor = GcMonitor(Recorder(ManualClock()), ManualClock())
    monitor._collected("stop", {})
    assert monitor()[0].value == 0


def test_the_collector_is_listened_to_until_close() -> None:
    """TTY-6: start and close are idempotent and leave the interpreter as it was."""
    before = list(gc.callbacks)
    recorder = Recorder(SystemClock())
    monitor = GcMonitor(recorder, SystemClock())
    monitor.start()
    monitor.start()
    gc.collect()
    monitor.close()
    monitor.close()
    assert gc.callbacks == before
    value = monitor()[0].value
    assert value is not None
    assert value > 0
    assert recorder.take().counters["gc.collections"] >= 1


def test_what_other_threads_of_ours_spend_is_part_of_our_cost() -> None:
    """X-9: rendering runs on threads of its own, and its CPU is shown with the pulse's."""
    clock, spent = ManualClock(), [0.0]
    sampler = SystemSampler(Recorder(clock), clock, elsewhere=lambda: spent[0])
    clock.advance(1.0)
    spent[0] = 0.5
    (own,) = [sample.value for sample in sampler() if sample.name == "fanlight.cpu.percent"]
    assert own is not None
    assert own >= 50.0
