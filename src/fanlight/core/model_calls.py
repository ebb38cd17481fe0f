"""Model calls: what only calls of language models have, folded by service and model: tokens, first token, speed, cost.

Amounts of one tick are collected and recorded together at its end, which costs less than recording each by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from fanlight.core import records
from fanlight.core.budgets import FAMILY, Budgets
from fanlight.core.cell import Cell, Report, increase, record_pieces
from fanlight.core.frame import Frame, Key

TOKEN_TYPES: Final = ("input", "output", "cached", "reasoning")
"""What tokens of a model are counted by; input includes cached, output includes reasoning."""

USAGES: Final = ("exact", "partial", "estimated", "unknown")
"""How well the tokens of a call are known."""

COST_UNIT: Final = 1e-9
"""Costs fold as whole nano-dollars: a call of a small model costs less than a micro-dollar's rounding is worth."""

RATE_UNIT: Final = 1e-3
"""Tokens per second fold as whole thousandths."""

AMOUNT_LIMIT: Final = 2**53

_NUMBERS: Final = (int, float)
_TOKENS: Final = tuple(f"{kind}_tokens" for kind in TOKEN_TYPES)

CellOf = Callable[[str, Key, Frame, float], Cell]
"""The cell of a series: (family, key, frame, unit)."""


class ModelAmounts:
    """What the calls of one model came to in one tick, each in whole units of its family."""

    __slots__ = ("costs", "durations", "first_tokens", "speeds", "tokens", "usages")

    def __init__(self) -> None:
        self.durations: dict[tuple[str, bool], list[int]] = {}  # by outcome, and whether that is a failure
        self.first_tokens: list[int] = []
        self.speeds: list[int] = []
        self.costs: list[int] = []
        self.tokens: tuple[list[int], ...] = tuple([] for _ in TOKEN_TYPES)
        self.usages: dict[str, int] = {}


class Tick(Protocol):
    """What one take collects; see `fold.Tick`."""

    frame: Frame
    models: dict[tuple[str, str], ModelAmounts]


class ModelFold:
    """Folds the calls of language models for one recorder. For one thread."""

    def __init__(self, cell: CellOf, failed: Report, budgets: Budgets) -> None:
        self._cell = cell
        self._failed = failed
        self._budgets = budgets

    def fold(self, call: Any, duration: int, outcome: str, failed: bool, tick: Tick) -> None:
        """Take in a call; what its attributes say of it may be anything."""
        said = call.attributes
        model = said.get("model")
        key = (call.service, model if type(model) is str else records.text(model, records.PATH_LIMIT))
        mine = tick.models.get(key)
        if mine is None:
            mine = tick.models[key] = ModelAmounts()
        mine.durations.setdefault((outcome, failed), []).append(duration)
        first = _amount(said.get("time_to_first_token"), 1e-9)
        if first:
            mine.first_tokens.append(first)
        cost = _amount(said.get("cost"), COST_UNIT)
        if cost is not None:
            mine.costs.append(cost)
            self._spend(call.service, said, cost, tick.frame)
        speed = _speed(self._tokens(mine, said), duration - (first or 0))
        if speed:
            mine.speeds.append(speed)

    def _tokens(self, mine: ModelAmounts, said: dict[str, Any]) -> int | None:
        """Note the tokens and how well they are known; how many came out."""
        known, made = False, None
        for attribute, amounts in zip(_TOKENS, mine.tokens, strict=True):
            tokens = said.get(attribute)
            if tokens is None:
                continue
            tokens = _amount(tokens, 1.0)
            if tokens is not None:
                known = True
                amounts.append(tokens)
                if attribute == "output_tokens":
                    made = tokens
        usage = said.get("usage") or ("exact" if known else "unknown")
        increase(mine.usages, usage if usage in USAGES else "unknown", 1)
        return made

    def _spend(self, service: str, said: dict[str, Any], cost: int, frame: Frame) -> None:
        """As many series as there are budgets; each period has its own, so they are not counted as the others are."""
        for key in self._budgets.keys(service, said, frame.start):
            frame.series.setdefault(FAMILY, {}).setdefault(key, Cell(COST_UNIT)).record(cost)

    def settle(self, tick: Tick, breathe: Callable[[], None]) -> None:
        """At the end of a tick: record what was collected. A model that fails costs only itself."""
        for (service, model), mine in tick.models.items():
            try:
                self._settle((service, records.text(model, records.PATH_LIMIT) or "unknown"), mine, tick.frame, breathe)
            except Exception as error:
                self._failed("fold", error)

    def _settle(self, key: Key, mine: ModelAmounts, frame: Frame, breathe: Callable[[], None]) -> None:
        for (outcome, failed), durations in mine.durations.items():
            record_pieces(self._cell("models", key, frame, 1e-9), durations, outcome, failed, breathe, self._failed)
        for family, amounts, unit in (
            ("model_first_tokens", mine.first_tokens, 1e-9),
            ("model_costs", mine.costs, COST_UNIT),
            ("model_speeds", mine.speeds, RATE_UNIT),
        ):
            if amounts:
                record_pieces(self._cell(family, key, frame, unit), amounts, "", False, breathe, self._failed)
        for kind, tokens in zip(TOKEN_TYPES, mine.tokens, strict=True):
            if tokens:
                cell = self._cell("model_tokens", (*key, kind), frame, 1.0)
                record_pieces(cell, tokens, "", False, breathe, self._failed)
                increase(frame.counters, f"gen_ai.tokens.{kind}", sum(tokens))
        for usage, calls in mine.usages.items():
            increase(frame.counters, f"gen_ai.usage.{usage}", calls)


def _amount(value: Any, unit: float) -> int | None:
    """A number of the application's as whole units of at most 1; None for what is none, or no amount."""
    if type(value) is not int or unit != 1.0:
        if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not 0 <= value < AMOUNT_LIMIT:
            return None
        value = round(value / unit)
    return value if 0 <= value < AMOUNT_LIMIT else None


def _speed(tokens: int | None, nanoseconds: int) -> int | None:
    """Output tokens per second, in thousandths, counted from the first token where that is known."""
    return _amount(tokens / nanoseconds * 1e9, RATE_UNIT) if tokens and nanoseconds > 0 else None
