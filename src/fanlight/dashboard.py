"""Fanlight: the one object an application holds."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from fanlight.capture.asgi import Application, Capture, CaptureOptions
from fanlight.capture.install import install, owns
from fanlight.capture.websocket import websocket
from fanlight.clock import Clock, SystemClock
from fanlight.core.breaker import Policy
from fanlight.core.context import correlation_id
from fanlight.core.pulse import Pulse
from fanlight.core.query import Query
from fanlight.core.recorder import Recorder
from fanlight.declared import ActionFace, Declared, Making
from fanlight.engine import Engine
from fanlight.errors import FanlightError, SettingsError
from fanlight.faces import api
from fanlight.faces.context import AccessCheck, FaceContext
from fanlight.faces.errors import shown
from fanlight.faces.web.app import WebFace
from fanlight.services.actions import TIMEOUT_SECONDS, Action, UnknownAction
from fanlight.services.actions import Runs as WhereItRuns
from fanlight.services.breaker import BREAKERS, Breaker, Breakers
from fanlight.services.cache import Cache
from fanlight.services.calls import Call, Nowhere, record_call
from fanlight.services.names import heading, path_name
from fanlight.settings import Settings, load

F = TypeVar("F", bound=Callable[..., Any])


class Fanlight:
    """A dashboard for one service. Constructing it reads settings and has no other effect.

    `name` is the service's; every keyword is a setting (see `fanlight.settings`), also read from FANLIGHT_* variables
    and fanlight.toml. `access` is the application's own check of who may look, sync or async: it gets a caller (peer,
    host, method, path, headers, scope) and returns "operator", "viewer" or None; the highest of what the local rule, a
    token and the check grant counts. `clock` is for tests. Raises SettingsError with one line for a setting that cannot
    be used. Thread-safe.
    """

    def __init__(
        self, name: str, *, access: AccessCheck | None = None, clock: Clock | None = None, **settings: Any
    ) -> None:
        self.settings: Settings = load(name, settings)
        self._access = access
        self._clock = clock or SystemClock()
        self._database: Callable[[], Any] | None = None
        self._declared = Declared(self._clock)
        self._breakers = Breakers(self._clock, lambda: self._sink)
        self._declared.actions.register(self._breaker_action())
        self._owner: Any = None

    def _breaker_action(self) -> Action:
        """Trips or resets a breaker on every worker; one that a worker has not used yet is made first, to be open
        there, too."""

        def change(name: str, change: Literal["trip", "reset"]) -> str:
            return self._breakers.get(name).change(change, "an operator")

        def check(values: Mapping[str, Any]) -> None:
            if not self.engine.has_breaker(values["name"]):
                raise UnknownAction(f"There is no breaker {shown(values['name'])}.")

        confirm = "Change this breaker on every worker?"
        path = f"{BREAKERS}/{{name}}/{{change}}"
        return Action(
            path, "Change a breaker", change, confirm=confirm, runs="everywhere", concurrent=True, check=check
        )

    @functools.cached_property
    def engine(self) -> Engine:
        """The running parts; made at first use, in the process that uses them."""
        engine = Engine(self.settings, self._clock, self.recorder, self._declared)
        engine.breakers = self._breakers
        if self._database is not None:
            engine.supplier.declare(self._database)
        return engine

    @functools.cached_property
    def recorder(self) -> Recorder:
        """Where facts go."""
        settings = self.settings
        _renew_after_fork(self)
        return Recorder(
            self._clock,
            slow_seconds=settings.slow_seconds,
            very_slow_seconds=settings.very_slow_seconds,
            slow_routes=settings.slow_routes,
            max_series=settings.max_series,
        )

    def _renew(self) -> None:
        """In the child of a fork: a new instance, with threads and connections of its own."""
        self.recorder.renew()
        engine = self.__dict__.pop("engine", None)
        self.__dict__.pop("face", None)
        if engine is not None and engine.abandon():
            self.start()

    @property
    def query(self) -> Query:
        """What makes snapshots."""
        return self.engine.query

    @property
    def pulse(self) -> Pulse:
        """The one loop."""
        return self.engine.pulse

    @property
    def instance(self) -> str:
        """The id of this process."""
        return self.recorder.instance

    @functools.cached_property
    def face(self) -> WebFace:
        """The dashboard itself, as an ASGI application for the paths under the prefix."""
        context = FaceContext(
            settings=self.settings,
            recorder=self.recorder,
            query=self.query,
            pulse=self.pulse,
            pages=self._declared.all_pages(),
            panels=self._declared.all_panels(),
            actions=ActionFace(self._declared.actions, lambda: self.engine.runs, self.pulse.pacer),
            clock=self._clock,
            access=self._access,
        )
        return WebFace(context, api.routes(context))

    def install(self, app: Any) -> None:
        """Put the dashboard around a FastAPI or Starlette application, outside all its middleware.

        Installing twice on one application does nothing. Raises FanlightError for anything else, naming what to use
        instead, and when the dashboard is around another application already.
        """
        if self.settings.enabled:
            self._claim(app)
            install(app, lambda inner: self._capture(inner, app), owner=self)
            app.state.fanlight = self

    def asgi(self, app: Application) -> Application:
        """An ASGI application that is `app` with the dashboard around it.

        Without a lifespan recording starts at the first request. As `app.add_middleware(dashboard.asgi)` it stands
        inside the framework's error handling: an unhandled error's 500 then lacks the correlation ID.
        """
        if not self.settings.enabled:
            return app
        self._claim(app)
        return self._capture(app, app)

    def _claim(self, owner: Any) -> None:
        if self._owner is not None and self._owner is not owner:
            raise FanlightError(
                f"the dashboard {self.settings.name!r} is around another application already; expected one application "
                "for each dashboard: make a second Fanlight for the second application"
            )
        self._owner = owner

    def _capture(self, inner: Application, owner: Any) -> _Capture:
        settings = self.settings
        options = CaptureOptions(
            prefix=settings.prefix,
            exclude=settings.exclude,
            stream_routes=settings.streams,
            websocket_group_params=settings.websocket_group_params,
            websocket_user_params=settings.websocket_user_params,
        )
        return _Capture(self, inner, self.recorder, options, self._serve, lambda: self._begin(owner), self.close)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self.face(scope, receive, send)

    def _begin(self, owner: Any) -> None:
        owned = owns(owner, self.settings.prefix)
        if owned is not None:
            raise SettingsError(
                f"prefix={self.settings.prefix!r} is taken: the application answers {owned} itself; "
                "give the dashboard another one, for example prefix='/fanlight'"
            )
        self.start()

    def start(self) -> None:
        """Start recording; called by the server's start-up, or by a worker or script without HTTP. Idempotent.

        Raises StoreError for a store that cannot be opened.
        """
        if self.settings.enabled:
            self.engine.start()

    def close(self) -> None:
        """Stop recording, end all live views and write what is left. Idempotent; `start` begins again."""
        face, engine = self.__dict__.pop("face", None), self.__dict__.pop("engine", None)
        if face is not None:
            face.close()
        if engine is not None:
            engine.close()
            if engine.shared:
                self.recorder.renew()  # an instance that said goodbye takes a new name

    def event(self, type: str, /, **fields: Any) -> None:
        """Something worth a row happened: counted by type and listed with its first 20 fields of 300 characters."""
        if self.settings.enabled:
            self.recorder.event(type, fields, correlation_id.get())

    @functools.cached_property
    def _sink(self) -> Recorder | Nowhere:
        return self.recorder if self.settings.enabled else Nowhere()

    def call(self, service: str, operation: str, /, *, kind: str = "wrapper", **attributes: Any) -> Call:
        """A call of a service: a context manager (sync and async), or a decorator of functions of every kind.

        `kind`: wrapper, llm, mcp, database, cache or http. Attributes are kept with the call, the first 20 of them,
        secrets masked; those of a language model's calls are in `docs/calls.md`. Costs about a microsecond.
        """
        return Call(self._sink, service, operation, kind, attributes)

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
        self, title: str, /, *, every: float = 10.0, timeout: float = 5.0, name: str | None = None
    ) -> Callable[[F], F]:
        """Decorate a function (sync or async) that returns the panels of a page of its own, `P/pages/{name}`.

        It is asked as a panel's function is. The list may hold whatever a panel's function may return, and Slots.
        """
        title = heading("page", title)

        def declare(function: F) -> F:
            self._declared.page(path_name("page", function, name), title, function, Making(every, timeout))
            return function

        return declare

    def database(self, function: F) -> F:
        """Decorate the function (sync or async) that returns the database's figures as a dict.

        It is asked at most every 10 s while somebody looks, with a timeout of 5 s; its error shows in its place.
        """
        self._database = function
        if "engine" in self.__dict__:
            self.engine.supplier.declare(function)
        return function


class _Capture(Capture):
    """A capture that says whose it is, so that a command finds the dashboard an application carries."""

    def __init__(self, dashboard: Fanlight, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.fanlight_dashboard = dashboard


def _renew_after_fork(dashboard: Fanlight) -> None:
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(dashboard)

    def renew() -> None:
        alive = reference()
        if alive is not None:
            alive._renew()

    os.register_at_fork(after_in_child=renew)
