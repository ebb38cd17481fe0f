"""Snapshot: the one read model. Every face shows this and nothing else.

Frozen at one moment; its sections are worked out when first asked and then stay. Times are Unix seconds, durations
seconds, rates per second, ratios fractions of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Final

from fanlight.core import budgets
from fanlight.core.analytics import Analytics
from fanlight.core.dependencies import breakers, services
from fanlight.core.facts import ERROR_TYPES, error_type
from fanlight.core.frame import Key, Record
from fanlight.core.inputs import Inputs, own, with_present
from fanlight.core.model_calls import TOKEN_TYPES
from fanlight.core.sections import (
    BreakerFigures,
    BudgetFigures,
    CacheFigures,
    Excerpt,
    Instance,
    Model,
    Operation,
    Own,
    Requests,
    Route,
    Service,
    Sockets,
    System,
)
from fanlight.core.series import EMPTY, Summary
from fanlight.core.timeline import Course, Lines, Point, View
from fanlight.core.totals import Tally
from fanlight.panels import Verdict

HTTP_FAMILIES: Final = ("requests", "streams")
"""The families whose sum is "the service's requests"."""

ROUTE_FAMILIES: Final = ("requests", "streams", "sockets")
"""The families keyed by method and route."""


class Snapshot:
    """The service at one moment, for one scope. `view` is the window of 15 minutes, by which the present is judged."""

    def __init__(
        self, inputs: Inputs, over: tuple[View, Callable[[], Lines], Callable[[str], Course]] | None = None
    ) -> None:
        self._ranged: Snapshot | None = None  # never itself: each would wait for the collector, with all it holds
        if over is not None:
            past, lines, course = over
            view = with_present(past, inputs.view)
            self._ranged = Snapshot(replace(inputs, view=view, lines=lines, course=course))
        self._inputs = inputs
        self.breathe = inputs.breathe  # between the rows of long lists, here and on pages
        self.at = inputs.at
        self.settings = inputs.settings
        self.service = inputs.settings.name
        self.scope = inputs.scope
        self.view = inputs.view
        self.totals = inputs.totals
        self.this_run = inputs.this_run
        self.instances = inputs.instances
        self.database = inputs.database
        self.actions = inputs.actions
        self.redis = inputs.redis
        self.version = inputs.version
        self.verdict: Verdict | None = None  # what the rules found, once they were asked
        self._courses: dict[str, Course] = {}

    @property
    def range(self) -> Snapshot:
        """The same moment over the range a viewer chose, with its view, routes and records; itself without one."""
        return self._ranged or self

    @cached_property
    def live_instances(self) -> tuple[Instance, ...]:
        """The instances that run now."""
        return tuple(instance for instance in self.instances if instance.live)

    @cached_property
    def started(self) -> float:
        """When this run began: the oldest live instance."""
        return min((instance.started for instance in self.live_instances), default=self.at)

    @cached_property
    def uptime(self) -> float:
        """Seconds since this start."""
        return max(self.at - self.started, 0.0)

    @cached_property
    def release(self) -> str:
        """The release of the instance that started last, "" when none was told."""
        newest = max(self.live_instances, key=lambda instance: instance.started, default=None)
        return newest.release if newest else self.settings.release

    @cached_property
    def requests(self) -> Requests:
        """HTTP requests in figures."""
        view, run = self.view, self.this_run.family(*HTTP_FAMILIES)
        recent = sum(view.recent.get(name, (0, 0))[0] for name in HTTP_FAMILIES)
        return Requests(
            total=self.totals.family(*HTTP_FAMILIES),
            this_run=run,
            window=view.totals.get("requests", EMPTY),
            streams=view.totals.get("streams", EMPTY),
            per_second=recent / view.recent_seconds,
            per_minute=run.count * 60 / self.uptime if self.uptime >= 1 else float(run.count),
            slow=view.counters.get("requests.slow", 0),
            very_slow=view.counters.get("requests.very_slow", 0),
            in_flight=int(self.level("http.server.active_requests") or 0),
        )

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """Every series by method and route, the busiest first."""
        made: list[tuple[int, int, str, str, int, Route]] = []
        for family in ROUTE_FAMILIES:
            for key, figures in self._all_rows(family).items():
                row = self._route(family, key, figures)
                made.append((-figures.count, -row.total.count, row.route, row.method, len(made), row))
        made.sort()  # of plain tuples, which takes a third of the time it takes with a key
        return tuple(entry[-1] for entry in made)

    def _all_rows(self, family: str) -> dict[Key, Summary]:
        rows: dict[Key, Summary] = dict.fromkeys(self.totals.rows.get(family, {}), EMPTY)
        rows.update(self.view.rows.get(family, {}))
        return rows

    def _route(self, family: str, key: Key, figures: Summary) -> Route:
        self.breathe()
        return Route(family, key[0], key[1], figures, self.totals.rows.get(family, {}).get(key, Tally()))

    @cached_property
    def errors_by_type(self) -> tuple[tuple[str, int], ...]:
        """Errors of the window by type, every type, the operator's worst first; WebSocket errors count too."""
        counts = dict.fromkeys(ERROR_TYPES, 0)
        for family in ROUTE_FAMILIES:
            for code, count in self.view.outcomes.get(family, {}).items():
                kind = error_type(int(code)) if code.isdigit() else ""
                if kind:
                    counts[kind] += count
        return tuple(counts.items())

    @cached_property
    def outcomes(self) -> Mapping[str, int]:
        """HTTP requests of the window by status."""
        merged: dict[str, int] = {}
        for family in HTTP_FAMILIES:
            for code, count in self.view.outcomes.get(family, {}).items():
                merged[code] = merged.get(code, 0) + count
        return dict(sorted(merged.items()))

    @cached_property
    def activity(self) -> tuple[Record, ...]:
        """The newest requests, the newest first."""
        return self._kept("recent")

    @cached_property
    def slow(self) -> tuple[Record, ...]:
        """The newest slow requests, the newest first."""
        return self._kept("slow")

    @cached_property
    def failed(self) -> tuple[Record, ...]:
        """The newest failed requests and WebSockets, the newest first."""
        return self._kept("failed")

    @cached_property
    def logs(self) -> tuple[Record, ...]:
        """The newest log lines, the newest last."""
        return self.view.kept.get("logs", ())

    @cached_property
    def events(self) -> tuple[Record, ...]:
        """The application's events, the newest first."""
        return self._kept("events")

    @cached_property
    def audit(self) -> tuple[Record, ...]:
        """Refused and unsafe requests to the dashboard, the newest first."""
        return self._kept("audit")

    def _kept(self, kind: str) -> tuple[Record, ...]:
        return self.view.kept.get(kind, ())[::-1]

    def find(self, id: str) -> tuple[Record, ...]:
        """The kept requests and WebSocket events of an id or a correlation ID, the newest first; none for ""."""
        if not id:
            return ()
        found = {
            record.id: record
            for kept in (self.view.kept, self.range.view.kept)
            for kind in ("recent", "slow", "failed", "sockets")
            for record in kept.get(kind, ())
            if id in (record.id, record.data["correlation_id"])
        }
        return tuple(sorted(found.values(), key=lambda record: -record.at))

    @cached_property
    def sockets(self) -> Sockets:
        """WebSockets in figures."""
        return Sockets(
            connections=int(self.level("websocket.connections") or 0),
            groups=self._labels("websocket.connections"),
            users=self._labels("websocket.users"),
            events=self._kept("sockets"),
            refused=sum(figures.errors for figures in self.view.rows.get("sockets", {}).values()),
            connects=self.view.counters.get("websocket.connects", 0),
        )

    def _labels(self, gauge: str) -> tuple[tuple[str, int], ...]:
        found = [
            (label, int(value))
            for (name, label), value in self.view.gauges.items()
            if name == gauge and label and value
        ]
        return tuple(sorted(found, key=lambda item: (-item[1], item[0])))

    def level(self, name: str, label: str = "") -> float | None:
        """The present value of a gauge, None when nothing says it."""
        return self.view.gauges.get((name, label))

    @property
    def redis_latency(self) -> float | None:
        """The time of the last PING in seconds, None without a Redis that answers."""
        return None if self.redis.error else self.level("redis.latency.seconds")

    @cached_property
    def system(self) -> System:
        """Process and machine."""
        level = self.level
        return System(
            process_cpu_percent=level("process.cpu.percent"),
            process_memory_bytes=level("process.memory.bytes"),
            process_memory_percent=level("process.memory.percent"),
            threads=level("process.threads"),
            open_fds=level("process.open_fds"),
            system_cpu_percent=level("system.cpu.percent"),
            system_memory_percent=level("system.memory.percent"),
            system_memory_available_bytes=level("system.memory.available.bytes"),
            loop_lag_seconds=level("event_loop.lag.seconds"),
            fanlight_cpu_percent=level("fanlight.cpu.percent"),
        )

    @cached_property
    def caches(self) -> tuple[CacheFigures, ...]:
        """Caches by name."""
        counters = self.totals.counters
        names = {name.split(".", 2)[2] for name in counters if name.startswith(("cache.hits.", "cache.misses."))}
        names |= {label for (name, label) in self.view.gauges if name == "cache.size"}
        return tuple(self._cache(name) for name in sorted(names))

    def _cache(self, name: str) -> CacheFigures:
        size = self.level("cache.size", name)
        counters = self.totals.counters
        hits, misses = counters.get(f"cache.hits.{name}", 0), counters.get(f"cache.misses.{name}", 0)
        evictions = counters.get(f"cache.evictions.{name}", 0) + int(self.level("cache.evicted", name) or 0)
        return CacheFigures(name, hits, misses, None if size is None else int(size), evictions)

    @cached_property
    def cache_total(self) -> CacheFigures:
        """All caches together."""
        sizes = [cache.size for cache in self.caches if cache.size is not None]
        hits, misses = sum(cache.hits for cache in self.caches), sum(cache.misses for cache in self.caches)
        evictions = sum(cache.evictions for cache in self.caches)
        return CacheFigures("", hits, misses, sum(sizes) if sizes else None, evictions)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of every service called, the busiest first."""
        tallies = self.totals.rows.get("calls", {})
        made = []
        for key, figures in self._all_rows("calls").items():
            made.append(Operation(key[0], key[1], figures, tallies.get(key, Tally())))
            self.breathe()
        return tuple(sorted(made, key=lambda row: (-row.figures.count, -row.total.count, row.service, row.operation)))

    @cached_property
    def models(self) -> tuple[Model, ...]:
        """Every model called, the busiest first."""
        made = [self._model(key, figures) for key, figures in self._all_rows("models").items()]
        return tuple(sorted(made, key=lambda row: (-row.figures.count, -row.total.count, row.service, row.model)))

    def _model(self, key: Key, figures: Summary) -> Model:
        self.breathe()
        rows, totals = self.view.rows, self.totals.rows
        told = totals.get("model_tokens", {})
        window = rows.get("model_tokens", {})
        cost, cost_window = totals.get("model_costs", {}).get(key), rows.get("model_costs", {}).get(key)
        return Model(
            service=key[0],
            model=key[1],
            figures=figures,
            total=totals.get("models", {}).get(key, Tally()),
            first_token=rows.get("model_first_tokens", {}).get(key, EMPTY),
            speed=rows.get("model_speeds", {}).get(key, EMPTY),
            tokens={kind: told[*key, kind] for kind in TOKEN_TYPES if (*key, kind) in told},
            tokens_window={kind: window[*key, kind] for kind in TOKEN_TYPES if (*key, kind) in window},
            cost=None if cost is None else cost.amount,
            cost_window=None if cost_window is None else cost_window.mean * cost_window.count,
        )

    @cached_property
    def calls(self) -> tuple[Record, ...]:
        """The newest calls, the newest first."""
        return self._kept("calls")

    @cached_property
    def slow_calls(self) -> tuple[Record, ...]:
        """The newest slow calls, the newest first."""
        return self._kept("slow_calls")

    @cached_property
    def failed_calls(self) -> tuple[Record, ...]:
        """The newest failed calls, the newest first."""
        return self._kept("failed_calls")

    def calls_of(self, correlation_id: str) -> tuple[Record, ...]:
        """The kept calls made under a correlation ID, by when they began; none for ""."""
        if not correlation_id:
            return ()
        found = {
            record.id: record
            for kind in ("calls", "traces", "slow_calls", "failed_calls")
            for record in self.view.kept.get(kind, ())
            if record.data["correlation_id"] == correlation_id
        }
        return tuple(sorted(found.values(), key=lambda record: record.at - record.data["duration"]))

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """What the application depends on, the worst first."""
        return services(self.at, self.view, self.totals, self.breathe)

    def service_named(self, name: str) -> Service | None:
        """The service of that name."""
        return next((row for row in self.services if row.name == name), None)

    def course(self, name: str) -> Course:
        """A service's calls step by step, over the view; of a range it may wait, as that does."""
        if name not in self._courses:
            read = self._inputs.course
            self._courses[name] = read(name) if read else Course(self.view.start, self.view.step, (), ())
        return self._courses[name]

    @cached_property
    def breakers(self) -> tuple[BreakerFigures, ...]:
        """Breakers by name, over all instances."""
        return breakers(self.view.sources)

    @cached_property
    def budgets(self) -> tuple[BudgetFigures, ...]:
        """Budgets by name, as they stand in their present day or month."""
        return budgets.standing(self.at, self.view.gauges, self.totals)

    @cached_property
    def own(self) -> Own:
        """Fanlight's own cost and losses."""
        return own(self.totals.counters, self.level("fanlight.cpu.percent"), self._inputs)

    @cached_property
    def exposition(self) -> Excerpt:
        """The beginning of the Prometheus text, a few seconds old at most; empty where nothing renders it."""
        make = self._inputs.exposition
        return make(self) if make is not None else Excerpt()

    def points(self, family: str) -> tuple[Point, ...]:
        """The chart points of a family, from `view.start` in steps of `view.step`; empty when it has none."""
        return self.view.points.get(family, ())

    @cached_property
    def http_steps(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """All HTTP requests, and those of them that failed, by the step of the view."""
        families = [points for family in HTTP_FAMILIES if (points := self.points(family))]
        steps = [(sum(p.count for p in step), sum(p.errors for p in step)) for step in zip(*families, strict=True)]
        return tuple(count for count, _ in steps), tuple(errors for _, errors in steps)

    @cached_property
    def analytics(self) -> Analytics | None:
        """What all instances' histograms since the first start tell, made once in a while; None: by nobody."""
        make = self._inputs.analytics
        return make() if make else None

    @cached_property
    def lines(self) -> Lines:
        """The busiest series over time."""
        make = self._inputs.lines
        return make() if make is not None else Lines(self.view.start, self.view.step, (), {})

    def over(self, view: View, lines: Lines, course: Callable[[str], Course]) -> Snapshot:
        """This moment with another range to look at."""
        return Snapshot(self._inputs, (view, lambda: lines, course))
