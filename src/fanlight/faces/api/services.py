"""The documents of services: what the application depends on, how it is, and why."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fanlight import formats
from fanlight.core import sections
from fanlight.core.health import Status
from fanlight.core.sections import BreakerFigures
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import Course
from fanlight.faces.api import items
from fanlight.faces.api.documents import Asked
from fanlight.faces.errors import NotFound
from fanlight.faces.figures import milliseconds, percent


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """What one thing takes off a score of 100: points lost, of at most its weight, and what was seen."""

    name: str
    weight: float
    lost: float
    said: str


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A service's probe over all instances: `ok` where it answers on all, `starting_on` those that start it."""

    ok: bool
    failing_on: list[str]
    starting_on: list[str]
    instances: int
    duration_ms: float | None
    error: str


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit breaker over all instances: the worst state, why it opened, since when and when it tries again.

    `retry_at` is null while it is closed or held open by hand.
    """

    name: str
    state: str
    failures: int
    reason: str
    opened_at: str | None
    retry_at: str | None
    by_hand: bool
    last_failure: str
    last_failure_at: str | None
    open_on: list[str]
    instances: int


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """Something the application depends on: its score with all that made it, and the last 15 minutes of its calls.

    `recovering`: the score is better than the status, which is held for a while so that it does not flap.
    """

    name: str
    kind: str
    status: Status
    score: float | None
    recovering: bool
    declared: bool
    required: bool
    factors: list[Factor]
    calls: int
    errors: int
    success_rate_percent: float | None
    window: items.Figures
    errors_by_type: dict[str, int]
    in_flight: int
    last_call: str | None
    probe: Probe | None
    breaker: Breaker | None


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What the application depends on, the worst first, and every breaker."""

    timestamp: str
    count: int
    services: list[Service]
    breakers: list[Breaker]


class WrappersHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of every wrapper, and of services of every other kind."""

    timestamp: str
    count: int
    wrappers: list[Service]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: counts and mean since the first start, the rest of the time covered."""

    operation: str
    calls: int
    errors: int
    average_ms: float | None
    window: items.Figures


class CallStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a service's calls; times are null where there was none."""

    timestamp: str
    calls: int
    errors: int
    success_rate_percent: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class WrapperMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One wrapper's operations and its calls step by step, as far back of the `hours` asked for as is kept.

    `start` is where what is kept of them begins, `note` says what is missing. Further back than 15 minutes it is as of
    the last minute.
    """

    timestamp: str
    name: str
    hours: int
    covered_hours: float
    start: str
    note: str
    operations: list[Operation]
    step_seconds: int
    points: list[CallStep]


def services(asked: Asked) -> Services:
    """`GET /api/services`."""
    snapshot = asked.snapshot
    listed = [service(row) for row in snapshot.services]
    return Services(
        timestamp=formats.moment(snapshot.at),
        count=len(listed),
        services=listed,
        breakers=[breaker(row) for row in snapshot.breakers],
    )


def wrappers_health(asked: Asked) -> WrappersHealth:
    """`GET /api/wrappers/health`."""
    listed = [service(row) for row in asked.snapshot.services]
    return WrappersHealth(timestamp=formats.moment(asked.snapshot.at), count=len(listed), wrappers=listed)


def wrapper_metrics(asked: Asked) -> WrapperMetrics:
    """`GET /api/wrappers/{name}/metrics`; raises NotFound for a service there is not."""
    snapshot, hours = asked.snapshot, asked.values["hours"]
    name = _found(snapshot, asked.path["name"], "wrapper").name
    past = furthest(snapshot)
    course = past.course(name)
    start = max(_began(course, snapshot.at), snapshot.at - hours * 3_600)
    return WrapperMetrics(
        timestamp=formats.moment(snapshot.at),
        name=name,
        hours=hours,
        covered_hours=round((snapshot.at - start) / 3_600, 4),
        start=formats.moment(start),
        note=course.note,
        operations=[operation(row) for row in past.operations if row.service == name],
        step_seconds=course.step,
        points=list(steps(course, start)),
    )


def furthest(snapshot: Snapshot) -> Snapshot:
    """Its range; the snapshot itself, which is finer and fresher, where the range reaches back no further."""
    past = snapshot.range.view
    watched = next((place for place, width in enumerate(past.widths) if width), None)
    if watched is None or past.start + watched * past.step + past.step > snapshot.at - snapshot.view.seconds:
        return snapshot
    return snapshot.range


def _began(course: Course, now: float) -> float:
    """The end of the first step anything was watched in, less what was watched of it."""
    for place, width in enumerate(course.widths):
        if width:
            end = min(course.start + (place + 1) * course.step, now)
            return end - width
    return now


def service_liveness(asked: Asked) -> Service:
    """`GET /health/{name}`; raises NotFound for a service there is not."""
    return service(_found(asked.snapshot, asked.path["name"], "service"))


def _found(snapshot: Snapshot, name: str, kind: str) -> sections.Service:
    row = snapshot.service_named(name)
    if row is None:
        raise NotFound(kind, name, (known.name for known in snapshot.services))
    return row


def service(row: sections.Service) -> Service:
    """A service."""
    health, probe, ratio = row.health, row.probe, row.success_ratio
    return Service(
        name=row.name,
        kind=row.kind,
        status=health.status,
        score=None if health.score is None else round(health.score, 1),
        recovering=health.recovering,
        declared=row.declared,
        required=row.required,
        factors=[Factor(name=f.name, weight=f.weight, lost=round(f.lost, 1), said=f.said) for f in health.factors],
        calls=row.total.count,
        errors=row.total.errors,
        success_rate_percent=None if ratio is None else percent(ratio, 1),
        window=items.figures(row.figures),
        errors_by_type=row.errors_by_type,
        in_flight=row.in_flight,
        last_call=formats.moment(row.recent.last) if row.recent.last else None,
        probe=None
        if probe is None
        else Probe(
            ok=not (probe.failing_on or probe.starting_on),
            failing_on=list(probe.failing_on),
            starting_on=list(probe.starting_on),
            instances=probe.instances,
            duration_ms=None if probe.seconds is None else milliseconds(probe.seconds),
            error=probe.error,
        ),
        breaker=None if row.breaker is None else breaker(row.breaker),
    )


def breaker(row: BreakerFigures) -> Breaker:
    """A breaker."""
    return Breaker(
        name=row.name,
        state=row.state.replace("_", "-"),
        failures=row.failures,
        reason=row.reason,
        opened_at=_moment(row.opened_at),
        retry_at=_moment(row.retry_at),
        by_hand=row.by_hand,
        last_failure=row.last_failure,
        last_failure_at=_moment(row.last_failure_at),
        open_on=list(row.open_on),
        instances=row.instances,
    )


def _moment(at: float | None) -> str | None:
    return None if at is None else formats.moment(at)


def operation(row: sections.Operation) -> Operation:
    """An operation."""
    return Operation(
        operation=row.operation,
        calls=row.total.count,
        errors=row.total.errors,
        average_ms=milliseconds(row.total.mean) if row.total.count else None,
        window=items.figures(row.figures),
    )


def steps(course: Course, since: float) -> Iterator[CallStep]:
    """The steps that end after a time (Unix seconds), the oldest first; those without a call are there."""
    for place, (point, width) in enumerate(zip(course.points, course.widths, strict=False)):
        at = course.start + place * course.step
        if width and at + course.step > since:
            timed = point.count > 0
            yield CallStep(
                timestamp=formats.moment(at),
                calls=point.count,
                errors=point.errors,
                success_rate_percent=percent(point.count - point.errors, point.count) if timed else None,
                mean_ms=milliseconds(point.mean) if timed else None,
                p50_ms=milliseconds(point.p50) if timed else None,
                p95_ms=milliseconds(point.p95) if timed else None,
                p99_ms=milliseconds(point.p99) if timed else None,
            )
