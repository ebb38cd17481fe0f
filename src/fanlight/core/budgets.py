"""Budgets: what calls of language models may cost in a day or a month, and what they have cost so far.

Each call that told its cost is added to the budgets that cover it when it is folded, in a series by budget and period.
So the sums merge over instances, and survive a restart, as everything does; a new period begins with a new series.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from fanlight.core.frame import Frame, Key
from fanlight.core.sections import SEPARATOR, BudgetFigures
from fanlight.core.totals import Tally, Totals
from fanlight.formats import dollars, phrase
from fanlight.panels import State

FAMILY: Final = "budgets"
"""Series by (budget, period): what was spent, in nano-dollars."""

LEVEL: Final = "budget.amount"
"""The gauge that says which budgets there are, so that whoever reads the store knows them, too."""

DAY_SECONDS: Final = 86_400
PERIODS_KEPT: Final = 2
"""Periods of each budget that totals keep: this one, and the last for what comes late."""

Per = Literal["day", "month"]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` US dollars a day or a month (of UTC), for the calls it covers; `warn` is the share from which it warns.

    It covers calls of `service` and `model` whose attributes are as `where` says; "" and nothing: all.
    """

    name: str
    amount: float
    per: Per = "month"
    warn: float = 0.8
    service: str = ""
    model: str = ""
    where: Mapping[str, str] = {}

    def covers(self, service: str, said: Mapping[str, Any]) -> bool:
        """Whether a call with these attributes is spent out of it."""
        if self.service and self.service != service:
            return False
        if self.model and self.model != said.get("model"):
            return False
        return all(str(said.get(name, "")) == value for name, value in self.where.items())


class Budgets:
    """The budgets of one dashboard by name, and how each stood last. Thread-safe: its parts are replaced whole."""

    def __init__(self) -> None:
        self.declared: Mapping[str, Budget] = {}
        self.latest: Mapping[str, BudgetFigures] = {}

    def declare(self, budget: Budget) -> None:
        """Have a budget, in the place of one of its name."""
        self.declared = {**self.declared, budget.name: budget}

    def withdraw(self, name: str) -> None:
        """Have it no more."""
        self.declared = {each: budget for each, budget in self.declared.items() if each != name}
        self.latest = {each: figures for each, figures in self.latest.items() if each != name}

    def keys(self, service: str, said: Mapping[str, Any], second: int) -> Iterator[Key]:
        """The series a call of this second is spent in."""
        for budget in self.declared.values():
            if budget.covers(service, said):
                yield budget.name, period(budget.per, second)

    def levels(self) -> Iterator[tuple[str, float]]:
        """(label, amount) of each, as its gauge carries them."""
        for each in self.declared.values():
            yield SEPARATOR.join((each.name, each.per, f"{each.warn:g}")), each.amount


def period(per: str, second: float) -> str:
    """The name of the day or month a second is in: 2026-11-21, 2026-11."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d" if per == "day" else "%Y-%m")


def ends(per: str, second: float) -> float:
    """When the day or month ends that a second is in (Unix seconds)."""
    now = datetime.fromtimestamp(second, UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return (midnight + timedelta(days=1)).timestamp()
    return (midnight.replace(day=1) + timedelta(days=monthrange(now.year, now.month)[1])).timestamp()


def standing(at: float, gauges: Mapping[tuple[str, str], float | None], totals: Totals) -> tuple[BudgetFigures, ...]:
    """How each budget stands, by name."""
    spent = totals.rows.get(FAMILY, {})
    made = []
    for (gauge, label), amount in gauges.items():
        name, _, rest = label.partition(SEPARATOR)
        per, _, warn = rest.partition(SEPARATOR)
        if gauge == LEVEL and amount and warn:
            tally = spent.get((name, period(per, at)), Tally())
            made.append(BudgetFigures(name, per, amount, float(warn), tally.amount, ends(per, at)))
    return tuple(sorted(made, key=lambda each: each.name))


def forget(frame: Frame) -> None:
    """Drop the periods of totals that are over, so that they do not grow with the years."""
    cells = frame.series.get(FAMILY)
    if not cells:
        return
    periods: dict[tuple[str, int], list[str]] = {}
    for name, label in cells:
        periods.setdefault((name, len(label)), []).append(label)
    for (name, _), labels in periods.items():
        for label in sorted(labels)[:-PERIODS_KEPT]:
            del cells[name, label]


def budget_state(budget: BudgetFigures) -> State:
    """Amber from the share on that it warns at, red when it is spent."""
    return "error" if budget.over else "warn" if budget.warns else "ok"


def warning(budgets: Iterable[BudgetFigures]) -> tuple[str, str] | None:
    """A word and a sentence on the budget of which most is spent, None when that is less than it warns at."""
    first = max(budgets, key=lambda each: each.share, default=None)
    if first is None or not first.warns:
        return None
    spent, amount, share = dollars(first.spent), dollars(first.amount), phrase(first.share, "ratio")
    said = f"{spent} of the {amount} a {first.per} of {first.name} are spent ({share})."
    return "Over budget." if first.over else "Near budget.", said
