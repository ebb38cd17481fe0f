"""Workers on one store and one clock, and the truth about them: what tests of compaction and of ranges share."""

from __future__ import annotations

from fanlight.clock import ManualClock
from fanlight.core.facts import REQUEST
from fanlight.core.frame import Frame
from fanlight.core.recorder import Recorder, Sample
from fanlight.core.window import Window
from fanlight.stores.base import SERIES_KEPT, InstanceInfo, Store, StoredFrame, horizon
from fanlight.stores.compaction import MERGED, Compactor
from fanlight.stores.memory import MemoryStore
from fanlight.stores.own_seconds import RECORDS, OwnSeconds

START = 1_700_006_400
"""A multiple of every tier."""


class Worker:
    """One instance: it records, publishes its seconds to the store, and compacts when it has the lease."""

    def __init__(self, store: Store, clock: ManualClock, log: list[tuple[str, Frame]]) -> None:
        self.store = store
        self.clock = clock
        self.log = log
        self.recorder = Recorder(clock)
        self.recorder.samplers.append(lambda: [Sample("cpu", "", float(len(log) % 7), "sum", "instance")])
        self.window = Window(self.recorder.started)
        self.own = OwnSeconds(self.window)
        self.failures: list[str] = []
        self.compactor = Compactor(store, self.info, self.own, clock, lambda where, error: self.failures.append(where))
        self.delayed: list[Frame] = []
        self.late = False

    def info(self) -> InstanceInfo:
        recorder = self.recorder
        return InstanceInfo("chat", recorder.instance, "h", 1, "", recorder.started, self.clock.time_ns() / 1e9)

    def serve(self, count: int, path: str = "/a", status: int = 200, milliseconds: int = 5) -> None:
        for _ in range(count):
            seq, at = self.recorder.next_seq(), self.clock.monotonic_ns()
            duration = milliseconds * 1_000_000
            self.recorder.append((REQUEST, seq, at, duration, 1, "GET", path, "", status, 0, path, "id", None))

    def second(self) -> None:
        """A second ends: it is published, or kept back by a store that is away."""
        frame = self.recorder.take()
        self.recorder.commit(frame)
        self.window.add(frame)
        self.own.add(frame)
        self.recorder.close_second(frame)
        self.log.append((self.recorder.instance, frame))
        self.delayed.append(frame)
        if not self.late:
            self.catch_up()

    def catch_up(self) -> None:
        rows = [StoredFrame(1, frame.start, self.recorder.instance, *frame.parts()) for frame in self.delayed]
        self.store.write(self.info(), rows, self.recorder.totals.encode())
        self.delayed.clear()


class Service:
    """Workers on one store and one clock, and the truth: every second that was ever published."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.clock = ManualClock(START)
        self.truth: list[tuple[str, Frame]] = []
        self.workers = [self.join()]

    def join(self) -> Worker:
        return Worker(self.store, self.clock, self.truth)

    def pass_time(self, seconds: int, compacting: bool = True) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            for worker in self.workers:
                worker.second()
            if compacting:
                self.compact()

    def set_back(self, worker: Worker, to: float) -> None:
        """The clock is set back far, and a worker goes on under another name, as an engine does."""
        self.clock.set_wall(to)
        anew = worker.window.rewind(to)
        worker.recorder.rename()
        worker.own.forget(renamed=True, anew=anew)

    def compact(self) -> None:
        for worker in self.workers:
            worker.compactor.turn()

    def settle(self) -> None:
        """Everybody catches up, and the open minute ends."""
        for worker in self.workers:
            worker.late = False
            if worker.delayed:
                worker.catch_up()
        self.pass_time(130)

    def rows(self, tier: int) -> dict[int, Frame]:
        """What is kept of each bucket, time that was lived again with what was there before."""
        made: dict[int, Frame] = {}
        for row in self.store.frames("chat", tier, 0):
            assert row.instance in (MERGED, "1")
            frame = Frame.decode(row.data, row.series)
            if row.bucket in made:
                made[row.bucket].add(frame)
            else:
                made[row.bucket] = frame
        return made

    def expected(self, tier: int, until: int) -> dict[int, Frame]:
        made: dict[int, Frame] = {}
        for _, frame in self.truth:
            bucket = frame.start // tier * tier
            if frame.start < until:
                made.setdefault(bucket, Frame(bucket, bucket)).add(frame)
        return made

    def check(self, tier: int) -> None:
        """Every row of the tier is exactly what was published in it."""
        rows = self.rows(tier)
        assert rows
        until = max(frame.end for frame in rows.values())
        expected = self.expected(tier, until)
        assert rows.keys() == expected.keys()
        for bucket, row in rows.items():
            truth = expected[bucket]
            assert row.totals == truth.totals, (tier, bucket)
            series_gone = bucket < horizon(tier, self.clock.time_ns() / 1e9 - 60, SERIES_KEPT)
            assert row.series == ({} if series_gone else truth.series), (tier, bucket)
            assert row.counters == truth.counters
            assert row.start == bucket
            for kind, records in row.kept.items():
                assert records == truth.kept[kind][-RECORDS[tier] :]
            seconds = [instance for instance, frame in self.truth if bucket <= frame.start < min(bucket + tier, until)]
            assert sum(row.sources.values()) == len(seconds)
