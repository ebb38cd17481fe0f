"""The analytics part of `GET /api/stats`."""

from __future__ import annotations

import msgspec

from fanlight import formats
from fanlight.core.analytics import RouteFigures
from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import items


class AnalyticsRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route since the first start."""

    endpoint: str
    method: str
    route: str
    figures: items.Figures


class Analytics(msgspec.Struct, frozen=True, kw_only=True):
    """All requests of all instances since the first start, streams apart, as they were at `timestamp`."""

    timestamp: str
    requests: items.Figures
    errors_by_status: dict[str, int]
    busiest: list[AnalyticsRoute]
    slowest: list[AnalyticsRoute]


def analytics(snapshot: Snapshot) -> Analytics | None:
    """The document of a snapshot's analytics."""
    made = snapshot.analytics
    if made is None:
        return None
    return Analytics(
        timestamp=formats.moment(made.at),
        requests=items.figures(made.figures),
        errors_by_status=made.errors_by_code,
        busiest=[_route(each) for each in made.busiest],
        slowest=[_route(each) for each in made.slowest],
    )


def _route(each: RouteFigures) -> AnalyticsRoute:
    name = f"{each.method} {each.route}"
    return AnalyticsRoute(endpoint=name, method=each.method, route=each.route, figures=items.figures(each.figures))
