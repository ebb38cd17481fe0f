"""Calls: how calls of services fold, and which of them are kept so that a request's page can show its own.

A call ends before its request does, and only then is it known whether that request is kept: until then its calls wait,
within bounds. Calls of the newest requests, and those outside of any, are kept as "calls"; those of slow and failed
requests as "traces", so that a flood of quick requests does not push them out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final, Protocol

from fanlight.core import records
from fanlight.core.budgets import Budgets
from fanlight.core.cell import Cell, Report, increase, record_pieces
from fanlight.core.facts import CANCELLED, REQUEST, Fact
from fanlight.core.frame import OTHER, Frame
from fanlight.core.model_calls import CellOf, ModelAmounts, ModelFold

TRACE_LIMIT: Final = 100
"""Calls one request shows: its newest."""

WAITING_LIMIT: Final = 16_384
"""Calls that wait for their requests to end; beyond it those that wait longest are kept as calls of none."""

WAITING_NS: Final = 60_000_000_000
"""How long calls wait: what runs longer, or is no request (a worker's job with a correlation ID), ends nothing here."""

CLAIMED_LIMIT: Final = 512
"""Ended requests whose late calls (background tasks) still find them."""

OUTCOME_NAMES: Final = 64
"""Distinct error types of calls; what comes after them counts as `other`."""

KIND_LIMIT: Final = 1_000
"""Services whose kind is remembered."""


class Tick(Protocol):
    """What one take collects; see `fold.Tick`."""

    frame: Frame
    kept: Any
    calls: dict[tuple[str, str, str], list[int]]
    models: dict[tuple[str, str], ModelAmounts]
    ended: list[str]


class CallFold:
    """Folds calls for one recorder. For one thread. `waiting` holds calls by the correlation ID of their request."""

    def __init__(self, cell: CellOf, failed: Report, slow_ns: int, very_slow_ns: int, budgets: Budgets) -> None:
        self.waiting: dict[str, deque[Fact]] = {}
        self._models = ModelFold(cell, failed, budgets)
        self._cell = cell
        self._failed = failed
        self._slow_ns = slow_ns
        self._very_slow_ns = very_slow_ns
        self._held = 0
        self._latest_ns = 0
        self._claimed: dict[str, str] = {}
        self._outcomes: set[str] = set()
        self._kinds: dict[str, str] = {}
        self._next_id = count(1).__next__

    def forget(self) -> None:
        """Begin anew; for the child of a fork."""
        self.waiting.clear()
        self._held = 0
        self._claimed.clear()
        self._outcomes.clear()
        self._kinds.clear()

    def fold(self, fact: Fact, tick: Tick) -> None:
        """Count a call, and keep it or let it wait."""
        duration, call, parent, outcome = fact[3], fact[4], fact[5], fact[7]
        self._latest_ns = fact[2]
        for each in (call, parent):
            if getattr(each, "id", None) == 0:
                each.id = self._next_id()
        if call.kind == "llm":
            name, failed = self._judged(outcome)
            self._models.fold(call, duration, name or "ok", failed, tick)
        if call.attributes:
            call.attributes = records.attributes(call.attributes)
        if outcome:
            self._record(call, duration, outcome, tick)
        else:
            tick.calls.setdefault((call.service, call.operation, call.kind), []).append(duration)
        if outcome and outcome != CANCELLED:
            tick.kept["failed_calls"].append(fact)
        if duration >= (self._very_slow_ns if call.kind == "llm" else self._slow_ns):
            tick.kept["slow_calls"].append(fact)
        self._place(fact, tick)

    def _record(self, call: Any, duration: int, outcome: str, tick: Tick) -> None:
        name, failed = self._judged(outcome)
        for cell in self._cells(call.service, call.operation, call.kind, tick.frame):
            cell.record(duration, name, failed)

    def _cells(self, service: str, operation: str, kind: str, frame: Frame) -> Iterator[Cell]:
        yield self._cell("calls", (service, operation), frame, 1e-9)
        if len(self._kinds) < KIND_LIMIT or service in self._kinds:
            kind = self._kinds.setdefault(service, kind)  # one service, one kind
        yield self._cell("services", (service, kind), frame, 1e-9)

    def _judged(self, outcome: str) -> tuple[str, bool]:
        """The name an outcome counts under, and whether it is a failure; "" is a success."""
        return self._outcome(outcome) if outcome else "", bool(outcome) and outcome != CANCELLED

    def _outcome(self, outcome: str) -> str:
        name = records.text(outcome, records.LABEL_LIMIT)
        if name not in self._outcomes:
            if len(self._outcomes) >= OUTCOME_NAMES:
                return OTHER
            self._outcomes.add(name)
        return name

    def _place(self, fact: Fact, tick: Tick) -> None:
        correlation_id = fact[6]
        if not correlation_id:
            tick.kept["calls"].append(fact)
        elif correlation_id in self._claimed:
            tick.kept[self._claimed[correlation_id]].append(fact)
        else:
            self._wait(correlation_id, fact, tick.frame)

    def _wait(self, correlation_id: str, fact: Fact, frame: Frame) -> None:
        mine = self.waiting.get(correlation_id)
        if mine is None:
            mine = self.waiting[correlation_id] = deque(maxlen=TRACE_LIMIT)
        if len(mine) == TRACE_LIMIT:
            increase(frame.counters, "fanlight.dropped.calls", 1)
        else:
            self._held += 1
        mine.append(fact)

    def _tire(self, tick: Tick) -> None:
        """Keep what has waited too long, or is too much, for itself."""
        while self.waiting:
            oldest = next(iter(self.waiting))
            if self._held <= WAITING_LIMIT and self.waiting[oldest][0][2] > self._latest_ns - WAITING_NS:
                return
            facts = self.waiting.pop(oldest)
            self._held -= len(facts)
            tick.kept["calls"].extend(facts)

    def settle(self, tick: Tick, breathe: Callable[[], None]) -> None:
        """At the end of a tick: record the plain ones together, keep those whose request is kept, forget the rest."""
        for (service, operation, kind), amounts in tick.calls.items():
            for cell in self._cells(service, operation, kind, tick.frame):
                record_pieces(cell, amounts, "ok", False, breathe, self._failed)
        self._models.settle(tick, breathe)
        self._tire(tick)
        self._claim(tick, breathe)

    def _claim(self, tick: Tick, breathe: Callable[[], None]) -> None:
        kept = {**_ids(tick.kept, "recent", "calls"), **_ids(tick.kept, "sockets", "calls")}
        kept |= {**_ids(tick.kept, "slow", "traces"), **_ids(tick.kept, "failed", "traces")}
        for correlation_id in tick.ended:
            if not isinstance(correlation_id, str):
                continue
            kind = kept.get(correlation_id)
            if kind is not None:
                self._claimed[correlation_id] = kind
            facts = self.waiting.pop(correlation_id, None)
            if facts is not None:
                self._held -= len(facts)
                if kind is not None:
                    tick.kept[kind].extend(facts)
            breathe()
        while len(self._claimed) > CLAIMED_LIMIT:
            del self._claimed[next(iter(self._claimed))]


def _ids(kept: Any, kind: str, claims: str) -> dict[str, str]:
    """The correlation IDs of requests and WebSockets kept in a tick."""
    ids = (fact[11 if fact[0] == REQUEST else 12] for fact in kept.get(kind, ()))
    return {id: claims for id in ids if isinstance(id, str)}
