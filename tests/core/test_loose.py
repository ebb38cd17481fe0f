"""Loose values: whatever an application puts into a row becomes plain, bounded data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fanlight.core import loose


class Hostile:
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (3, 3),
        (True, True),
        (float("nan"), None),
        (2**70, str(2**70)),
        (Decimal("1.5"), "1.5"),
        (datetime(2025, 1, 1, tzinfo=UTC), 1735689600.0),
        (datetime(2025, 1, 1), 1735689600.0),
        (timedelta(seconds=2), 2.0),
        ("x" * 1000, "x" * loose.CELL_LIMIT),
        ("\ud800", "?"),
        (Hostile(), "(its text cannot be shown)"),
    ],
)
def test_values_become_plain(given: Any, shown: Any) -> None:
    """X-5: numbers stay, times become Unix seconds, all else bounded text that every encoder takes."""
    assert loose.value(given) == shown


@pytest.mark.parametrize(
    ("given", "unit"),
    [(True, "boolean"), (1, "integer"), (0.5, "number"), (datetime(2025, 1, 1), "time"), (timedelta(1), "seconds")],
)
def test_units_follow_from_types(given: Any, unit: str) -> None:
    """X-5: a value's type says how it is shown."""
    assert loose.unit(given) == unit


def test_a_column_has_the_unit_of_its_first_value() -> None:
    """X-5: a missing value in the first row decides nothing."""
    assert loose.units(["a", "b"], [[None, "x"], {"a": 2}]) == ["integer", "text"]


def test_names_are_the_keys_of_the_first_dicts() -> None:
    """X-5: a plain list of dicts needs no columns; their number is bounded."""
    assert loose.names_of([{"a": 1}, {"a": 2, "b": 3}]) == ["a", "b"]
    assert len(loose.names_of([dict.fromkeys(map(str, range(1000)))])) == loose.COLUMN_LIMIT


def test_a_row_of_one_value_needs_no_list() -> None:
    """X-5: a text is one value, not a list of letters."""
    assert loose.cells(["name", "size"], "abc") == ("abc", None)
