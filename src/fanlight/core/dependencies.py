"""Dependencies: breakers and services over all instances, put together from what each instance says of its own."""

from __future__ import annotations

from collections.abc import Mapping

from fanlight.core.breaker import STATES
from fanlight.core.sections import SEPARATOR, BreakerFigures

Sources = Mapping[tuple[str, str], Mapping[str, float]]
"""Levels by (gauge, label) and source."""


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
