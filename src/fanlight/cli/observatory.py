"""The dashboard alone as an application: its pages under the prefix, health, metrics and JSON also on the root."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Sequence

from starlette.responses import JSONResponse, RedirectResponse

from fanlight.cli.plan import Plan, Ready
from fanlight.cli.serving import App, Receive, Scope, Send, run_server
from fanlight.dashboard import Fanlight
from fanlight.engine import Engine
from fanlight.errors import FanlightError
from fanlight.sidecar import server_name


class Observatory(Fanlight):
    """A dashboard that shows the service of its name and is none of its instances."""

    @functools.cached_property
    def engine(self) -> Engine:
        return Engine(self.settings, self._clock, self.recorder, self._declared, observes=True)


def watch(
    dashboard: Observatory, plan: Plan, sockets: Sequence[socket.socket], on_ready: Callable[[Ready], None]
) -> int:
    """Serve it until told to stop; the exit status. Raises FanlightError when its store cannot be opened."""
    root = Root(dashboard)
    return run_server(root, dashboard, plan, sockets, on_ready, server_header=server_name(dashboard.settings))


class Root:
    """The dashboard as the only thing at an address."""

    def __init__(self, dashboard: Fanlight) -> None:
        self._dashboard = dashboard
        self._prefix = dashboard.settings.prefix
        self._face: App = dashboard.face  # opens the store: a wrong one is refused before anything is served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path: str = scope["path"]
        if path == self._prefix or path.startswith(f"{self._prefix}/"):
            await self._face(scope, receive, send)
        elif path in ("/health", "/metrics") or path.startswith(("/health/", "/api/")):
            inner = self._prefix + path
            await self._face({**scope, "path": inner, "raw_path": inner.encode("utf-8", "replace")}, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "nothing there"})
        else:
            await self._answer(path)(scope, receive, send)

    def _answer(self, path: str) -> App:
        if path == "/":
            return RedirectResponse(f"{self._prefix}/")
        error = {"code": "not_found", "message": f"Nothing is there; the dashboard is at {self._prefix}.", "detail": ""}
        return JSONResponse({"error": error}, 404)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._dashboard.start()
        except FanlightError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._dashboard.close()
        await send({"type": "lifespan.shutdown.complete"})
