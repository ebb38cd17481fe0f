"""Logs: the application's own lines, each with its correlation ID."""

from __future__ import annotations

from typing import Final

from fanlight.core.frame import Record
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Filter, Log, LogLine, Page, Slot, View

PUSHED: Final = 200

LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


def log_line(record: Record) -> LogLine:
    """A kept line."""
    data = record.data
    return LogLine(
        key=record.id,
        at=record.at,
        level=data["level"],
        logger=data["logger"],
        message=data["message"],
        source=f"{data['file']}:{data['line']}" if data["file"] else "",
        correlation_id=data["correlation_id"],
        instance=data["instance"],
    )


def _matches(record: Record, level: int, query: str) -> bool:
    data = record.data
    if data["levelno"] < level:
        return False
    return not query or query in f"{data['message']} {data['logger']} {data['correlation_id']}".lower()


def log_panel(snapshot: Snapshot, view: View) -> Log:
    """The lines that match the view, the newest last."""
    level, query = LEVELS.get(view.filter("level").upper(), 0), view.filter("q").lower()
    found = [record for record in snapshot.logs if _matches(record, level, query)]
    filters = (
        Filter(
            name="level",
            title="Level",
            value=view.filter("level"),
            choices=(("", "all"), *((name.lower(), f"{name.lower()} and above") for name in list(LEVELS)[1:4])),
        ),
        Filter(name="q", title="Text or ID", value=view.filter("q")),
    )
    return Log(
        title="Logs",
        note=f"the last {len(found)} of {len(snapshot.logs)} kept" if view.filters else f"the last {len(found)}",
        lines=tuple(log_line(record) for record in found[-PUSHED:]),
        dropped=snapshot.own.dropped.get("logs", 0),
        filters=filters,
        empty="Nothing matches; widen the filter." if view.filters else "Nothing logged yet at this level or above.",
    )


SLOTS = (Slot(name="logs", build=log_panel),)


def page(snapshot: Snapshot, view: View) -> Page:
    """Logs."""
    return Page(name="logs", title="Logs", slots=SLOTS)
