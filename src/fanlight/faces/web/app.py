"""The web face as an ASGI application: who comes, under which root, and that nothing of ours ever escapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fanlight.faces.context import VISIT, FaceContext, Visit
from fanlight.faces.errors import FaceError, Failed
from fanlight.faces.web import addresses
from fanlight.faces.web.access import CALLER, SAFE_METHODS, Caller
from fanlight.faces.web.answers import error_response, from_http
from fanlight.faces.web.gate import Gate
from fanlight.faces.web.live import Hub
from fanlight.faces.web.login import Login
from fanlight.faces.web.render import Renderer
from fanlight.faces.web.rendering import Rendering
from fanlight.faces.web.routes import Routes
from fanlight.faces.web.security import secured

HEAD_LIMIT: Final = 65_536
"""Bytes of path, query and headers that are looked at; reading more would keep the service waiting."""

HIDDEN_QUERY: Final = b"token=hidden"
"""What the server's access log shows of a login link's query."""

SHARED: Final = ("/api/", "/metrics", "/health")
"""Beginnings of the paths that pages of other origins may read, where `cors_origins` names them."""

PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember that it was let in."""

_KEPT: Final = (
    "type", "asgi", "http_version", "server", "client", "scheme", "method", "query_string", "headers", "extensions",
    "subprotocols",
)  # fmt: skip
# What of the original scope is passed on: the application's own router and error handlers stay outside.


