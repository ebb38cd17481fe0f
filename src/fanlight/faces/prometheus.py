"""Prometheus: the snapshot and the histograms as text, in format 0.0.4 or, when asked for, OpenMetrics 1.0.0.

What is scraped covers all instances, not the one that happened to answer: workers share one address, so anything else
would jump from scrape to scrape. `?scope=this` is for those who scrape every process by an address of its own. All
counts are since the first start, those of workers that ended included, so they never go down while the store keeps
them.

Histogram bounds are powers of two: of durations from 2^-10 s (1 ms) to 2^4 s (16 s), as `core.metrics` says for each.
They are exact edges of Fanlight's exponential buckets, so every count is the one a Prometheus client with these bounds
would have counted, and 1 s (slow) is among them; OpenTelemetry's advice (0.005 ... 10) falls inside buckets and could
only be guessed at. They are as many and as dense as that advice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from itertools import islice
from typing import Final, NamedTuple

from fanlight.core import metrics
from fanlight.core.cell import Cell
from fanlight.core.frame import Frame, Key
from fanlight.core.histogram import SCALE
from fanlight.core.metric import SECONDS, Metric
from fanlight.core.pacer import unpaced
from fanlight.core.sections import Excerpt
from fanlight.core.snapshot import Snapshot
from fanlight.faces.figures import hit_percent, outcome_error
from fanlight.version import VERSION

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

LINES: Final = 20
"""Lines made between two breaths: under 0.1 ms."""

EXCERPT: Final = 150
"""Lines of it that a page shows."""

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """One metric with its samples: (suffix of the name, labels as text, value)."""

    metric: Metric
    samples: Iterator[tuple[str, str, float]]


def expose(
    snapshot: Snapshot, cumulative: Frame, *, openmetrics: bool = False, breathe: Callable[[], None] = unpaced
) -> bytes:
    """Everything as one document."""
    made = BytesIO()  # grows in place: joining megabytes at the end would take milliseconds in one go
    for piece in _pieces(snapshot, cumulative, openmetrics, breathe):
        made.write(piece.encode("utf-8", "replace"))
    if openmetrics:
        made.write(b"# EOF\n")
    return made.getvalue()


def excerpt(snapshot: Snapshot, cumulative: Frame, breathe: Callable[[], None] = unpaced) -> Excerpt:
    """The first EXCERPT lines of the plain document, which is never held whole."""
    first: list[str] = []
    count = 0
    for piece in _pieces(snapshot, cumulative, False, breathe):
        if count < EXCERPT:
            first += piece.splitlines(keepends=True)[: EXCERPT - count]
        count += piece.count("\n")
    return Excerpt("".join(first), count)


def _pieces(snapshot: Snapshot, cumulative: Frame, openmetrics: bool, breathe: Callable[[], None]) -> Iterator[str]:
    for family in families(snapshot, cumulative):
        breathe()
        head = _head(family.metric, openmetrics)
        for lines in _samples(family, breathe):
            yield head + lines
            head = ""


def families(snapshot: Snapshot, cumulative: Frame) -> Iterator[Family]:
    """Every metric that has something to say, in the table's order."""
    for name, metric in metrics.HISTOGRAMS.items():
        yield Family(metric, _histograms(metric, cumulative.series.get(name, {})))
    for names, metric in metrics.OUTCOMES:
        yield Family(metric, _outcomes(metric, [cumulative.series.get(name, {}) for name in names]))
    for name, metric in metrics.GAUGES.items():
        value = snapshot.level(name)
        if value is not None:
            yield Family(metric, iter([("", "", value * metric.scale)]))
    counters = snapshot.totals.counters
    for name, metric in metrics.COUNTERS.items():
        yield Family(metric, iter([("", "", counters.get(name, 0))]))
    for prefix, metric in metrics.COUNTER_GROUPS.items():
        yield Family(metric, _group(prefix, metric, counters))
    yield from _single(snapshot)


def accepts_openmetrics(accept: str) -> bool:
    """Whether an Accept header prefers OpenMetrics to plain text."""
    wanted = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for part in accept[:1000].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind in wanted:
            wanted[kind] = max(wanted[kind], _quality(parameters))
    return wanted["application/openmetrics-text"] > wanted["text/plain"]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _head(metric: Metric, openmetrics: bool) -> str:
    name = metric.prometheus
    if openmetrics and metric.kind == "counter":
        name = name.removesuffix("_total")
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n"


