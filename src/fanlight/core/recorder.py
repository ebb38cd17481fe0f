"""Recorder: takes facts in at the price of an append, and folds them into frames off the request path."""

from __future__ import annotations

import os
import secrets
import socket
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from math import isfinite
from threading import RLock
from typing import Any, Final, NamedTuple, cast

from fanlight.clock import Clock
from fanlight.core import records
from fanlight.core.budgets import Budgets, forget
from fanlight.core.cell import Cell, increase
from fanlight.core.facts import COUNT, EVENT, REQUEST, SOCKET, Fact
from fanlight.core.fold import Fold, Tick
from fanlight.core.frame import GAUGE_LIMIT, Frame, Record
from fanlight.core.gauge import Gauge, Reading
from fanlight.core.pacer import unpaced

FACT_LIMIT: Final = 65_536
"""Facts that wait to be folded; when the pulse is late or dead the oldest are lost, and counted."""

_PIECE: Final = 64  # calls looked at between two breaths: under 0.05 ms


class Sample(NamedTuple):
    """One reading of a level. `merge` "sum" | "max" | "min" | "last"; `source` "instance" | "host" | "shared";
    `value` None: it cannot be read."""

    name: str
    label: str
    value: float | None
    merge: str
    source: str


STEP_BACK: Final = 3
"""Seconds the clock may be set back by with nothing but a long second; beyond it time begins again."""

NEWS_LIMIT: Final = 64
"""Samplers that wait to be read out of turn; of more the first wait for theirs."""

Sampler = Callable[[], Iterable[Sample]]
"""Reads levels once a second on the pulse's thread."""