class WebFace:
    """The dashboard in the browser, for the paths under `settings.prefix`; call it with the original scope.

    Never raises into what called it: failures are counted and answered in the error format.
    """

    def __init__(
        self,
        context: FaceContext,
        extra_routes: Sequence[BaseRoute] = (),
        renderer: Renderer | None = None,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        self._closing = closing
        self._context = context
        self._gate = Gate(context)
        rendering = Rendering(context, renderer)
        self.hub = Hub(context, rendering)
        routes = Routes(context, rendering, self.hub, Login(context, self._gate), extra_routes)
        self._router = Router(routes.all, redirect_slashes=False, default=_nothing_there)
        self._shared = _shared(self._answer, context.settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and addresses.path_below(scope, self._context.settings.prefix).startswith(SHARED):
            await self._shared(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if head_size(scope) > HEAD_LIMIT:
            await _turn_away(scope, secured(send))
            return
        headers = header_texts(scope)
        prefix = self._context.settings.prefix
        root = addresses.root_of(scope, headers, prefix)
        caller = caller_of(scope, headers, addresses.path_below(scope, prefix), self._context.actions.role)
        if scope["type"] == "websocket":
            await self._handshake(scope, caller, root, receive, send)
            return
        if "hx-request" in headers:
            self._context.recorder.count("htmx_events_total")
        answer = _Answer(secured(send))
        try:
            await self._serve(scope, caller, root, receive, answer)
        except Exception as error:
            await self._fail(error, caller, root, scope, receive, answer)

    def close(self) -> None:
        """End all live streams; from any thread, any number of times."""
        self._closing()
        self.hub.close()

    async def _serve(self, scope: Scope, caller: Caller, root: str, receive: Receive, send: Send) -> None:
        role = await self._gate.admit(caller)
        inner = _inner_scope(scope, caller, Visit(root, role, caller.peer))
        if caller.path == "/login" and scope.get("query_string"):
            scope["query_string"] = HIDDEN_QUERY  # servers write their access log from the scope when the answer begins
        await self._router(inner, receive, send)

    async def _handshake(self, scope: Scope, caller: Caller, root: str, receive: Receive, send: Send) -> None:
        """A WebSocket gets in by the same rule, before it is accepted."""
        try:
            await self._serve(scope, caller, root, receive, send)
        except Exception as error:
            if not isinstance(error, FaceError | HTTPException):
                self._context.recorder.failed("web socket", error)
            code = 1008 if isinstance(error, FaceError) else 1011
            await send({"type": "websocket.close", "code": code, "reason": "refused"})

    async def _fail(
        self, error: Exception, caller: Caller, root: str, scope: Scope, receive: Receive, answer: _Answer
    ) -> None:
        """Answer with the error; once the answer has begun all that is left is to end it."""
        if isinstance(error, HTTPException):
            error = from_http(error, caller.path)
        if not isinstance(error, FaceError):
            self._context.recorder.failed("web", error)
            error = Failed()
        try:
            await answer.end() if answer.started else await self._refuse(error, caller, root, scope, receive, answer)
        except Exception as failure:  # the client is gone, or our own files are: nobody is left to be told
            self._context.recorder.failed("web", failure)

    async def _refuse(
        self, error: FaceError, caller: Caller, root: str, scope: Scope, receive: Receive, answer: _Answer
    ) -> None:
        settings = self._context.settings
        login = error.status in (401, 403) and bool(settings.token or settings.viewer_token)
        response = error_response(error, page=_for_people(caller), root=root, login=login)
        await response(scope, receive, answer)


def _shared(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application with the CORS headers of the fetch standard for these origins; itself when there are none.

    Cookies are never asked for: who is not let in by the local rule sends a bearer token.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET",),
        allow_headers=("Authorization",),
        expose_headers=("X-Correlation-ID",),
        max_age=PREFLIGHT_SECONDS,
    )


class _Answer:
    """A `send` that knows how far the answer has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.ended = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """End an answer that broke off."""
        if not self.ended:
            await self({"type": "http.response.body", "body": b"", "more_body": False})


def header_texts(scope: Mapping[str, Any]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined, so that a second Host can never pass for the first."""
    values: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: ("; " if name == "cookie" else ", ").join(several) for name, several in values.items()}


def head_size(scope: Mapping[str, Any]) -> int:
    """Bytes of a request's head; servers differ in what they let through, and some let through anything."""
    size = len(scope["path"]) + len(scope.get("query_string", b""))
    return size + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


def caller_of(
    scope: Mapping[str, Any], headers: Mapping[str, str], path: str, action_role: Callable[[str], str]
) -> Caller:
    """What a request says of itself."""
    handshake = scope["type"] == "websocket"
    method = str(scope.get("method", "GET"))
    client = scope.get("client")
    return Caller(
        peer=str(client[0]) if client else "",
        method=method,
        path=path,
        http_version=str(scope.get("http_version", "")),
        scheme=str(scope.get("scheme", "http")),
        headers=headers,
        needs=_role_needed(path, method, action_role),
        handshake=handshake,
        scope=scope,
    )


def _role_needed(path: str, method: str, action_role: Callable[[str], str]) -> str:
    """Our own files and the login are open to all: they say nothing of the service."""
    if path in ("/login", "/logout") or path.startswith("/static/"):
        return ""
    if method == "POST" and path.startswith("/actions/"):
        return action_role(path.removeprefix("/actions/"))
    return "viewer" if method in SAFE_METHODS else "operator"


def _inner_scope(scope: Scope, caller: Caller, visit: Visit) -> dict[str, Any]:
    """The scope as if the dashboard were an application of its own, mounted at its root."""
    kept = {name: scope[name] for name in _KEPT if name in scope}
    path = visit.base + caller.path
    ours = {VISIT: visit, CALLER: caller, "app": None}  # with an "app", routes raise what they refuse
    return {**kept, "path": path, "raw_path": path.encode("utf-8", "replace"), "root_path": visit.base, **ours}


def _for_people(caller: Caller) -> bool:
    return caller.from_browser and not caller.path.startswith(("/api/", "/metrics", "/actions/"))


async def _turn_away(scope: Scope, send: Send) -> None:
    """Answer a head that is too large, unread."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1009, "reason": "refused"})
        return
    message = f"The request's path, query and headers are too large; expected at most {HEAD_LIMIT} bytes."
    response = error_response(FaceError(431, "too_large", message), page=False, root="")
    await response(scope, _no_more, send)


async def _no_more() -> Message:
    return {"type": "http.disconnect"}


async def _nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404)
