"""Engine: the running parts of one dashboard, and the turns the pulse drives them through."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fanlight import sample
from fanlight.capture.logs import install_logging
from fanlight.capture.system import GcMonitor, LoopMonitor, SystemSampler
from fanlight.clock import Clock
from fanlight.core.frame import Frame
from fanlight.core.pulse import Pulse
from fanlight.core.query import Query, Source
from fanlight.core.recorder import Recorder, Sample, Sampler
from fanlight.core.sections import Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.core.window import SPAN
from fanlight.faces.prometheus import expose
from fanlight.panels import View
from fanlight.services.actions import CLEAR_CACHE, Cache, clearable
from fanlight.services.breaker import BREAKERS, Breakers
from fanlight.services.supplier import LoopCaller, Supplier
from fanlight.settings import Settings
from fanlight.stores import Store, open_store
from fanlight.stores.base import InstanceInfo
from fanlight.stores.commands import Commands, Outcome
from fanlight.stores.fleet import Fleet, Local
from fanlight.stores.writer import StoreWriter

STORE_TURN_SECONDS: Final = 1.0
"""How often the store's thread looks for commands while nothing wakes it."""

EXPOSITION_SECONDS: Final = 10.0
"""How long the Prometheus text on a page is shown before it is made anew."""

MEMORY: Final = "memory://"


