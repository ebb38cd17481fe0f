"""Tables of kept calls of services."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fanlight.core.frame import Record
from fanlight.core.rules import call_state
from fanlight.core.sections import Operation
from fanlight.panels import Column, Row

CALL_COLUMNS: Final = (
    Column(name="time", title="Time", unit="time", sort=False),
    Column(name="service", title="Service", sort=False),
    Column(name="operation", title="Operation", unit="code", wide=True, sort=False),
    Column(name="outcome", title="Outcome", sort=False),
    Column(name="duration", title="Duration", unit="bar", sort=False),
)
"""The columns of a list of calls."""

OPERATION_COLUMNS: Final = (
    Column(name="operation", title="Operation", unit="code", wide=True),
    Column(name="calls", title="Calls", unit="integer"),
    Column(name="mean", title="Mean", unit="seconds"),
    Column(name="p95", title="p95", unit="bar"),
    Column(name="max", title="Longest", unit="seconds"),
)
"""The columns of a list of operations."""

ATTRIBUTES_SHOWN: Final = 8


def call_row(record: Record) -> Row:
    """A call as a row that leads to its request, where it has one."""
    data = record.data
    id = str(data["correlation_id"])
    return Row(
        key=record.id,
        values=(record.at, data["service"], data["operation"], data["error_type"] or data["outcome"], data["duration"]),
        state=call_state(record),
        href=f"requests/{quote(id, safe='')}" if id else "",
        detail=_detail(record),
    )


def _detail(record: Record) -> str:
    """The error, then the first attributes."""
    data = record.data
    said = [f"{name} {value}" for name, value in list(data["attributes"].items())[:ATTRIBUTES_SHOWN]]
    return " · ".join(filter(None, (data["error"], *said)))


def operation_row(row: Operation) -> Row:
    """An operation as a row."""
    figures = row.figures
    return Row(
        key=f"{row.service} {row.operation}",
        values=(f"{row.service} {row.operation}", figures.count, figures.mean, figures.p95, figures.maximum),
    )
