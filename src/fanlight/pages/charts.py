"""The charts of the window: everything over one time axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from fanlight.core.snapshot import HTTP_FAMILIES, Snapshot
from fanlight.core.timeline import LINES, Lines, Point, Share
from fanlight.core.window import SERVICES
from fanlight.panels import Line, Marker, TimeSeries, Tone, View

Values = tuple[float | None, ...]


def visible(snapshot: Snapshot, values: Values) -> Values:
    """Values of the steps anything was watched in; of the others there is nothing to say, not zero."""
    past = snapshot.view
    if not values:
        return ()
    if past.widths:
        return tuple(value if width else None for value, width in zip(values, past.widths, strict=True))
    began = max(snapshot.at - past.seconds, 0.0)
    return tuple(None if past.start + (place + 1) * past.step <= began else value for place, value in enumerate(values))


def per_second(snapshot: Snapshot, amounts: Sequence[float]) -> Values:
    """Amounts by the step per second; a step that is still open and would look like a drop is left out."""
    past = snapshot.view
    if not amounts:
        return ()
    if past.widths:
        rates = zip(amounts, past.widths, strict=True)
        return tuple(amount / width if width * 10 >= past.step else None for amount, width in rates)
    return visible(snapshot, (*(amount / past.step for amount in amounts[:-1]), None))


def request_rates(snapshot: Snapshot) -> Values:
    """Requests per second, by the step."""
    return per_second(snapshot, snapshot.http_steps[0])


def error_rates(snapshot: Snapshot) -> Values:
    """Failed requests per second, by the step."""
    return per_second(snapshot, snapshot.http_steps[1])


def latency(snapshot: Snapshot, pick: Callable[[Point], float]) -> Values:
    """A percentile of requests by the step; steps without a request are gaps."""
    return tuple(pick(point) if point.count else None for point in snapshot.points("requests"))


def error_ratios(snapshot: Snapshot) -> Values:
    """The failed share by the step."""
    shares = tuple(errors / count if count else None for count, errors in zip(*snapshot.http_steps, strict=True))
    return visible(snapshot, shares if snapshot.view.widths or not shares else (*shares[:-1], None))


def of(snapshot: Snapshot, family: str, pick: Callable[[Point], float | None]) -> Values:
    """What a family's points say by the step; the open one is left out."""
    values = tuple(pick(point) for point in snapshot.points(family))
    return visible(snapshot, values if snapshot.view.widths or not values else (*values[:-1], None))


def family_rates(snapshot: Snapshot, family: str, pick: Callable[[Point], int]) -> Values:
    """What a family's points say per second."""
    return per_second(snapshot, [pick(point) for point in snapshot.points(family)])


def counter_rates(snapshot: Snapshot, name: str) -> Values:
    """What a counter went up per second, by the step."""
    return per_second(snapshot, snapshot.view.counter_points.get(name, ()))


def level(snapshot: Snapshot, name: str, scale: float = 1.0) -> Values:
    """A gauge's past by the step."""
    return tuple(None if value is None else value * scale for value in snapshot.view.levels.get(name, ()))


