"""The documents charts and exports are drawn from: the window step by step, and every endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from fanlight import formats
from fanlight.core.health import Status
from fanlight.core.query import DEFAULT_RANGE
from fanlight.core.snapshot import HTTP_FAMILIES, Snapshot
from fanlight.faces.api import items
from fanlight.faces.api.documents import Asked
from fanlight.faces.api.encoding import encode
from fanlight.faces.figures import milliseconds, percent
from fanlight.panels import View

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the range; times are null in a step without a request, streams count but are not timed."""

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
    note: str
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
    """All figures of the range."""

    timestamp: str
    service: str
    scope: str
    range: str
    start: str
    end: str
    step_seconds: int
    note: str
    requests: items.Figures
    streams: items.Figures
    by_status: dict[str, int]
    errors_by_type: dict[str, int]
    counters: dict[str, int]
    endpoints: list[items.Endpoint]
    timeline: list[Step]


def performance(asked: Asked) -> PerformanceChart:
    """`GET /api/charts/performance`."""
    past = asked.snapshot.range
    start, end = _covered(past, asked.view)
    return PerformanceChart(
        timestamp=formats.moment(past.at),
        range=_range(asked),
        start=formats.moment(start),
        end=formats.moment(end),
        step_seconds=past.view.step,
        note=past.view.note,
        points=list(_steps(past, start, end, asked.breathe)),
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
    past = asked.snapshot.range
    steps = _steps(past, *_covered(past, asked.view), asked.breathe)
    return replace(_export_head(asked), endpoints=items.endpoints(past, asked.breathe), timeline=list(steps))


def export_pieces(asked: Asked) -> Iterator[str]:
    """The same, an endpoint or a step at a time, so that it never exists as a whole."""
    past = asked.snapshot.range
    yield encode(_export_head(asked)).decode().removesuffix('[],"timeline":[]}')
    yield "["
    for place, route in enumerate(past.routes):
        yield f"{',' if place else ''}{encode(items.endpoint(route)).decode()}"
        asked.breathe()
    yield '],"timeline":['
    for place, step in enumerate(_steps(past, *_covered(past, asked.view), asked.breathe)):
        yield f"{',' if place else ''}{encode(step).decode()}"
    yield "]}"


def _export_head(asked: Asked) -> Export:
    """The export without its lists."""
    snapshot = asked.snapshot.range
    start, end = _covered(snapshot, asked.view)
    return Export(
        timestamp=formats.moment(snapshot.at),
        service=snapshot.service,
        scope=snapshot.scope,
        range=_range(asked),
        start=formats.moment(start),
        end=formats.moment(end),
        step_seconds=snapshot.view.step,
        note=snapshot.view.note,
        requests=items.figures(snapshot.requests.window),
        streams=items.figures(snapshot.requests.streams),
        by_status=dict(snapshot.outcomes),
        errors_by_type=dict(snapshot.errors_by_type),
        counters=dict(sorted(snapshot.view.counters.items())),
        endpoints=[],
        timeline=[],
    )


def csv_lines(asked: Asked) -> Iterator[str]:
    """The export as CSV lines: a head, then one row per endpoint or per step."""
    if asked.values["table"] == "timeline":
        past = asked.snapshot.range
        yield _line(Step.__struct_fields__)
        for step in _steps(past, *_covered(past, asked.view), asked.breathe):
            yield _line(msgspec.structs.astuple(step))
        return
    columns = tuple(name for name in items.Endpoint.__struct_fields__ if name != "window")
    window = items.Figures.__struct_fields__
    yield _line((*columns, *(f"window_{name}" for name in window)))
    for route in asked.snapshot.range.routes:
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
    """The span that is answered: what was asked for, clamped to what there is."""
    first, last = float(snapshot.view.start), float(snapshot.view.end)
    start = min(max(view.start if view.start is not None else first, first), last)
    end = min(max(view.end if view.end is not None else last, start), last)
    return start, min(end, max(snapshot.at, start))


def _range(asked: Asked) -> str:
    if asked.view.start is not None:
        return "custom"
    return asked.view.range if asked.snapshot.range is not asked.snapshot else DEFAULT_RANGE


def _steps(past: Snapshot, start: float, end: float, breathe: Callable[[], None]) -> Iterator[Step]:
    """The steps that begin in the span; requests and streams count together, requests alone are timed."""
    families = [past.points(family) for family in HTTP_FAMILIES]
    view = past.view
    for place, at in enumerate(range(view.start, view.end, view.step)):
        if not start <= at < end:
            continue
        breathe()
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
