"""One service: its score with everything that made it, its calls, its errors, its breaker, and what can be done."""

from __future__ import annotations

from urllib.parse import quote

from fanlight.core.dependencies import breaker_state, health_state
from fanlight.core.facts import BLAMELESS
from fanlight.core.health import Factor, Status
from fanlight.core.sections import Operation, Service
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import Course
from fanlight.pages import breakers
from fanlight.pages.calls import CALL_COLUMNS, call_row
from fanlight.pages.listing import covers
from fanlight.panels import (
    ActionButton,
    Actions,
    Bar,
    Bars,
    Column,
    Fact,
    Line,
    Row,
    Slot,
    State,
    Table,
    Text,
    TimeSeries,
    Unit,
    View,
)

GONE = "No service of that name is declared, or was called in the time that is kept."
NO_CALL = "It was not called in this time."
TOO_SOON = "It was called, but for too short a time to draw."
LISTED = 30
ENOUGH_SECONDS = 60
"""Seconds of a long step after which a rate can be told."""


def _found(snapshot: Snapshot, view: View) -> Service | None:
    return snapshot.service_named(dict(view.path).get("name", ""))


def summary(snapshot: Snapshot, view: View) -> Text:
    """What it is and how it is."""
    row = _found(snapshot, view)
    if row is None:
        return Text(title="Service", empty=GONE, href="services")
    health, figures = row.health, row.figures
    facts = (
        Fact(name="Status", value=_said(health.status, health.recovering), state=health_state(health.status)),
        Fact(name="Score", value=None if health.score is None else round(health.score), unit="integer"),
        Fact(name="Kind", value=row.kind + (", required" if row.required else "")),
        Fact(name="Calls in 15 min", value=figures.count, unit="integer"),
        Fact(name="Success rate", value=row.success_ratio, unit="ratio"),
        Fact(name="p50", value=figures.p50 if figures.count else None, unit="seconds"),
        Fact(name="p95", value=figures.p95 if figures.count else None, unit="seconds"),
        Fact(name="p99", value=figures.p99 if figures.count else None, unit="seconds"),
        Fact(name="In flight", value=row.in_flight, unit="integer"),
        Fact(name="Last call", value=row.recent.last or None, unit="time"),
        Fact(name="Calls since the first start", value=row.total.count, unit="integer"),
        *_probe(row),
    )
    return Text(title=row.name, note="all instances", facts=facts)


def _said(status: Status, recovering: bool) -> str:
    return f"{status}, recovering" if recovering else status


def _probe(row: Service) -> tuple[Fact, ...]:
    probe = row.probe
    if probe is None:
        return (Fact(name="Probe", value="none", state="idle"),)
    state: State = "error" if probe.failing_on else "warn" if probe.starting_on else "ok"
    return (
        Fact(name="Probe", value=probe.said, state=state),
        Fact(name="Probe took", value=probe.seconds, unit="seconds"),
    )


FACTOR_COLUMNS = (
    Column(name="factor", title="Factor", sort=False),
    Column(name="said", title="Seen", wide=True, sort=False),
    Column(name="lost", title="Takes off", unit="number", sort=False),
    Column(name="weight", title="At most", unit="number", sort=False),
)


def factors(snapshot: Snapshot, view: View) -> Table:
    """What took points off its score of 100."""
    row = _found(snapshot, view)
    found = row.health.factors if row is not None else ()
    score = row.health.score if row is not None else None
    return Table(
        title="Score",
        note="" if score is None else f"100 less what is taken off: {score:.0f}",
        columns=FACTOR_COLUMNS,
        rows=tuple(map(_factor, found)),
        empty="Nothing is known of it yet." if row is not None else GONE,
    )


def _factor(factor: Factor) -> Row:
    state: State = "" if factor.lost < 1 else "warn" if factor.lost < factor.weight / 2 else "error"
    lost = round(factor.lost, 1)
    return Row(key=factor.name, values=(factor.name, factor.said, lost, factor.weight), state=state)


OPERATION_COLUMNS = (
    Column(name="operation", title="Operation", unit="code", wide=True, sort=False),
    Column(name="calls", title="Calls", unit="integer", sort=False),
    Column(name="ratio", title="Error rate", unit="ratio", sort=False),
    Column(name="mean", title="Mean", unit="seconds", sort=False),
    Column(name="p50", title="p50", unit="seconds", sort=False),
    Column(name="p95", title="p95", unit="bar", sort=False),
    Column(name="p99", title="p99", unit="seconds", sort=False),
    Column(name="total", title="In all", unit="integer", sort=False),
)


def operations(snapshot: Snapshot, view: View) -> Table:
    """Its operations, the busiest first."""
    name = dict(view.path).get("name", "")
    rows = tuple(_operation(row) for row in snapshot.range.operations if row.service == name)
    return Table(
        title="Operations",
        note=covers(view),
        columns=OPERATION_COLUMNS,
        rows=rows[:LISTED],
        more=max(len(rows) - LISTED, 0),
        empty=NO_CALL,
    )


def _operation(row: Operation) -> Row:
    figures = row.figures
    times = (figures.mean, figures.p50, figures.p95, figures.p99) if figures.count else (None,) * 4
    ratio = row.error_ratio if figures.count else None
    return Row(key=row.operation, values=(row.operation, figures.count, ratio, *times, row.total.count))


