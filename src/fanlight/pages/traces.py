"""Traces: calls as the spans of a waterfall, each under the call that made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from fanlight.core.frame import Record
from fanlight.core.rules import call_state
from fanlight.panels import Span

DEPTH_LIMIT: Final = 8
"""Levels that are drawn apart; deeper calls stand on the last."""

_Id = tuple[str, int]


def spans(calls: Sequence[Record], began: float) -> tuple[Span, ...]:
    """Calls, by when they began, as spans offset from `began` (Unix seconds); children follow their parent."""
    known = {_id(record): record for record in calls}
    children: dict[_Id | None, list[Record]] = {}
    for record in calls:
        parent = (str(record.data["instance"]), int(record.data["parent"]))
        children.setdefault(parent if parent in known and parent != _id(record) else None, []).append(record)
    return tuple(_span(record, depth, began) for record, depth in _ordered(children))


def note(spans: Sequence[Span]) -> str:
    """How many calls a waterfall shows, "" for none."""
    if not spans:
        return ""
    return "with 1 call" if len(spans) == 1 else f"with {len(spans)} calls"


def _id(record: Record) -> _Id:
    return str(record.data["instance"]), int(record.data["call"])


def _ordered(children: dict[_Id | None, list[Record]]) -> Iterator[tuple[Record, int]]:
    """Depth first, without recursion: how deep calls nest is up to the application."""
    waiting = [(record, 1) for record in reversed(children.pop(None, []))]
    while waiting:
        record, depth = waiting.pop()
        yield record, depth
        waiting += [(child, depth + 1) for child in reversed(children.pop(_id(record), []))]


def _span(record: Record, depth: int, began: float) -> Span:
    data = record.data
    duration = float(data["duration"])
    return Span(
        name=f"{data['service']} {data['operation']}",
        start=max(record.at - duration - began, 0.0),
        duration=duration,
        state=call_state(record),
        detail=data["error_type"] or (data["outcome"] if data["outcome"] != "ok" else ""),
        depth=min(depth, DEPTH_LIMIT),
    )
