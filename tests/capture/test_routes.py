"""Route templates: from endpoints, from paths, and bounded whatever comes."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from tests.capture.conftest import ListRecorder, capture, drive, hello, http_scope

from fanlight.capture.install import install
from fanlight.capture.routes import (
    BY_PATH,
    PATH_LIMIT,
    TEMPLATE_LIMIT,
    Missed,
    RouteIndex,
    collapse,
    inside,
    tidy,
    walk,
)


async def answer(request: Request) -> Response:
    return PlainTextResponse("here")


async def missing(request: Request) -> Response:
    return PlainTextResponse("no such item", status_code=404)


async def shared(request: Request) -> Response:
    return PlainTextResponse("the same function on several routes")


async def converse(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def application() -> Starlette:
    tenant = Starlette(
        routes=[Route("/users/{id:int}", answer), Route("/shared/{x}", shared)],
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"])],
    )
    return Starlette(
        routes=[
            Route("/", answer, include_in_schema=False),
            Route("/items/{item}", answer, methods=["GET"]),
            Route("/items/{item}", missing, methods=["PUT"]),
            Route("/a/{x}", shared),
            Route("/b/{y}/c", shared),
            Route("/slashed/", missing),
            Route("/files/{path:path}", missing),
            WebSocketRoute("/ws/{room}", converse),
            Mount("/m/{tenant}", app=CORSMiddleware(tenant, allow_origins=["*"])),
            Mount("/v1", routes=[Mount("/deep/{a}", app=Router(routes=[Route("/x/{b}", missing)]))]),
            Mount("/static", app=StaticFiles(directory=".", check_dir=False)),
            Mount("/opaque/{z}", app=hello),
            Host("api.example.org", app=Router(routes=[Route("/hosted/{id}", missing)])),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"])],
    )


CASES: list[tuple[str, str, str]] = [
    ("GET", "/", "/"),
    ("GET", "/items/42", "/items/{item}"),
    ("HEAD", "/items/42", "/items/{item}"),
    ("PUT", "/items/42", "/items/{item}"),
    ("DELETE", "/items/42", "/items/{item}"),
    ("GET", "/a/1", "/a/{x}"),
    ("GET", "/b/2/c", "/b/{y}/c"),
    ("GET", "/slashed", "/slashed/"),
    ("GET", "/files/x/y/z", "/files/{path}"),
    ("GET", "/m/acme/users/7", "/m/{tenant}/users/{id}"),
    ("POST", "/m/acme/users/7", "/m/{tenant}/users/{id}"),
    ("GET", "/m/acme/shared/q", "/m/{tenant}/shared/{x}"),
    ("GET", "/v1/deep/1/x/2", "/v1/deep/{a}/x/{b}"),
    ("GET", "/static/none.css", "/static/{path}"),
    ("GET", "/opaque/1/anything/at/all", "/opaque/{z}/{path}"),
    ("GET", "/nowhere", "unmatched"),
    ("GET", "/m/acme/nowhere", "unmatched"),
    ("GET", "/v1/nowhere", "unmatched"),
    ("GET", "/items/42/more", "unmatched"),
    ("GET", "/hosted/1", "unmatched"),
]


@pytest.mark.parametrize(("method", "path", "template"), CASES)
@pytest.mark.parametrize("root_path", ["", "/behind/proxy"])
def test_template_of_a_request(method: str, path: str, template: str, root_path: str, recorder: ListRecorder) -> None:
    """API-6: every request has the full template of its route, mounts included; what none matched is "unmatched"."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    asyncio.run(drive(app, http_scope(root_path + path, method, root_path=root_path)))
    [fact] = recorder.requests()
    assert fact["template"] == template
    assert fact["root_path"] == root_path


def test_template_under_a_host_route(recorder: ListRecorder) -> None:
    """API-6: a Host route's templates are those of the application behind it."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    asyncio.run(drive(app, http_scope("/hosted/9", headers=[(b"host", b"api.example.org")])))
    assert recorder.requests()[0]["template"] == "/hosted/{id}"


def test_template_of_an_answer_before_routing(recorder: ListRecorder) -> None:
    """API-6: what a middleware answers (here a CORS preflight) is filed under the route its path would have had."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    headers = [(b"origin", b"http://x"), (b"access-control-request-method", b"GET")]
    for path in ("/items/42", "/m/acme/users/7", "/nothing/here"):
        asyncio.run(drive(app, http_scope(path, "OPTIONS", headers=headers)))
    templates = [fact["template"] for fact in recorder.requests()]
    assert templates == ["/items/{item}", "/m/{tenant}/users/{id}", "unmatched"]


