"""Services: what the application depends on, how each is, and its breakers."""

from __future__ import annotations

from fanlight.core import rules
from fanlight.core.dependencies import breaker_state, cause, health_state, quiet, service_href, unwell, worst
from fanlight.core.health import DOWN, HEALTHY
from fanlight.core.sections import BreakerFigures, Service
from fanlight.core.snapshot import Snapshot
from fanlight.pages import breakers, service
from fanlight.pages.calls import CALL_COLUMNS, call_row
from fanlight.pages.listing import sort_rows
from fanlight.panels import (
    Bar,
    Bars,
    Column,
    Page,
    Row,
    Slot,
    State,
    Status,
    StatusItem,
    Table,
    Tone,
    View,
)

DECLARE = 'None yet. with dashboard.call("service", "operation"): ... or dashboard.service("service") adds one.'
HEALTH_ITEMS = 12
LISTED = 20

TONES: dict[State, Tone] = {"ok": "ok", "warn": "warn", "error": "error"}


def health(snapshot: Snapshot, view: View) -> Status:
    """The service itself, its database, and what it depends on, the worst first."""
    verdict = rules.judge(snapshot)
    items = [StatusItem(name=snapshot.service, state=verdict.state, text=_word(verdict.sentence), kind="service")]
    if snapshot.database.configured:
        state = rules.database_state(snapshot)
        text = "connected" if state == "ok" else snapshot.database.error[:80]
        items.append(StatusItem(name="database", state=state, text=text, kind="database", href="data"))
    heard = [row for row in snapshot.services if not quiet(row)]
    for row in heard[:HEALTH_ITEMS]:
        items.append(_item(row))
        snapshot.breathe()
    named = {row.name for row in snapshot.services}
    items += [_broken(row) for row in snapshot.breakers if row.state != "closed" and row.name not in named]
    left = len(heard) - HEALTH_ITEMS
    note = f"and {left} more services" if left > 0 else "service and what it depends on"
    return Status(title="Health", note=note, items=tuple(items), href="services")


def _word(sentence: str) -> str:
    return sentence.partition(".")[0].lower()


def _item(row: Service) -> StatusItem:
    status = row.health.status
    factor = worst(row) if status in ("degraded", "down") else None
    starting = factor is not None and factor.name == "probe" and row.probe is not None and row.probe.starting
    why = "starting" if starting else factor.name if factor else "recovering" if row.health.recovering else ""
    text = f"{status}: {why}" if why else "no call yet" if status == "idle" else status
    return StatusItem(name=row.name, state=health_state(status), text=text, kind=row.kind, href=service_href(row.name))


def _broken(row: BreakerFigures) -> StatusItem:
    text = row.state.replace("_", "-")
    return StatusItem(name=row.name, state=breaker_state(row.state), text=text, kind="breaker", href="services")


COLUMNS = (
    Column(name="name", title="Service", wide=True),
    Column(name="kind", title="Kind"),
    Column(name="status", title="Status", unit="state", sort=False),
    Column(name="score", title="Score", unit="score"),
    Column(name="calls", title="Calls", unit="integer"),
    Column(name="success", title="Success", unit="ratio"),
    Column(name="p50", title="p50", unit="seconds"),
    Column(name="p95", title="p95", unit="bar"),
    Column(name="flight", title="In flight", unit="integer"),
    Column(name="last", title="Last call", unit="time"),
)


def service_list(snapshot: Snapshot, view: View) -> Table:
    """Declared services and those that are called, the worst first unless the view says otherwise."""
    rows = [_row(row) for row in snapshot.services if not quiet(row)]
    wanted = view.sort.lstrip("-") in {column.name for column in COLUMNS}
    ordered, applied = sort_rows(rows, COLUMNS, view.sort, "name") if wanted else (tuple(rows), "")
    return Table(
        title="Services",
        note="calls of the last 15 min",
        columns=COLUMNS,
        rows=ordered,
        sortable=True,
        sorted=applied,
        empty=DECLARE,
    )


