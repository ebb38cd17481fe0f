"""The ASGI capture: stands around an application, notes what passes, changes nothing but one header.

A request costs two clock reads and one appended tuple here; templates, histograms and text are made at fold time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from logging import getLogger
from typing import Any, Final

from fanlight.capture import correlation
from fanlight.capture.correlation import REQUEST_HEADERS, restore
from fanlight.capture.exchange import RECORDED, Application, Exchange, Message, Receive, Scope, Send
from fanlight.capture.routes import RouteIndex, inside
from fanlight.capture.websocket import Connection, Names, Sockets
from fanlight.core import context
from fanlight.core.context import correlation_id, serving
from fanlight.core.recorder import Recorder, Sample
from fanlight.errors import FanlightError

__all__ = ["Application", "Capture", "CaptureOptions"]

_name: Final = correlation_id.set
_unname: Final = correlation_id.reset


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the capture is told. Paths are those the application sees, without `root_path`.

    `exclude`: paths left out of the numbers, exact or with a trailing `*`. `stream_routes`: templates (`/chat/{id}`)
    whose responses are streams whatever their content type.
    """

    prefix: str = "/dashboard"
    exclude: tuple[str, ...] = ()
    stream_routes: tuple[str, ...] = ()
    websocket_group_params: tuple[str, ...] = ("group", "group_id", "room", "room_id", "channel")
    websocket_user_params: tuple[str, ...] = ("user", "user_id", "client_id")


