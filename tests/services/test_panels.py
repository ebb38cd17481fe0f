"""Panels of the application: whatever a function returns is shown, bounded, in its own place."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fanlight.clock import ManualClock
from fanlight.errors import FanlightError
from fanlight.panels import Bar, Bars, Line, Panel, Row, Slot, Stat, Table, Text, TimeSeries
from fanlight.services.panels import CONTENT_LIMIT, FACT_LIMIT, PANEL_LIMIT, TEXT_LIMIT, PageSource, Source, panel_of
from fanlight.services.supplier import LoopCaller

NOTHING: Any = None
"""Builders of the application's panels look at neither snapshot nor view."""


def test_a_panel_is_taken_with_the_declared_title() -> None:
    """X-5: a title of its own stays."""
    assert panel_of(Stat(value=1), "Queue") == Stat(title="Queue", value=1)
    assert panel_of(Stat(title="Mine", value=1), "Queue").title == "Mine"


def test_a_list_of_dicts_is_a_table() -> None:
    """X-5: names of all keys, values in their places."""
    table = panel_of([{"name": "a", "size": 3}, {"name": "b", "state": "new"}], "Uploads")
    assert isinstance(table, Table)
    assert [column.name for column in table.columns] == ["name", "size", "state"]
    assert [row.values for row in table.rows] == [("a", 3, None), ("b", None, "new")]


@pytest.mark.parametrize(("given", "values"), [([[1, 2], [3]], [(1, 2), (3, None)]), (["a", "b"], [("a",), ("b",)])])
def test_lists_and_values_are_tables_too(given: Any, values: Any) -> None:
    """X-5: columns that nobody named."""
    table = panel_of(given, "T")
    assert isinstance(table, Table)
    assert [row.values for row in table.rows] == values


def test_a_dict_is_names_and_values() -> None:
    """X-5: nested dicts are joined, many are cut."""
    panel = panel_of({"queue": {"waiting": 3}, "oldest_seconds": 1.5, "open": True}, "Queue")
    assert isinstance(panel, Text)
    assert [(fact.name, fact.value, fact.unit) for fact in panel.facts] == [
        ("Queue waiting", 3, "integer"),
        ("Oldest seconds", 1.5, "number"),
        ("Open", True, "boolean"),
    ]
    many = panel_of(dict.fromkeys(range(1000)), "Many")
    assert isinstance(many, Text)
    assert len(many.facts) == FACT_LIMIT


@pytest.mark.parametrize(
    ("given", "panel"),
    [
        ("fine", Text(title="T", text="fine")),
        (None, Text(title="T")),
        (3, Stat(title="T", value=3, unit="integer")),
        (0.5, Stat(title="T", value=0.5, unit="number")),
        (float("nan"), Stat(title="T", value=None, unit="number")),
    ],
)
def test_plain_values_are_panels(given: Any, panel: Panel) -> None:
    """X-5: a text is prose, a number a figure."""
    assert panel_of(given, "T") == panel


def test_what_is_no_panel_says_what_one_is() -> None:
    """X-5: got and expected."""
    with pytest.raises(FanlightError, match="returned object; expected a panel, a list of rows, a dict, a text"):
        panel_of(object(), "T")


def test_every_panel_is_bounded() -> None:
    """X-5, TTY-6: 100,000 rows, bars or letters are cut; a chart with too many points is refused."""
    table = panel_of([[number] for number in range(100_000)], "T")
    assert isinstance(table, Table)
    assert (len(table.rows), table.more) == (500, 99_500)
    bars = panel_of(Bars(bars=tuple(Bar(name=str(n), value=n) for n in range(100_000))), "T")
    assert isinstance(bars, Bars)
    assert len(bars.bars) == CONTENT_LIMIT
    prose = panel_of("x" * 100_000, "T")
    assert isinstance(prose, Text)
    assert len(prose.text) == TEXT_LIMIT
    with pytest.raises(FanlightError, match="a chart of 100000 points"):
        panel_of(TimeSeries(start=0, step=1, lines=(Line(name="a", values=(1.0,) * 100_000),)), "T")


def source(function: Any, clock: ManualClock, **changes: Any) -> Source:
    return Source("Queue", function, LoopCaller(), clock, **{"every": 10.0, "timeout": 5.0, **changes})


def test_a_function_is_asked_once_per_interval() -> None:
    """X-5: however many look."""
    clock, calls = ManualClock(), []

    def count() -> int:
        calls.append(1)
        return len(calls)

    made = source(count, clock)
    assert [made.build(NOTHING, NOTHING) for _ in range(5)] == [Stat(title="Queue", value=1, unit="integer")] * 5
    clock.advance(9)
    made.build(NOTHING, NOTHING)
    assert len(calls) == 1


def test_an_error_shows_in_its_place_without_secrets() -> None:
    """X-5, X-6: what the function raised is said, its password is not."""

    def fail() -> None:
        raise OSError("no route to redis://user:hunter2@db")

    panel = source(fail, ManualClock()).build(NOTHING, NOTHING)
    assert panel.error.startswith("OSError: no route")
    assert "hunter2" not in panel.error


def test_a_hanging_function_is_told_and_not_asked_again() -> None:
    """X-5: the page goes on; the function is not begun a second time while it hangs, and its late answer counts."""
    clock, release, calls = ManualClock(), threading.Event(), []

    def hang() -> str:
        calls.append(1)
        release.wait()
        return "late"

    made = source(hang, clock)
    assert made.build(NOTHING, NOTHING) == Text(title="Queue", empty="Being made.")
    for _ in range(5):
        clock.advance(11)
        assert made.build(NOTHING, NOTHING).error == "no answer within 5 s"
    assert len(calls) == 1
    running = made.supplier._running
    assert running is not None
    release.set()
    running.result(10)
    assert made.build(NOTHING, NOTHING) == Text(title="Queue", text="late")


def page(function: Any) -> PageSource:
    return PageSource("uploads", "Uploads", function, LoopCaller(), ManualClock(), 10.0, 5.0)


def test_a_page_is_a_list_of_panels_and_slots() -> None:
    """X-5: each panel has a name of its own, slots stay as they are."""
    own = Slot(name="mine", build=lambda snapshot, view: Text(text="x"), span=3)
    made = page(lambda: [Table(title="All", columns=["a"], rows=[Row(key="1", values=(1,))]), {"n": 1}, own])
    built = made.build(NOTHING, NOTHING)
    assert (built.title, [slot.name for slot in built.slots]) == ("Uploads", ["uploads-1", "uploads-2", "mine"])
    assert built.slots[0].build(NOTHING, NOTHING).title == "All"


def test_a_page_is_bounded() -> None:
    """TTY-6: so many panels and no more."""
    assert len(page(lambda: ["x"] * 1000).build(NOTHING, NOTHING).slots) == PANEL_LIMIT


@pytest.mark.parametrize("function", [lambda: 3, lambda: [object()], lambda: 1 / 0])
def test_a_page_that_fails_says_so(function: Any) -> None:
    """X-5: an error stands where the page's panels would."""
    (slot,) = page(function).build(NOTHING, NOTHING).slots
    assert slot.build(NOTHING, NOTHING).error
