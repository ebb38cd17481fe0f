"""Query: makes the snapshot for a view, once per tick and scope however many ask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock, RLock
from typing import Final, NamedTuple, Protocol

from fanlight.clock import Clock
from fanlight.core.analytics import Analytics
from fanlight.core.frame import Frame
from fanlight.core.inputs import Inputs
from fanlight.core.sections import Excerpt, Instance, Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import Course, Lines
from fanlight.core.timeline import View as Past
from fanlight.core.totals import totals
from fanlight.core.window import SERVICES, Window
from fanlight.panels import ActionButton, View
from fanlight.settings import Settings

DEFAULT_RANGE: Final = "15m"
"""The range that the window holds."""

RANGES_MADE: Final = 16
"""Snapshots over other ranges that are held, for as long as they are the present ones."""


ALONE_HELD: Final = 2
"""Single instances, other than this, that are held for those who look at one; the one not asked for longest goes."""


class Source(Protocol):
    """Where one scope's numbers come from: this instance, or all of the service.

    `total_frames` since the first start and `run_frames` since this start are read under `lock`.
    """

    lock: RLock

    @property
    def window(self) -> Window: ...

    @property
    def version(self) -> int: ...

    def refresh(self) -> None:
        """Bring it up to date when it is not; returns soon either way."""

    def total_frames(self) -> Sequence[Frame]: ...

    def run_frames(self) -> Sequence[Frame]: ...

    def instances(self) -> Sequence[Instance]: ...

    def alone(self, instance: str) -> Source | None:
        """One of its instances for itself; None when it knows none of that id."""


FREED_AT_ONCE: Final = 10
"""Parts of the snapshot before that are let go of between two breaths: all of them together take a millisecond."""


class Surroundings(Protocol):
    """What a snapshot says besides numbers."""

    def database(self) -> Supplied: ...

    def actions(self) -> tuple[ActionButton, ...]: ...
    def redis(self) -> Supplied: ...

    def last_failure(self) -> str: ...

    def viewers(self) -> int: ...

    def history(self) -> str: ...

    def exposition(self, snapshot: Snapshot) -> Excerpt: ...

    def analytics(self) -> Analytics: ...


class Ranged(NamedTuple):
    """A range of the past as it was read at `at` (Unix seconds; 0: not yet)."""

    at: float
    view: Past
    lines: Lines


class Ranges(Protocol):
    """Where the past beyond the window comes from."""

    def get(self, name: str, start: float | None = None, end: float | None = None, service: str = "") -> Ranged:
        """A named range, or one from `start` to `end`; returns soon, with what there is.

        Of a `service` only its calls, as the points of the family SERVICES, in steps for which they are kept.
        """


class Query:
    """Thread-safe; `snapshot` takes 1 to 3 ms and is never called on the serving loop.

    The first to ask for a range of the past waits for it, for a few seconds at most.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        own: Source,
        fleet: Source,
        surroundings: Surroundings,
        breathe: Callable[[], None],
        ranges: Ranges | None = None,
    ) -> None:
        self._ranges = ranges
        self._over: OrderedDict[tuple[object, ...], tuple[Snapshot, Ranged, Snapshot]] = OrderedDict()
        self._settings = settings
        self._clock = clock
        self._sources = {"this": own, "all": fleet}
        self._surroundings = surroundings
        self._breathe = breathe
        self._lock = Lock()
        self._made: dict[str, tuple[int, Snapshot]] = {}  # by scope: the version it was made of
        self._alone: OrderedDict[str, Source] = OrderedDict()

    @property
    def version(self) -> int:
        """Changes with each tick."""
        return sum(source.version for source in self._sources.values())

    def snapshot(self, view: View) -> Snapshot:
        """The service at the last tick, for the view's scope and range; an unknown scope reads as "all"."""
        base = self._present(view)
        if self._ranges is None or (view.start is None and view.range == DEFAULT_RANGE):
            return base
        ranged = self._ranges.get(view.range, view.start, view.end)
        key = (base.scope, view.range, view.start, view.end)
        with self._lock:
            known = self._over.get(key)
            if known is None or known[0] is not base or known[1] != ranged:
                made = base.over(_told(ranged.view, base.scope), ranged.lines, partial(self._course, view, base.scope))
                held = [part for each in _of_range(known) for part in _held(each)]
                known = self._over[key] = (base, ranged, made)
                while len(self._over) > RANGES_MADE:
                    self._over.popitem(last=False)
                self._let_go(held)
            return known[2]

    def _course(self, view: View, scope: str, service: str) -> Course:
        assert self._ranges is not None
        past = _told(self._ranges.get(view.range, view.start, view.end, service).view, scope)
        return Course(past.start, past.step, past.widths, past.points.get(SERVICES, ()), past.note)

    def _present(self, view: View) -> Snapshot:
        scope, source = self._source(view.scope)
        source.refresh()
        with self._lock:
            version = source.version
            known = self._made.get(scope)
            if known is not None and known[0] == version:
                return known[1]
            made = self._make(scope, source, version)
            self._made[scope] = (version, made)
            held = _held(known[1]) if known is not None else []
            del known
            self._let_go(held)
            return made

    def _let_go(self, held: list[object]) -> None:
        """Free what a snapshot held that was replaced, while nobody else looks at it."""
        while held:
            del held[-FREED_AT_ONCE:]
            self._breathe()

    def _source(self, scope: str) -> tuple[str, Source]:
        """The source of a scope, and the scope as it reads: "all" when it names nobody."""
        if scope in self._sources:
            return scope, self._sources[scope]
        this, whole = self._sources["this"], self._sources["all"]
        if scope not in self._alone:
            whole.refresh()  # it may have heard of nobody yet
        with self._lock:
            found = self._alone.get(scope) or this.alone(scope) or whole.alone(scope)
            if found is None:
                return "all", whole
            self._alone[scope] = found
            self._alone.move_to_end(scope)
            while len(self._alone) > ALONE_HELD:
                gone, _ = self._alone.popitem(last=False)
                self._made.pop(gone, None)
            return scope, found

    def _make(self, scope: str, source: Source, version: int) -> Snapshot:
        now = self._clock.time_ns() / 1e9
        with source.lock:
            all_frames, run_frames = source.total_frames(), source.run_frames()
            total = totals(all_frames, self._breathe)
            same = list(map(id, all_frames)) == list(map(id, run_frames))
            run = total if same else totals(run_frames, self._breathe)
        around = self._surroundings
        inputs = Inputs(
            at=now,
            settings=self._settings,
            scope=scope,
            view=source.window.view(now, self._breathe),
            totals=total,
            this_run=run,
            instances=tuple(source.instances()),
            database=around.database(),
            actions=around.actions(),
            redis=around.redis(),
            last_failure=around.last_failure(),
            viewers=around.viewers(),
            history=around.history(),
            version=version,
            exposition=around.exposition,
            analytics=around.analytics,
            course=lambda name: source.window.course(name, now),
            lines=lambda: source.window.lines(now, self._breathe),
            breathe=self._breathe,
        )
        return Snapshot(inputs)

    def cumulative(self, scope: str = "this") -> Frame:
        """All series with their histograms since the first start: what Prometheus scrapes; a copy.

        Not since this start: a worker that ends would take its counts away, which reads as a reset.
        """
        _, source = self._source(scope)
        source.refresh()
        merged: Frame | None = None
        with source.lock:
            for frame in source.total_frames():
                if merged is None:
                    merged = Frame(frame.start, frame.end)
                merged.add(frame, self._breathe)
        return merged or Frame(0, 0)


def _of_range(known: tuple[Snapshot, Ranged, Snapshot] | None) -> tuple[Snapshot, ...]:
    """The snapshots of a range that was made."""
    return () if known is None else (known[0], known[2].range, known[2])


def _held(snapshot: Snapshot) -> list[object]:
    """What a snapshot holds, to be let go of from the end: what holds others comes after them.

    Another thread may still draw it, and remember what it makes: each mapping is copied in one step.
    """
    holding = [*vars(snapshot).values(), *snapshot.view, *snapshot.totals]
    parts = [part for each in holding if isinstance(each, dict) for part in tuple(each.values())]
    return [record for records in snapshot.view.kept.values() for record in records] + parts + holding


def _told(past: Past, scope: str) -> Past:
    """The past, saying so when one instance was asked for: further back only all together are kept."""
    if scope == "all":
        return past
    return past._replace(note="; ".join(filter(None, (past.note, "all instances: one alone is kept for 15 minutes"))))
