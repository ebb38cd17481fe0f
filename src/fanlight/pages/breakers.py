"""Breakers: each with its state over all instances, and the buttons that trip and reset it everywhere."""

from __future__ import annotations

from urllib.parse import quote

from fanlight.core.dependencies import breaker_state, service_href
from fanlight.core.sections import BreakerFigures
from fanlight.core.snapshot import Snapshot
from fanlight.panels import ActionButton, Actions, Column, Row, Table, View

COLUMNS = (
    Column(name="breaker", title="Breaker", sort=False),
    Column(name="state", title="State", unit="state", sort=False),
    Column(name="failures", title="Failures in a row", unit="integer", sort=False),
    Column(name="since", title="Open since", unit="time", sort=False),
    Column(name="retry", title="Tries again", unit="time", sort=False),
    Column(name="on", title="Open on", sort=False),
    Column(name="failed", title="Last failed", unit="time", sort=False),
    Column(name="why", title="Why", wide=True, sort=False),
)


def table(snapshot: Snapshot, view: View) -> Table:
    """Circuit breakers, the open ones first."""
    order = {"open": 0, "half_open": 1, "closed": 2}
    named = {row.name for row in snapshot.services}
    rows = sorted(snapshot.breakers, key=lambda row: (order[row.state], row.name))
    return Table(
        title="Circuit breakers",
        columns=COLUMNS,
        rows=tuple(_row(row, service_href(row.name) if row.name in named else "") for row in rows),
        empty='None yet. with dashboard.breaker("name"): ... or dashboard.service("name", breaker=True) adds one.',
    )


def _row(row: BreakerFigures, href: str) -> Row:
    """A breaker: its state over all instances, why, since when, and when it tries again."""
    return Row(
        key=row.name,
        values=(
            row.name,
            row.state.replace("_", "-"),
            row.failures,
            row.opened_at,
            row.retry_at if row.state == "open" else None,
            _open_on(row),
            row.last_failure_at,
            row.reason or (f"last failure: {row.last_failure}" if row.last_failure else None),
        ),
        state=breaker_state(row.state),
        href=href,
        detail="held open until it is reset" if row.by_hand else "",
    )


def _open_on(row: BreakerFigures) -> str | None:
    if not row.open_on:
        return None
    if row.instances == 1:
        return "the instance"
    few = ", ".join(row.open_on[:3]) if len(row.open_on) < row.instances else "all"
    return f"{len(row.open_on)} of {row.instances}: {few}" if few != "all" else f"all {row.instances} instances"


def actions(snapshot: Snapshot, view: View) -> Actions:
    """Resetting the breakers that are open, and tripping those of no service; a service's own is on its page."""
    named = {row.name for row in snapshot.services}
    buttons = [reset(row.name, f"Reset {row.name}") for row in snapshot.breakers if row.state != "closed"]
    lone = (row.name for row in snapshot.breakers if row.state == "closed" and row.name not in named)
    buttons += [trip(name, f"Trip {name}") for name in lone]
    empty = "None is open. The page of a service trips its own." if snapshot.breakers else "There is none to trip yet."
    return Actions(title="Trip or reset", buttons=tuple(buttons), empty=empty)


def trip(name: str, title: str) -> ActionButton:
    """Opens a breaker everywhere until it is reset."""
    confirm = f"Refuse all calls of {name} on every instance until the breaker is reset?"
    return ActionButton(title=title, action=f"actions/breakers/{quote(name, safe='')}/trip", confirm=confirm)


def reset(name: str, title: str) -> ActionButton:
    """Closes a breaker everywhere."""
    confirm = f"Close the breaker of {name} on every instance?"
    return ActionButton(title=title, action=f"actions/breakers/{quote(name, safe='')}/reset", confirm=confirm)
