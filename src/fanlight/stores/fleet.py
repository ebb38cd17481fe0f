"""Fleet: this instance among the others of its service: publishes its own seconds, follows theirs.

Everything that touches the store happens on the writer's thread or on the follower's, so a slow store delays neither
the service
nor the pulse. While nobody looks, nothing is read back but commands.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from fanlight.clock import Clock
from fanlight.core.frame import Frame
from fanlight.core.pacer import Pacer, unpaced, waited_for
from fanlight.core.recorder import Recorder
from fanlight.core.sections import Instance
from fanlight.core.timeline import SPAN
from fanlight.core.window import Window
from fanlight.errors import FanlightError
from fanlight.stores.base import LATEST, RETIRED, InstanceInfo, Store, StoredFrame, all_frames
from fanlight.stores.writer import StoreWriter

LIVE_SECONDS: Final = 5.0
"""An instance unseen for longer is gone."""

AHEAD_SECONDS: Final = 60.0
"""A last word from further ahead is from before the clock was set back."""

FRESH_SECONDS: Final = 0.3
"""What was read this recently is read as it is."""

RETRY_SECONDS: Final = 5.0
"""After a failed read readers take the numbers there are for so long; the follower's own thread goes on trying."""

REFRESH_SECONDS: Final = 1.0
"""How long a reader waits for another's read before it takes the numbers there are."""

TOTALS_SECONDS: Final = 10
"""Between two writes of the totals; what came after them is in the seconds."""

GAP_SECONDS: Final = 60
"""When an instance's seconds go on after such a gap, some may have been lost: its totals are read again."""


class Ticking(Protocol):
    """What a source needs of the pulse."""

    version: int

    def refresh(self) -> None:
        """Have a tick now unless one just was."""


class Local:
    """This instance alone as a source of snapshots: its recorder and its window."""

    def __init__(self, recorder: Recorder, info: Callable[[], InstanceInfo], pulse: Ticking) -> None:
        self.lock = recorder.lock
        self._recorder = recorder
        self._info = info
        self._pulse = pulse
        self._window = Window(recorder.started)

    @property
    def window(self) -> Window:
        return self._window

    @property
    def version(self) -> int:
        return self._pulse.version

    def add(self, frame: Frame, breathe: Callable[[], None]) -> None:
        """Take in seconds of this instance; on the pulse."""
        self._window.add(frame, breathe)

    def rewind(self, now: float) -> bool:
        """The clock was set back to `now` (Unix seconds); whether the instance's own window begins anew."""
        return self._window.rewind(now)

    def refresh(self) -> None:
        self._pulse.refresh()

    def total_frames(self) -> Sequence[Frame]:
        return (self._recorder.totals,)

    def run_frames(self) -> Sequence[Frame]:
        return (self._recorder.totals,)

    def instances(self) -> Sequence[Instance]:
        return (_instance(self._info(), live=True, this=True),)

    def alone(self, instance: str) -> Local | None:
        """Itself, when it is the one."""
        return self if instance == self._info().instance else None


