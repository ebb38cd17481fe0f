"""The documents charts and exports are drawn from: the window step by step, and every endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from fanlight import formats
from fanlight.core.health import Status
from fanlight.core.snapshot import HTTP_FAMILIES, Snapshot
from fanlight.core.window import SPAN, STEP
from fanlight.faces.api import items
from fanlight.faces.api.documents import Asked
from fanlight.faces.figures import milliseconds, percent
from fanlight.panels import View

RANGE: Final = "15m"
"""The range that is kept."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the window; times are null in a step without a request, streams count but are not timed."""

    timestamp: str
    requests: int
    errors: int
    success_rate_percent: float | None
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class PerformanceChart(msgspec.Struct, frozen=True, kw_only=True):
    """Success rate and response time, step by step, the oldest first."""

    timestamp: str
    range: str
    start: str
    end: str
    step_seconds: int
    points: list[Step]


class HealthBar(msgspec.Struct, frozen=True, kw_only=True):
    """One service's score, 0 to 100."""

    name: str
    score: float
    status: Status


class HealthChart(msgspec.Struct, frozen=True, kw_only=True):
    """Health scores."""

    timestamp: str
    bars: list[HealthBar]


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of the window."""

    timestamp: str
    service: str
    scope: str
    range: str
    start: str
    end: str
    step_seconds: int
    requests: items.Figures
    streams: items.Figures
    by_status: dict[str, int]
    errors_by_type: dict[str, int]
    counters: dict[str, int]
    endpoints: list[items.Endpoint]
    timeline: list[Step]


def performance(asked: Asked) -> PerformanceChart:
    """`GET /api/charts/performance`."""
    snapshot = asked.snapshot
    start, end = _covered(snapshot, asked.view)
    return PerformanceChart(
        timestamp=formats.moment(snapshot.at),
        range=RANGE,
        start=formats.moment(start),
        end=formats.moment(end),
        step_seconds=STEP,
        points=list(_steps(snapshot, start, end)),
    )


def health(asked: Asked) -> HealthChart:
    """`GET /api/charts/health`: services that have a score, the worst first."""
    bars = [
        HealthBar(name=row.name, score=round(row.health.score, 1), status=row.health.status)
        for row in asked.snapshot.services
        if row.health.score is not None
    ]
    return HealthChart(timestamp=formats.moment(asked.snapshot.at), bars=bars)


def export(asked: Asked) -> Export:
    """`GET /api/metrics/export` as JSON."""
    snapshot = asked.snapshot
    start, end = _covered(snapshot, asked.view)
    return Export(
        timestamp=formats.moment(snapshot.at),
        service=snapshot.service,
        scope=snapshot.scope,
        range=RANGE,
        start=formats.moment(start),
        end=formats.moment(end),
        step_seconds=STEP,
        requests=items.figures(snapshot.requests.window),
        streams=items.figures(snapshot.requests.streams),
        by_status=dict(snapshot.outcomes),
        errors_by_type=dict(snapshot.errors_by_type),
        counters=dict(sorted(snapshot.view.counters.items())),
        endpoints=items.endpoints(snapshot, asked.breathe),
        timeline=list(_steps(snapshot, start, end)),
    )


def csv_lines(asked: Asked) -> Iterator[str]:
    """The export as CSV lines: a head, then one row per endpoint or per step."""
    if asked.values["table"] == "timeline":
        start, end = _covered(asked.snapshot, asked.view)
        yield _line(Step.__struct_fields__)
        for step in _steps(asked.snapshot, start, end):
            yield _line(msgspec.structs.astuple(step))
        return
    columns = tuple(name for name in items.Endpoint.__struct_fields__ if name != "window")
    window = items.Figures.__struct_fields__
    yield _line((*columns, *(f"window_{name}" for name in window)))
    for route in asked.snapshot.routes:
        row = items.endpoint(route)
        yield _line((*(getattr(row, name) for name in columns), *msgspec.structs.astuple(row.window)))
        asked.breathe()


def _line(values: Iterable[object]) -> str:
    return ",".join(_cell(value) for value in values) + "\r\n"


def _cell(value: object) -> str:
    """A cell by RFC 4180; text a spreadsheet would run as a formula is marked as text by an apostrophe."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    if value.lstrip(" ").startswith(_FORMULA):
        value = f"'{value}"
    quoted = any(character in value for character in '",\r\n')
    return '"' + value.replace('"', '""') + '"' if quoted else value


def _covered(snapshot: Snapshot, view: View) -> tuple[float, float]:
    """The span that is answered: what was asked for, clamped to the window."""
    first, last = float(snapshot.view.start), float(snapshot.view.start + SPAN)
    start = min(max(view.start if view.start is not None else first, first), last)
    end = min(max(view.end if view.end is not None else last, start), last)
    return start, min(end, max(snapshot.at, start))


def _steps(snapshot: Snapshot, start: float, end: float) -> Iterator[Step]:
    """The steps that begin in the span; requests and streams count together, requests alone are timed."""
    families = [snapshot.points(family) for family in HTTP_FAMILIES]
    for place in range(SPAN // STEP):
        at = snapshot.view.start + place * STEP
        if not start <= at < end:
            continue
        points = [points[place] for points in families if points]
        count, errors = sum(point.count for point in points), sum(point.errors for point in points)
        timed = families[0][place] if families[0] and families[0][place].count else None
        yield Step(
            timestamp=formats.moment(at),
            requests=count,
            errors=errors,
            success_rate_percent=percent(count - errors, count) if count else None,
            mean_ms=milliseconds(timed.mean) if timed else None,
            p50_ms=milliseconds(timed.p50) if timed else None,
            p95_ms=milliseconds(timed.p95) if timed else None,
            p99_ms=milliseconds(timed.p99) if timed else None,
        )
