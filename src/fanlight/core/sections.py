"""Sections: the parts of a snapshot as frozen data. Times are Unix seconds, durations seconds, rates per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from fanlight.core.facts import CANCELLED
from fanlight.core.frame import Record
from fanlight.core.health import Health, ProbeState, Recent
from fanlight.core.series import Summary
from fanlight.core.totals import Tally


@dataclass(frozen=True)
class Instance:
    """One process that runs the service. `live` while it was seen within the last seconds."""

    id: str
    host: str
    pid: int
    release: str
    started: float
    last_seen: float
    live: bool = True
    this: bool = False


@dataclass(frozen=True)
class Supplied:
    """What a function of the application last supplied: its data (a dict for the database), or why there is none."""

    at: float = 0.0
    data: Any = field(default_factory=dict)
    error: str = ""
    configured: bool = False


class Excerpt(NamedTuple):
    """The beginning of a long text, and how many lines the whole has."""

    text: str = ""
    lines: int = 0


@dataclass(frozen=True)
class Requests:
    """HTTP requests: since the first start, since this start, and over the window (`window_*`, percentiles, slow).

    `per_second` is over the last ten settled seconds, so that it holds still under a constant load.
    """

    total: Tally
    this_run: Tally
    window: Summary
    streams: Summary
    per_second: float
    per_minute: float
    slow: int
    very_slow: int
    in_flight: int

    @property
    def window_count(self) -> int:
        return self.window.count + self.streams.count

    @property
    def window_errors(self) -> int:
        return self.window.errors + self.streams.errors

    @property
    def error_ratio(self) -> float:
        """Failed of all, over the window."""
        return self.window_errors / self.window_count if self.window_count else 0.0


@dataclass(frozen=True)
class Route:
    """One series of requests, streams or WebSockets: the window's figures, and its tally since the first start."""

    family: str
    method: str
    route: str
    figures: Summary
    total: Tally

    @property
    def error_ratio(self) -> float:
        return self.figures.errors / self.figures.count if self.figures.count else 0.0


@dataclass(frozen=True)
class Sockets:
    """WebSockets: connections now, per group and user, the newest events first."""

    connections: int
    groups: tuple[tuple[str, int], ...]
    users: tuple[tuple[str, int], ...]
    events: tuple[Record, ...]
    refused: int
    connects: int


@dataclass(frozen=True)
class System:
    """Process and machine; None where it cannot be read."""

    process_cpu_percent: float | None
    process_memory_bytes: float | None
    process_memory_percent: float | None
    threads: float | None
    open_fds: float | None
    system_cpu_percent: float | None
    system_memory_percent: float | None
    system_memory_available_bytes: float | None
    loop_lag_seconds: float | None
    fanlight_cpu_percent: float | None


@dataclass(frozen=True)
class CacheFigures:
    """One cache since the first start; `size` None when it never said."""

    name: str
    hits: int
    misses: int
    size: int | None
    evictions: int = 0

    @property
    def hit_ratio(self) -> float | None:
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True)
class Operation:
    """One operation of a service: the window's figures, and its tally since the first start."""

    service: str
    operation: str
    figures: Summary
    total: Tally

    @property
    def error_ratio(self) -> float:
        return self.figures.errors / self.figures.count if self.figures.count else 0.0


@dataclass(frozen=True)
class Model:
    """One model of one service. `tokens` and `tokens_window` by type: how many calls told, and the tokens in all, since
    the first start and over the window; `cost` in US dollars, None where no call told one."""

    service: str
    model: str
    figures: Summary
    total: Tally
    first_token: Summary
    speed: Summary
    tokens: Mapping[str, Tally]
    tokens_window: Mapping[str, Summary]
    cost: float | None
    cost_window: float | None

    @property
    def error_ratio(self) -> float:
        return self.figures.errors / self.figures.count if self.figures.count else 0.0


@dataclass(frozen=True)
class BudgetFigures:
    """One budget: `spent` of `amount` US dollars in the present day or month, which `ends` then (Unix seconds)."""

    name: str
    per: str
    amount: float
    warn: float
    spent: float
    ends: float

    @property
    def share(self) -> float:
        return self.spent / self.amount

    @property
    def over(self) -> bool:
        """Whether all of it is spent."""
        return self.spent >= self.amount

    @property
    def warns(self) -> bool:
        """Whether so much is spent that it warns."""
        return self.share >= self.warn


SEPARATOR: Final = "\x1f"
"""Between a name and what is said of it, in the label of a gauge that carries a text."""


@dataclass(frozen=True)
class BreakerFigures:
    """One breaker over all instances: its worst `state`, the most failures in a row, why and since when it is open.

    `open_on` names the instances that refuse calls, of `instances` that have it. `retry_at` is None while it is closed
    or held open by hand.
    """

    name: str
    state: str
    failures: int
    reason: str
    opened_at: float | None
    retry_at: float | None
    last_failure: str
    last_failure_at: float | None
    open_on: tuple[str, ...]
    instances: int

    @property
    def by_hand(self) -> bool:
        return self.state == "open" and self.retry_at is None


@dataclass(frozen=True)
class Service:
    """Something the application depends on, over all instances: its health, calls, probe and breaker.

    `declared` where the application named it, else its first call did; `counted_as` is the kind its calls are
    counted under; `required`: without it the application is down.
    """

    name: str
    kind: str
    counted_as: str
    declared: bool
    required: bool
    restartable: bool
    health: Health
    figures: Summary
    total: Tally
    recent: Recent
    in_flight: int
    oldest: float
    probe: ProbeState | None
    breaker: BreakerFigures | None

    @property
    def success_ratio(self) -> float | None:
        """Succeeded of all, over the window."""
        count = self.figures.count
        return (count - self.figures.errors) / count if count else None

    @property
    def errors_by_type(self) -> dict[str, int]:
        """Failed calls of the window by type, the most first."""
        counts = {kind: n for kind, n in self.recent.outcomes.items() if kind not in ("ok", CANCELLED)}
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class Own:
    """Fanlight's own cost and losses."""

    cpu_percent: float | None
    dashboard_requests: int
    excluded_requests: int
    refreshes: int
    htmx_events: int
    dropped: Mapping[str, int]
    failures: int
    last_failure: str
    viewers: int
    history: str
