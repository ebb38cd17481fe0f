"""Data: the database as the application itself describes it, and caches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fanlight.core import rules
from fanlight.core.records import text
from fanlight.core.snapshot import Snapshot
from fanlight.pages.caches import cache_table
from fanlight.pages.calls import CALL_COLUMNS, OPERATION_COLUMNS, call_row, operation_row
from fanlight.pages.redis import redis
from fanlight.panels import Column, Fact, Page, Row, Slot, Table, Text, Unit, View

HOW = (
    "Not configured. Decorate a function that returns a dict of figures with `@dashboard.database`, "
    "or give a collection of pymongo to dashboard.mongo(...)."
)
STATEMENTS_HOW = 'No call of a database yet. dashboard.watch("sqlalchemy") or dashboard.watch("pymongo") records them.'
SHOWN = 20
LIMIT = 100
VALUE_LIMIT = 200
TIME_LENGTHS = range(20, 36)
"""Characters of a time in RFC 3339, from 2026-11-22T10:14:05Z to one with microseconds and an offset."""
DEPTH = 3


def database(snapshot: Snapshot, view: View) -> Text:
    """Every plain figure the application supplied."""
    supplied = snapshot.database
    if not supplied.configured:
        return Text(title="Database", empty=HOW)
    status = Fact(
        name="Status",
        value="connected" if not supplied.error else supplied.error,
        state=rules.database_state(snapshot),
    )
    facts = tuple(_fact(name, value) for name, value in _flatten(supplied.data)[:LIMIT])
    return Text(title="Database", note="as the application counts it", facts=(status, *facts))


def _flatten(data: Mapping[str, Any], prefix: str = "", depth: int = DEPTH) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in data.items():
        if isinstance(value, Mapping) and depth:
            flat.extend(_flatten(value, f"{prefix}{name} ", depth - 1))
        elif not isinstance(value, list | tuple):
            flat.append((f"{prefix}{name}", value))
    return flat


def _fact(name: str, value: Any) -> Fact:
    at = _moment(value)
    if at is not None:
        return Fact(name=_title(name), value=at, unit="time")
    unit: Unit = "text"
    if isinstance(value, bool):
        unit = "boolean"
    elif isinstance(value, int | float):
        unit = "percent" if name.endswith("percent") else "integer" if isinstance(value, int) else "number"
    return Fact(name=_title(name.removesuffix("_percent")), value=_plain(value), unit=unit)


def _title(name: str) -> str:
    return text(name, VALUE_LIMIT).replace("_", " ").strip().capitalize()


def lists(snapshot: Snapshot, view: View) -> Table:
    """The first list of rows the application supplied, such as its most active groups."""
    for name, value in snapshot.database.data.items():
        if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            return _table(_title(name), value)
    return Table(title="Rows", columns=(), empty="A list of dicts that `@dashboard.database` returns shows here.")


def _table(title: str, rows: list[Mapping[str, Any]] | tuple[Mapping[str, Any], ...]) -> Table:
    shown = [row for row in rows[:LIMIT] if isinstance(row, Mapping)]
    names = list(shown[0])[:8]
    units = {name: _unit([row.get(name) for row in shown]) for name in names}
    return Table(
        title=title,
        columns=tuple(Column(name=text(name, VALUE_LIMIT), title=_title(name), unit=units[name]) for name in names),
        rows=tuple(
            Row(key=str(place), values=tuple(_shown(row.get(name), units[name]) for name in names))
            for place, row in enumerate(shown)
        ),
    )


def _unit(values: list[Any]) -> Unit:
    """The unit of a column: what all of it are, if that is times, else what its first is."""
    first = values[0]
    if isinstance(first, int) and not isinstance(first, bool):
        return "integer"
    if isinstance(first, float):
        return "number"
    said = [value for value in values if value is not None]
    return "time" if said and all(_moment(value) is not None for value in said) else "text"


def _shown(value: Any, unit: Unit) -> Any:
    return _moment(value) if unit == "time" else _plain(value)


def _moment(value: Any) -> float | None:
    """Unix seconds of a time with its zone, as a text in RFC 3339 or as a datetime; None for what is no such time."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and len(value) in TIME_LENGTHS else value
        return at.timestamp() if isinstance(at, datetime) and at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else text(value, VALUE_LIMIT)


def statements(snapshot: Snapshot, view: View) -> Table:
    """What databases are asked, by the time it takes."""
    databases = {service.name for service in snapshot.services if service.kind == "database"}
    found = [row for row in snapshot.operations if row.figures.count and row.service in databases]
    found.sort(key=lambda row: -row.figures.p95)
    return Table(
        title="Statements",
        note="calls of databases by p95, last 15 min",
        columns=OPERATION_COLUMNS,
        rows=tuple(map(operation_row, found[:SHOWN])),
        more=max(len(found) - SHOWN, 0),
        empty=STATEMENTS_HOW,
    )


def slow_statements(snapshot: Snapshot, view: View) -> Table:
    """The last calls of databases that were slow."""
    found = [call for call in snapshot.slow_calls if call.data["kind"] == "database"]
    return Table(
        title="Slow statements",
        note="the newest",
        columns=CALL_COLUMNS,
        rows=tuple(map(call_row, found[:SHOWN])),
        empty="No call of a database was slow in the last 15 minutes.",
    )


SLOTS = (
    Slot(name="database", build=database, span=4, rows=2),
    Slot(name="database-rows", build=lists, span=8),
    Slot(name="redis", build=redis, span=4),
    Slot(name="caches", build=cache_table, span=8),
    Slot(name="statements", build=statements, span=6),
    Slot(name="slow-statements", build=slow_statements, span=6),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Data."""
    return Page(name="data", title="Data", slots=SLOTS)