class Fleet:
    """All instances of the service as a source of snapshots, through a shared store. Thread-safe."""

    def __init__(
        self,
        store: Store,
        writer: StoreWriter,
        recorder: Recorder,
        pulse: Ticking,
        info: Callable[[], InstanceInfo],
        clock: Clock,
        own: Window,
    ) -> None:
        self.lock = recorder.lock  # guards every frame read here, own and others'
        self._following = threading.Lock()
        self._store = store
        self._writer = writer
        self._recorder = recorder
        self._pulse = pulse
        self._info = info
        self._clock = clock
        self._name = recorder.instance
        self._earlier: set[str] = set()  # names of this instance whose seconds are in its own window
        self._own = own  # its lock guards which window is shown, too
        self._joint: Window | None = None  # with the others' seconds, while there are any
        self._joined_until = 0
        self._others: dict[str, Frame] = {}
        self._seen: dict[str, int] = {}
        self._known: tuple[InstanceInfo, ...] = ()
        self._known_at = self._now()
        self._totals_at = 0
        self._dropped = 0
        self._cursor: int | None = None
        self._followed = 0
        self._followed_at = 0.0
        self._calm, self._hurried = Pacer(), waited_for()
        self._pacer = self._calm  # of who reads now
        self.error = ""

    @property
    def window(self) -> Window:
        """This instance's own until another's second comes: two that hold the same would take twice the memory."""
        return self._joint or self._own

    @property
    def version(self) -> int:
        return self._pulse.version + self._followed

    def add(self, frame: Frame, breathe: Callable[[], None]) -> None:
        """Take in seconds of this instance; on the pulse."""
        with self._own.lock:
            self._own.add(frame, breathe)
            if self._joint is not None:
                self._joint.add(frame, breathe)
                if self._joined_until < self._own.oldest and self._joint.agrees_with(self._own):
                    self._joint = None  # what the others did is longer ago than a window holds

    def _join(self, frame: Frame) -> None:
        """Take in a second of another instance, unless the clock is so far behind it that nothing else would stay."""
        breathe = self._pacer.breathe
        if frame.start > self._now() + SPAN:
            return
        with self._own.lock:
            if self._joint is None and frame.start >= self._own.oldest:
                self._joint = self._own.copy(breathe)
            self._joined_until = max(self._joined_until, frame.start)
            joint = self._joint
        if joint is not None:
            joint.add(frame, breathe)

    def rewind(self, now: float) -> bool:
        """The clock was set back to `now` (Unix seconds); whether the instance's own window begins anew."""
        if self._joint is not None:
            self._joint.rewind(now)
        return self._own.rewind(now)

    def publish(self, frame: Frame, breathe: Callable[[], None]) -> None:
        """Hand a closed second to the writer, now and then with the totals up to its end; on the pulse, before later
        facts are added."""
        self._recorder.totals.end = frame.end
        totals = None
        if frame.end >= self._totals_at + TOTALS_SECONDS:
            self._totals_at = frame.end
            totals = self._encoded_totals(breathe)
        stored = StoredFrame(1, frame.start, self._recorder.instance, *frame.parts(breathe))
        self._writer.write(self._info(), [stored], totals)
        self._count_dropped()

    def _count_dropped(self) -> None:
        """Count what the writer gave up among the service's losses, where it stays shown when all is written again."""
        before, self._dropped = self._dropped, self._writer.dropped
        if self._dropped > before:
            self._recorder.count("fanlight.dropped.frames", self._dropped - before)

    def _encoded_totals(self, breathe: Callable[[], None] = unpaced) -> bytes:
        with self._recorder.lock:
            return self._recorder.totals.encode(breathe)

    def refresh(self) -> None:
        self._pulse.refresh()
        if self._is_fresh() or not self._following.acquire(timeout=REFRESH_SECONDS):
            return
        try:
            if not self._is_fresh():
                self._follow(self._hurried)
        finally:
            self._following.release()

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._followed_at < (RETRY_SECONDS if self.error else FRESH_SECONDS)

    def census(self) -> None:
        """Know who there is now, whatever else is still to be read; may block, raises FanlightError."""
        self._known, self._known_at = tuple(self._store.instances(self._info().service)), self._now()

    def follow(self) -> None:
        """Read what the others wrote since the last time; on a thread that may wait, never on the serving loop."""
        with self._following:
            self._follow(self._calm if self._cursor is not None else self._hurried)  # somebody has just begun to look

    def _follow(self, pacer: Pacer) -> None:
        self._pacer = pacer
        try:
            pacer.start()
            self._read()
            self.error = ""
        except FanlightError as error:
            self.error = str(error)
        self._followed_at = time.monotonic()
        self._followed += 1

    def _read(self) -> None:
        service = self._info().service
        if self._name != self._recorder.instance:
            self._begin_again()
        self.census()
        if self._cursor is None:
            self._cursor, _ = self._store.changes(service, LATEST)
            since = min(self._load_totals(service), self._now() - SPAN)
            for stored in all_frames(self._store, service, 1, since, exclude=self._recorder.instance):
                self._take_in(service, stored)
        elif self._retired():
            self._load_totals(service)
        while True:
            self._cursor, changed = self._store.changes(service, self._cursor, self._recorder.instance)
            for stored in changed:
                self._take_in(service, stored)
            if not changed:
                return

    def _begin_again(self) -> None:
        """The clock was set back, this instance has another name: read all there is, the earlier totals too."""
        self._earlier.intersection_update([info.instance for info in self._known])
        self._earlier.add(self._name)
        self._name = self._recorder.instance
        self._cursor = None
        self._seen.clear()
        with self._own.lock:
            self._joint = None

    def _retired(self) -> bool:
        """Whether an instance we count is gone for good: its totals are now in the sum of the retired."""
        known = {info.instance for info in self._known}
        return any(instance != RETIRED and instance not in known for instance in self._others)

    def _load_totals(self, service: str) -> int:
        """Take every other instance's totals from one read, so that a retired one is counted once, with the seconds
        seen since they were written; the moment from which seconds may be missing in them."""
        loaded = {}
        for instance, blob in self._store.totals(service).items():
            if instance != self._recorder.instance:
                loaded[instance] = Frame.decode(blob, breathe=self._pacer.breathe)
                self._pacer.breathe()
        open_ended = [info for info in self._known if not info.closed and info.instance != self._recorder.instance]
        ends = [loaded[info.instance].end if info.instance in loaded else int(info.started) for info in open_ended]
        silent = {info.instance for info in open_ended} - loaded.keys()  # too young to have written totals
        since = min(ends, default=self._now())
        for stored in all_frames(self._store, service, 1, since, exclude=self._recorder.instance):
            known = loaded.get(stored.instance)
            if known is None and stored.instance in silent and stored.bucket <= self._seen.get(stored.instance, -1):
                known = loaded[stored.instance] = Frame(stored.bucket, stored.bucket)
            if known is not None and known.end <= stored.bucket <= self._seen.get(stored.instance, -1):
                known.add(self._decoded(stored), self._pacer.breathe)
        with self.lock:
            self._others = loaded
        return since

    def _take_in(self, service: str, stored: StoredFrame) -> None:
        instance = stored.instance
        if stored.tier != 1 or instance == self._recorder.instance or stored.bucket <= self._seen.get(instance, -1):
            return
        frame = self._decoded(stored)
        if instance not in self._earlier:
            self._join(frame)
        if instance not in self._others or stored.bucket > self._seen.get(instance, stored.bucket) + GAP_SECONDS:
            self._load_totals(service)
        self._seen[instance] = stored.bucket
        with self.lock:
            known = self._others.setdefault(instance, Frame(frame.start, frame.start))
            if frame.start >= known.end:
                known.add(frame, self._pacer.breathe)
        frame.release(self._pacer.breathe)

    def _decoded(self, stored: StoredFrame) -> Frame:
        return Frame.decode(stored.data, stored.series, self._pacer.breathe)

    def _now(self) -> int:
        return self._clock.time_ns() // 1_000_000_000

    def total_frames(self) -> Sequence[Frame]:
        return (self._recorder.totals, *self._others.values())

    def run_frames(self) -> Sequence[Frame]:
        live = {instance.id for instance in self.instances() if instance.live}
        return (self._recorder.totals, *(frame for name, frame in self._others.items() if name in live))

    def _last_heard(self) -> float:
        """Until when others could say that they live: a store that can be read or written no more makes nobody gone."""
        behind = self._writer.behind_since
        return self._known_at if behind is None else min(self._known_at, behind)

    def instances(self) -> Sequence[Instance]:
        now = self._last_heard()
        mine = _instance(self._info(), live=True, this=True)
        others = (
            _instance(info, not info.closed and -AHEAD_SECONDS < now - info.last_seen < LIVE_SECONDS, this=False)
            for info in self._known
            if info.instance != mine.id
        )
        return (mine, *sorted(others, key=lambda instance: (not instance.live, instance.started)))

    def alone(self, instance: str) -> Alone | None:
        """Another instance for itself, None when none of that name is known."""
        known = any(info.instance == instance for info in self._known)
        return Alone(instance, self) if known and instance != self._recorder.instance else None

    def history(self) -> str:
        """What is wrong with the store, "" when nothing is."""
        behind = self._writer.behind_since
        if behind is None:
            return self.error
        seconds = max(self._clock.time_ns() / 1e9 - behind, 0.0)
        return f"behind for {seconds:.0f} s, {self._writer.dropped} frames dropped: {self._writer.last_error}"

    def announce(self) -> None:
        """Say that this instance is here, before its first second is over: an action that runs everywhere is for it."""
        self._writer.write(self._info(), [])

    def close(self) -> None:
        """Say goodbye, with the last totals; what goes on afterwards does so under another name."""
        self._writer.write(msgspec.structs.replace(self._info(), closed=True), [], self._encoded_totals())
        self._totals_at = 0


class Alone(Fleet):
    """One other instance, as its seconds and totals in the store tell of it; it is read while somebody looks at it."""

    def __init__(self, instance: str, fleet: Fleet) -> None:
        own = Window(fleet._now())  # stays empty
        super().__init__(fleet._store, fleet._writer, fleet._recorder, fleet._pulse, fleet._info, fleet._clock, own)
        self._instance = instance

    def _take_in(self, service: str, stored: StoredFrame) -> None:
        if stored.instance == self._instance:
            super()._take_in(service, stored)

    def total_frames(self) -> Sequence[Frame]:
        known = self._others.get(self._instance)
        return () if known is None else (known,)

    def run_frames(self) -> Sequence[Frame]:
        return self.total_frames()

    def instances(self) -> Sequence[Instance]:
        return tuple(each for each in super().instances() if each.id == self._instance)


def _instance(info: InstanceInfo, live: bool, this: bool) -> Instance:
    return Instance(info.instance, info.host, info.pid, info.release, info.started, info.last_seen, live, this)
