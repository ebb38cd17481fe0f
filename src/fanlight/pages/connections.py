"""Connections: WebSockets now, per group and user, and their last events."""

from __future__ import annotations

from fanlight.core import rules
from fanlight.core.frame import Record
from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts
from fanlight.pages.overview import websockets
from fanlight.panels import Bar, Bars, Column, Page, Row, Slot, Stat, Table, View

LISTED = 50

NONE_YET = "No WebSocket yet. Each is seen without a line of code; its group is a path parameter such as `{group}`."


def refused(snapshot: Snapshot, view: View) -> Stat:
    """Handshakes that were refused, and connections closed by what their code says is no ordinary end."""
    count = snapshot.sockets.refused
    return Stat(
        title="Refused or broken",
        value=count,
        unit="integer",
        detail="refused, 1008, 1011, 4xxx",
        state="warn" if count else "ok",
        spark=charts.family_rates(snapshot, "sockets", lambda point: point.errors),
        tone="warn",
        href="requests?method=WS&status=error",
    )


def groups(snapshot: Snapshot, view: View) -> Bars:
    """Open connections by group."""
    bars = tuple(Bar(name=name, value=count) for name, count in snapshot.sockets.groups)
    return Bars(title="Groups", note="connections now", bars=bars, empty=NONE_YET)


def users(snapshot: Snapshot, view: View) -> Bars:
    """Open connections by user."""
    bars = tuple(Bar(name=name, value=count, tone="second") for name, count in snapshot.sockets.users)
    return Bars(
        title="Users",
        note="connections now",
        bars=bars,
        empty="No user is known: name one by a path parameter or dashboard.websocket(user=...).",
    )


EVENT_COLUMNS = (
    Column(name="time", title="Time", unit="time"),
    Column(name="event", title="Event", unit="state"),
    Column(name="group", title="Group"),
    Column(name="user", title="User"),
    Column(name="path", title="Path", unit="code", wide=True),
    Column(name="code", title="Code", unit="status"),
    Column(name="duration", title="Open for", unit="seconds"),
    Column(name="connections", title="In group", unit="integer"),
)


def _event_row(record: Record) -> Row:
    data = record.data
    ended = data["event"] != "connected"
    return Row(
        key=record.id,
        values=(
            record.at,
            data["event"],
            data["group"] or None,
            data["user"] or None,
            data["path"],
            data["status"] if ended else None,
            data["duration"] if ended else None,
            data["connections"],
        ),
        state=rules.record_state(record),
        href=f"requests/{record.id}",
    )


def events(snapshot: Snapshot, view: View) -> Table:
    """The last connects and disconnects."""
    rows = tuple(_event_row(record) for record in snapshot.sockets.events[:LISTED])
    return Table(title="WebSocket events", note="the newest", columns=EVENT_COLUMNS, rows=rows, empty=NONE_YET)


chart = charts.gauge_chart(
    "Connections", "open WebSockets", "integer", (("websocket.connections", "connections", "main"),)
)
SLOTS = (
    Slot(name="connections-chart", build=chart, span=9, rows=2),
    Slot(name="websockets", build=websockets, span=3, pace="fast"),
    Slot(name="refused", build=refused, span=3, pace="fast"),
    Slot(name="groups", build=groups, span=6),
    Slot(name="users", build=users, span=6),
    Slot(name="socket-events", build=events, span=12),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Connections."""
    return Page(name="connections", title="Connections", slots=SLOTS)