class Engine:
    """Everything that runs behind one dashboard; `start` and `close` are idempotent and thread-safe."""

    def __init__(self, settings: Settings, clock: Clock, recorder: Recorder) -> None:
        self.settings = settings
        self.clock = clock
        self.recorder = recorder
        self.pulse = Pulse(self, clock)
        self.caller = LoopCaller()
        self.supplier = Supplier(self.caller, clock)
        self.caches: dict[str, Cache] = {}
        self.breakers = Breakers(clock, lambda: recorder)
        self.loop_monitor = LoopMonitor(clock)
        self._gc_monitor = GcMonitor(self.recorder, clock)
        self._samplers: list[Sampler] = [
            SystemSampler(recorder, clock, elsewhere=lambda: self.pulse.pacer.spent_seconds),
            self.loop_monitor,
            self._gc_monitor,
            self._sample_caches,
            lambda: self.breakers.samples(),
        ]
        recorder.samplers += self._samplers
        self.store: Store = open_store(settings.store)
        self.shared = settings.store != MEMORY
        self.commands = Commands(self.store, settings.name, self.recorder.instance, clock)
        self.commands.handlers[CLEAR_CACHE] = self._clear_caches
        self.commands.handlers[BREAKERS] = self._change_breaker
        self._writer = StoreWriter(self.store, clock=clock)
        self.local = Local(self.recorder, self.info, self.pulse)
        self.fleet = (
            Fleet(self.store, self._writer, self.recorder, self.pulse, self.info, clock) if self.shared else None
        )
        everything: Source = self.fleet or self.local
        self.query = Query(settings, clock, self.local, everything, self, self.pulse.pacer.breathe)
        self._open: Frame | None = None
        self._exposition: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()
        self._running = False
        self._store_turn = threading.Event()
        self._store_thread: threading.Thread | None = None
        self._uninstall_logging: Any = None

    def info(self) -> InstanceInfo:
        """How this instance describes itself now."""
        recorder = self.recorder
        return InstanceInfo(
            service=self.settings.name,
            instance=recorder.instance,
            host=recorder.host,
            pid=os.getpid(),
            release=self.settings.release,
            started=recorder.started,
            last_seen=self.clock.time_ns() / 1e9,
        )

    def start(self) -> None:
        """Start the pulse and what feeds it; on a serving loop also its lag monitor."""
        self._attach_loop()
        with self._lock:
            if self._running:
                return
            self._running = True
            self._uninstall_logging = install_logging(self.recorder, self.settings.log_level.upper(), clock=self.clock)
            self._gc_monitor.start()
            if self.settings.sample_data and not self.shared:
                self._fill()
            self.pulse.start()
            if self.shared:
                self._store_thread = threading.Thread(
                    target=_follow, args=(weakref.ref(self), self._store_turn), name="fanlight-follow", daemon=True
                )
                self._store_thread.start()

    def _fill(self) -> None:
        until = self.recorder.started
        self.recorder.started -= SPAN  # rates since this start are over the made-up minutes too
        self.local.window.since -= SPAN
        for frame in sample.frames(until):
            self.recorder.commit(frame)
            self.local.window.add(frame)

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
        if running:
            self._stop()
        self._drop_samplers()
        self.store.close()

    def _stop(self) -> None:
        self._store_turn.set()
        if self._store_thread is not None:
            self._store_thread.join(STORE_TURN_SECONDS)
        self.pulse.close()
        self.pulse.tick(second_closed=True)
        self.loop_monitor.detach()
        self._gc_monitor.close()
        self._uninstall_logging()
        if self.fleet is not None:
            self.fleet.close()
        self._writer.close()

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
        frame = self.recorder.take(breathe)
        if self._open is not None and self._open.start != frame.start:
            self._publish()  # before the totals take in what belongs to the next second
        self.recorder.commit(frame, breathe)
        self.local.window.add(frame, breathe)
        if self.fleet is None:
            return
        self.fleet.window.add(frame, breathe)
        if self._open is None:
            self._open = Frame(frame.start, frame.end)
        self._open.add(frame, breathe)
        if second_closed:
            self._publish()
        if self.pulse.watchers or second_closed:
            self._store_turn.set()

    def _publish(self) -> None:
        if self.fleet is not None and self._open is not None:
            self.fleet.publish(self._open, self.pulse.pacer.breathe)
            self._open = None

    def waiting(self) -> int:
        """Facts that wait to be folded."""
        return self.recorder.pending

    def tick_failed(self, error: Exception) -> None:
        """A turn raised: counted and shown."""
        self.recorder.failed("pulse", error)

    def store_turn(self) -> bool:
        """One turn of the store's thread: do what was commanded, follow the others while watched; False to end."""
        if not self._running:
            return False
        try:
            self.commands.poll()
            if self.fleet is not None and self.pulse.watchers:
                self.fleet.follow()
        except Exception as error:
            self.recorder.failed("store", error)
        return True

    def run_everywhere(self, name: str, issuer: str, arguments: Mapping[str, Any] | None = None) -> Outcome:
        """Have every live instance run a command, and wait; not on the serving loop."""
        source: Source = self.fleet or self.local
        source.refresh()
        targets = [instance.id for instance in source.instances() if instance.live]
        return self.commands.run(name, arguments or {}, targets, issuer)

    def has_breaker(self, name: str) -> bool:
        """Whether any instance has a breaker of that name; not on the serving loop."""
        known = any(breaker.name == name for breaker in self.breakers.all())
        return known or any(breaker.name == name for breaker in self.query.snapshot(View()).breakers)

    def _change_breaker(self, arguments: Mapping[str, Any]) -> str:
        """A breaker this instance has not used yet is made first, so that it is open here, too."""
        breaker = self.breakers.get(str(arguments["name"]))
        return breaker.change(str(arguments["change"]), str(arguments["by"]))

    def _clear_caches(self, _arguments: object) -> str:
        cleared = clearable(self.caches.values())
        for cache in cleared:
            if cache.clear is not None:
                self.caller.call(cache.clear)
            cache.entries = 0
        return ", ".join(cache.name for cache in cleared) or "nothing to clear"

    def _sample_caches(self) -> Iterator[Sample]:
        for cache in tuple(self.caches.values()):
            if cache.entries is not None:
                yield Sample("cache.size", cache.name, cache.entries, "sum", "instance")

    def database(self) -> Supplied:
        """What the application supplied of its database."""
        return self.supplier.latest()

    def clearable(self) -> tuple[str, ...]:
        """The caches that handed over how to clear them."""
        return tuple(cache.name for cache in clearable(self.caches.values()))

    def last_failure(self) -> str:
        """Fanlight's last own failure."""
        return self.recorder.last_failure

    def viewers(self) -> int:
        """Live views on this instance."""
        return self.pulse.watchers

    def exposition(self, snapshot: Snapshot) -> str:
        """The Prometheus text, made anew every few seconds however many look."""
        turn = int(snapshot.at / EXPOSITION_SECONDS)
        known = self._exposition.get(snapshot.scope)
        if known is None or known[0] != turn:
            cumulative = self.query.cumulative(snapshot.scope)
            text = expose(snapshot, cumulative, breathe=self.pulse.pacer.breathe).decode()
            known = self._exposition[snapshot.scope] = (turn, text)
        return known[1]

    def history(self) -> str:
        """What is wrong with the store, "" when nothing is."""
        return self.fleet.history() if self.fleet is not None else ""


def _follow(reference: weakref.ref[Engine], due: threading.Event) -> None:
    """The store's thread; holds the engine only while it works, so that a dropped one ends it."""
    while True:
        due.wait(STORE_TURN_SECONDS)
        due.clear()
        engine = reference()
        if engine is None or not engine.store_turn():
            return
        del engine
