"""Declaring: what an application says of itself through its dashboard, before it runs and while it does."""

from __future__ import annotations

import functools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec

from fanlight.capture.clients import library
from fanlight.capture.clients.library import Library
from fanlight.capture.websocket import websocket
from fanlight.clock import Clock
from fanlight.core.breaker import Policy
from fanlight.core.budgets import Budget, Budgets, Per
from fanlight.core.context import correlation_id
from fanlight.core.recorder import Recorder
from fanlight.declared import Declared, Making
from fanlight.engine import Engine
from fanlight.faces.errors import shown
from fanlight.panels import Slot, View
from fanlight.services.actions import TIMEOUT_SECONDS, Action, UnknownAction
from fanlight.services.actions import Runs as WhereItRuns
from fanlight.services.breaker import BREAKERS, Breaker, Breakers
from fanlight.services.budgets import Spending
from fanlight.services.budgets import check as check_budget
from fanlight.services.cache import Cache
from fanlight.services.calls import NO_ATTRIBUTES, Call, Nowhere, record_call
from fanlight.services.client_calls import Watcher
from fanlight.services.databases import MongoStatistics, pool_of
from fanlight.services.names import heading, path_name
from fanlight.services.probe import INTERVAL_SECONDS, THRESHOLD, Probe, Told
from fanlight.services.probe import TIMEOUT_SECONDS as PROBE_SECONDS
from fanlight.services.registry import RESTART, RESTART_SECONDS, Registry, called
from fanlight.services.registry import Declared as DeclaredService
from fanlight.settings import Settings
from fanlight.stores.opening import locate_redis

if TYPE_CHECKING:
    from fanlight.stores.redis_client import Address

F = TypeVar("F", bound=Callable[..., Any])

POOL_SECONDS: Final = 5.0
"""How often the pool of a database is read while somebody looks."""


