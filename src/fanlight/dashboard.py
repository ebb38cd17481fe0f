"""Fanlight: the one object an application holds."""

from __future__ import annotations

import _thread
import atexit
import functools
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from fanlight import sidecar
from fanlight.capture.asgi import Application, Capture, CaptureOptions
from fanlight.capture.install import install, owns
from fanlight.capture.wsgi import WsgiCapture
from fanlight.clock import Clock, SystemClock
from fanlight.core.pulse import Pulse
from fanlight.core.query import Query
from fanlight.core.recorder import Recorder
from fanlight.declared import ActionFace
from fanlight.declaring import Declaring
from fanlight.engine import Engine
from fanlight.errors import FanlightError, SettingsError
from fanlight.faces import api
from fanlight.faces.context import AccessCheck, FaceContext
from fanlight.faces.web.app import WebFace
from fanlight.readings import Readings
from fanlight.settings import Settings, load
from fanlight.stores.opening import beside

F = TypeVar("F", bound=Callable[..., Any])

SETTLE_SECONDS = 0.05
"""How long the child of a fork is left alone before recording begins in it."""


class Fanlight(Declaring, Readings):
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
        sidecar.check(self.settings)
        if access is not None and not callable(access):
            raise SettingsError(f"access= is {access!r:.80}; expected a function that is given a caller")
        self._access = access
        self._clock = clock or SystemClock()
        super().__init__(self._clock)
        self._owner: Any = None
        self.run_key = ""
        """Lets the command that runs this process in as operator; set before the face is first used."""
        self._closes_at_exit = False
        self._starts_soon = False

    @functools.cached_property
    def engine(self) -> Engine:
        """The running parts; made at first use, in the process that uses them."""
        engine = Engine(self.settings, self._clock, self.recorder, self._declared)
        engine.breakers = self._breakers
        engine.registry = self._registry
        if self._database is not None:
            engine.supplier.declare(self._database)
        if self._redis is not None:
            engine.watch_redis(self._redis)
        return engine

    @functools.cached_property
    def recorder(self) -> Recorder:
        """Where facts go."""
        settings = self.settings
        _renew_after_fork(self)
        return Recorder(
            self._clock,
            self._budgets,
            slow_seconds=settings.slow_seconds,
            very_slow_seconds=settings.very_slow_seconds,
            slow_routes=settings.slow_routes,
            max_series=settings.max_series,
        )

    def _renew(self) -> None:
        """In the child of a fork: a new instance, with threads and connections of its own."""
        self.recorder.renew()
        engine = self.__dict__.pop("engine", None)
        for made in ("face", "context"):
            self.__dict__.pop(made, None)
        self.__dict__.pop("_sidecar", None)  # it is the parent's
        if engine is not None and engine.abandon():
            self._starts_soon = True
            _thread.start_new_thread(self._start_soon, ())

    def _start_soon(self) -> None:
        """Start when this child has turned out to be one that stays: most forks are followed by an exec at once.

        Never in the fork's own callback, which may run (uvloop's subprocesses) while the parent waits for it, nor by
        `Thread.start`, which waits for the new thread.
        """
        time.sleep(SETTLE_SECONDS)
        try:
            if self._starts_soon:
                self.start()
        except FanlightError as error:
            self.recorder.failed("fork", error)

    @property
    def query(self) -> Query:
        """What makes snapshots."""
        return self.engine.query

    @property
    def pulse(self) -> Pulse:
        """The one loop."""
        return self.engine.pulse

    def file(self, what: str) -> Path | None:
        """A private file of this machine for what the application keeps more of its own, by a name such as "prompts".

        It lies beside the store's, so workers share it and a restart finds it; made when there is none. None where
        nothing outlives the process (memory://), or no file can be made. May block.
        """
        return beside(self.settings, what)

    @property
    def instance(self) -> str:
        """The id of this process."""
        return self.recorder.instance

    @functools.cached_property
    def context(self) -> FaceContext:
        """The dashboard as its faces see it."""
        return FaceContext(
            settings=self.settings,
            recorder=self.recorder,
            query=self.query,
            pulse=self.pulse,
            pages=self._declared.all_pages(),
            panels=self._declared.all_panels(),
            actions=ActionFace(self._declared.actions, lambda: self.engine.runs, self.pulse.pacer),
            clock=self._clock,
            access=self._access,
            run_key=self.run_key,
        )

    @functools.cached_property
    def face(self) -> WebFace:
        """The dashboard itself, as an ASGI application for the paths under the prefix."""
        streams = api.Streams(self.context)
        return WebFace(self.context, api.routes(self.context, streams), closing=streams.close)

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

    def wsgi(self, app: F) -> F:
        """A WSGI application that is `app` with recording around it. In Flask wrap, and replace, `app.wsgi_app`.

        Recording starts at the first request of each process. Nothing is served: `fanlight serve` shows what is written
        to the store, or the setting `port` does.
        """
        if not self.settings.enabled:
            return app
        self._claim(app)
        capture = WsgiCapture(app, self.recorder, self._options(), self.start)
        capture.fanlight_dashboard = self
        return cast(F, capture)

    def _claim(self, owner: Any) -> None:
        if self._owner is not None and self._owner is not owner:
            raise FanlightError(
                f"the dashboard {self.settings.name!r} is around another application already; expected one application "
                "for each dashboard: make a second Fanlight for the second application"
            )
        self._owner = owner

    def _capture(self, inner: Application, owner: Any) -> _Capture:
        begin = functools.partial(self._begin, owner)
        return _Capture(self, inner, self.recorder, self._options(), self._serve, begin, self.close)

    def _options(self) -> CaptureOptions:
        settings = self.settings
        return CaptureOptions(
            prefix=settings.prefix,
            exclude=settings.exclude,
            stream_routes=settings.streams,
            websocket_group_params=settings.websocket_group_params,
            websocket_user_params=settings.websocket_user_params,
        )

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

        What is left is written when the interpreter ends, if not before.

        Raises StoreError for a store that cannot be opened.
        """
        self._starts_soon = False
        if self.settings.enabled:
            self.engine.start()
            self._watch_again()
            _close_at_exit(self)
            if self.settings.port:
                self._sidecar.start()

    @functools.cached_property
    def _sidecar(self) -> sidecar.Sidecar:
        return sidecar.Sidecar(self.settings, self.recorder.failed)

    def close(self) -> None:
        """Stop recording, end all live views and write what is left. Idempotent; `start` begins again."""
        if self._starts_soon and self.recorder.pending:  # the child of a fork that ends before it was settled
            self._starts_soon = False
            self.engine.write_left()
        self._unwatch()
        self.__dict__.pop("context", None)
        face, engine = self.__dict__.pop("face", None), self.__dict__.pop("engine", None)
        beside = self.__dict__.pop("_sidecar", None)
        if beside is not None:
            beside.close()
        if face is not None:
            face.close()
        if engine is not None:
            engine.close()
            if engine.shared:
                self.recorder.renew()  # an instance that said goodbye takes a new name


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


def _close_at_exit(dashboard: Fanlight) -> None:
    """Have the last second written where nothing else ends the dashboard: a script, a WSGI worker. Once a dashboard."""
    if dashboard._closes_at_exit:
        return
    dashboard._closes_at_exit = True
    reference = weakref.ref(dashboard)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close()

    atexit.register(close)
