"""Spending: a budget as the application holds it, and the word when one is nearly or wholly spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from fanlight.core.budgets import LEVEL, Budget, Budgets, ends
from fanlight.core.recorder import Recorder, Sample
from fanlight.core.records import LABEL_LIMIT
from fanlight.core.sections import BudgetFigures
from fanlight.errors import FanlightError

LIMIT: Final = 100
"""Budgets of one dashboard."""

AMOUNTS: Final = (1e-6, 1e9)
"""The least and the greatest amount of a budget, in US dollars."""

LOOK_NS: Final = 1_000_000_000
"""How often the budgets are looked at."""

LEASE_SECONDS: Final = 3_600.0
"""How long no other worker says again that a budget was crossed."""

EVENT: Final = "budget"
STAGES: Final = ("", "warning", "spent")
"""What a budget has come to; each is told once."""


class Spending:
    """A budget at work; its figures are a second or so old, those of other workers a few. Thread-safe."""

    def __init__(self, budgets: Budgets, budget: Budget, now: Callable[[], float]) -> None:
        self.name = budget.name
        self._per = budget.per
        self._budgets = budgets
        self._now = now

    @property
    def _figures(self) -> BudgetFigures | None:
        figures = self._budgets.latest.get(self.name)
        return figures if figures is not None and self._now() < figures.ends else None

    @property
    def spent(self) -> float:
        """US dollars of the present day or month."""
        return self._figures.spent if self._figures else 0.0

    @property
    def over(self) -> bool:
        """Whether all of it is spent."""
        return self._figures is not None and self._figures.over

    @property
    def ends(self) -> float:
        """When its day or month ends (Unix seconds)."""
        return ends(self._per, self._now())

    def withdraw(self) -> None:
        """Have it no more."""
        self._budgets.withdraw(self.name)


class Leases(Protocol):
    """Where workers agree who says it."""

    def hold(self, lease: str, holder: str, seconds: float) -> bool: ...


class Auditor:
    """Looks at the budgets once a second, and tells what was crossed, once among all workers. For one thread.

    What was crossed before this process looked first is not told again: it stands on the dashboard.
    """

    def __init__(self, recorder: Recorder, leases: Leases) -> None:
        self._recorder = recorder
        self._leases = leases
        self._told: dict[str, tuple[float, int]] = {}
        self._looked_ns = 0

    def turn(self, standing: Callable[[], tuple[BudgetFigures, ...]]) -> None:
        """Take in how the budgets stand, where there are any; may block on the store."""
        budgets, now_ns = self._recorder.fold.budgets, self._recorder.now_ns()
        if not budgets.declared or now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        budgets.latest = {each.name: each for each in standing() if each.name in budgets.declared}
        for each in budgets.latest.values():
            self._judge(each)

    def _judge(self, each: BudgetFigures) -> None:
        stage = 2 if each.over else 1 if each.warns else 0
        period, told = self._told.get(each.name, (each.ends, stage))
        told = told if period == each.ends else 0
        self._told[each.name] = (each.ends, max(told, stage))
        if stage > told and self._leases.hold(_lease(each, stage), self._recorder.instance, LEASE_SECONDS):
            self._recorder.event(EVENT, dict(_said(each, stage)))


def _lease(each: BudgetFigures, stage: int) -> str:
    return f"budget {each.name} {each.ends:.0f} {stage}"


def _said(each: BudgetFigures, stage: int) -> Iterator[tuple[str, Any]]:
    yield "name", each.name
    yield "state", STAGES[stage]
    yield "spent", f"${each.spent:,.2f} of ${each.amount:,.2f} this {each.per}"
    yield "level", "error" if stage == 2 else "warning"


def samples(budgets: Budgets) -> Iterator[Sample]:
    """Which budgets there are."""
    for label, amount in budgets.levels():
        yield Sample(LEVEL, label, amount, "last", "shared")


def check(budget: Budget, declared: Mapping[str, Budget]) -> None:
    """Raise FanlightError for a budget that makes no sense."""
    name, least, most = budget.name, *AMOUNTS
    if not name.strip() or len(name) > LABEL_LIMIT or not name.isprintable():
        raise FanlightError(f"a budget's name is {name[:100]!r}; expected 1 to {LABEL_LIMIT} printable characters")
    if budget.per not in ("day", "month"):
        raise FanlightError(f"the budget {name} is per={budget.per!r}; expected 'day' or 'month'")
    for field, value, low, high in (("amount", budget.amount, least, most), ("warn", budget.warn, 0, 1)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise FanlightError(f"the budget {name} has {field}={value!r}; expected a number")
        if not low <= value <= high:
            raise FanlightError(f"the budget {name} has {field}={value!r}; expected {low:g} to {high:g}")
    if name not in declared and len(declared) >= LIMIT:
        raise FanlightError(f"the budget {name} is one too many; expected at most {LIMIT}")
