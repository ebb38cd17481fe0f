"""One worker: the application with its dashboard, on a server of its own, in this process."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from starlette.applications import Starlette

from fanlight.capture.exchange import UNOWNED
from fanlight.capture.install import owns
from fanlight.cli.joining import Joining
from fanlight.cli.loading import is_wsgi, load
from fanlight.cli.plan import Plan, Ready
from fanlight.cli.signals import STOP_SIGNALS, handled
from fanlight.cli.threaded import Threaded
from fanlight.dashboard import Fanlight
from fanlight.errors import SettingsError

if TYPE_CHECKING:
    from types import FrameType

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

GRACEFUL_SECONDS: Final = 2
FAILED_STATUS: Final = 3
HEAD_LIMIT: Final = 64 << 10
"""Bytes of a request that may come without one of a body: its head, its trailers, the extensions of its chunks."""

TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 39\r\nconnection: close\r\n\r\nThe head of a request is over 64 KiB.\r\n"
)
ROOT_ROUTES: Final = {"/health": "/health", "/metrics": "/metrics"}
"""The application's path that is answered by the dashboard's where the application has none."""

ROOT_TREES: Final = ("/api/", "/health/")
"""Beginnings of paths that are the same below the prefix, for what serves the dashboard's JSON at its root too."""


def serve(plan: Plan, sockets: Sequence[socket.socket], on_ready: Callable[[Ready], None], run_key: str = "") -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; 0 after a clean stop, else the server's status.

    Whoever sends the run key as bearer is an operator: the terminal this command runs in.
    Raises FanlightError when the application cannot be loaded or its dashboard cannot be made.
    """
    app, dashboard = attached(load(plan.target, plan.app_dir, factory=plan.factory), plan.name)
    dashboard.run_key = run_key
    if dashboard.settings.enabled:  # the face opens the store: a wrong one is refused before anything is served
        app = Front(app, dashboard.face, dashboard.settings.prefix, api=plan.api_at_root)
    return run_server(app, dashboard, plan, sockets, on_ready)


def run_server(
    app: App,
    dashboard: Fanlight,
    plan: Plan,
    sockets: Sequence[socket.socket],
    on_ready: Callable[[Ready], None],
    server_header: str = "",
) -> int:
    """Serve an application and say when it serves that dashboard; as `serve`."""
    server = Server(_configured(app, plan, server_header), lambda: on_ready(_ready(dashboard)))
    with handled(STOP_SIGNALS, server.stop):
        return run(server, sockets)


def attached(found: Any, name: str) -> tuple[App, Fanlight]:
    """The application with a dashboard on it: the one it carries already, else a new one."""
    carried = carried_dashboard(found)
    dashboard = carried or Fanlight(name)
    if is_wsgi(found):
        return Threaded(found if carried else dashboard.wsgi(found), dashboard), dashboard
    _check_prefix(found, dashboard)
    if carried is not None:
        return found, carried
    if isinstance(found, Starlette):
        dashboard.install(found)
        return found, dashboard
    return dashboard.asgi(found), dashboard


def _check_prefix(found: Any, dashboard: Fanlight) -> None:
    prefix = dashboard.settings.prefix
    owned = owns(found, prefix) if dashboard.settings.enabled else None
    if owned is not None:
        raise SettingsError(
            f"prefix {prefix} is taken: the application answers {owned} itself; "
            "give the dashboard another one, such as --prefix /fanlight"
        )


def carried_dashboard(found: Any) -> Fanlight | None:
    """The dashboard that an application was given in its own code."""
    for carried in (
        getattr(found, "fanlight_dashboard", None),
        getattr(getattr(found, "state", None), "fanlight", None),
        getattr(getattr(found, "wsgi_app", None), "fanlight_dashboard", None),
    ):
        if isinstance(carried, Fanlight):
            return carried
    return None


class Front:
    """Around the application: answers `/health` and `/metrics` with the dashboard's where it would answer 404.

    With `api` also `/health/{name}` and the JSON routes at `/api/...`.
    """

    def __init__(self, app: App, face: App, prefix: str, *, api: bool = False) -> None:
        self._app = app
        self._face = face
        self._prefix = prefix
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = _root_route(scope, api=self._api) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        answer = Answer(send)
        await self._app({**scope, UNOWNED: True}, receive, answer)
        if answer.unowned:
            path = f"{scope.get('root_path', '')}{self._prefix}{route}"
            await self._face({**scope, "path": path, "raw_path": path.encode()}, receive, send)


class Answer:
    """Passes an answer on, but for a 404, which it swallows and remembers as `unowned`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.unowned = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 404:
            self.unowned = True
        if not self.unowned:
            await self._send(message)


def _root_route(scope: Scope, *, api: bool) -> str | None:
    if scope["method"] not in ("GET", "HEAD"):
        return None
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path if api and path.startswith(ROOT_TREES) else ROOT_ROUTES.get(path)


class Server(uvicorn.Server):
    """A uvicorn server that says when it serves and can be told to stop at any moment."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._on_ready()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """A signal handler for when uvicorn's own are not in place; it raises what it caught once more at its end."""
        self.should_exit = True


def _configured(app: App, plan: Plan, server_header: str) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_joined() if plan.joins else "auto",
        host=plan.host,
        interface="asgi3",
        log_level=plan.log_level,
        access_log=plan.access_log,
        root_path=plan.root_path,
        use_colors=plan.colors,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        server_header=not server_header,
        headers=[("Server", server_header)] if server_header else None,
    )


def _joined() -> type[asyncio.Protocol]:
    """The server's HTTP on a joining transport, with a limit for heads, which it has none for; it needs httptools."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Joined(HttpToolsProtocol):
        bodiless = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(cast(asyncio.Transport, Joining(transport, self.loop)))

        def data_received(self, data: bytes) -> None:
            self.bodiless += len(data)
            super().data_received(data)
            if self.bodiless > HEAD_LIMIT and not self.transport.is_closing():
                if self.cycle is None or self.cycle.response_complete:
                    self.transport.write(TOO_LARGE)
                self.transport.close()

        def on_body(self, body: bytes) -> None:
            self.bodiless = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self.bodiless = 0
            super().on_message_complete()

    return Joined


def run(server: Server, sockets: Sequence[socket.socket]) -> int:
    """Serve until told to stop; 0 after a clean stop, else the status of the failure."""
    try:
        server.run(list(sockets))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED_STATUS
    finally:
        sys.stdout.flush()
    return 0


def _ready(dashboard: Fanlight) -> Ready:
    settings = dashboard.settings
    return Ready(enabled=settings.enabled, prefix=settings.prefix, token=settings.token or settings.viewer_token)