class Capture:
    """An ASGI application around `app`: its requests become facts, those under the prefix go to `face`.

    `on_startup` is called before the application's start-up (without a lifespan: before the first request),
    `on_shutdown` after its shutdown. It gives the recorder its samplers and its way to name routes: one per recorder.
    """

    fanlight_dashboard: Any = None
    """The dashboard this was made for, where it was made for one."""

    def __init__(
        self,
        app: Application,
        recorder: Recorder,
        options: CaptureOptions,
        face: Application | None = None,
        on_startup: Callable[[], object] | None = None,
        on_shutdown: Callable[[], object] | None = None,
    ) -> None:
        self.app = app
        self.recorder = recorder
        self.active = 0
        self.peak = 0
        self.append = recorder.append
        self.next_seq = recorder.next_seq
        self.now_ns = recorder.clock.monotonic_ns
        self.is_declared_stream = any_of(options.stream_routes)
        self.sockets = Sockets()
        self._names = Names(options.websocket_group_params, options.websocket_user_params)
        self._face = face
        self._prefix = options.prefix
        self._root_path = _own_root_path(app)
        self._exact = frozenset(path for path in options.exclude if not path.endswith("*"))
        self._beginnings = tuple(path[:-1] for path in options.exclude if path.endswith("*"))
        special = (*((options.prefix,) if face else ()), *self._exact, *self._beginnings)
        self._special = ("",) if self._root_path else special  # every path has that beginning
        self._on_startup = on_startup
        self._on_shutdown = on_shutdown
        self._started = False
        self._routes = RouteIndex(app)
        recorder.resolve_routes(self._routes.describe, self._routes.by_path)
        recorder.samplers += (self.sample, self.sockets.sample)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] != "http":
            return await self._other(scope, receive, send)
        path, root_path = scope["path"], scope.get("root_path") or ""
        if root_path or path.startswith(self._special) or not self._started:
            root_path = self._root_path or root_path
            other = self._aside(scope, path, root_path)
            if other is not None:
                return await _unmeasured(other, scope, receive, send)
        app, now_ns = self.app, self.now_ns  # taken out before they are called: see Exchange
        exchange = Exchange()  # filled here, because a call would cost half as much again
        exchange.began_ns = now_ns()
        exchange.capture = self
        exchange.scope = scope
        exchange.receive = receive
        exchange.send = send
        exchange.path = path
        exchange.root_path = root_path
        exchange.status = exchange.flags = exchange.first_byte_ns = exchange.phase = 0
        try:
            for name, _ in scope["headers"]:
                if name in REQUEST_HEADERS:
                    identity = correlation.given(scope["headers"]) or correlation.make()
                    break
            else:
                identity = correlation.make()
        except Exception as error:  # a scope that is not one; the application will say so itself
            self.recorder.failed("capture", error)
            return await app(scope, receive, send)
        exchange.correlation_id = identity
        active = self.active = self.active + 1
        if active > self.peak:
            self.peak = active
        if context.tell_apart:
            serving.set(self.recorder)
        token = _name(identity)
        try:
            result = await app(scope, exchange.listen, exchange.forward)
        except BaseException as error:
            exchange.close(error)  # the ID stays set: the server logs the error next, in this context
            raise
        if exchange.phase != RECORDED:
            exchange.close()
        try:
            _unname(token)
        except ValueError:  # the server ends the request in another context than it began it in
            _name("")
        return result

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] == "websocket":
            return await self._connect(scope, receive, send)
        if scope["type"] == "lifespan":
            return await self._live(scope, receive, send)
        return await self.app(scope, receive, send)

    def sample(self) -> Iterator[Sample]:
        """Requests in flight now, and the most there were since the last sample: a sampler of the recorder."""
        peak, self.peak = self.peak, self.active
        yield Sample("http.server.active_requests", "", self.active, "sum", "instance")
        yield Sample("http.server.active_requests.peak", "", peak, "sum", "instance")

    def _aside(self, scope: Scope, path: str, root_path: str) -> Application | None:
        """Who answers what is not measured; None when it is measured, and then recording has started."""
        other = self._elsewhere(inside(path, root_path))
        if other is None and not self._started:
            self._start_late()
        if other is not None and other is self._face:
            scope["root_path"] = root_path  # the application would set its own further in
        return other

    def _elsewhere(self, path: str) -> Application | None:
        """Who answers a path that is not measured, after counting it; None when it is measured after all."""
        prefix = self._prefix
        if self._face is not None and (path == prefix or path.startswith(prefix + "/")):
            self.recorder.count("fanlight.dashboard.requests")
            return self._face
        if path in self._exact or path.startswith(self._beginnings):
            self.recorder.count("fanlight.excluded.requests")
            return self.app
        return None

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> Any:
        root_path = self._root_path or scope.get("root_path") or ""
        other = self._aside(scope, scope["path"], root_path)
        if other is not None:
            return await _unmeasured(other, scope, receive, send)
        try:
            identity = correlation.given(scope["headers"]) or correlation.make()
            connection = Connection(self.recorder, self.sockets, scope, root_path, receive, send, self._names, identity)
        except Exception as error:
            self.recorder.failed("capture", error)
            return await self.app(scope, receive, send)
        if context.tell_apart:
            serving.set(self.recorder)
        token = correlation_id.set(identity)
        result = await connection.run(self.app)
        restore(correlation_id, token)
        return result

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            self._start()
        except FanlightError as error:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return None

        async def forward(message: Message) -> None:
            # Before the server hears of the end, or it may be gone before we have put things away.
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"):
                self._stop()
            await send(message)

        return await self.app(scope, receive, forward)

    def _start(self) -> None:
        """Begin; only a FanlightError, a wrong setting, may keep the service from starting."""
        self._started = True
        for step in (self._routes.build, self._on_startup):
            try:
                if step is not None:
                    step()
            except FanlightError:
                raise
            except Exception as error:
                self.recorder.failed("startup", error)

    def _start_late(self) -> None:
        try:
            self._start()
        except FanlightError as error:  # too late to refuse the start: say it where the operator looks
            self.recorder.failed("startup", error)
            getLogger("fanlight").error("%s", error)

    def _stop(self) -> None:
        if not self._started:
            return
        self._started = False
        try:
            if self._on_shutdown is not None:
                self._on_shutdown()
        except Exception as error:
            self.recorder.failed("shutdown", error)


def _own_root_path(app: Application) -> str:
    """The `root_path` a FastAPI application was made with: it goes by that one, whatever the server says."""
    given = getattr(app, "root_path", "")
    return given if isinstance(given, str) else ""


async def _unmeasured(app: Application, scope: Scope, receive: Receive, send: Send) -> Any:
    """Run what is not measured under no correlation ID: not that of a request whose context this one inherited."""
    token = correlation_id.set("")
    try:
        return await app(scope, receive, send)
    finally:
        restore(correlation_id, token)


def any_of(templates: tuple[str, ...]) -> Callable[[str], object] | None:
    """A test whether a path fits one of the templates; None without templates."""
    if not templates:
        return None
    patterns = []
    for template in templates:
        parts = re.split(r"\{[^{}]*?(:path)?\}", template)
        patterns.append(
            "".join(
                re.escape(part or "") if number % 2 == 0 else "[^/]+" if part is None else ".*"
                for number, part in enumerate(parts)
            )
        )
    return re.compile("|".join(patterns)).fullmatch