class Recorder:
    """One per process and dashboard. `append` and `next_seq` may be called from any thread; `take` from one."""

    def __init__(
        self,
        clock: Clock,
        budgets: Budgets | None = None,
        *,
        slow_seconds: float = 1.0,
        very_slow_seconds: float = 5.0,
        slow_routes: Mapping[str, float] | None = None,
        max_series: int = 500,
    ) -> None:
        self.clock = clock
        self.instance, self.host, self._tag = new_instance()
        self.started = clock.time_ns() / 1e9
        self.samplers: list[Sampler] = []
        self.last_failure = ""
        self.lock = RLock()  # guards `totals`; held only off the serving loop
        self.totals = Frame(int(self.started), int(self.started))
        self.budgets = budgets or Budgets()
        self.fold = Fold(
            self.failed,
            slow_ns=int(slow_seconds * 1e9),
            very_slow_ns=int(very_slow_seconds * 1e9),
            slow_routes_ns={route: int(limit * 1e9) for route, limit in (slow_routes or {}).items()},
            max_series=max_series,
            budgets=self.budgets,
        )
        self._facts: deque[Fact] = deque(maxlen=FACT_LIMIT)
        self.append: Callable[[Fact], None] = self._facts.append
        self.next_seq: Callable[[], int] = count(1).__next__
        self.now_ns: Callable[[], int] = clock.monotonic_ns
        self._begun: deque[Any] = deque(maxlen=FACT_LIMIT)  # calls of services since the last look
        self._open: dict[Any, None] = {}
        self.begin: Callable[[Any], None] = self._begun.append
        self._folded = 0
        self._dropped = 0
        self._taken_ns = clock.monotonic_ns()
        self._sampled_second = 0
        self._news: deque[Sampler] = deque(maxlen=NEWS_LIMIT)
        self._open_second = 0

    def renew(self) -> None:
        """Begin again as the instance of this process; for the child of a fork, which has one thread yet."""
        self.instance, self.host, self._tag = new_instance()
        self.started = self.clock.time_ns() / 1e9
        self.lock = RLock()
        self.totals = Frame(int(self.started), int(self.started))
        self._facts.clear()
        self._begun.clear()
        self._open.clear()
        self._folded, self._dropped = self.next_seq(), 0  # what waited is the parent's to fold
        self.fold.forget()
        self._taken_ns = self.clock.monotonic_ns()
        self._open_second = 0

    def rename(self) -> None:
        """Go on as another instance, whose totals and time begin now; what waits is its to fold."""
        self.instance, self.host, self._tag = new_instance()
        self.started = self.clock.time_ns() / 1e9
        with self.lock:
            self.totals = Frame(int(self.started), int(self.started))
        self.reopen()

    def reopen(self) -> None:
        """Take seconds as the clock says them, even if they were closed before."""
        self._open_second = 0

    @property
    def went_back(self) -> bool:
        """Whether the clock was set back so far that seconds which are published would come again."""
        return self.clock.time_ns() // 1_000_000_000 < self._open_second - STEP_BACK

    def close_second(self, frame: Frame) -> None:
        """This frame's second is published: what is taken from now on belongs to a later one."""
        self._open_second = frame.start + 1

    def resolve_routes(self, describe: Callable[[Any, str, str], str], by_path: Callable[[Any], bool]) -> None:
        """How facts' routes become templates, at fold time; see `Fold`."""
        self.fold.describe, self.fold.by_path = describe, by_path

    def link(self) -> Recorder:
        """This recorder as hooks of the whole process hold it: a `Link`."""
        return cast(Recorder, Link(self))

    @property
    def pending(self) -> int:
        """Facts that wait to be folded."""
        return len(self._facts)

    def count(self, name: str, amount: int = 1) -> None:
        """A named counter went up."""
        self.append((COUNT, self.next_seq(), self.clock.monotonic_ns(), name, amount))

    def event(self, type: str, fields: Mapping[str, Any], correlation_id: str = "") -> None:
        """Something worth a row happened; `fields` is copied."""
        self.append((EVENT, self.next_seq(), self.clock.monotonic_ns(), type, dict(fields), correlation_id))

    def failed(self, where: str, error: BaseException) -> None:
        """Fanlight itself failed: counted and shown, never raised."""
        self.last_failure = f"{where}: {records.describe_error(error)}"
        self.count("fanlight.failures")

    def take(self, breathe: Callable[[], None] = unpaced) -> Frame:
        """Everything since the last take as one frame, labelled with the second most of it fell into.

        Never with one that is closed: when the clock was set back a little, the open second lasts longer.
        """
        now_ns, wall_ns = self.clock.monotonic_ns(), self.clock.time_ns()
        elapsed_ns = min(max(now_ns - self._taken_ns, 0), 1_000_000_000)
        self._taken_ns = now_ns
        second = max((wall_ns - elapsed_ns // 2) // 1_000_000_000, self._open_second)
        tick = Tick(Frame(second, second + 1), wall_ns - now_ns)
        self._drain(tick, breathe)
        self.open_calls(breathe)
        self._seal(tick, breathe)
        due: Iterable[Sampler] = {self._news.popleft() for _ in range(len(self._news))}
        if second != self._sampled_second:
            self._sampled_second, due = second, self.samplers
        self._sample(due, tick.frame, wall_ns / 1e9, breathe)
        return tick.frame

    def sample_soon(self, sampler: Sampler) -> None:
        """Read these levels with the next take, though the others have been read in this second. From any thread."""
        self._news.append(sampler)

    def open_calls(self, breathe: Callable[[], None] = unpaced) -> Mapping[Any, None]:
        """Calls of services that are under way, the one begun first at first. For the thread that takes.

        They are told apart here from those that ended, because to leave a list in time would cost each call 0.2 µs. Of
        more than FACT_LIMIT begun between two looks the first are not seen here; the calls themselves are facts.
        """
        for call in [call for call in self._open if call.token is None]:
            del self._open[call]
        for number in range(len(self._begun)):
            try:
                call = self._begun.popleft()
            except IndexError:  # the bound dropped some from under us
                break
            if call.token is not None:
                self._open[call] = None
            if not number % _PIECE:
                breathe()
        return self._open

    def commit(self, frame: Frame, breathe: Callable[[], None] = unpaced) -> None:
        """Add a taken frame to the totals; apart from `take`, so that totals can be stored up to a closed second."""
        with self.lock:
            self.totals.add(frame, breathe)
            forget(self.totals)
            self.totals.gauges.clear()  # levels are of a moment

    def _drain(self, tick: Tick, breathe: Callable[[], None]) -> None:
        overflowed = len(self._facts) == self._facts.maxlen
        folded, highest = self.fold.drain(self._facts, tick, breathe)
        self._folded += folded
        if overflowed:
            dropped = max(highest - self._folded - self._dropped, 0)
            self._dropped += dropped
            if dropped:
                increase(tick.frame.counters, "fanlight.dropped.facts", dropped)

    def _seal(self, tick: Tick, breathe: Callable[[], None]) -> None:
        frame = tick.frame
        for family, cells in frame.series.items():
            found = iter(cells.values())
            total = frame.totals[family] = next(found, Cell()).copy()
            for cell in found:
                total.add(cell)
                breathe()
        for kind, facts in tick.kept.items():
            frame.keep(kind, self._records(facts, tick.offset_ns, breathe))

    def _records(self, facts: Iterable[Fact], offset_ns: int, breathe: Callable[[], None]) -> list[Record]:
        made = []
        for fact in facts:
            try:
                made.append(self._record(fact, offset_ns))
            except Exception as error:
                self.failed("record", error)
            breathe()
        return made

    def _record(self, fact: Fact, offset_ns: int) -> Record:
        return records.MAKERS[fact[0]](fact, self._tag, offset_ns, self.instance, self._route(fact))

    def _route(self, fact: Fact) -> str:
        kind = fact[0]
        if kind == REQUEST:
            return self.fold.template(fact[6], fact[7], fact[10])
        return self.fold.template(fact[4], fact[5], fact[6]) if kind == SOCKET else ""

    def _sample(self, samplers: Iterable[Sampler], frame: Frame, now: float, breathe: Callable[[], None]) -> None:
        sources = {"instance": self.instance, "host": self.host, "shared": "shared"}
        for sampler in samplers:
            try:
                for name, label, value, merge, source in sampler():
                    breathe()
                    if value is None or not isfinite(value):
                        continue
                    if len(frame.gauges) < GAUGE_LIMIT:
                        name_label = (name, records.text(label, records.PATH_LIMIT))
                        frame.gauges[name_label] = Gauge(merge, {sources[source]: Reading(now, float(value))})
                    else:
                        increase(frame.counters, "fanlight.dropped.gauges", 1)
            except Exception as error:
                self.failed("sampler", error)


class Link:
    """What logging and the garbage collector are given of a recorder: it keeps neither the recorder alive nor, by its
    samplers, the application, and after them it records nothing."""

    def __init__(self, recorder: Recorder) -> None:
        self._held = weakref.ref(recorder)
        self.clock = recorder.clock
        self.next_seq = recorder.next_seq

    def append(self, fact: Fact) -> None:
        recorder = self._held()
        if recorder is not None:
            recorder.append(fact)

    def count(self, name: str, amount: int = 1) -> None:
        recorder = self._held()
        if recorder is not None:
            recorder.count(name, amount)

    def failed(self, where: str, error: BaseException) -> None:
        recorder = self._held()
        if recorder is not None:
            recorder.failed(where, error)

    @property
    def samplers(self) -> list[Sampler]:
        recorder = self._held()
        return [] if recorder is None else recorder.samplers


def new_instance() -> tuple[str, str, str]:
    """The id of this process (made after fork), its host, and the short tag its request ids begin with."""
    host = socket.gethostname().split(".")[0][:40] or "host"
    tag = secrets.token_hex(4)
    return f"{host}-{os.getpid()}-{tag}", host, tag
