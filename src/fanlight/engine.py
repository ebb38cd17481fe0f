"""Engine: the running parts of one dashboard, and the turns the pulse drives them through."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from logging import getLogger
from typing import TYPE_CHECKING, Final

from fanlight import sample
from fanlight.capture.logs import install_logging
from fanlight.capture.system import GcMonitor, LoopMonitor, SystemSampler
from fanlight.clock import Clock
from fanlight.core.analytics import Analytics, analyse
from fanlight.core.fold import START
from fanlight.core.frame import Frame
from fanlight.core.pulse import Pulse
from fanlight.core.query import Query, Source
from fanlight.core.recorder import Recorder, Sample, Sampler
from fanlight.core.sections import Excerpt, Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import SPAN
from fanlight.declared import Declared, tell
from fanlight.errors import FanlightError
from fanlight.faces.prometheus import excerpt
from fanlight.panels import ActionButton, View
from fanlight.presence import announce
from fanlight.services.breaker import BREAKERS, Breakers
from fanlight.services.budgets import Auditor, samples
from fanlight.services.cache import Cache
from fanlight.services.execution import NAME as ACTION
from fanlight.services.execution import Execution
from fanlight.services.redis import RedisMonitor
from fanlight.services.registry import Prober, Registry
from fanlight.services.runs import Runs
from fanlight.services.snapshot_cache import SnapshotCache
from fanlight.services.supplier import Supplier
from fanlight.settings import Settings
from fanlight.stores.base import TIERS, InstanceInfo
from fanlight.stores.commands import Commands
from fanlight.stores.compaction import Compactor
from fanlight.stores.fleet import Fleet, Local
from fanlight.stores.following import TURN_SECONDS, follow
from fanlight.stores.observer import Observer
from fanlight.stores.opening import MEMORY, locate_redis, open_redis, open_shared, opened
from fanlight.stores.own_seconds import OwnSeconds
from fanlight.stores.ranges import Ranges
from fanlight.stores.writer import StoreWriter

if TYPE_CHECKING:
    from fanlight.stores.redis_client import Address

EXPOSITION_SECONDS: Final = 10.0
"""How long the Prometheus text on a page is shown before it is made anew."""

ANALYTICS_KEY: Final = "analytics_snapshot_cache"
"""What the shared analytics are called in a Redis: behind the service's prefix, and a copy for others by itself."""


