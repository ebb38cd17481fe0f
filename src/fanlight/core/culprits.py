"""Culprits: the route that most of a trouble comes from, for a sentence that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlencode

from fanlight.core.frame import OTHER, Record
from fanlight.core.sections import Route
from fanlight.core.snapshot import HTTP_FAMILIES, Snapshot
from fanlight.panels import Phrase


def mostly_failing(snapshot: Snapshot) -> tuple[Phrase | str, ...]:
    """The route with the most errors, when it is the cause of at least half."""
    routes = [route for route in snapshot.routes if route.family in HTTP_FAMILIES]
    worst = max(routes, key=lambda route: route.figures.errors, default=None)
    if worst is None or not worst.figures.errors:
        return ()
    whole, part = sum(route.figures.errors for route in routes), worst.figures.errors
    return _through(worst.method, worst.route, part, whole, part == whole)


def mostly_slow(snapshot: Snapshot, whole: int, over: float = 0.0) -> tuple[Phrase | str, ...]:
    """The route most of the slow requests went to, by those that were kept."""
    return mostly_of((record for record in snapshot.slow if judged_seconds(record) >= over), whole)


def mostly_of(records: Iterable[Record], whole: int) -> tuple[Phrase | str, ...]:
    """The route of at least half the records; "all" only when they are all there were."""
    counts = Counter((str(record.data["method"]), str(record.data["route"])) for record in records)
    if not counts:
        return ()
    (method, route), part = counts.most_common(1)[0]
    return _through(method, route, part, counts.total(), part == whole)


def longest(snapshot: Snapshot) -> tuple[Phrase | str, ...]:
    """The route that takes at least half of the time."""
    routes = usual(snapshot)
    worst = max(routes, key=whole_time, default=None)
    if worst is None or whole_time(worst) < 0.5 * sum(map(whole_time, routes)):
        return ()
    return ", most of the time in ", _route_phrase(worst.method, worst.route)


def usual(snapshot: Snapshot) -> list[Route]:
    """The routes of requests that have no slow threshold of their own."""
    own = snapshot.settings.slow_routes
    return [route for route in snapshot.routes if route.family == "requests" and route.route not in own]


def whole_time(route: Route) -> float:
    """Seconds that all requests of a route took together."""
    return route.figures.mean * route.figures.count


def _through(method: str, route: str, part: int, whole: int, every: bool) -> tuple[Phrase | str, ...]:
    if part < 0.5 * whole:
        return ()
    word = (", on " if part == 1 else ", all through ") if every else ", most of them through "
    return word, _route_phrase(method, route)


def _route_phrase(method: str, route: str) -> Phrase:
    if (method, route) == (OTHER, OTHER):
        return Phrase("routes beyond the limit")
    return Phrase(f"{method} {route}", href=route_href(method, route))


def route_href(method: str, route: str) -> str:
    """The page that lists the requests of a route."""
    return "requests?" + urlencode({"method": method, "route": route})


def judged_seconds(record: Record) -> float:
    """What a kept request is judged by: a stream by its first byte."""
    return float(record.data["first_byte"] if record.data.get("stream") else record.data["duration"])
