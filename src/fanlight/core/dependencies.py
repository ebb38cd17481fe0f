"""Dependencies: services and breakers over all instances, put together from what each instance says of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import quote

from fanlight.core.breaker import STATES
from fanlight.core.frame import OTHER, Key
from fanlight.core.health import Evidence, Factor, ProbeState, Recent, assess
from fanlight.core.pacer import unpaced
from fanlight.core.sections import SEPARATOR, BreakerFigures, Service
from fanlight.core.series import EMPTY
from fanlight.core.timeline import View
from fanlight.core.totals import Tally, Totals
from fanlight.core.window import SERVICES
from fanlight.panels import State

Sources = Mapping[tuple[str, str], Mapping[str, float]]
"""Levels by (gauge, label) and source."""

REQUIRED, RESTARTABLE, TOLD = 1, 2, 4
"""What the level of the gauge that declares a service is a sum of."""

PROBE_ANSWERS, PROBE_STARTING, PROBE_FAILS = 0.0, 0.5, 1.0
"""The levels of the gauge of a probe."""


def services(now: float, view: View, totals: Totals, breathe: Callable[[], None] = unpaced) -> tuple[Service, ...]:
    """Every service declared or called, the worst first, then by name."""
    tallies = totals.rows.get(SERVICES, {})
    keys = _by_name([*view.rows.get(SERVICES, {}), *tallies])
    declared, errors = _texts(view.sources, "service.declared"), _texts(view.sources, "service.probe.error")
    broken = {row.name: row for row in breakers(view.sources)}
    made = []
    for name in {*keys, *declared} - {OTHER}:
        known = declared.get(name)
        key = _busiest(keys.get(name, []), view) or (name, known[1] if known else "")
        probe = _probe(name, view.sources, errors, told=bool(known and int(known[0]) & TOLD))
        recent, breaker = view.services.get(key, Recent()), broken.get(name)
        in_flight = int(sum(view.sources.get(("service.in_flight", name), {}).values()))
        oldest = max(view.sources.get(("service.oldest", name), {}).values(), default=0.0)
        made.append(
            Service(
                name=name,
                kind=known[1] if known else key[1],
                counted_as=key[1],
                declared=known is not None,
                required=bool(known and int(known[0]) & REQUIRED),
                restartable=bool(known and int(known[0]) & RESTARTABLE),
                health=assess(_evidence(now, recent, in_flight, oldest, probe, breaker)),
                figures=view.rows.get(SERVICES, {}).get(key, EMPTY),
                total=tallies.get(key, Tally()),
                recent=recent,
                in_flight=in_flight,
                oldest=oldest,
                probe=probe,
                breaker=breaker,
            )
        )
        breathe()
    return tuple(sorted(made, key=lambda service: (_rank(service), service.name)))


def required_down(services: Iterable[Service]) -> tuple[Service, ...]:
    """Those the application cannot do without that are down."""
    return tuple(service for service in services if service.required and service.health.status == "down")


def unwell(services: Iterable[Service]) -> tuple[Service, ...]:
    """Those that are degraded or down, in their order."""
    return tuple(service for service in services if service.health.status in ("degraded", "down"))


def quiet(service: Service) -> bool:
    """Whether nothing is heard of it any more: not declared, and not called in the time that is held."""
    return not service.declared and not service.figures.count and not service.in_flight and service.breaker is None


def health_state(status: str) -> State:
    """The colour of a service's status."""
    return _STATES.get(status, "idle")


def breaker_state(state: str) -> State:
    """The colour of a breaker's state."""
    return "ok" if state == "closed" else "warn" if state == "half_open" else "error"


_STATES: Final[Mapping[str, State]] = {"healthy": "ok", "degraded": "warn", "down": "error"}


def worst(service: Service) -> Factor | None:
    """What takes most off a service's score, None when nothing does."""
    factor = max(service.health.factors, key=lambda factor: factor.lost, default=None)
    return factor if factor is not None and factor.lost else None


