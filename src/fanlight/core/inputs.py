"""Inputs: what a snapshot is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanlight.core.analytics import Analytics
from fanlight.core.frame import newest
from fanlight.core.pacer import unpaced
from fanlight.core.sections import Excerpt, Instance, Own, Supplied
from fanlight.core.timeline import WINDOW_LIMITS, Course, Lines, View
from fanlight.core.totals import Totals
from fanlight.panels import ActionButton
from fanlight.settings import Settings

if TYPE_CHECKING:
    from fanlight.core.snapshot import Snapshot


@dataclass(frozen=True)
class Inputs:
    """What a snapshot is made of."""

    at: float
    settings: Settings
    scope: str
    view: View
    totals: Totals
    this_run: Totals
    instances: tuple[Instance, ...]
    database: Supplied = field(default_factory=Supplied)
    actions: tuple[ActionButton, ...] = ()
    redis: Supplied = field(default_factory=Supplied)
    last_failure: str = ""
    viewers: int = 0
    history: str = ""
    version: int = 0
    exposition: Callable[[Snapshot], Excerpt] | None = None
    analytics: Callable[[], Analytics] | None = None
    course: Callable[[str], Course] | None = None
    lines: Callable[[], Lines] | None = None
    breathe: Callable[[], None] = unpaced


def with_present(past: View, present: View) -> View:
    """A range with the levels of now, and the window's records that are inside it: the newest are not stored yet."""
    kept = {}
    for kind, records in {**past.kept, **present.kept}.items():
        inside = [record for record in records if past.start <= record.at < past.end]
        kept[kind] = tuple(newest(WINDOW_LIMITS[kind], past.kept.get(kind, ()), inside))
    return past._replace(gauges=present.gauges, recent=present.recent, recent_seconds=present.recent_seconds, kept=kept)


def own(counters: Mapping[str, int], cpu_percent: float | None, inputs: Inputs) -> Own:
    """Fanlight's own cost and losses, out of the service's counters."""
    prefix = "fanlight.dropped."
    return Own(
        cpu_percent=cpu_percent,
        dashboard_requests=counters.get("fanlight.dashboard.requests", 0),
        excluded_requests=counters.get("fanlight.excluded.requests", 0),
        refreshes=counters.get("dashboard_refresh_total", 0),
        htmx_events=counters.get("htmx_events_total", 0),
        dropped={name.removeprefix(prefix): n for name, n in sorted(counters.items()) if name.startswith(prefix)},
        failures=counters.get("fanlight.failures", 0),
        last_failure=inputs.last_failure,
        viewers=inputs.viewers,
        history=inputs.history,
    )
