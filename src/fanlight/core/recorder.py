"""Recorder: takes facts in at the price of an append, and folds them into frames off the request path."""

from __future__ import annotations

import os
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from math import isfinite
from threading import RLock
from typing import Any, Final, NamedTuple

from fanlight.clock import Clock
from fanlight.core import metrics, records
from fanlight.core.cell import Cell
from fanlight.core.facts import COUNT, EVENT, LOG, REQUEST, SOCKET, STREAM, Fact
from fanlight.core.frame import GAUGE_LIMIT, KEPT_LIMITS, OTHER, Frame, Gauge, Key, Reading, Record
from fanlight.core.pacer import unpaced

FACT_LIMIT: Final = 65_536
"""Facts that wait to be folded; when the pulse is late or dead the oldest are lost, and counted."""

COUNTER_LIMIT: Final = 1_000
"""Distinct counter names besides Fanlight's own; what comes after them counts under the `other` of its group."""

AMOUNT_LIMIT: Final = 2**53
"""A counter goes up by less than this at once: what JSON can say exactly."""

CLOSE_CODE_LIMIT: Final = 64
"""Distinct WebSocket close codes (clients choose them); what comes after them counts as the outcome `other`."""

COUNTER_GROUPS: Final = (*metrics.COUNTER_GROUPS, "cache.hits.", "cache.misses.")
"""Beginnings of counter names whose ends the application chooses."""

_BATCH: Final = 16  # facts folded between two breaths: under 0.1 ms


class Sample(NamedTuple):
    """One reading of a level. `merge` "sum" | "max" | "min" | "last"; `source` "instance" | "host" | "shared";
    `value` None: it cannot be read."""

    name: str
    label: str
    value: float | None
    merge: str
    source: str


Sampler = Callable[[], Iterable[Sample]]
"""Reads levels once a second on the pulse's thread."""