def test_route_added_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """API-6: routes added while serving are found; endpoints nobody knows do not make it look again each time."""
    app = Starlette()
    index = RouteIndex(app)
    index.build()
    app.router.routes.append(Route("/late/{x}", answer))
    assert index.describe(answer, "", "/late/1") == "/late/{x}"
    builds = []
    monkeypatch.setattr(index, "build", lambda: builds.append(1))
    for _ in range(1000):
        index.describe(object(), "", "/strange/1")
    assert 1 <= len(builds) < 12


def test_the_fact_does_not_hold_the_scope(recorder: ListRecorder) -> None:
    """TTY-6: a waiting fact keeps no request alive."""

    class Scope(dict[str, Any]):
        pass

    app = application()
    install(app, lambda inner: capture(inner, recorder))
    scope = Scope(http_scope("/items/1"))
    asyncio.run(drive(app, scope))
    gone = weakref.ref(scope)
    del scope
    gc.collect()
    assert gone() is None
    assert len(recorder.requests()) == 1


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/users/42", "/users/{id}"),
        ("/users/42/orders/7", "/users/{id}/orders/{id}"),
        ("/u/123e4567-e89b-12d3-a456-426614174000", "/u/{id}"),
        ("/blobs/deadbeef0123", "/blobs/{id}"),
        ("/short/beef", "/short/beef"),
        ("/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{id}"),
        ("/of/someone@example.org", "/of/{id}"),
        ("/a-perfectly-long-but-plain-word", "/a-perfectly-long-but-plain-word"),
        ("/" + "x" * 41, "/{id}"),
        ("/v1/models", "/v1/models"),
        ("/", "/"),
        ("", "/"),
        ("/a/b/c/d/e/f/g/h/i/j/k/l/m/n", "/a/b/c/d/e/f/g/h/i/j/k/l/{path}"),
        ("/tab\there", "/tab?here"),
    ],
)
def test_collapse(path: str, template: str) -> None:
    """API-6: without routes, ids in a path collapse to one template."""
    assert collapse(path) == template


def test_templates_are_bounded() -> None:
    """TTY-6: whatever a client sends, a label is printable and of bounded length."""
    hostile = "/" + "/".join("z-" * 19 for _ in range(5000))
    assert len(collapse(hostile)) <= TEMPLATE_LIMIT
    assert len(tidy("/é\x00" * 500)) == TEMPLATE_LIMIT
    index = RouteIndex(hello)
    assert index.describe("/x\x1b[31m" * 99, "", "/").isprintable()
    for number in range(PATH_LIMIT + 10):
        assert index.describe(BY_PATH, "", f"/{number}/x") == "/{id}/x"
    assert len(vars(index)["_paths"]) <= PATH_LIMIT


def test_application_without_routes(recorder: ListRecorder) -> None:
    """API-6, X-8: any ASGI application gets templates from its paths or its path_template; 404s are "unmatched"."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status = 404 if scope["path"] == "/no" else 200
        if scope["path"].startswith("/litestar"):
            scope["path_template"] = "/litestar/{name}"
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    wrapped = capture(app, recorder)
    for path in ("/users/42", "/no", "/litestar/x"):
        asyncio.run(drive(wrapped, http_scope(path)))
    assert [fact["template"] for fact in recorder.requests()] == ["/users/{id}", "unmatched", "/litestar/{name}"]


def test_index_through_middleware() -> None:
    """API-6: routes are found through middleware that keeps what it wraps as `app`."""
    index = RouteIndex(CORSMiddleware(application()))
    assert index.describe(None, "", "/x") == "unmatched"
    assert index.describe(BY_PATH, "/root", "/root/items/1") == "/items/{item}"
    assert index.describe(Missed(answer), "", "/items/1") == "/items/{item}"


def test_walk_is_bounded() -> None:
    """TTY-6: applications mounted in themselves do not make it endless."""
    router = Router()
    router.routes.append(Mount("/again", app=router))
    assert len(list(walk(router))) < 50


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/a", "", "/a"),
        ("/r/a", "/r", "/a"),
        ("/r", "/r", ""),
        ("/a", "/r", "/a"),
        ("/ra", "/r", "/ra"),
        ("/r/a", "/r/", "/a"),
        ("/a", "/", "/a"),
    ],
)
def test_inside(path: str, root_path: str, expected: str) -> None:
    """ORC-3: paths are seen without the mount or proxy prefix, whether the server includes it or not."""
    assert inside(path, root_path) == expected
