"""Calls: how calls of services fold, and which of them are kept so that a request's page can show its own.

A call ends before its request does, and only then is it known whether that request is kept: until then its calls wait,
within bounds. Calls of the newest requests, and those outside of any, are kept as "calls"; those of slow and failed
requests as "traces", so that a flood of quick requests does not push them out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from math import isfinite
from typing import Any, Final, Protocol

from fanlight.core import records
from fanlight.core.budgets import FAMILY, Budgets
from fanlight.core.cell import Cell
from fanlight.core.facts import CANCELLED, REQUEST, Fact
from fanlight.core.frame import OTHER, Frame, Key

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

TOKEN_TYPES: Final = ("input", "output", "cached", "reasoning")
"""What tokens of a model are counted by; input includes cached, output includes reasoning."""

_TOKENS: Final = tuple((kind, f"{kind}_tokens", f"gen_ai.tokens.{kind}") for kind in TOKEN_TYPES)

USAGES: Final = ("exact", "partial", "estimated", "unknown")
"""How well the tokens of a call are known."""

COST_UNIT: Final = 1e-9
"""Costs fold as whole nano-dollars: a call of a small model costs less than a micro-dollar's rounding is worth."""

RATE_UNIT: Final = 1e-3
"""Tokens per second fold as whole thousandths."""

AMOUNT_LIMIT: Final = 2**53

_RECORDED: Final = 128  # amounts recorded between two breaths

CellOf = Callable[[str, Key, Frame, float], Cell]
"""The cell of a series: (family, key, frame, unit)."""


class Tick(Protocol):
    """What one take collects; see `fold.Tick`."""

    frame: Frame
    kept: Any
    calls: dict[tuple[str, str, str], list[int]]
    ended: list[str]


class CallFold:
    """Folds calls for one recorder. For one thread. `waiting` holds calls by the correlation ID of their request."""

    def __init__(self, cell: CellOf, slow_ns: int, very_slow_ns: int, budgets: Budgets) -> None:
        self.waiting: dict[str, deque[Fact]] = {}
        self._budgets = budgets
        self._cell = cell
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
            self._model(call, duration, outcome, tick.frame)
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
        name, failed = self._outcome(outcome), outcome != CANCELLED
        for cell in self._cells(call.service, call.operation, call.kind, tick.frame):
            cell.record(duration, name, failed)

    def _cells(self, service: str, operation: str, kind: str, frame: Frame) -> Iterator[Cell]:
        yield self._cell("calls", (service, operation), frame, 1e-9)
        if len(self._kinds) < KIND_LIMIT or service in self._kinds:
            kind = self._kinds.setdefault(service, kind)  # one service, one kind
        yield self._cell("services", (service, kind), frame, 1e-9)

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
            _increase(frame, "fanlight.dropped.calls", 1)
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
                for start in range(0, len(amounts), _RECORDED):
                    cell.record_all(amounts[start : start + _RECORDED], "ok", False)
                    breathe()
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

    def _model(self, call: Any, duration: int, outcome: str, frame: Frame) -> None:
        """What only calls of language models have: tokens, first token, speed, cost."""
        said = call.attributes
        key = (call.service, records.text(said.get("model"), records.PATH_LIMIT) or "unknown")
        failed = bool(outcome) and outcome != CANCELLED
        self._cell("models", key, frame, 1e-9).record(duration, self._outcome(outcome) if outcome else "ok", failed)
        first = _amount(said.get("time_to_first_token"), 1e-9)
        if first:
            self._cell("model_first_tokens", key, frame, 1e-9).record(first)
        cost = _amount(said.get("cost"), COST_UNIT)
        if cost is not None:
            self._cell("model_costs", key, frame, COST_UNIT).record(cost)
            self._spend(call.service, said, cost, frame)
        self._tokens(key, said, frame)
        speed = _amount(_speed(said, duration, first or 0), RATE_UNIT)
        if speed:
            self._cell("model_speeds", key, frame, RATE_UNIT).record(speed)

    def _spend(self, service: str, said: dict[str, Any], cost: int, frame: Frame) -> None:
        """As many series as there are budgets; each period has its own, so they are not counted as the others are."""
        for key in self._budgets.keys(service, said, frame.start):
            frame.series.setdefault(FAMILY, {}).setdefault(key, Cell(COST_UNIT)).record(cost)

    def _tokens(self, key: Key, said: dict[str, Any], frame: Frame) -> None:
        known = False
        for kind, attribute, counter in _TOKENS:
            tokens = _amount(said.get(attribute), 1.0)
            if tokens is not None:
                known = True
                self._cell("model_tokens", (*key, kind), frame, 1.0).record(tokens)
                _increase(frame, counter, tokens)
        usage = said.get("usage") or ("exact" if known else "unknown")
        _increase(frame, f"gen_ai.usage.{usage if usage in USAGES else 'unknown'}", 1)


def _ids(kept: Any, kind: str, claims: str) -> dict[str, str]:
    """The correlation IDs of requests and WebSockets kept in a tick."""
    ids = (fact[11 if fact[0] == REQUEST else 12] for fact in kept.get(kind, ()))
    return {id: claims for id in ids if isinstance(id, str)}


def _amount(value: Any, unit: float) -> int | None:
    """A number of the application's as whole units; None for what is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    amount = round(value / unit)
    return amount if 0 <= amount < AMOUNT_LIMIT else None


def _speed(said: dict[str, Any], duration_ns: int, first_ns: int) -> float | None:
    """Output tokens per second, counted from the first token where that is known."""
    tokens, nanoseconds = _amount(said.get("output_tokens"), 1.0), duration_ns - first_ns
    return tokens / nanoseconds * 1e9 if tokens and nanoseconds > 0 else None


def _increase(frame: Frame, name: str, amount: int) -> None:
    frame.counters[name] = frame.counters.get(name, 0) + amount