def markers(snapshot: Snapshot) -> tuple[Marker, ...]:
    """Starts inside the range, named by their release; those of one step are one."""
    past = snapshot.view
    starts: dict[int, str] = {}
    for record in past.kept.get("starts", ()):
        if past.start < record.at < past.end:
            release = record.data["fields"].get("release")
            starts[int(record.at - past.start) // past.step] = f"{release} started" if release else "started"
    return tuple(Marker(at=float(past.start + place * past.step), text=text) for place, text in sorted(starts.items()))


def series(
    snapshot: Snapshot,
    title: str,
    note: str,
    unit: str,
    lines: tuple[Line, ...],
    empty: str,
    limit: float | None = None,
) -> TimeSeries:
    """A chart over the axis of a snapshot's view."""
    drawn = tuple(line for line in lines if any(value is not None for value in line.values))
    past = snapshot.view
    return TimeSeries(
        title=title,
        note=" · ".join(filter(None, (note, past.note))),
        start=float(past.start),
        step=float(past.step),
        lines=drawn,
        unit=unit,  # type: ignore[arg-type]  # one of Unit by every caller
        markers=markers(snapshot),
        select="requests",
        limit=limit,
        empty=empty,
    )


NO_REQUESTS = "No request yet. Call any route of the service: it appears here within a second."
NO_CALLS = 'No service was called yet. with dashboard.call("name", "operation"): ... records one.'


def no_requests(snapshot: Snapshot) -> str:
    """What stands where requests would: how they come there, or that the time looked at has none."""
    return "No request is kept of this time." if snapshot.requests.total.count else NO_REQUESTS


def throughput(snapshot: Snapshot, view: View) -> TimeSeries:
    """Requests and errors per second."""
    past = snapshot.range
    lines = (
        Line(name="requests", values=request_rates(past), tone="main", fill=True),
        Line(name="errors", values=error_rates(past), tone="error"),
    )
    return series(past, "Throughput", "requests and errors per second", "rate", lines, no_requests(snapshot))


def percentiles(snapshot: Snapshot, view: View) -> TimeSeries:
    """p50, p95 and p99 of requests."""
    past = snapshot.range
    lines = (
        Line(name="p50", values=latency(past, lambda point: point.p50), tone="ok"),
        Line(name="p95", values=latency(past, lambda point: point.p95), tone="second"),
        Line(name="p99", values=latency(past, lambda point: point.p99), tone="warn"),
    )
    return series(past, "Latency", "p50, p95, p99", "seconds", lines, no_requests(snapshot))


def quality(snapshot: Snapshot, view: View) -> TimeSeries:
    """Success rate and response time on two axes."""
    past = snapshot.range
    success = tuple(None if ratio is None else 1 - ratio for ratio in error_ratios(past))
    lines = (
        Line(name="success rate", values=success, tone="ok"),
        Line(name="mean time", values=latency(past, lambda point: point.mean), tone="main", unit="seconds"),
    )
    return series(past, "Success and response time", "left and right axis", "ratio", lines, no_requests(snapshot))


LINE_TONES: Final[tuple[Tone, ...]] = ("main", "second", "ok", "warn", "error", "muted")
KINDS: Final = {"streams": ("stream",)}
"""What a line's name ends in, by family: a route that streams at times has two lines."""


def routes(snapshot: Snapshot, view: View) -> TimeSeries:
    """The busiest routes, in requests per second."""
    return _busiest(snapshot, "Routes", "the busiest, requests per second", HTTP_FAMILIES, no_requests(snapshot))


def services(snapshot: Snapshot, view: View) -> TimeSeries:
    """The busiest services, in calls per second."""
    return _busiest(snapshot, "Services", "the busiest, calls per second", (SERVICES,), NO_CALLS)


def _busiest(snapshot: Snapshot, title: str, note: str, families: Sequence[str], empty: str) -> TimeSeries:
    """The series of these families that have most in the range, a line each."""
    past = snapshot.range
    found = past.lines
    shares = [
        (" ".join((*key, *KINDS.get(family, ()))), values)
        for family in families
        for key, values in found.families.get(family, {}).items()
    ]
    busiest = sorted(shares, key=lambda item: -sum(share.count for share in item[1] if share))[:LINES]
    lines = tuple(
        Line(name=name, values=_rate(values, found), tone=LINE_TONES[place % len(LINE_TONES)])
        for place, (name, values) in enumerate(busiest)
    )
    drawn = series(past, title, note, "rate", lines, empty)
    return replace(drawn, start=float(found.start), step=float(found.step))


def _rate(values: tuple[Share | None, ...], found: Lines) -> Values:
    return tuple(
        (share.count if share else 0) / width if width * 10 >= found.step else None
        for share, width in zip(values, found.widths, strict=True)
    )


def gauge_chart(
    title: str, note: str, unit: str, named: tuple[tuple[str, str, Tone], ...]
) -> Callable[[Snapshot, View], TimeSeries]:
    """A chart of gauges, the highest in each step: (gauge, line name, tone)."""

    def build(snapshot: Snapshot, view: View) -> TimeSeries:
        past = snapshot.range
        lines = tuple(Line(name=name, values=level(past, gauge), tone=tone) for gauge, name, tone in named)
        return series(past, title, note, unit, lines, "Not readable on this machine, or not yet read.")

    return build


cpu = gauge_chart(
    "CPU",
    "percent of one core, of the machine",
    "percent",
    (("process.cpu.percent", "process", "main"), ("system.cpu.percent", "machine", "muted")),
)
