"""Data: what the application says of its database, as a reader wants it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.faces.service import ScriptedService

from fanlight.core.sections import Supplied
from fanlight.pages.data import database, lists
from fanlight.panels import View

TEXT = "2026-11-22T10:14:05.500Z"
AT = 1_795_342_445.5


def told(**data: Any) -> ScriptedService:
    """A service whose database says this."""
    service = ScriptedService()
    service.supplied = Supplied(configured=True, data=data)
    service.tick()
    return service


@pytest.mark.parametrize("last", [TEXT, "2026-11-22 11:14:05.500000+01:00", datetime.fromtimestamp(AT, UTC)])
def test_a_time_is_shown_as_every_other_time(last: Any) -> None:
    """API-5, LOOK: in the viewer's zone with its age, not as the text that JSON has for it."""
    snapshot = told(newest=last, groups=[{"name": "a", "last": last}, {"name": "b", "last": None}]).snapshot()
    facts = {fact.name: (fact.value, fact.unit) for fact in database(snapshot, View()).facts}
    assert facts["Newest"] == (AT, "time")
    table = lists(snapshot, View())
    assert [column.unit for column in table.columns] == ["text", "time"]
    assert [row.values for row in table.rows] == [("a", AT), ("b", None)]


@pytest.mark.parametrize("other", ["2026-11-22T10:14:05", "2026-11-22T99:99:99Z", "a name as long as a time"])
def test_what_is_no_time_with_a_zone_stays_a_text(other: str) -> None:
    """API-5: of a time without a zone nobody knows when it was."""
    snapshot = told(newest=other, groups=[{"last": TEXT}, {"last": other}]).snapshot()
    assert next(fact.value for fact in database(snapshot, View()).facts if fact.name == "Newest") == other
    table = lists(snapshot, View())
    assert (table.columns[0].unit, [row.values[0] for row in table.rows]) == ("text", [TEXT, other])
