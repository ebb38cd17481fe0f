"""Events: what the application and its operators did, and what of it deserves a word at once."""

from __future__ import annotations

from itertools import islice
from typing import Final

from fanlight.core.frame import Record
from fanlight.core.records import text
from fanlight.core.snapshot import Snapshot
from fanlight.pages.listing import covers, range_query
from fanlight.panels import Feed, FeedItem, Slot, State, View

SHOWN: Final = 50
"""Events listed."""

NOTICED: Final = 5
"""Notices told at once."""

NOTICE_SECONDS: Final = 30.0
"""How long after it happened something is still told."""

NO_EVENTS: Final = 'None yet. dashboard.event("upload", name=...) adds one.'

ACTION: Final = "action"
"""The type of an action's outcome."""

_STATES: Final[dict[str, State]] = {
    "error": "error", "critical": "error", "warning": "warn", "warn": "warn", "success": "ok", "ok": "ok",
    "open": "error", "half-open": "warn", "closed": "ok",
}  # fmt: skip
_LEVEL: Final = "level"
_SAYS: Final = {ACTION: "status", "breaker": "state"}
"""The field that says how bad an event of a type is, where it is not its level."""


def events(snapshot: Snapshot, view: View) -> Feed:
    """The application's events, what became of actions, and breakers that opened or closed."""
    items = tuple(_item(record) for record in snapshot.range.events[:SHOWN])
    note = f"of the application, {covers(view)}" if range_query(view) else "of the application"
    return Feed(title="Events", note=note, items=items, empty=NO_EVENTS)


SLOT: Final = Slot(name="events", build=events, span=12)
"""The feed's place."""


def notices(snapshot: Snapshot) -> tuple[FeedItem, ...]:
    """The newest events that a viewer should be told of wherever they are: errors, and what became of actions."""
    recent = (record for record in snapshot.events if snapshot.at - record.at <= NOTICE_SECONDS)
    told = (_item(record) for record in recent if record.data["type"] == ACTION or _state(record) == "error")
    return tuple(islice(told, NOTICED))


def _item(record: Record) -> FeedItem:
    fields = record.data["fields"]
    if record.data["type"] == ACTION:
        said, key = text(fields.get("message"), 1_000), text(fields.get("run"), 100)
    else:
        said, key = " · ".join(f"{name} {value}" for name, value in fields.items() if name != _LEVEL), record.id
    return FeedItem(key=key or record.id, at=record.at, type=record.data["type"], text=said, state=_state(record))


def _state(record: Record) -> State:
    fields = record.data["fields"]
    word = fields.get(_SAYS.get(record.data["type"], _LEVEL))
    return _STATES.get(str(word).lower(), "")
