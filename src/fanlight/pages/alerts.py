"""Alerts: what the rules say now. Channels are not built yet, and the page says so."""

from __future__ import annotations

from fanlight import formats
from fanlight.core import rules
from fanlight.core.budgets import budget_state
from fanlight.core.dependencies import unwell
from fanlight.core.sections import BudgetFigures
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Column, Page, Row, Slot, State, Table, View


def judgements(snapshot: Snapshot) -> tuple[tuple[str, str, str, State], ...]:
    """Every rule: what it watches, what it says now, its limit, and how that stands."""
    requests, system, mean = snapshot.requests, snapshot.system, rules.judged_mean(snapshot)
    return (
        ("Error rate", _say(requests.error_ratio, "ratio"), "5 %", rules.error_state(requests.error_ratio)),
        ("Mean response", _say(mean, "seconds"), "500 ms", rules.mean_state(mean)),
        ("Slow requests", _say(requests.slow, "integer"), "10", rules.slow_state(requests.slow)),
        ("Very slow requests", _say(requests.very_slow, "integer"), "0", rules.very_slow_state(requests.very_slow)),
        ("Services", _unwell(snapshot), "all healthy", rules.services_state(snapshot)),
        ("Database", "", "answers", rules.database_state(snapshot)),
        (
            "Memory of the process",
            _say(system.process_memory_percent, "percent"),
            "80 %",
            rules.busy_state(system.process_memory_percent),
        ),
        (
            "Memory of the machine",
            _say(system.system_memory_percent, "percent"),
            "80 %",
            rules.busy_state(system.system_memory_percent),
        ),
        (
            "CPU of the machine",
            _say(system.system_cpu_percent, "percent"),
            "80 %",
            rules.busy_state(system.system_cpu_percent),
        ),
        *map(_budget, snapshot.budgets),
    )


def _budget(each: BudgetFigures) -> tuple[str, str, str, State]:
    now = f"{formats.dollars(each.spent)}, {formats.phrase(each.share, 'ratio')}"
    limit = f"{formats.phrase(each.warn, 'ratio')} of {formats.dollars(each.amount)} a {each.per}"
    return f"Budget {each.name}", now, limit, budget_state(each)


def _unwell(snapshot: Snapshot) -> str:
    found = unwell(snapshot.services)
    return f"{len(found)} of {len(snapshot.services)} not healthy" if found else ""


def _say(value: float | None, unit: str) -> str:
    return formats.phrase(value, unit)


def raised(snapshot: Snapshot) -> int:
    """How many rules are above their limit."""
    return sum(state in ("warn", "error") for _, _, _, state in judgements(snapshot))


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
        Row(key=name, values=(WORDS[state], name, now or None, limit), state=state)
        for name, now, limit, state in judgements(snapshot)
    )
    return Table(title="Rules", note="judged over the last 15 minutes", columns=COLUMNS, rows=rows)


SLOTS = (Slot(name="rules", build=rule_table),)


def page(snapshot: Snapshot, view: View) -> Page:
    """Alerts."""
    return Page(name="alerts", title="Alerts", slots=SLOTS)
