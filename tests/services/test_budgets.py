"""Budgets through whole dashboards: over workers and restarts, told once, anew with each period."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fanlight import Fanlight, FanlightError
from fanlight.clock import ManualClock
from fanlight.core import rules
from fanlight.pages import alerts
from fanlight.panels import Gauge, View
from fanlight.services.budgets import LIMIT

NEARLY_MIDNIGHT = 1_795_305_540.0  # 2026-11-21T23:59:00Z


class Worker:
    """One process's dashboard under an injected clock, driven by hand."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.dashboard = Fanlight("shop", clock=clock)

    def spend(self, cost: float, **said: Any) -> None:
        with self.dashboard.call("openai", "chat", kind="llm", cost=cost, **said):
            self.clock.advance(0.01)

    def turn(self) -> None:
        """A second passes: it is folded, and the store's thread has its turn."""
        self.clock.advance(1.0)
        self.dashboard.pulse.tick(second_closed=True)
        self.dashboard.engine.work_with_store()

    def told(self) -> list[tuple[str, str]]:
        """What was told of budgets, the first first."""
        self.turn()
        self.turn()
        return told(self.dashboard)


def told(dashboard: Fanlight) -> list[tuple[str, str]]:
    events = [event.data for event in dashboard.query.snapshot(View()).events if event.data["type"] == "budget"]
    return [(event["fields"]["name"], event["fields"]["state"]) for event in reversed(events)]


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(ManualClock(NEARLY_MIDNIGHT))
    yield made
    made.dashboard.close()


def test_crossings_are_told_once_and_a_new_day_begins_anew(worker: Worker) -> None:
    """ORC-9: what a budget covers is added up; at its share and at its end it is told, once each; at midnight of UTC
    nothing is spent, and it is told again."""
    day = worker.dashboard.budget("gpt", 1.0, per="day", warn=0.5, model="gpt")
    month = worker.dashboard.budget("all", 100, service="openai")
    worker.turn()
    worker.spend(0.4, model="gpt")
    worker.spend(0.4, model="other")
    assert worker.told() == []
    assert (day.spent, month.spent, day.over) == (0.4, 0.8, False)
    worker.spend(0.1, model="gpt")
    assert worker.told() == [("gpt", "warning")]
    worker.spend(0.6, model="gpt")
    assert worker.told() == [("gpt", "warning"), ("gpt", "spent")]
    assert (day.over, day.ends) == (True, NEARLY_MIDNIGHT + 60)
    assert worker.told() == [("gpt", "warning"), ("gpt", "spent")]
    worker.clock.advance(60)
    assert (day.spent, day.over) == (0.0, False)
    worker.turn()
    worker.spend(0.7, model="gpt")
    assert worker.told() == [("gpt", "warning"), ("gpt", "spent"), ("gpt", "warning")]
    assert (round(day.spent, 9), round(month.spent, 9)) == (0.7, 2.2)


def test_it_shows(worker: Worker) -> None:
    """ORC-9: spent of limit with the share on Models, the sentence of the verdict, a rule of Alerts; withdrawn, it is
    gone."""
    team = worker.dashboard.budget("team-a", 2, warn=0.5, where={"caller": "a"})
    worker.turn()
    worker.spend(1.5, caller="a")
    worker.spend(9.0, caller="b")
    worker.turn()
    snapshot = worker.dashboard.query.snapshot(View())
    panel = worker.dashboard.slot("budgets").build(snapshot, View())
    assert isinstance(panel, Gauge)
    assert [(each.name, each.value, each.maximum, each.text, each.state) for each in panel.meters] == [
        ("team-a", 1.5, 2, "$1.50 of $2 a month · 75 %", "warn")
    ]
    assert rules.judge(snapshot).sentence == "Near budget. $1.50 of the $2.00 a month of team-a are spent (75 %)."
    judged = alerts.Judgement("Budget team-a", "$1.50, 75 %", "50 % of $2.00 a month", "warn", "models")
    assert judged in alerts.judgements(snapshot)
    team.withdraw()
    worker.turn()
    worker.spend(1.0, caller="a")
    for _ in range(5):
        worker.turn()
    assert team.spent == 0.0
    assert worker.dashboard.query.snapshot(View()).budgets == ()


def test_over_workers_and_restarts(tmp_path: Path) -> None:
    """ORC-9, X-2: what all workers spend is in one sum, told by one of them, and there again after a restart, when it
    is not told a second time."""
    store = f"sqlite:///{tmp_path}/f.db"
    workers = [Fanlight("shop", store=store) for _ in range(2)]
    budgets = [each.budget("all", 1.0, warn=0.5) for each in workers]
    for each in workers:
        each.start()
    eventually(lambda: all(each.engine.recorder.fold.budgets.latest for each in workers))
    for each in workers:
        with each.call("openai", "chat", kind="llm", cost=0.4):
            pass
    eventually(lambda: [round(each.spent, 6) for each in budgets] == [0.8, 0.8])
    eventually(lambda: told(workers[0]) == [("all", "warning")])
    for each in workers:
        each.close()
    again = Fanlight("shop", store=store)
    spending = again.budget("all", 1.0, warn=0.5)
    again.start()
    eventually(lambda: round(spending.spent, 6) == 0.8)
    with again.call("openai", "chat", kind="llm", cost=0.3):
        pass
    eventually(lambda: spending.over)
    eventually(lambda: told(again)[-1:] == [("all", "spent")])
    assert told(again) == [("all", "warning"), ("all", "spent")]
    again.close()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "amount", "options", "message"),
    [
        ("", 1, {}, "expected 1 to 80 printable characters"),
        ("a", 0, {}, "expected 1e-06 to 1e"),
        ("a", "50", {}, "amount='50'; expected a number"),
        ("a", 1, {"per": "week"}, "expected 'day' or 'month'"),
        ("a", 1, {"warn": 2}, "expected 0 to 1"),
    ],
)
def test_a_budget_without_sense_is_refused(name: str, amount: Any, options: dict[str, Any], message: str) -> None:
    """ORC-9: a mistake is an error when it is declared."""
    with pytest.raises(FanlightError, match=message):
        Fanlight("shop").budget(name, amount, **options)


def test_their_number_is_bounded() -> None:
    """TTY-6: a loop that declares budgets is stopped; declaring one again replaces it."""
    dashboard = Fanlight("shop")
    for number in range(LIMIT):
        dashboard.budget(f"b{number}", 1)
    dashboard.budget("b1", 2)
    with pytest.raises(FanlightError, match="one too many"):
        dashboard.budget("more", 1)