class Recorder:
    """One per process and dashboard. `append` and `next_seq` may be called from any thread; `take` from one."""

    def __init__(
        self,
        clock: Clock,
        *,
        slow_seconds: float = 1.0,
        very_slow_seconds: float = 5.0,
        slow_routes: Mapping[str, float] | None = None,
        max_series: int = 500,
    ) -> None:
        self.clock = clock
        self.max_series = max_series
        self.instance, self.host, self._tag = new_instance()
        self.started = clock.time_ns() / 1e9
        self.describe_route: Callable[[Any, str, str], str] = _describe_plainly
        self.samplers: list[Sampler] = []
        self.last_failure = ""
        self.lock = RLock()  # guards `totals`; held only off the serving loop
        self.totals = Frame(int(self.started), int(self.started))
        self._slow_ns = int(slow_seconds * 1e9)
        self._very_slow_ns = int(very_slow_seconds * 1e9)
        self._slow_routes_ns = {route: int(limit * 1e9) for route, limit in (slow_routes or {}).items()}
        self._facts: deque[Fact] = deque(maxlen=FACT_LIMIT)
        self.append: Callable[[Fact], None] = self._facts.append
        self.next_seq: Callable[[], int] = count(1).__next__
        self._folded = 0
        self._dropped = 0
        self._keys: dict[str, set[Key]] = {}
        self._counters: set[str] = set()
        self._close_codes: set[str] = set()
        self._taken_ns = clock.monotonic_ns()
        self._sampled_second = 0
        self._fold: Mapping[int, Callable[[Fact, _Tick], None]] = {
            REQUEST: self._fold_request,
            LOG: self._fold_log,
            SOCKET: self._fold_socket,
            EVENT: self._fold_event,
            COUNT: self._fold_count,
        }

    def renew(self) -> None:
        """Begin again as the instance of this process; for the child of a fork, which has one thread yet."""
        self.instance, self.host, self._tag = new_instance()
        self.started = self.clock.time_ns() / 1e9
        self.lock = RLock()
        self.totals = Frame(int(self.started), int(self.started))
        self._facts.clear()
        self._folded, self._dropped = self.next_seq(), 0  # what waited is the parent's to fold
        self._keys.clear()
        self._counters.clear()
        self._close_codes.clear()
        self._taken_ns = self.clock.monotonic_ns()

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
        """Everything since the last take as one frame, labelled with the second most of it fell into."""
        now_ns, wall_ns = self.clock.monotonic_ns(), self.clock.time_ns()
        elapsed_ns = min(max(now_ns - self._taken_ns, 0), 1_000_000_000)
        self._taken_ns = now_ns
        second = (wall_ns - elapsed_ns // 2) // 1_000_000_000
        tick = _Tick(Frame(second, second + 1), wall_ns - now_ns)
        self._drain(tick, breathe)
        self._seal(tick, breathe)
        if second != self._sampled_second:
            self._sampled_second = second
            self._sample(tick.frame, wall_ns / 1e9)
        return tick.frame

    def commit(self, frame: Frame, breathe: Callable[[], None] = unpaced) -> None:
        """Add a taken frame to the totals; apart from `take`, so that totals can be stored up to a closed second."""
        with self.lock:
            self.totals.add(frame, breathe)
            self.totals.gauges.clear()  # levels are of a moment

    def _drain(self, tick: _Tick, breathe: Callable[[], None]) -> None:
        facts, fold = self._facts, self._fold
        waiting = len(facts)
        overflowed = waiting == facts.maxlen
        highest = 0
        for number in range(waiting):
            try:
                fact = facts.popleft()
            except IndexError:  # the bound dropped some from under us
                break
            self._folded += 1
            try:
                highest = max(highest, fact[1])
                fold[fact[0]](fact, tick)
            except Exception as error:
                self.failed("fold", error)
            if not number % _BATCH:
                breathe()
        if overflowed:
            dropped = max(highest - self._folded - self._dropped, 0)
            self._dropped += dropped
            if dropped:
                _increase(tick.frame, "fanlight.dropped.facts", dropped)

    def _seal(self, tick: _Tick, breathe: Callable[[], None]) -> None:
        frame = tick.frame
        for family, cells in frame.series.items():
            total = frame.totals[family] = Cell()
            for cell in cells.values():
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
            return self._template(fact[6], fact[7], fact[8])
        return self._template(fact[4], fact[5], fact[6]) if kind == SOCKET else ""

    def _template(self, route: Any, root_path: str, path: str) -> str:
        template = self.describe_route(route, root_path, path)
        plain = type(template) is str and template.isascii()
        return template if plain else records.text(template, records.PATH_LIMIT)

    def _sample(self, frame: Frame, now: float) -> None:
        sources = {"instance": self.instance, "host": self.host, "shared": "shared"}
        for sampler in self.samplers:
            try:
                for name, label, value, merge, source in sampler():
                    if value is None or not isfinite(value):
                        continue
                    if len(frame.gauges) < GAUGE_LIMIT:
                        name_label = (name, records.text(label, records.PATH_LIMIT))
                        frame.gauges[name_label] = Gauge(merge, {sources[source]: Reading(now, float(value))})
                    else:
                        _increase(frame, "fanlight.dropped.gauges", 1)
            except Exception as error:
                self.failed("sampler", error)

    def _cell(self, family: str, key: Key, frame: Frame) -> Cell:
        cells = frame.series.get(family)
        if cells is None:
            cells = frame.series[family] = {}
        cell = cells.get(key)
        if cell is None:
            key = self._admit(family, key, frame)
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = Cell()
        return cell

    def _admit(self, family: str, key: Key, frame: Frame) -> Key:
        known = self._keys.setdefault(family, set())
        key = tuple(records.text(part, records.PATH_LIMIT) for part in key)
        if key in known:
            return key
        if len(known) < self.max_series:
            known.add(key)
            return key
        if family != "stream_durations":  # its facts are counted in "streams" already
            _increase(frame, "fanlight.dropped.series", 1)
        return (OTHER,) * len(key)

    def _fold_request(self, fact: Fact, tick: _Tick) -> None:
        _, _, _, duration_ns, first_byte_ns, method, route, root, path, status, flags, _, _ = fact
        template = self._template(route, root, path)
        frame = tick.frame
        outcome = _CODES.get(status)
        if outcome is None:
            status = records.code_of(status)
            outcome = str(status)
        failed = status >= 400
        key = (method, template)
        if flags & STREAM:
            self._cell("stream_durations", key, frame).record(duration_ns)
            amount, family = first_byte_ns, "streams"
        else:
            amount, family = duration_ns, "requests"
        self._cell(family, key, frame).record(amount, outcome, failed)
        kept = tick.kept
        kept["recent"].append(fact)
        if failed:
            kept["failed"].append(fact)
        if amount >= self._slow_routes_ns.get(template, self._slow_ns):
            kept["slow"].append(fact)
            _increase(frame, "requests.slow", 1)
        if amount >= self._very_slow_ns:
            _increase(frame, "requests.very_slow", 1)

    def _fold_log(self, fact: Fact, tick: _Tick) -> None:
        tick.kept["logs"].append(fact)
        self._count(tick.frame, f"log.lines.{records.text(fact[5], records.LABEL_LIMIT).lower()}", 1)

    def _fold_socket(self, fact: Fact, tick: _Tick) -> None:
        event, code = fact[3], records.code_of(fact[9])
        if event == "connected":
            _increase(tick.frame, "websocket.connects", 1)
            tick.kept["sockets"].append(fact)
            return
        failed = event == "refused" or records.abnormal(code)
        key = ("WS", self._template(fact[4], fact[5], fact[6]))
        self._cell("sockets", key, tick.frame).record(fact[10], self._close_code(str(code)), failed)
        tick.kept["sockets"].append(fact)
        if failed:
            tick.kept["failed"].append(fact)

    def _close_code(self, code: str) -> str:
        known = self._close_codes
        if code not in known:
            if len(known) >= CLOSE_CODE_LIMIT:
                return OTHER
            known.add(code)
        return code

    def _fold_event(self, fact: Fact, tick: _Tick) -> None:
        tick.kept["events"].append(fact)
        self._count(tick.frame, f"events.{records.text(fact[3], records.LABEL_LIMIT)}", 1)

    def _fold_count(self, fact: Fact, tick: _Tick) -> None:
        self._count(tick.frame, fact[3], fact[4])

    def _count(self, frame: Frame, name: str, amount: int) -> None:
        if not isinstance(amount, int) or not 0 <= amount < AMOUNT_LIMIT:
            raise ValueError(f"a counter went up by {amount!r}; expected a whole number from 0 to {AMOUNT_LIMIT - 1}")
        _increase(frame, name if name in self._counters else self._admit_counter(name), amount)

    def _admit_counter(self, name: str) -> str:
        """The name a counter goes by; Fanlight's own are never displaced by the application's."""
        name = records.text(name, 120)
        if name.startswith("fanlight.") or name in metrics.COUNTERS:
            return name
        if name in self._counters or len(self._counters) < COUNTER_LIMIT:
            self._counters.add(name)
            return name
        return next((group for group in COUNTER_GROUPS if name.startswith(group)), "") + OTHER


class _Tick:
    """What one take collects."""

    __slots__ = ("frame", "kept", "offset_ns")

    def __init__(self, frame: Frame, offset_ns: int) -> None:
        self.frame = frame
        self.offset_ns = offset_ns  # wall time = monotonic + offset
        self.kept = _Kept()


class _Kept(dict[str, deque[Fact]]):
    """Facts to keep, by kind, the newest few of each."""

    def __missing__(self, kind: str) -> deque[Fact]:
        made = self[kind] = deque(maxlen=KEPT_LIMITS[kind])
        return made


_CODES: Final = {code: str(code) for code in range(100, 600)}


def _increase(frame: Frame, name: str, amount: int) -> None:
    counters = frame.counters
    counters[name] = counters.get(name, 0) + amount


def _describe_plainly(route: Any, root_path: str, path: str) -> str:
    return route if isinstance(route, str) else "unmatched"


def new_instance() -> tuple[str, str, str]:
    """The id of this process (made after fork), its host, and the short tag its request ids begin with."""
    host = socket.gethostname().split(".")[0][:40] or "host"
    tag = secrets.token_hex(4)
    return f"{host}-{os.getpid()}-{tag}", host, tag
