"""Routes of the JSON and Prometheus faces, relative to the dashboard's root.

Only reading the query happens on the serving loop; snapshots, documents and their encoding are made on a thread.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import islice
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from fanlight.faces import errors, prometheus
from fanlight.faces.api import openapi, parameters
from fanlight.faces.api.documents import Asked
from fanlight.faces.api.encoding import encode
from fanlight.faces.api.endpoints import ENDPOINTS, PAGE_STREAM, Endpoint
from fanlight.faces.api.pages import Pages
from fanlight.faces.api.streams import NO_STORE, Streams, refusal
from fanlight.faces.context import VISIT, FaceContext, Visit
from fanlight.faces.errors import FaceError, Failed
from fanlight.faces.threads import in_thread
from fanlight.faces.web.views import parse_view
from fanlight.panels import View

CSV_ROWS: Final = 100
"""Rows of a CSV that are made and sent at once."""

Handler = Callable[[Request], Awaitable[Response]]


def routes(context: FaceContext, streams: Streams | None = None) -> list[Route]:
    """Every JSON route, `/health` and `/metrics`. `streams` are ended by who gave them."""
    streams = streams or Streams(context)
    described = (("/api/openapi.json", "openapi", _openapi(context)), ("/metrics", "metrics", _metrics(context)))
    made = [(endpoint.path, endpoint.name, _documents(context, endpoint, streams.pages)) for endpoint in ENDPOINTS]
    return [
        Route(_deep(PAGE_STREAM), streams, methods=["GET"], name="api-page-stream"),
        *(
            Route(_deep(path), _answering(context, name, handler), methods=["GET"], name=f"api-{name}")
            for path, name, handler in (*made, *described)
        ),
    ]


def _deep(path: str) -> str:
    """A route whose name may hold slashes, as those of services and of the application's pages do."""
    return path.replace("{name}", "{name:path}")


def _answering(context: FaceContext, name: str, handler: Handler) -> Handler:
    """The handler with whatever it raises answered in the one error format."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except FaceError as error:
            return refusal(error)
        except Exception as error:
            context.recorder.failed(f"api {name}", error)
            return refusal(Failed())

    return answer


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, NO_STORE, errors.CONTENT_TYPE)


def _documents(context: FaceContext, endpoint: Endpoint, pages: Pages) -> Handler:
    pacer = context.pulse.pacer

    async def handler(request: Request) -> Response:
        path = {name: str(value) for name, value in request.path_params.items()}
        page = path.get("name", endpoint.name)
        view, values = parameters.read(endpoint.parameters, page, request.query_params, context.now())
        visit: Visit | None = request.scope.get(VISIT)
        role = visit.role if visit else "viewer"

        def asked() -> Asked:
            snapshot, breathe = context.query.snapshot(view), pacer.breathe
            follow = context.actions.follow
            return Asked(snapshot, view, values, path, context.panels, breathe, follow, pages, role)

        if endpoint.csv and values["format"] == "csv":
            return _csv(context, endpoint.csv(await in_thread(pacer, asked)), values["table"])
        if endpoint.pieces:
            pieces = endpoint.pieces(await in_thread(pacer, asked))
            return StreamingResponse(_chunks(context, pieces), 200, NO_STORE, errors.CONTENT_TYPE)
        body, status = await in_thread(pacer, lambda: _document(endpoint, asked()))
        return _json(body, status)

    return handler


def _document(endpoint: Endpoint, asked: Asked) -> tuple[bytes, int]:
    document = endpoint.build(asked)
    return encode(document), endpoint.status(document)


def _csv(context: FaceContext, lines: Iterator[str], table: str) -> Response:
    service = re.sub(r"[^A-Za-z0-9._-]+", "-", context.settings.name)[:60].strip("-.") or "service"
    disposition = f'attachment; filename="fanlight-{service}-{table}.csv"'
    headers = {**NO_STORE, "content-disposition": disposition}
    return StreamingResponse(_chunks(context, lines), 200, headers, "text/csv; charset=utf-8")


async def _chunks(context: FaceContext, lines: Iterator[str]) -> AsyncIterator[bytes]:
    while chunk := await in_thread(context.pulse.pacer, _some, lines):
        yield chunk


def _some(lines: Iterator[str]) -> bytes:
    return "".join(islice(lines, CSV_ROWS)).encode("utf-8", "replace")


def _openapi(context: FaceContext) -> Handler:
    async def handler(request: Request) -> Response:
        root = str(request.scope.get("root_path", ""))
        body = await in_thread(context.pulse.pacer, lambda: encode(openapi.document(context.settings.name, root)))
        return _json(body)

    return handler


def _metrics(context: FaceContext) -> Handler:
    async def handler(request: Request) -> Response:
        view = parse_view("metrics", request.query_params)
        openmetrics = prometheus.accepts_openmetrics(request.headers.get("accept", ""))
        body = await in_thread(context.pulse.pacer, _exposition, context, view, openmetrics)
        kind = prometheus.OPENMETRICS if openmetrics else prometheus.TEXT
        return Response(body, 200, {**NO_STORE, "content-type": kind})

    return handler


def _exposition(context: FaceContext, view: View, openmetrics: bool) -> bytes:
    snapshot = context.query.snapshot(view)
    cumulative = context.query.cumulative(snapshot.scope)
    breathe = context.pulse.pacer.breathe
    text = prometheus.expose(snapshot, cumulative, openmetrics=openmetrics, breathe=breathe)
    cumulative.release(breathe)
    return text