class Engine:
    """Everything that runs behind one dashboard; `start` and `close` are idempotent and thread-safe.

    `observes`: this process is no instance of the service, and only shows what its store (not memory://) holds.
    """

    def __init__(
        self, settings: Settings, clock: Clock, recorder: Recorder, declared: Declared, *, observes: bool = False
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.recorder = recorder
        self.pulse = Pulse(self, clock)
        self.caller = declared.renew()
        self.supplier = Supplier(self.caller, clock)
        self.declared = declared
        if observes:
            declared.can_clear()  # which of the workers' caches, only they know
        self.breakers = Breakers(clock, lambda: recorder)
        self.registry = Registry()
        self._prober = Prober(clock, self._news_of_services)
        self.loop_monitor = LoopMonitor(clock)
        self._gc_monitor = GcMonitor(self.recorder.link(), clock)
        self.observes = observes
        self._samplers: list[Sampler] = [
            SystemSampler(recorder, clock, elsewhere=lambda: self.pulse.pacer.spent_seconds),
            self.loop_monitor,
            self._gc_monitor,
            declared.sample_caches,
            self._sample_services,
            self._sample_redis,
            lambda: samples(recorder.budgets),
        ]
        recorder.samplers += [] if observes else self._samplers
        self.store, self.warning = opened(settings)
        self.shared = self.store.url != MEMORY
        self.commands = Commands(self.store, settings.name, self.recorder.instance, clock)
        self._execution = Execution(declared.actions, self.caller, self.commands.report, recorder.failed)
        self.commands.starters[ACTION] = self._execution.begin
        self._writer = StoreWriter(self.store, clock=clock)
        self.local = Local(self.recorder, self.info, self.pulse)
        parts = (self.store, self._writer, recorder, self.pulse, self.info, clock, self.local.window)
        self.fleet = (Observer if observes else Fleet)(*parts) if self.shared else None
        self._own = OwnSeconds(self.local.window)
        self._compactor = Compactor(self.store, self.info, self._own, clock, recorder.failed)
        everything: Source = self.fleet or self.local
        kept = {tier: seconds for tier, seconds in TIERS.items() if self.shared or tier > 1}
        self._ranges = Ranges(self.store, settings.name, clock, kept)
        this: Source = everything if observes else self.local
        self.query = Query(settings, clock, this, everything, self, self.pulse.pacer.breathe, self._ranges)
        self._analytics = self._shared_analytics()
        self.runs = Runs(declared.actions, self.commands, lambda: recorder.instance, self._live, clock, tell(recorder))
        self._auditor = Auditor(recorder, self.commands)
        self._open: Frame | None = None
        self._exposition: dict[str, tuple[int, Excerpt]] = {}
        self._lock = threading.Lock()
        self._running = False
        self._obeyed = observes
        self._store_turn = threading.Event()
        self._store_thread: threading.Thread | None = None
        self._uninstall_logging: Callable[[], object] = lambda: None
        self._withdraw: Callable[[], object] = lambda: None
        self._redis: RedisMonitor | None = None
        if self.store.url.startswith("redis"):
            self.watch_redis(locate_redis(settings.store))

    def _shared_analytics(self) -> SnapshotCache[Analytics]:
        """The analysis that is made once for every instance behind this store."""
        return SnapshotCache(
            ANALYTICS_KEY,
            Analytics,
            lambda: analyse(self.query.cumulative("all"), self.clock.time_ns() / 1e9, self.pulse.pacer.breathe),
            Cache("analytics", self.recorder.count),
            self.clock,
            shared=open_shared(self.store, self.settings.name, ANALYTICS_KEY),
            service=self.settings.name,
            failed=self.recorder.failed,
        )

    def info(self) -> InstanceInfo:
        """How this instance describes itself now."""
        return InstanceInfo(
            service=self.settings.name,
            instance=self.recorder.instance,
            host=self.recorder.host,
            pid=os.getpid(),
            release=self.settings.release,
            started=self.recorder.started,
            last_seen=self.clock.time_ns() / 1e9,
        )

    def start(self) -> None:
        """Start the pulse and what feeds it; on a serving loop also its lag monitor."""
        self._attach_loop()
        with self._lock:
            if self._running:
                return
            self._running = True
            if self.warning:
                getLogger("fanlight").warning("%s", self.warning)
            if self.settings.sample_data and not self.shared:
                self._fill()
            if not self.observes:
                self._feed()
                self.recorder.event(START, {"release": self.settings.release})
            self.pulse.start()
            self._withdraw = announce(self.settings.name, self.recorder.instance, self.settings.prefix)
            if self._redis is not None:
                self._redis.start()
            if self.fleet is not None:
                self.fleet.announce()
            left = (
                self._uninstall_logging,
                self._gc_monitor.close,
                self._withdraw,
                self._writer.close,
                self.store.close,
            )
            self._store_turn.set()  # what stands from before is obeyed at once
            self._store_thread = follow(self, self._store_turn, left)

    def _feed(self) -> None:
        self._uninstall_logging = install_logging(
            self.recorder.link(), self.settings.log_level.upper(), clock=self.clock
        )
        self._gc_monitor.start()

    def _fill(self) -> None:
        until = self.recorder.started
        self.recorder.started -= SPAN  # rates since this start are over the made-up minutes too
        self.local.window.since -= SPAN
        for frame in sample.compacted(until, self.store, self.info, self.local.window, self.recorder.failed):
            self.recorder.commit(frame)

    def _attach_loop(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self.caller.loop = loop
        self.loop_monitor.attach(loop)

    def close(self) -> None:
        """Stop everything, write what is left and say goodbye; may block a moment."""
        with self._lock:
            running, self._running = self._running, False
        self._execution.close()
        self.runs.close()
        if running:
            self._stop()
        self._drop_samplers()
        if self._redis is not None:
            self._redis.close()
        self.store.close()

    def _stop(self) -> None:
        self._withdraw()
        self._store_turn.set()
        if self._store_thread is not None:
            self._store_thread.join(TURN_SECONDS)
        self.pulse.close()
        self.loop_monitor.detach()
        self._gc_monitor.close()
        self._uninstall_logging()
        if self.write_left():
            try:
                self._compactor.release()
            except FanlightError as error:  # it ends by itself
                self.recorder.failed("store", error)

    def write_left(self) -> bool:
        """Write what was recorded, and say goodbye; whether all is written. Starts no thread but the writer's: also for
        a process that ends before it was started, the child of a fork."""
        self.pulse.tick(second_closed=True)
        self._publish()
        if self.fleet is not None:
            self.fleet.close()
        return self._writer.close()

    def abandon(self) -> bool:
        """Let go of what a fork copied: the threads are the parent's. Returns whether it was running."""
        running, self._running = self._running, False
        if running:
            self._gc_monitor.close()
            self._uninstall_logging()
        self.loop_monitor.detach()
        self._drop_samplers()
        return running

    def _drop_samplers(self) -> None:
        for sampler in self._samplers:
            if sampler in self.recorder.samplers:
                self.recorder.samplers.remove(sampler)

    def tick(self, second_closed: bool) -> None:
        """One turn of the pulse: take, add, store; see `core.pulse.Owner`."""
        breathe = self.pulse.pacer.breathe
        if self.recorder.went_back:
            self._begin_again()
        frame = self.recorder.take(breathe)
        if self._open is not None and self._open.start != frame.start:
            self._publish()  # before the totals take in what belongs to the next second
        self.recorder.commit(frame, breathe)
        (self.fleet or self.local).add(frame, breathe)
        if self._open is None:
            self._open = frame
        else:
            self._open.add(frame, breathe)
        if second_closed and self._open.end <= self.clock.time_ns() // 1_000_000_000:
            self._publish()
        if self.pulse.watchers or second_closed:
            self._store_turn.set()

    def _publish(self) -> None:
        if self._open is not None:
            self._own.add(self._open)
            self.recorder.close_second(self._open)
            if self.fleet is not None:
                self.fleet.publish(self._open, self.pulse.pacer.breathe)
            self._open.release(self.pulse.pacer.breathe)
            self._open = None

    def _begin_again(self) -> None:
        """The clock was set back: seconds that are stored come again. Go on under a name that has not had them."""
        self._publish()
        anew = (self.fleet or self.local).rewind(self.clock.time_ns() / 1e9)
        self._own.forget(renamed=self.shared, anew=anew)
        if self.fleet is None:
            self.recorder.reopen()
            return
        self.fleet.close()
        self.recorder.rename()
        self.commands.instance = self.recorder.instance

    def waiting(self) -> int:
        """Facts that wait to be folded."""
        return self.recorder.pending

    def tick_failed(self, error: Exception) -> None:
        """A turn raised: counted and shown."""
        self.recorder.failed("pulse", error)

    def store_turn(self) -> bool:
        """One turn of the store's thread; False to end."""
        if self._running:
            self.work_with_store()
        return self._running

    def work_with_store(self) -> None:
        """Do what was commanded, follow the others while watched, compact when it is this instance's to do."""
        try:
            if not self._obeyed:
                self.breakers.obey(self.commands.standing(BREAKERS))
                self._obeyed = True
            self.commands.poll()
            if self.fleet is not None and self.pulse.watchers:
                self.fleet.follow()
            if not self.observes:
                self._compactor.turn()
                self._auditor.turn(lambda: self.query.snapshot(View()).budgets)
        except Exception as error:
            self.recorder.failed("store", error)

    def _live(self) -> list[str]:
        if self.fleet is not None:
            with suppress(FanlightError):  # those who were there last stand
                self.fleet.census()
        return [instance.id for instance in (self.fleet or self.local).instances() if instance.live]

    def watch_redis(self, address: Address) -> None:
        """Watch this Redis from now on, instead of the one before."""
        before, pulse = self._redis, weakref.ref(self.pulse)

        def watched() -> bool:
            alive = pulse()
            return alive is not None and alive.watchers > 0

        self._redis = RedisMonitor(open_redis(address), self.clock, watched)
        if before is not None:
            before.close()
        if self._running:
            self._redis.start()

    def _sample_redis(self) -> Iterator[Sample]:
        return self._redis.samples() if self._redis is not None else iter(())

    def redis(self) -> Supplied:
        return self._redis.latest() if self._redis is not None else Supplied()

    def _news_of_services(self) -> None:
        """Have every face show how the services are now; from any thread, without waiting."""
        self.recorder.sample_soon(self._sample_services)
        self.pulse.hurry()

    def _sample_services(self) -> Iterator[Sample]:
        yield from self.registry.samples()
        yield from self._prober.turn(self.registry.declared, self.caller.loop)
        yield from self.breakers.samples()
        yield from self.registry.under_way(self.recorder.open_calls(), self.recorder.now_ns())

    def database(self) -> Supplied:
        """What the application supplied of its database."""
        return self.supplier.latest()

    def actions(self) -> tuple[ActionButton, ...]:
        """What an operator can do."""
        return self.declared.actions.buttons()

    def last_failure(self) -> str:
        """Fanlight's last own failure."""
        return self.recorder.last_failure

    def viewers(self) -> int:
        """Live views on this instance."""
        return self.pulse.watchers

    def exposition(self, snapshot: Snapshot) -> Excerpt:
        """The beginning of the Prometheus text, made anew every few seconds however many look."""
        turn = int(snapshot.at / EXPOSITION_SECONDS)
        known, breathe = self._exposition.get(snapshot.scope), self.pulse.pacer.breathe
        if known is None or known[0] != turn:
            cumulative = self.query.cumulative(snapshot.scope)
            made = excerpt(snapshot, cumulative, breathe)
            cumulative.release(breathe)
            known = self._exposition[snapshot.scope] = (turn, made)
        return known[1]

    def analytics(self) -> Analytics:
        """What all histograms since the first start tell; computed at most every 30 s, by one of the workers."""
        return self._analytics.get()

    def history(self) -> str:
        """What is wrong with the store, "" when nothing is."""
        return self.fleet.history() if self.fleet is not None else self.warning
