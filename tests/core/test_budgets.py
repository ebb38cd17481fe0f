"""core.budgets: what is spent in which period, and what totals keep of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fanlight.core.budgets import FAMILY, Budget, ends, forget, period, warning
from fanlight.core.cell import Cell
from fanlight.core.frame import Frame
from fanlight.core.sections import BudgetFigures


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("per", "moment", "name", "end"),
    [
        ("day", "2026-11-21T23:59:59", "2026-11-21", "2026-11-22"),
        ("day", "2024-02-28T00:00:00", "2024-02-28", "2024-02-29"),
        ("month", "2024-02-10T12:00:00", "2024-02", "2024-03-01"),
        ("month", "2026-12-31T23:59:59", "2026-12", "2027-01-01"),
    ],
)
def test_periods(per: str, moment: str, name: str, end: str) -> None:
    """ORC-9: days and months of UTC, leap years and the turn of the year among them."""
    assert (period(per, at(moment)), ends(per, at(moment))) == (name, at(end))


@pytest.mark.parametrize(
    ("covers", "said", "expected"),
    [
        ({}, {}, True),
        ({"service": "openai"}, {}, True),
        ({"service": "ollama"}, {}, False),
        ({"model": "gpt"}, {"model": "gpt"}, True),
        ({"model": "gpt"}, {}, False),
        ({"where": {"caller": "a"}}, {"caller": "a"}, True),
        ({"where": {"caller": "a"}, "model": "gpt"}, {"caller": "a", "model": "other"}, False),
    ],
)
def test_what_a_budget_covers(covers: dict[str, Any], said: dict[str, str], expected: bool) -> None:
    """ORC-9, X-7: everything, a service, a model, calls with an attribute, or all of them together."""
    assert Budget(name="b", amount=1, **covers).covers("openai", said) is expected


def test_old_periods_go() -> None:
    """ORC-9, TTY-6: totals keep this period of each budget and the one before, days and months apart."""
    frame = Frame(0, 1)
    days = [(f"b{n}", f"2026-11-{day:02}") for n in (1, 2) for day in range(1, 30)]
    months = [("b1", f"2026-{month:02}") for month in range(1, 13)]
    frame.series[FAMILY] = {key: Cell(1e-9) for key in (*days, *months)}
    forget(frame)
    assert sorted(frame.series[FAMILY]) == [
        ("b1", "2026-11"), ("b1", "2026-11-28"), ("b1", "2026-11-29"), ("b1", "2026-12"),
        ("b2", "2026-11-28"), ("b2", "2026-11-29"),
    ]  # fmt: skip


def test_the_warning_is_of_the_one_nearest_its_end() -> None:
    """ORC-9: nothing below the share it warns at; then the largest share; then that it is spent."""
    calm = BudgetFigures("calm", "day", 10, 0.8, 7.9, 0)
    near, over = BudgetFigures("near", "day", 10, 0.8, 8, 0), BudgetFigures("over", "month", 0.5, 0.8, 0.75, 0)
    assert warning([calm]) is None
    assert warning([calm, near]) == ("Near budget.", "$8.00 of the $10.00 a day of near are spent (80 %).")
    assert warning([near, over]) == ("Over budget.", "$0.75 of the $0.50 a month of over are spent (150 %).")
