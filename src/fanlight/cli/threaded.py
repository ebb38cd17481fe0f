"""A WSGI application on the ASGI server of `fanlight run`: in threads, by a2wsgi, with the dashboard beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from fanlight.capture.response import ARRIVED
from fanlight.dashboard import Fanlight
from fanlight.errors import FanlightError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

THREADS: Final = 40
"""Requests of a WSGI application that are served at once; more wait."""

GONE: Final = "fanlight.gone"
"""Set in the scope of a request that nobody waits for any more; a2wsgi goes on sending to it for ever."""


class Threaded:
    """An ASGI application: the WSGI one, and the dashboard's paths.

    The recording is inside the adapter, on the thread, where the framework's route and errors are known; the time a
    request waited for a thread counts, from a stamp.
    """

    def __init__(self, app: Any, dashboard: Fanlight) -> None:
        self._dashboard = dashboard
        self._prefix = dashboard.settings.prefix
        self._now_ns = dashboard.recorder.clock.monotonic_ns
        self._adapter = _adapter()(_leaving(app), workers=THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(self._dashboard, receive, send)
        elif self._is_ours(scope):
            self._dashboard.recorder.count("fanlight.dashboard.requests")
            await self._dashboard.face(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve({**scope, ARRIVED: self._now_ns()}, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "a WSGI application has no WebSockets"})

    def _is_ours(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        prefix = self._prefix
        return self._dashboard.settings.enabled and (path == prefix or path.startswith(f"{prefix}/"))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = Listener(scope, receive)
        watch = asyncio.ensure_future(listener.watch())
        try:
            await self._adapter(scope, listener, send)
        finally:
            scope[GONE] = True
            watch.cancel()


class Listener:
    """`receive` for one request; once the body is read, it waits for the client to leave."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._read = asyncio.Event()
        self._bodiless = not any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])

    async def __call__(self) -> Message:
        if self._bodiless:
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        if not message.get("more_body"):
            self._read.set()
        return message

    async def watch(self) -> None:
        if not self._bodiless:
            await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self._scope[GONE] = True


def _leaving(app: Any) -> Any:
    """The application, whose responses end when nobody waits for them."""

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        return Parts(app(environ, start_response), environ["asgi.scope"])

    return serve


class Parts:
    """A response's parts, as long as somebody waits for them."""

    def __init__(self, body: Any, scope: Scope) -> None:
        self._body = body
        self._scope = scope

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            yield part
            if GONE in self._scope:
                return

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


async def live(dashboard: Fanlight, receive: Receive, send: Send) -> None:
    """The lifespan of a server that serves a dashboard: started before it, closed after it."""
    await receive()
    try:
        dashboard.start()
    except FanlightError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    dashboard.close()
    await send({"type": "lifespan.shutdown.complete"})


def _adapter() -> Any:
    try:
        from a2wsgi import WSGIMiddleware
    except ImportError as error:
        raise FanlightError(
            "`fanlight run` serves WSGI applications by a2wsgi, which the base install leaves out; "
            "run pip install 'fanlight[wsgi]'"
        ) from error
    return WSGIMiddleware
