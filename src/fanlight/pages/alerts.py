"""Alerts: what the rules say now. Channels are not built yet, and the page says so."""

from __future__ import annotations

from typing import NamedTuple

from fanlight import formats
from fanlight.core import rules
from fanlight.core.budgets import budget_state
from fanlight.core.dependencies import unwell
from fanlight.core.sections import BudgetFigures
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Column, Page, Row, Slot, State, Table, View


class Judgement(NamedTuple):
    """A rule: what it watches, what it says now, its limit, how that stands, and where one sees why."""

    name: str
    now: str
    limit: str
    state: State
    href: str


def judgements(snapshot: Snapshot) -> tuple[Judgement, ...]:
    """Every rule."""
    requests, mean = snapshot.requests, rules.judged_mean(snapshot)
    ratio, slow, very_slow = requests.error_ratio, requests.slow, requests.very_slow
    return (
        Judgement("Error rate", _say(ratio, "ratio"), "5 %", rules.error_state(ratio), "requests?status=error"),
        Judgement("Mean response", _say(mean, "seconds"), "500 ms", rules.mean_state(mean), "requests?sort=-mean"),
        Judgement("Slow requests", _say(slow, "integer"), "10", rules.slow_state(slow), "requests?kind=slow"),
        Judgement(
            "Very slow requests",
            _say(very_slow, "integer"),
            "0",
            rules.very_slow_state(very_slow),
            "requests?kind=slow",
        ),
        Judgement("Services", _unwell(snapshot), "all healthy", rules.services_state(snapshot), "services"),
        Judgement("Database", "", "answers", rules.database_state(snapshot), "data"),
        _level("Memory of the process", snapshot.system.process_memory_percent),
        _level("Memory of the machine", snapshot.system.system_memory_percent),
        _level("CPU of the machine", snapshot.system.system_cpu_percent),
        *map(_budget, snapshot.budgets),
    )


def _level(name: str, percent: float | None) -> Judgement:
    return Judgement(name, _say(percent, "percent"), "80 %", rules.busy_state(percent), "system")


def _budget(each: BudgetFigures) -> Judgement:
    now = f"{formats.dollars(each.spent)}, {formats.phrase(each.share, 'ratio')}"
    limit = f"{formats.phrase(each.warn, 'ratio')} of {formats.dollars(each.amount)} a {each.per}"
    return Judgement(f"Budget {each.name}", now, limit, budget_state(each), "models")


def _unwell(snapshot: Snapshot) -> str:
    found = unwell(snapshot.services)
    return f"{len(found)} of {len(snapshot.services)} not healthy" if found else ""


def _say(value: float | None, unit: str) -> str:
    return formats.phrase(value, unit)


def raised(snapshot: Snapshot) -> int:
    """How many rules are above their limit."""
    return sum(each.state in ("warn", "error") for each in judgements(snapshot))


COLUMNS = (
    Column(name="state", title="State", unit="state", sort=False),
    Column(name="rule", title="Rule", wide=True, sort=False),
    Column(name="now", title="Now", unit="number", sort=False),
    Column(name="limit", title="Limit", unit="number", sort=False),
)

WORDS = {"ok": "fine", "warn": "warning", "error": "critical", "idle": "not set up", "": ""}


def rule_table(snapshot: Snapshot, view: View) -> Table:
    """The thresholds and how each stands."""
    rows = tuple(
        Row(
            key=each.name,
            values=(WORDS[each.state], each.name, each.now or None, each.limit),
            state=each.state,
            href=each.href,
        )
        for each in judgements(snapshot)
    )
    return Table(title="Rules", note="judged over the last 15 minutes", columns=COLUMNS, rows=rows)


SLOTS = (Slot(name="rules", build=rule_table),)


def page(snapshot: Snapshot, view: View) -> Page:
    """Alerts."""
    return Page(name="alerts", title="Alerts", slots=SLOTS)