def latency(snapshot: Snapshot, view: View) -> TimeSeries:
    """How long its calls take."""
    course = _course(snapshot, view)
    lines = (
        Line(name="p50", values=tuple(p.p50 if p.count else None for p in course.points), tone="ok"),
        Line(name="p95", values=tuple(p.p95 if p.count else None for p in course.points), tone="second"),
        Line(name="p99", values=tuple(p.p99 if p.count else None for p in course.points), tone="warn"),
    )
    return _chart(course, "Latency", "p50, p95, p99", "seconds", lines)


def rate(snapshot: Snapshot, view: View) -> TimeSeries:
    """Its calls and errors per second."""
    course = _course(snapshot, view)
    called = any(point.count for point in course.points)
    lines = (
        Line(name="calls", values=_rates(course, [p.count for p in course.points]), tone="main", fill=True),
        Line(name="errors", values=_rates(course, [p.errors for p in course.points]), tone="error"),
    )
    return _chart(course, "Calls", "calls and errors per second", "rate", lines if called else ())


def _course(snapshot: Snapshot, view: View) -> Course:
    return snapshot.range.course(dict(view.path).get("name", ""))


def _rates(course: Course, amounts: list[int]) -> tuple[float | None, ...]:
    """Amounts per second; those of a step of which little was watched, such as the open one, would be by chance."""
    enough = min(course.step / 2, ENOUGH_SECONDS)
    watched = zip(amounts, course.widths, strict=False)
    return tuple(amount / width if width >= enough else None for amount, width in watched)


def _chart(course: Course, title: str, note: str, unit: Unit, lines: tuple[Line, ...]) -> TimeSeries:
    """A chart over the service's own axis."""
    called = any(point.count for point in course.points)
    return TimeSeries(
        title=title,
        note=" · ".join(filter(None, (note, course.note))),
        start=float(course.start),
        step=float(course.step),
        lines=tuple(line for line in lines if any(value is not None for value in line.values)),
        unit=unit,
        empty=TOO_SOON if called else NO_CALL,
    )


def errors(snapshot: Snapshot, view: View) -> Bars:
    """Its failed calls by type."""
    row = _found(snapshot, view)
    counts = row.errors_by_type if row is not None else {}
    bars = tuple(
        Bar(name=kind, value=count, tone="warn" if kind in BLAMELESS else "error") for kind, count in counts.items()
    )
    return Bars(title="Errors", note="by type, last 15 min", bars=bars, empty="None of its calls failed.")


def failed(snapshot: Snapshot, view: View) -> Table:
    """Its last failed calls."""
    name = dict(view.path).get("name", "")
    rows = [record for record in snapshot.failed_calls if record.data["service"] == name]
    return Table(
        title="Failed calls",
        note="the newest",
        columns=CALL_COLUMNS,
        rows=tuple(map(call_row, rows[:LISTED])),
        more=max(len(rows) - LISTED, 0),
        empty="None of its calls failed in the last 15 minutes.",
    )


def breaker(snapshot: Snapshot, view: View) -> Text:
    """Its breaker."""
    row = _found(snapshot, view)
    known = row.breaker if row is not None else None
    if known is None:
        return Text(title="Breaker", empty="It has none. dashboard.service(name, breaker=True) gives it one.")
    retry: Unit = "text" if known.by_hand else "time"
    facts = (
        Fact(name="State", value=known.state.replace("_", "-"), state=breaker_state(known.state)),
        Fact(name="Why", value=known.reason or None),
        Fact(name="Open since", value=known.opened_at, unit="time"),
        Fact(name="Tries again", value="when it is reset" if known.by_hand else known.retry_at, unit=retry),
        Fact(name="Open on", value=", ".join(known.open_on[:8]) or None),
        Fact(name="Failures in a row", value=known.failures, unit="integer"),
        Fact(name="Last failure", value=known.last_failure or None),
        Fact(name="Last failed", value=known.last_failure_at, unit="time"),
    )
    note = "on 1 instance" if known.instances == 1 else f"on {known.instances} instances"
    return Text(title="Breaker", note=note, facts=facts)


def actions(snapshot: Snapshot, view: View) -> Actions:
    """What an operator can do to it."""
    row = _found(snapshot, view)
    buttons: list[ActionButton] = []
    if row is not None:
        path = quote(row.name, safe="")
        if row.restartable:
            confirm = f"Restart {row.name}?"
            buttons.append(ActionButton(title="Restart", action=f"actions/restart/{path}", confirm=confirm))
        if row.breaker is not None:
            tripping = breakers.trip(row.name, "Trip the breaker")
            resetting = breakers.reset(row.name, "Reset the breaker")
            buttons += [tripping] if row.breaker.state == "closed" else [resetting, tripping]
    return Actions(title="Actions", buttons=tuple(buttons), empty="It has no breaker, and no `restart=` was given.")


SLOTS = (
    Slot(name="service", build=summary, span=4, pace="fast"),
    Slot(name="service-score", build=factors, span=8, pace="fast"),
    Slot(name="service-rate", build=rate, span=6),
    Slot(name="service-latency", build=latency, span=6),
    Slot(name="service-operations", build=operations, span=12),
    Slot(name="service-errors", build=errors, span=4),
    Slot(name="service-breaker", build=breaker, span=4, pace="fast"),
    Slot(name="service-actions", build=actions, span=4),
    Slot(name="service-failed", build=failed),
)
