"""The charts of the window: everything over one time axis."""

from __future__ import annotations

from collections.abc import Callable

from fanlight.core.snapshot import HTTP_FAMILIES, Snapshot
from fanlight.core.window import STEP, Point
from fanlight.panels import Line, Marker, TimeSeries, Tone, View

Values = tuple[float | None, ...]


def visible(snapshot: Snapshot, values: Values) -> Values:
    """Values from the first step anything was watched in; before that there is nothing to say, not zero."""
    began = max(snapshot.at - snapshot.view.seconds, 0.0)
    return tuple(
        None if snapshot.view.start + (place + 1) * STEP <= began else value for place, value in enumerate(values)
    )


def closed(snapshot: Snapshot, values: Values) -> Values:
    """Per-second amounts with the step that is still open left out: it would always look like a drop."""
    return visible(snapshot, (*values[:-1], None)) if values else values


def rates(snapshot: Snapshot, pick: Callable[[Point], int]) -> Values:
    """What a family's points say per second, all HTTP families together."""
    series = [snapshot.points(family) for family in HTTP_FAMILIES if snapshot.points(family)]
    if not series:
        return ()
    return closed(snapshot, tuple(sum(pick(point) for point in step) / STEP for step in zip(*series, strict=True)))


def latency(snapshot: Snapshot, pick: Callable[[Point], float]) -> Values:
    """A percentile of requests by the step; steps without a request are gaps."""
    return tuple(pick(point) if point.count else None for point in snapshot.points("requests"))


def error_ratios(snapshot: Snapshot) -> Values:
    """The failed share by the step."""
    counts, errors = rates(snapshot, lambda point: point.count), rates(snapshot, lambda point: point.errors)
    return tuple((bad or 0) / count if count else None for count, bad in zip(counts, errors, strict=True))


def of(snapshot: Snapshot, family: str, pick: Callable[[Point], float | None]) -> Values:
    """What a family's points say by the step; the open one is left out."""
    return closed(snapshot, tuple(pick(point) for point in snapshot.points(family)))


def counter_rates(snapshot: Snapshot, name: str) -> Values:
    """What a counter went up per second, by the step."""
    return closed(snapshot, tuple(count / STEP for count in snapshot.view.counter_points.get(name, ())))


def level(snapshot: Snapshot, name: str, scale: float = 1.0) -> Values:
    """A gauge's past by the step."""
    return tuple(None if value is None else value * scale for value in snapshot.view.levels.get(name, ()))


def markers(snapshot: Snapshot) -> tuple[Marker, ...]:
    """Starts inside the window, named by their release."""
    starts: dict[int, str] = {}
    for instance in snapshot.instances:
        if instance.started > snapshot.view.start + STEP:
            text = f"{instance.release} started" if instance.release else "started"
            starts.setdefault(int(instance.started) // STEP, text)
    return tuple(Marker(at=float(moment * STEP), text=text) for moment, text in sorted(starts.items()))


def series(
    snapshot: Snapshot,
    title: str,
    note: str,
    unit: str,
    lines: tuple[Line, ...],
    empty: str,
    limit: float | None = None,
) -> TimeSeries:
    """A chart over the window's axis."""
    drawn = tuple(line for line in lines if any(value is not None for value in line.values))
    return TimeSeries(
        title=title,
        note=note,
        start=float(snapshot.view.start),
        step=float(STEP),
        lines=drawn,
        unit=unit,  # type: ignore[arg-type]  # one of Unit by every caller
        markers=markers(snapshot),
        select="requests",
        limit=limit,
        empty=empty,
    )


NO_REQUESTS = "No request yet. The first one appears here within a second."


def throughput(snapshot: Snapshot, view: View) -> TimeSeries:
    """Requests and errors per second."""
    lines = (
        Line(name="requests", values=rates(snapshot, lambda point: point.count), tone="main", fill=True),
        Line(name="errors", values=rates(snapshot, lambda point: point.errors), tone="error"),
    )
    return series(snapshot, "Throughput", "requests and errors per second", "rate", lines, NO_REQUESTS)


def percentiles(snapshot: Snapshot, view: View) -> TimeSeries:
    """p50, p95 and p99 of requests."""
    lines = (
        Line(name="p50", values=latency(snapshot, lambda point: point.p50), tone="ok"),
        Line(name="p95", values=latency(snapshot, lambda point: point.p95), tone="second"),
        Line(name="p99", values=latency(snapshot, lambda point: point.p99), tone="warn"),
    )
    return series(snapshot, "Latency", "p50, p95, p99", "seconds", lines, NO_REQUESTS)


def gauge_chart(
    title: str, note: str, unit: str, named: tuple[tuple[str, str, Tone], ...]
) -> Callable[[Snapshot, View], TimeSeries]:
    """A chart of gauges: (gauge, line name, tone)."""

    def build(snapshot: Snapshot, view: View) -> TimeSeries:
        lines = tuple(Line(name=name, values=level(snapshot, gauge), tone=tone) for gauge, name, tone in named)
        return series(snapshot, title, note, unit, lines, "Not readable on this machine, or not yet read.")

    return build


cpu = gauge_chart(
    "CPU",
    "percent of one core, of the machine",
    "percent",
    (("process.cpu.percent", "process", "main"), ("system.cpu.percent", "machine", "muted")),
)