class Declaring(ABC):
    """The half of a dashboard that an application talks to. Thread-safe."""

    settings: Settings

    @property
    @abstractmethod
    def recorder(self) -> Recorder:
        """Where facts go."""

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The running parts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._database: Callable[[], Any] | None = None
        self._redis: Address | None = None
        self._declared = Declared(clock)
        self._breakers = Breakers(clock, lambda: self._sink)
        self._registry = Registry()
        self._budgets = Budgets()
        self._watched: list[tuple[Library, Watcher]] = []
        self._services = self._registry.declared
        self._declared.actions.register(self._breaker_action())
        self._declared.actions.register(self._restart_action())

    def _breaker_action(self) -> Action:
        """Trips or resets a breaker on every worker, those that start later too; one that a worker has not used yet is
        made first, to be open there, too."""

        def change(name: str, change: Literal["trip", "reset"]) -> str:
            said = self._breakers.get(name).change(change, "an operator")
            keep = self.engine.commands.stand if change == "trip" else self.engine.commands.withdraw
            keep(BREAKERS, {"name": name})
            return said

        def check(values: Mapping[str, Any]) -> None:
            known = {breaker.name for breaker in self._breakers.all()}
            known |= {breaker.name for breaker in self.engine.query.snapshot(View()).breakers}
            if values["name"] not in known:
                raise UnknownAction(f"There is no breaker {shown(values['name'])}.")

        path = f"{BREAKERS}/{{name}}/{{change}}"
        return Action(path, "Breaker {name}: {change}", change, runs="everywhere", concurrent=True, check=check)

    def _restart_action(self) -> Action:
        """Restarts a service from the worker that was asked; done once its function returned."""

        def restart(service: str) -> Any:
            function = self._registry.declared[service].restart
            assert function is not None
            return self.engine.caller.call(function, timeout=RESTART_SECONDS)

        def check(values: Mapping[str, Any]) -> None:
            declared = self._registry.declared.get(values["service"])
            if declared is None or declared.restart is None:
                name = shown(values["service"])
                raise UnknownAction(f"There is no service {name} that can be restarted; declare one with restart=.")

        path = f"{RESTART}/{{service}}"
        return Action(path, "Restart {service}", restart, timeout=RESTART_SECONDS + 1, check=check)

    def event(self, type: str, /, **fields: Any) -> None:
        """Something worth a row happened: counted by type and listed with its first 20 fields of 300 characters."""
        if self.settings.enabled:
            self.recorder.event(type, fields, correlation_id.get())

    @functools.cached_property
    def _sink(self) -> Recorder | Nowhere:
        return self.recorder if self.settings.enabled else Nowhere()

    def call(self, service: str, operation: str, /, *, kind: str = "wrapper", **attributes: Any) -> Call:
        """A call of a service: a context manager (sync and async), or a decorator of functions of every kind.

        `kind`: wrapper (or what was declared), llm, mcp, database, cache or http. Attributes are kept with the call,
        the first 20 of them, secrets masked; those of a language model's calls are in `docs/calls.md`. Costs about a
        microsecond. Where the service was declared with a breaker, entering raises BreakerOpen while that is open.
        """
        if service in self._services:
            return called(self._sink, self._services[service], operation, kind, attributes)
        return Call(self._sink, service, operation, kind, attributes or NO_ATTRIBUTES)

    def service(
        self,
        name: str,
        /,
        *,
        kind: str = "wrapper",
        probe: Probe | Told | None = None,
        required: bool = False,
        restart: Callable[[], Any] | None = None,
        breaker: bool | Policy = False,
        interval: float = INTERVAL_SECONDS,
        timeout: float = PROBE_SECONDS,
        threshold: int = THRESHOLD,
    ) -> None:
        """Name something the application depends on, before its first call; declaring it again replaces what was said.

        `probe` (see `fanlight.probes`) is asked every `interval` seconds, given `timeout`, and believed to fail
        after `threshold` failures in a row; a `Told` is not asked: it says so itself. `/health` answers 503 while a
        `required` service is down. `restart` (sync or async) makes restarting it an action. With a `breaker` all its
        calls go through one. Raises FanlightError.
        """
        guard = self._breakers.get(name) if breaker else None
        if guard is not None and isinstance(breaker, Policy):
            guard.declare(breaker, ())
        self._registry.declare(
            DeclaredService(
                name=name, kind=kind, probe=probe, required=required, restart=restart, breaker=guard,
                interval=interval, timeout=timeout, threshold=threshold,
            )
        )  # fmt: skip

    def withdraw_service(self, name: str) -> None:
        """Depend on it no more: its probe, restart and breaker go; it is shown as long as its calls are remembered."""
        self._registry.withdraw(name)
        self._breakers.withdraw(name)

    def breaker(
        self, name: str, /, *, policy: Policy | None = None, ignore: tuple[type[BaseException], ...] = ()
    ) -> Breaker:
        """The breaker of that name, around calls of a service: `with dashboard.breaker("ollama"): ...`, or a decorator.

        While it is open entering raises BreakerOpen. `policy` says when it opens and for how long, `ignore` which
        exceptions are no failure. It works also where the dashboard is switched off; nothing is recorded there.
        """
        made = self._breakers.get(name)
        if policy is not None or ignore:
            made.declare(policy, ignore)
        return made

    def budget(
        self,
        name: str,
        amount: float,
        /,
        *,
        per: Per = "month",
        warn: float = 0.8,
        service: str = "",
        model: str = "",
        where: Mapping[str, str] | None = None,
    ) -> Spending:
        """What calls of language models may cost a day or a month (of UTC), in US dollars, over all workers.

        It covers all of them, or those of a `service`, of a `model`, with the attributes `where`. From the share `warn`
        on the dashboard warns; nothing is refused: ask `over`. Declaring it again replaces it. Raises FanlightError.
        """
        made = Budget(
            name=name, amount=amount, per=per, warn=warn, service=service, model=model, where=dict(where or {})
        )
        check_budget(made, self._budgets.declared)
        self._budgets.declare(made)
        return Spending(self._budgets, made, lambda: self._clock.time_ns() / 1e9)

    def record_call(
        self,
        service: str,
        operation: str,
        /,
        *,
        duration: float,
        kind: str = "wrapper",
        error: str | BaseException | None = None,
        error_type: str = "",
        **attributes: Any,
    ) -> None:
        """Record a call that just ended and took `duration` seconds, where nothing can be put around it."""
        record_call(
            self._sink, service, operation,
            duration=duration, kind=kind, error=error, error_type=error_type, attributes=attributes,
        )  # fmt: skip

    def watch(self, /, *libraries: str, names: Mapping[str, str] | None = None) -> None:
        """Record the calls that these client libraries make, with no change where they are used, until `close`.

        Known are those of `fanlight.capture.clients`. `names` gives servers (host, or host:port) and databases the name
        of their service. Watching again replaces the names. Raises FanlightError for a library that is not known or not
        installed.
        """
        wanted = [library(name) for name in libraries]
        if not self.settings.enabled:
            return
        watcher = Watcher(self.recorder, names or {}, self._registry, self.recorder.failed)
        for each in wanted:
            each.watch(watcher)
            for before in [pair for pair in self._watched if pair[0] is each]:
                self._watched.remove(before)
                each.unwatch(before[1])
            self._watched.append((each, watcher))
            weakref.finalize(self, each.unwatch, watcher).atexit = False

    def _watch_again(self) -> None:
        for each, watcher in self._watched:
            each.watch(watcher)

    def _unwatch(self) -> None:
        for each, watcher in self._watched:
            each.unwatch(watcher)

    def websocket(self, *, group: object = None, user: object = None) -> None:
        """Name the group and user of the WebSocket being served; anywhere in its handler."""
        if self.settings.enabled:
            websocket(group=group, user=user)

    def cache(self, name: str, /, *, clear: Callable[[], Any] | None = None) -> Cache:
        """A counter of one cache's hits, misses and size; one name, one cache.

        `clear` (sync or async, given 5 s) makes clearing it an action that runs on every worker.
        """
        return self._declared.cache(name, self._count, clear)

    def _count(self, name: str, amount: int) -> None:
        if self.settings.enabled:
            self.recorder.count(name, amount)

    def action(
        self,
        title: str,
        /,
        *,
        confirm: str = "",
        role: str = "operator",
        runs: WhereItRuns = "once",
        name: str | None = None,
        concurrent: bool = False,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Callable[[F], F]:
        """Decorate a function (sync or async) that an operator can run; what it returns is said, what it raises, too.

        Its parameters (str, int, float, bool, Literal, Enum) become fields. `confirm` is asked before; `runs` "once" on
        the worker that was asked or "everywhere"; `concurrent` lets a second one begin while one runs; `timeout` is in
        seconds. It may call `fanlight.progress(done, total, text)`. Raises FanlightError for what cannot be declared.
        """

        title = heading("action", title)

        def declare(function: F) -> F:
            path = path_name("action", function, name)
            action = Action(path, title, function, confirm, role, runs, concurrent, timeout)
            self._declared.actions.register(action)
            return function

        return declare

    def withdraw_action(self, name: str) -> None:
        """Have the action of that path name no more; what runs goes on."""
        self._declared.actions.withdraw(name)

    def panel(
        self,
        title: str,
        /,
        *,
        every: float = 10.0,
        timeout: float = 5.0,
        page: str | None = "overview",
        span: int = 4,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Decorate a function (sync or async) that returns a panel: any of `fanlight.panels`, or rows, a dict, a text.

        It is asked at most every `every` seconds and only while somebody looks; its error, and that it took longer than
        `timeout` seconds, show in its place. It stands on a built-in `page` (None: on none), `span` of 12 columns wide,
        and has fragments and JSON under its name. Raises FanlightError for a name that is taken.
        """
        title = heading("panel", title)

        def declare(function: F) -> F:
            made = Making(every, timeout, page, span)
            self._declared.panel(path_name("panel", function, name), title, function, made)
            return function

        return declare

    def page(
        self,
        title: str,
        /,
        *,
        every: float = 10.0,
        timeout: float = 5.0,
        name: str | None = None,
        replaces: str | None = None,
    ) -> Callable[[F], F]:
        """Decorate a function (sync or async) that returns the panels of a page of its own, `P/pages/{name}`.

        It is asked as a panel's function is. The list may hold whatever a panel's function may return, and Slots. The
        page may stand in the place of a built-in one that it `replaces`: "overview" is `P` itself.
        """
        title = heading("page", title)

        def declare(function: F) -> F:
            made = Making(every, timeout)
            if replaces is not None:
                self._declared.replace(replaces, title, function, made)
            else:
                self._declared.page(path_name("page", function, name), title, function, made)
            return function

        return declare

    def slot(self, name: str, /, *, span: int | None = None, rows: int | None = None) -> Slot:
        """A built-in panel, or one declared with `panel`, as a place on a page of one's own.

        `span` of 12 columns wide and `rows` high, as it is elsewhere unless told. Raises FanlightError for no panel.
        """
        slot = self._declared.slot(name)
        return msgspec.structs.replace(slot, span=span or slot.span, rows=rows or slot.rows)

    def redis(self, client_or_url: Any) -> None:
        """Watch a Redis: its latency, memory, keys, clients and hit rate, read every 5 s while somebody looks, else 15.

        Takes a redis:// or rediss:// URL, or a client of the library redis, sync or async, of which only the address
        is used: readings go over connections of our own with timeouts of 2 s. Raises StoreError for anything else.
        """
        self._redis = locate_redis(client_or_url)
        if "engine" in self.__dict__:
            self.engine.watch_redis(self._redis)

    def mongo(self, collection: Any, /, *, time: str = "created_at", group: str = "") -> None:
        """Show a MongoDB collection (of pymongo, sync or async) on Data, in the place of `database`.

        Its documents, those whose date `time` is within 24 hours, the ten largest groups by `group`, the server. `time`
        wants an index. Asked and given up as in `database`. Raises FanlightError for what is no collection.
        """
        self.database(MongoStatistics(collection, time, group, self._clock).function())

    def sql(self, engine: Any, /, *, name: str = "sql") -> None:
        """Show the connection pool of a SQLAlchemy engine (sync or async) on Data; `name` is the panel's.

        Statements show by themselves where `watch("sqlalchemy")` records them. Raises FanlightError for what is none.
        """
        self._declared.panel(name, "SQL pool", pool_of(engine), Making(every=POOL_SECONDS, page="data", span=4))

    def database(self, function: F) -> F:
        """Decorate the function (sync or async) that returns the database's figures as a dict.

        It is asked at most every 10 s while somebody looks, with a timeout of 5 s; its error shows in its place.
        """
        self._database = function
        if "engine" in self.__dict__:
            self.engine.supplier.declare(function)
        return function