def _samples(family: Family, breathe: Callable[[], None]) -> Iterator[str]:
    """The lines of a metric, some at a time."""
    name = family.metric.prometheus
    while samples := tuple(islice(family.samples, LINES)):
        breathe()
        yield "".join([_line(name + suffix, labels, value) for suffix, labels, value in samples])


def _line(name: str, labels: str, value: float) -> str:
    return f"{name}{{{labels}}} {_number(value)}\n" if labels else f"{name} {_number(value)}\n"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _histograms(metric: Metric, cells: Mapping[Key, Cell]) -> Iterator[tuple[str, str, float]]:
    bounds = [repr(2.0**exponent) for exponent in metric.exponents]
    for key, cell in sorted(cells.items()):
        labels = _labels(_named(metric, key))
        for bound, count in zip(bounds, bucket_counts(cell, metric.exponents), strict=True):
            yield "_bucket", f'{labels},le="{bound}"', count
        yield "_bucket", f'{labels},le="+Inf"', cell.count
        yield "_sum", labels, cell.total * cell.unit
        yield "_count", labels, cell.count


def bucket_counts(cell: Cell, exponents: range = SECONDS) -> list[int]:
    """How many were at most 2 to each exponent, ascending."""
    by_exponent: dict[int, int] = {}
    zeros = cell.count
    for bucket, count in cell.buckets.items():
        zeros -= count
        place = max(-(((bucket >> SCALE) + 1 - exponents.start) // -exponents.step), 0)
        by_exponent[place] = by_exponent.get(place, 0) + count
    counts, below = [], zeros
    for place in range(len(exponents)):
        below += by_exponent.get(place, 0)
        counts.append(below)
    return counts


def _outcomes(metric: Metric, families: list[Mapping[Key, Cell]]) -> Iterator[tuple[str, str, float]]:
    """Counts by outcome; a route that is in several families is one series."""
    keys = sorted({key for cells in families for key in cells})
    for key in keys:
        counts: dict[str, int] = {}
        for cells in families:
            for outcome, count in cells[key].outcomes.items() if key in cells else ():
                counts[outcome] = counts.get(outcome, 0) + count
        for outcome, count in sorted(counts.items()):
            yield "", _labels(_named(metric, (*key, outcome, outcome_error(outcome)))), count


def _group(prefix: str, metric: Metric, counters: Mapping[str, int]) -> Iterator[tuple[str, str, float]]:
    found = {name.removeprefix(prefix): count for name, count in counters.items() if name.startswith(prefix)}
    if prefix == "fanlight.dropped.":
        found = {**dict.fromkeys(metrics.ALWAYS_DROPPED, 0), **found}
    for kind, count in sorted(found.items()):
        yield "", _labels(_named(metric, (kind,))), count


def _single(snapshot: Snapshot) -> Iterator[Family]:
    cache = snapshot.cache_total
    rate = hit_percent(cache.hits, cache.misses)
    build = (VERSION, snapshot.service, snapshot.release)
    yield Family(metrics.CACHE_HITS, iter([("", "", cache.hits)]))
    yield Family(metrics.CACHE_MISSES, iter([("", "", cache.misses)]))
    yield Family(metrics.CACHE_HIT_RATE, iter([("", "", math.nan if rate is None else rate)]))
    yield Family(metrics.UPTIME, iter([("", "", snapshot.uptime)]))
    yield Family(metrics.BUILD, iter([("", _labels(_named(metrics.BUILD, build)), 1)]))
    budgets = [(_labels(_named(metrics.BUDGET_SPENT, (each.name, each.per))), each) for each in snapshot.budgets]
    yield Family(metrics.BUDGET_SPENT, (("", labels, each.spent) for labels, each in budgets))
    yield Family(metrics.BUDGET_LIMIT, (("", labels, each.amount) for labels, each in budgets))
    scores = [(each.name, each.health.score) for each in snapshot.services if each.health.score is not None]
    yield Family(metrics.HEALTH, _by_name(metrics.HEALTH, scores))
    opened = [(each.name, len(each.open_on) / max(each.instances, 1)) for each in snapshot.breakers]
    yield Family(metrics.BREAKER, _by_name(metrics.BREAKER, opened))


def _by_name(metric: Metric, values: Iterable[tuple[str, float]]) -> Iterator[tuple[str, str, float]]:
    return (("", _labels(_named(metric, (name,))), value * metric.scale) for name, value in sorted(values))


def _named(metric: Metric, key: Key) -> Labels:
    return tuple(
        (attribute.replace(".", "_"), value)
        for attribute, value in zip(metric.attributes, key, strict=True)
        if attribute
    )


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