def _row(row: Service) -> Row:
    figures, status = row.figures, row.health.status
    return Row(
        key=row.name,
        values=(
            row.name,
            row.kind,
            status,
            row.health.score,
            figures.count,
            row.success_ratio,
            figures.p50 if figures.count else None,
            figures.p95 if figures.count else None,
            row.in_flight,
            row.recent.last or None,
        ),
        state=health_state(status),
        href=service_href(row.name),
        detail=" · ".join(filter(None, ("required" if row.required else "", cause(row) if status != "idle" else ""))),
    )


QUIET_COLUMNS = (
    Column(name="name", title="Service", wide=True, sort=False),
    Column(name="kind", title="Kind", sort=False),
    Column(name="calls", title="Calls in all", unit="integer", sort=False),
    Column(name="errors", title="Errors in all", unit="integer", sort=False),
)


def quiet_services(snapshot: Snapshot, view: View) -> Table:
    """Services that were called once and are not any more; most called first."""
    rows = sorted((row for row in snapshot.services if quiet(row)), key=lambda row: (-row.total.count, row.name))
    return Table(
        title="Not called lately",
        note="not in the last 15 min, and not declared",
        columns=QUIET_COLUMNS,
        rows=tuple(
            Row(
                key=row.name,
                values=(row.name, row.kind, row.total.count, row.total.errors),
                href=service_href(row.name),
            )
            for row in rows[:LISTED]
        ),
        more=max(len(rows) - LISTED, 0),
        empty="Every service is declared or called.",
    )


def scores(snapshot: Snapshot, view: View) -> Bars:
    """Health scores, coloured by status."""
    bars = tuple(
        Bar(
            name=row.name,
            value=round(row.health.score),
            tone=TONES.get(health_state(row.health.status), "muted"),
            detail=f"{row.health.status}, recovering" if row.health.recovering else row.health.status,
            href=service_href(row.name),
        )
        for row in snapshot.services
        if row.health.score is not None
    )
    note = f"healthy from {HEALTHY:g}, down below {DOWN:g}"
    return Bars(title="Health scores", note=note, bars=bars, unit="integer", empty=DECLARE)


def failed_calls(snapshot: Snapshot, view: View) -> Table:
    """The last calls that failed, of any service."""
    return Table(
        title="Failed calls",
        note="the newest",
        columns=CALL_COLUMNS,
        rows=tuple(map(call_row, snapshot.failed_calls[:LISTED])),
        empty="No call failed in the last 15 minutes.",
    )


def badge(snapshot: Snapshot) -> int:
    """How many services are not well, and breakers of none that refuse calls."""
    named = {row.name for row in snapshot.services}
    lone = sum(row.state == "open" and row.name not in named for row in snapshot.breakers)
    return len(unwell(snapshot.services)) + lone


LIST = (
    Slot(name="health", build=health, span=8, pace="fast"),
    Slot(name="health-scores", build=scores, span=4),
    Slot(name="service-list", build=service_list, pace="fast"),
    Slot(name="breakers", build=breakers.table, span=9, pace="fast"),
    Slot(name="breaker-actions", build=breakers.actions, span=3),
    Slot(name="failed-calls", build=failed_calls),
)

QUIET = Slot(name="quiet-services", build=quiet_services)

SLOTS = (*LIST, QUIET, *service.SLOTS)


def page(snapshot: Snapshot, view: View) -> Page:
    """All services, or the one the view's path names."""
    name = dict(view.path).get("name", "")
    if name:
        known = snapshot.service_named(name) is not None
        return Page(name="services", title=name, slots=service.SLOTS if known else service.SLOTS[:1])
    slots = (*LIST, QUIET) if any(map(quiet, snapshot.services)) else LIST
    return Page(name="services", title="Services", slots=slots)