def cause(service: Service) -> str:
    """What took most off a service's score, in a few words; "" when nothing did."""
    factor = worst(service)
    if factor is None:
        return "recovering" if service.health.recovering else ""
    return f"{factor.name} {factor.said}"


def service_href(name: str) -> str:
    """The page of a service."""
    return f"services/{quote(name, safe='')}"


def _rank(service: Service) -> int:
    return ("down", "degraded", "healthy", "idle").index(service.health.status)


def _by_name(keys: Iterable[Key]) -> dict[str, list[Key]]:
    named: dict[str, list[Key]] = {}
    for key in keys:
        named.setdefault(key[0], []).append(key)
    return named


def _busiest(keys: list[Key], view: View) -> Key | None:
    """Instances that met a service first in calls of different kinds count it apart; the one with most calls stands."""
    rows = view.rows.get(SERVICES, {})
    return max(keys, key=lambda key: (rows.get(key, EMPTY).count, key), default=None)


def _evidence(
    now: float, recent: Recent, in_flight: int, oldest: float, probe: ProbeState | None, breaker: BreakerFigures | None
) -> Evidence:
    return Evidence(
        now=now,
        recent=recent,
        in_flight=in_flight,
        oldest=oldest,
        probe=probe,
        breaker=breaker.state if breaker else None,
        breaker_share=len(breaker.open_on) / max(breaker.instances, 1) if breaker else 0.0,
        breaker_reason=breaker.reason if breaker else "",
    )


def _probe(name: str, sources: Sources, errors: Mapping[str, tuple[float, str]], told: bool) -> ProbeState | None:
    results = sources.get(("service.probe", name))
    if not results:
        return None
    return ProbeState(
        failing_on=tuple(sorted(source for source, level in results.items() if level > PROBE_STARTING)),
        starting_on=tuple(sorted(source for source, level in results.items() if level == PROBE_STARTING)),
        instances=len(results),
        seconds=max(sources.get(("service.probe.seconds", name), {}).values(), default=None),
        error=errors[name][1] if name in errors else "",
        told=told,
    )


def breakers(sources: Sources) -> tuple[BreakerFigures, ...]:
    """Every breaker, by name."""
    texts = {gauge: _texts(sources, gauge) for gauge in ("breaker.opened", "breaker.failed")}
    names = sorted(label for gauge, label in sources if gauge == "breaker.state")
    return tuple(_breaker(name, sources, texts) for name in names)


def _breaker(name: str, sources: Sources, texts: Mapping[str, Mapping[str, tuple[float, str]]]) -> BreakerFigures:
    states = sources["breaker.state", name]
    worst = STATES[min(int(max(states.values(), default=0)), len(STATES) - 1)]
    opened, failed = texts["breaker.opened"].get(name), texts["breaker.failed"].get(name)
    retries = sources.get(("breaker.retry", name), {})
    open_on = tuple(sorted(source for source, state in states.items() if state == STATES.index("open")))
    by_hand = worst == "open" and any(source not in retries for source in open_on)
    return BreakerFigures(
        name=name,
        state=worst,
        failures=int(max(sources.get(("breaker.failures", name), {}).values(), default=0)),
        reason=opened[1] if opened else "",
        opened_at=opened[0] if opened else None,
        retry_at=None if by_hand else max(retries.values(), default=None),
        last_failure=failed[1] if failed else "",
        last_failure_at=failed[0] if failed else None,
        open_on=open_on,
        instances=len(states),
    )


def _texts(sources: Sources, gauge: str) -> dict[str, tuple[float, str]]:
    """(level, text) by name, from gauges whose labels carry a text; of several the one with the highest level."""
    found: dict[str, tuple[float, str]] = {}
    for (name, label), levels in sources.items():
        if name == gauge and levels:
            owner, _, said = label.partition(SEPARATOR)
            found[owner] = max(found.get(owner, (0.0, "")), (max(levels.values()), said))
    return found
