"""Samplers of the process, its machine, its event loops and its garbage collector."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, Final, TypeVar

from fanlight.capture.process import PsutilReadings, Readings
from fanlight.clock import Clock
from fanlight.core.recorder import Recorder, Sample

T = TypeVar("T")

BEAT_SECONDS: Final = 0.25
"""How often an event loop is asked whether it is late."""

LAG_LIMIT: Final = 1000
"""Beats kept between two samples; older ones go first, so a dead pulse costs nothing."""


class SystemSampler:
    """CPU, memory, threads and file descriptors, as samples; what cannot be read has the value None.

    Called on the pulse's thread, whose own CPU it reports as `fanlight.cpu.percent`, together with what `elsewhere`
    says
    other threads of Fanlight have spent (CPU seconds so far). About 50 µs a call. A kind that
    cannot be read counts as one failure, however long that lasts. After a fork it starts afresh.
    """

    def __init__(
        self,
        recorder: Recorder,
        clock: Clock,
        readings: Callable[[], Readings] = PsutilReadings,
        elsewhere: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._recorder = recorder
        self._elsewhere = elsewhere
        self._clock = clock
        self._make_readings = readings
        self._restart()

    def _restart(self) -> None:
        self._pid = os.getpid()
        self._thread = 0
        self._failed: set[str] = set()
        self._process_cpu, self._pulse_cpu, self._machine_cpu = _Share(), _Share(), _Share()
        self._readings = self._guarded("process", self._make_readings)
        self._shares()  # the first sample needs something to be compared with

    def __call__(self) -> Iterator[Sample]:
        """One sample of everything, each read when it is asked for."""
        if os.getpid() != self._pid:
            self._restart()
        process_cpu, pulse_cpu, machine_cpu = self._shares()
        yield Sample("process.cpu.percent", "", process_cpu, "sum", "instance")
        yield Sample("system.cpu.percent", "", machine_cpu, "max", "host")
        yield Sample("fanlight.cpu.percent", "", pulse_cpu, "sum", "instance")
        yield Sample("process.threads", "", self._read("threads", lambda r: r.threads()), "sum", "instance")
        yield Sample("process.open_fds", "", self._read("open_fds", lambda r: r.open_fds()), "sum", "instance")
        yield from self._memory()

    def _memory(self) -> Iterator[Sample]:
        used = self._read("process_memory", lambda r: r.process_memory_bytes())
        yield Sample("process.memory.bytes", "", used, "sum", "instance")
        machine = self._read("machine_memory", lambda r: r.machine_memory())
        total, available, percent = machine or (None, None, None)
        share = used / total * 100 if used is not None and total else None
        yield Sample("process.memory.percent", "", share, "sum", "instance")
        yield Sample("system.memory.percent", "", percent, "max", "host")
        yield Sample("system.memory.available.bytes", "", available, "min", "host")

    def _shares(self) -> tuple[float | None, float | None, float | None]:
        seconds = self._clock.monotonic_ns() / 1e9
        process = self._process_cpu.percent(self._read("process_cpu", lambda r: r.process_cpu_seconds()), seconds)
        machine = self._read("machine_cpu", lambda r: r.machine_cpu())
        busy, total = machine or (None, 0.0)
        machine_percent = self._machine_cpu.percent(busy, total)
        return process, self._pulse(seconds), None if machine_percent is None else min(machine_percent, 100.0)

    def _pulse(self, seconds: float) -> float | None:
        if threading.get_ident() != self._thread:  # another thread's clock cannot be compared with this one's
            self._thread, self._pulse_cpu = threading.get_ident(), _Share()
        mine = self._read("thread_cpu", lambda r: r.thread_cpu_seconds())
        return self._pulse_cpu.percent(None if mine is None else mine + self._elsewhere(), seconds)

    def _read(self, kind: str, read: Callable[[Readings], T]) -> T | None:
        readings = self._readings
        return None if readings is None else self._guarded(kind, lambda: read(readings))

    def _guarded(self, kind: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Exception as error:  # what an unreadable value raises differs by platform
            if kind not in self._failed:
                self._failed.add(kind)
                self._recorder.failed(f"capture.system.{kind}", error)
            return None


class _Share:
    """What part of something growing was used since the last time, in percent."""

    __slots__ = ("_last", "_used", "_whole")

    def __init__(self) -> None:
        self._used: float | None = None
        self._whole = 0.0
        self._last: float | None = None

    def percent(self, used: float | None, whole: float) -> float | None:
        """None at first and after what could not be read; the last answer again when no time has passed."""
        known, grown = self._used, whole - self._whole
        if used is not None and known is not None and grown <= 0:
            return self._last
        self._last = None if used is None or known is None else max((used - known) / grown * 100, 0.0)
        self._used, self._whole = used, whole
        return self._last


class LoopMonitor:
    """How late the event loops run what is due: the worst since the last sample, over all attached loops.

    `attach` puts one timer on a loop, every 250 ms. It holds loops weakly, never keeps one running, and ends by
    itself when the loop is closed, the monitor is dropped or detached.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.late_ns: deque[int] = deque(maxlen=LAG_LIMIT)
        self._beats: tuple[_Beat, ...] = ()

    def attach(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Watch a loop (the running one unless named), once; from any thread; a closed loop is left alone."""
        loop = asyncio.get_running_loop() if loop is None else loop
        self._beats = tuple(beat for beat in self._beats if beat.alive())
        if loop.is_closed() or any(beat.loop() is loop for beat in self._beats):
            return
        beat = _Beat(self, loop)
        self._beats = (*self._beats, beat)
        if asyncio._get_running_loop() is loop:
            beat.schedule()
        else:
            loop.call_soon_threadsafe(beat.schedule, context=beat.context)

    def detach(self) -> None:
        """Leave all loops; a timer still waiting does nothing when it comes."""
        for beat in self._beats:
            beat.active = False
        self._beats = ()
        self.late_ns.clear()

    def __call__(self) -> list[Sample]:
        """The worst lag since the last sample, a block that still lasts included; nothing without a running loop."""
        late = [beat.overdue_ns() for beat in self._beats if beat.running()]
        if not late:
            return []
        while self.late_ns:
            late.append(self.late_ns.popleft())
        return [Sample("event_loop.lag.seconds", "", max(late) / 1e9, "max", "instance")]


class _Beat:
    """The timer on one loop."""

    def __init__(self, monitor: LoopMonitor, loop: asyncio.AbstractEventLoop) -> None:
        self._monitor = weakref.ref(monitor)
        self._clock = monitor.clock
        self._pid = os.getpid()
        self._due_ns = self._clock.monotonic_ns()
        self.loop = weakref.ref(loop)
        self.active = True
        # An empty context: the timer must not keep alive what the request that attached it carried.
        self.context = Context()

    def schedule(self) -> None:
        loop = self.loop()
        if loop is None or not self.active:
            return
        self._due_ns = self._clock.monotonic_ns() + int(BEAT_SECONDS * 1e9)
        loop.call_later(BEAT_SECONDS, self._beat, context=self.context)

    def _beat(self) -> None:
        monitor = self._monitor()
        if monitor is None or not self.active:
            return
        monitor.late_ns.append(self.overdue_ns())
        self.schedule()

    def overdue_ns(self) -> int:
        return max(self._clock.monotonic_ns() - self._due_ns, 0)

    def alive(self) -> bool:
        """The loop exists, is open, and is not a copy that a fork left behind."""
        loop = self.loop()
        return self.active and loop is not None and not loop.is_closed() and self._pid == os.getpid()

    def running(self) -> bool:
        loop = self.loop()
        return self.alive() and loop is not None and loop.is_running()


class GcMonitor:
    """Garbage-collector pauses: the worst since the last sample, and the counter `gc.collections`.

    The interpreter calls it at the start and the end of a collection, on whatever thread caused it: it takes no lock
    and makes nothing the collector tracks.
    """

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._now = clock.monotonic_ns
        self._started_ns = 0
        self._worst_ns = 0
        self._collections = 0
        self._counted = 0
        self._callback = self._collected  # one bound method, so that close removes what was put in

    def start(self) -> None:
        """Listen to the collector; again is harmless."""
        if self._callback not in gc.callbacks:
            gc.callbacks.append(self._callback)

    def close(self) -> None:
        """Stop listening; again is harmless."""
        if self._callback in gc.callbacks:
            gc.callbacks.remove(self._callback)

    def __call__(self) -> list[Sample]:
        """The worst pause since the last sample, 0 when nothing was collected."""
        worst_ns, self._worst_ns = self._worst_ns, 0
        collections = self._collections
        if collections > self._counted:
            self._recorder.count("gc.collections", collections - self._counted)
            self._counted = collections
        return [Sample("gc.pause.seconds", "", worst_ns / 1e9, "max", "instance")]

    def _collected(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._started_ns = self._now()
        elif self._started_ns:  # a collection under way when we began has no start
            pause_ns = self._now() - self._started_ns
            self._started_ns = 0
            self._collections += 1
            if pause_ns > self._worst_ns:
                self._worst_ns = pause_ns
