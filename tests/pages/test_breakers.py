"""Breakers: what is open is told first, and each can be closed or opened from where one sees it."""

from __future__ import annotations

from tests.faces.service import ScriptedService
from tests.pages.test_services import troubled

from fanlight.core.recorder import Sample
from fanlight.core.sections import SEPARATOR
from fanlight.pages import breakers
from fanlight.panels import View


def test_open_breakers_can_be_reset() -> None:
    """HUB-3: each has its button; its row leads to its service, where it has one."""
    snapshot = troubled().snapshot()
    buttons = breakers.actions(snapshot, View()).buttons
    assert [(button.title, button.action) for button in buttons] == [
        ("Reset billing", "actions/breakers/billing/reset"),
        ("Reset ollama", "actions/breakers/ollama/reset"),
    ]
    assert all(button.confirm for button in buttons)
    rows = breakers.table(snapshot, View()).rows
    assert [(row.key, row.href, row.detail) for row in rows] == [
        ("billing", "", "held open until it is reset"),
        ("ollama", "services/ollama", ""),
    ]


def test_a_closed_breaker_of_no_service_can_be_tripped() -> None:
    """HUB-3: it has no page of its own, so its button is here; those of services are on theirs."""
    made = ScriptedService()
    made.call("ollama", "generate", 0.01, kind="llm")
    made.levels = [Sample("breaker.state", name, 0, "max", "instance") for name in ("ollama", "a/b")]
    made.tick()
    buttons = breakers.actions(made.snapshot(), View()).buttons
    assert [(button.title, button.action) for button in buttons] == [("Trip a/b", "actions/breakers/a%2Fb/trip")]
    assert "until the breaker is reset" in buttons[0].confirm
    table = breakers.table(made.snapshot(), View())
    where = [column.name for column in table.columns].index("on")
    assert [row.values[where] for row in table.rows] == [None, None]


def test_without_an_open_breaker_the_panel_says_where_to_trip_one() -> None:
    """HUB-3: nothing to press is said, and what to do instead."""
    made = ScriptedService()
    assert breakers.actions(made.snapshot(), View()).empty == "There is none to trip yet."
    made.call("ollama", "generate", 0.01, kind="llm")
    made.levels = [Sample("breaker.state", "ollama", 0, "max", "instance")]
    made.tick()
    panel = breakers.actions(made.snapshot(), View())
    assert (panel.buttons, panel.empty) == ((), "None is open. The page of a service trips its own.")


def test_a_closed_breaker_says_in_its_column_what_failed_last() -> None:
    """HUB-3: beside the reasons of the others, not in words of its own at the far right."""
    made = ScriptedService()
    made.levels = [
        Sample("breaker.state", "ollama", 0, "max", "instance"),
        Sample("breaker.failed", f"ollama{SEPARATOR}503 overloaded", 5.0, "max", "instance"),
    ]
    made.tick()
    (row,) = breakers.table(made.snapshot(), View()).rows
    assert (row.values[-1], row.detail) == ("last failure: 503 overloaded", "")
