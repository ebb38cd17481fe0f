"""Budgets: how much of each is spent."""

from __future__ import annotations

from fanlight import formats
from fanlight.core.budgets import budget_state
from fanlight.core.sections import BudgetFigures
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Gauge, Meter, Slot, View

NONE = 'None yet. dashboard.budget("openai", 50, per="month") adds one.'


def budgets(snapshot: Snapshot, view: View) -> Gauge:
    """What is spent of each budget in its day or month."""
    meters = tuple(map(_meter, snapshot.budgets))
    return Gauge(title="Budgets", note="spent this day or month of UTC", meters=meters, href="models", empty=NONE)


def _meter(each: BudgetFigures) -> Meter:
    spent = f"${each.spent:,.2f}" if each.amount >= 1 else formats.dollars(each.spent)
    share = "<1 %" if 0 < each.share < 0.01 else f"{each.share * 100:.0f} %"
    return Meter(
        name=each.name,
        value=each.spent,
        maximum=each.amount,
        text=f"{spent} of {formats.dollars(each.amount).removesuffix('.00')} a {each.per} · {share}",
        state=budget_state(each),
    )


SLOT = Slot(name="budgets", build=budgets)
