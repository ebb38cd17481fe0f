"""Analytics: what only all histograms since the first start can tell. Dear to make: see `services.snapshot_cache`."""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest
from typing import Final

import msgspec

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame
from fanlight.core.pacer import unpaced
from fanlight.core.series import Summary, summarize

TOP: Final = 10
"""Routes listed."""


class RouteFigures(msgspec.Struct, frozen=True):
    """A route since the first start."""

    method: str
    route: str
    figures: Summary


class Analytics(msgspec.Struct, frozen=True):
    """All requests of all instances since the first start, as they were at `at` (Unix seconds)."""

    at: float
    figures: Summary
    busiest: tuple[RouteFigures, ...]
    slowest: tuple[RouteFigures, ...]
    """By their 95th percentile."""
    errors_by_code: dict[str, int]


def analyse(cumulative: Frame, at: float, breathe: Callable[[], None] = unpaced) -> Analytics:
    """The analytics of a cumulative frame, which is let go of; streams, whose times are others, are left out."""
    routes = []
    for (method, route), cell in cumulative.series.get("requests", {}).items():
        routes.append(RouteFigures(method, route, summarize(cell)))
        breathe()
    total = cumulative.totals.get("requests", Cell())
    busiest = _top(routes, lambda each: each.figures.count)
    breathe()
    slowest = _top(routes, lambda each: each.figures.p95)
    cumulative.release(breathe)
    return Analytics(
        at=at,
        figures=summarize(total),
        busiest=busiest,
        slowest=slowest,
        errors_by_code={code: count for code, count in sorted(total.outcomes.items()) if code >= "4"},
    )


def _top(routes: list[RouteFigures], rank: Callable[[RouteFigures], float]) -> tuple[RouteFigures, ...]:
    return tuple(nsmallest(TOP, routes, key=lambda each: (-rank(each), each.route, each.method)))
