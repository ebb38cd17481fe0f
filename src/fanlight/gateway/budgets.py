"""Budgets: what the configuration lets be spent, kept by the dashboard; those that stop refuse what goes beyond."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fanlight.formats import dollars
from fanlight.gateway.access import Caller
from fanlight.gateway.llm.routing import Refused, Target
from fanlight.gateway.schema import Budget

if TYPE_CHECKING:
    from fanlight import Fanlight, Spending

CALLER: Final = "caller"
"""The attribute of a call that names the key that asked."""


class Purse:
    """The budgets of the configuration as it is. Belongs to one event loop."""

    def __init__(self, dashboard: Fanlight) -> None:
        self._dashboard = dashboard
        self._kept: dict[str, tuple[Budget, Spending]] = {}
        self._stopping: tuple[tuple[Budget, Spending], ...] = ()

    def apply(self, wanted: Mapping[str, Budget]) -> None:
        """Have just these; what was spent on those that stay is not forgotten."""
        for name in self._kept.keys() - wanted.keys():
            self._kept.pop(name)[1].withdraw()
        for name, each in wanted.items():
            where = {CALLER: each.key} if each.key else None
            spending = self._dashboard.budget(
                name, each.amount, per=each.per, warn=each.warn, service=each.provider, model=each.model, where=where
            )
            self._kept[name] = (each, spending)
        self._stopping = tuple(pair for pair in self._kept.values() if pair[0].stop)

    def affordable(self, targets: tuple[Target, ...], caller: Caller) -> tuple[Target, ...]:
        """Those whose budgets are not spent; raises Refused when they all are."""
        if not self._stopping:
            return targets
        spent = [(budget, spending) for budget, spending in self._stopping if spending.over]
        left = tuple(each for each in targets if not any(_covers(budget, each, caller) for budget, _ in spent))
        if left or not targets:
            return left
        raise next(_refusal(budget, spending) for budget, spending in spent if _covers(budget, targets[0], caller))


def _covers(budget: Budget, target: Target, caller: Caller) -> bool:
    pairs = ((budget.model, target.model), (budget.provider, target.provider), (budget.key, caller.name))
    return all(wanted in ("", got) for wanted, got in pairs)


def _refusal(budget: Budget, spending: Spending) -> Refused:
    """Tells clients to wait for the next period; OpenAI's and Anthropic's would else ask twice more within seconds."""
    again = datetime.fromtimestamp(spending.ends, UTC)
    said = (
        f"the budget {spending.name!r} of {dollars(budget.amount)} a {budget.per} is spent; "
        f"it begins anew at {again:%Y-%m-%d %H:%M} UTC"
    )
    wait = str(max(int(spending.ends - time.time()) + 1, 1)).encode()
    return Refused(429, "budget_exceeded", said, (b"retry-after", wait), (b"x-should-retry", b"false"))
