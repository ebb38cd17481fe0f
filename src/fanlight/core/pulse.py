"""Pulse: the one loop, on a daemon thread: take, hand the frame on, wake the watchers."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol

from fanlight.clock import Clock
from fanlight.core.pacer import Pacer

IDLE_SECONDS: Final = 1.0
"""Between two ticks when nobody watches."""

WATCHED_SECONDS: Final = 0.25
"""Between two ticks while somebody watches."""

EAGER_SECONDS: Final = 0.1
"""While watched: after a tick this long ago the first new fact makes one of its own."""

CROWD: Final = 9
"""So many watchers have the pulse's full pace. With more each of its steps is longer in proportion, up to a second:
they are shown nothing more often."""

EAGER_FACTS: Final = 50
"""With more facts waiting than this the service is busy, and the ordinary tick is soon enough."""


class Owner(Protocol):
    """What the pulse drives; held weakly, so that a dashboard nobody holds ends its thread."""

    def tick(self, second_closed: bool) -> None:
        """One turn: take, add, store, follow; `second_closed` once per wall-clock second."""

    def waiting(self) -> int:
        """Facts that wait to be folded."""

    def tick_failed(self, error: Exception) -> None:
        """A turn raised; it is counted and the loop goes on."""


class Pulse:
    """Drives an owner from `start` to `close`; `watch` and `listen` may be called from any thread."""

    def __init__(self, owner: Owner, clock: Clock) -> None:
        self.pacer = Pacer()
        self.version = 0
        self._owner = weakref.ref(owner)
        self._clock = clock
        self._lock = threading.Lock()
        self._watchers = 0
        self._listeners: dict[object, Callable[[int], None]] = {}
        self._wake = threading.Event()
        self._ticked = threading.Condition()
        self._ticked_at = 0.0
        self._refresh = False
        self._hurries = self._heeded = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def watchers(self) -> int:
        """How many watch."""
        return self._watchers

    @property
    def alive(self) -> bool:
        """Whether the loop runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; a second start does nothing."""
        with self._lock:
            if self.alive:
                return
            self._closing = False
            self._wake.clear()
            self._thread = threading.Thread(target=_run, args=(weakref.ref(self),), name="fanlight-pulse", daemon=True)
            self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """End the thread and wait for it."""
        self._closing = True
        self._wake.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def watch(self) -> Callable[[], None]:
        """Register a watcher; what is returned removes it, once."""
        self._change_watchers(1)
        left = threading.Lock()

        def leave() -> None:
            if left.acquire(blocking=False):
                self._change_watchers(-1)

        return leave

    def _change_watchers(self, change: int) -> None:
        with self._lock:
            self._watchers += change
        self._wake.set()

    def listen(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Have `callback(version)` called on the pulse's thread after each tick; what is returned removes it."""
        token = object()
        with self._lock:
            self._listeners[token] = callback

        def leave() -> None:
            with self._lock:
                self._listeners.pop(token, None)

        return leave

    def refresh(self, timeout: float = 0.5) -> None:
        """Have a tick now, unless one just was and nothing hurries, and wait for it; for readers."""
        if not self.alive:
            return
        with self._ticked:
            version, hurries = self.version, self._hurries
            if self._heeded >= hurries and (0 < self._watchers <= CROWD or self._just_ticked()):
                return
            self._refresh = True
            self._wake.set()
            self._ticked.wait_for(lambda: self.version != version and self._heeded >= hurries, timeout)

    def _just_ticked(self) -> bool:
        return time.monotonic() - self._ticked_at < WATCHED_SECONDS

    def hurry(self) -> None:
        """Have a tick at once, for news that nobody shall miss: who reads meanwhile waits for it. Does not wait."""
        with self._ticked:
            self._hurries += 1
        self._wake.set()

    def tick(self, second_closed: bool = True) -> None:
        """One turn, on the calling thread; what the loop does, and what tests call."""
        owner = self._owner()
        if owner is None:
            self._closing = True
            return
        hurries, self._refresh = self._hurries, False
        try:
            owner.tick(second_closed)
        except Exception as error:
            owner.tick_failed(error)
        with self._ticked:
            self.version += 1
            self._heeded = hurries
            self._ticked_at = time.monotonic()
            self._ticked.notify_all()
        for callback in list(self._listeners.values()):
            try:
                callback(self.version)
            except Exception as error:
                owner.tick_failed(error)

    def _waiting(self) -> int:
        owner = self._owner()
        return owner.waiting() if owner is not None else 0

    def _pause(self, since_tick: float) -> float:
        """Seconds to sleep before looking again; 0 to tick now. Ticks also fall just behind each whole second."""
        to_second = 1.0 - (self._clock.time_ns() % 1_000_000_000) / 1e9 + 0.002
        if self._refresh or self._heeded < self._hurries:
            return 0.0
        if not self._watchers:
            return min(IDLE_SECONDS - since_tick, to_second) if since_tick < IDLE_SECONDS else 0.0
        stretch = min(max(self._watchers / CROWD, 1.0), IDLE_SECONDS / WATCHED_SECONDS)
        if since_tick >= WATCHED_SECONDS * stretch:
            return 0.0
        eager = EAGER_SECONDS * stretch
        if since_tick >= eager and 0 < self._waiting() <= EAGER_FACTS:
            return 0.0
        return min(eager / 4 if since_tick >= eager else eager - since_tick, to_second)


def _run(reference: weakref.ref[Pulse]) -> None:
    last_tick, last_second = time.monotonic(), 0
    while True:
        pulse = reference()
        if pulse is None or pulse._closing:
            return
        second = pulse._clock.time_ns() // 1_000_000_000
        pause = 0.0 if second != last_second else pulse._pause(time.monotonic() - last_tick)
        if pause > 0:
            wake: Any = pulse._wake
            del pulse  # while asleep nothing here keeps it alive
            wake.wait(pause)
            wake.clear()
            continue
        pulse.pacer.start()
        # The first turn comes at once, within a second: that one is not over, and is written once, at its end.
        pulse.tick(last_second not in (0, second))
        last_tick, last_second = time.monotonic(), second
        del pulse
