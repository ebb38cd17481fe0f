"""The routes of the web face: pages, fragments, assets, the live stream, login and actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from fanlight.faces.context import VISIT, FaceContext
from fanlight.faces.errors import FaceError, NotFound, there_is
from fanlight.faces.live import LiveApi
from fanlight.faces.threads import in_thread
from fanlight.faces.web import assets, live, views
from fanlight.faces.web.files import Files
from fanlight.faces.web.forms import given
from fanlight.faces.web.login import Login
from fanlight.faces.web.rendering import Rendering, accepts_gzip, compressed
from fanlight.panels import View
from fanlight.services.actions import UnknownAction
from fanlight.services.parameters import ParameterError

ACTION_STATUS: Final = {"running": 202}
"""The HTTP status of an action's answer where it is not 200; an error of the action is told in its document."""


class Routes:
    """Answers every route of one dashboard, apart from the JSON ones, which are given."""

    def __init__(
        self, context: FaceContext, rendering: Rendering, hub: live.Hub, login: Login, extra: Sequence[BaseRoute] = ()
    ) -> None:
        self._context = context
        self._rendering = rendering
        self._hub = hub
        self.all: list[BaseRoute] = [
            *context.extra_routes,
            *extra,
            Route("/", self._page),
            Route("/static/{name}", self._asset),
            Route("/live", _Stream(self._context, self._hub)),
            WebSocketRoute("/api/live", LiveApi(context, hub)),
            Route("/login", login.open),
            Route("/login", login.submit, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/actions/{action:path}", self._act, methods=["POST"]),
            Route("/api/stats-html", self._pulse),
            Route("/api/{panel}-html", self._fragment),
            Route("/{panel}-partial", self._fragment),
            *Files(context, rendering).all,
            Route("/requests/{id}", self._page),
            Route("/services/{name:path}", self._page),
            Route("/pages/{own}", self._page),
            Route("/{page}", self._page),
        ]

    async def _page(self, request: Request) -> Response:
        """A page with data in its first paint; a query that makes no sense shows the defaults and says so."""
        path = dict(request.path_params)
        own = f"pages/{path.pop('own', '')}"
        name = own if own in self._context.pages else path.pop("page", "") or own.partition("/")[2] or _list_page(path)
        view, notice = views.forgiving_view(name, request.query_params, path)
        self._rendering.spec(view)
        body = await self._work(request, self._rendering.page, view, request.scope[VISIT], notice)
        return self._delivered(body, "text/html")

    async def _fragment(self, request: Request) -> Response:
        """One panel, the same text as in its page."""
        return await self._named_fragment(request, request.path_params["panel"])

    async def _pulse(self, request: Request) -> Response:
        """The system pulse, under the name dashboards of its kind give it; `stats-partial` is the cache panel."""
        return await self._named_fragment(request, "pulse")

    async def _named_fragment(self, request: Request, name: str) -> Response:
        view = views.parse_view(request.query_params.get("page", View().page), request.query_params)
        body = await self._work(request, self._rendering.named_fragment, name, view)
        return self._delivered(body, "text/html")

    async def _asset(self, request: Request) -> Response:
        """A file of ours, for ever: its name changes with its content."""
        asset = assets.lookup(request.path_params["name"])
        if asset is None:
            raise NotFound("file", request.path_params["name"], ())
        headers = {"Cache-Control": assets.CACHE_CONTROL, "ETag": asset.etag, "Vary": "Accept-Encoding"}
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if not accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(asset.content, headers=headers, media_type=asset.content_type)
        packed = {**headers, "Content-Encoding": "gzip"}
        return Response(asset.gzipped, headers=packed, media_type=asset.content_type)

    async def _act(self, request: Request) -> Response:
        """Run an action and report what became of it, after it did."""
        path = str(request.path_params["action"])
        try:
            result = await self._context.actions.run(path, await given(request), request.scope[VISIT])
        except UnknownAction as error:
            raise FaceError(404, "not_found", str(error), there_is("action", error.known)) from None
        except ParameterError as error:
            raise FaceError(422, "invalid_parameter", str(error), error.name) from None
        document = {"status": result.status, "message": result.message, "run": result.run or None}
        status = ACTION_STATUS.get(result.status, 200)
        return Response(msgspec.json.encode(document), status, media_type="application/json")

    async def _work(self, request: Request, function: Any, *arguments: Any) -> tuple[bytes, dict[str, str]]:
        """Text made and compressed on a thread."""
        accepted = accepts_gzip(request.headers.get("accept-encoding", ""))

        def work() -> tuple[bytes, dict[str, str]]:
            text: str = function(*arguments)
            return compressed(text.encode("utf-8", "replace"), accepted)

        return await in_thread(self._context.pulse.pacer, work)

    def _delivered(self, body: tuple[bytes, dict[str, str]], media_type: str) -> Response:
        self._context.recorder.count("dashboard_refresh_total")
        content, headers = body
        return Response(content, headers=headers, media_type=media_type)


class _Stream:
    """The live stream as an ASGI application, so that nothing stands between it and the socket."""

    def __init__(self, context: FaceContext, hub: live.Hub) -> None:
        self._context = context
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        query = request.query_params
        view = views.parse_view(query.get("page", View().page), query)
        interval = views.parse_interval(query) if query.get("interval") else 0.0
        if request.method == "HEAD":
            await Response(headers={"Content-Type": "text/event-stream"})(scope, receive, send)
            return
        try:
            await self._hub.respond(view, interval, receive, send)
        except ClientDisconnect:
            return


def _list_page(path: dict[str, str]) -> str:
    """The page a path without a name of its own belongs to."""
    return "requests" if "id" in path else "services" if "name" in path else View().page
