"""FastAPI: the same capture, its own ways to route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, FastAPI, HTTPException, WebSocket
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from tests.capture.conftest import ListRecorder, capture, drive, get, header, http_scope, serving, talk

from fanlight.capture.install import install, owns
from fanlight.core.facts import broken_as


async def plain(request: Request) -> Response:
    return PlainTextResponse("plain")


def application() -> FastAPI:
    app = FastAPI()
    items = APIRouter(prefix="/items")
    nested = APIRouter(prefix="/nested/{parent}")
    sub = FastAPI()

    @items.get("/{item}")
    async def read(item: int) -> dict[str, int]:
        if item == 404:
            raise HTTPException(404, "no such item")
        return {"item": item}

    @items.put("/{item}")
    async def write(item: int, body: Annotated[dict[str, int], Body()]) -> dict[str, int]:
        return body

    @nested.get("/leaf/{leaf}")
    def leaf(parent: str, leaf: str) -> str:
        return parent + leaf

    @nested.websocket("/ws/{room}")
    async def converse(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    @sub.get("/users/{user}")
    async def user(user: str) -> str:
        return user

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")

    items.include_router(nested)
    app.include_router(items, prefix="/api")
    app.include_router(items, prefix="/old/{version}")
    app.mount("/sub/{tenant}", sub)
    app.router.routes.append(Route("/starlette/{x}", plain))
    app.router.routes.append(Mount("/routes", routes=[Route("/{y}", plain)]))
    return app


@pytest.mark.parametrize(
    ("method", "path", "template", "status"),
    [
        ("GET", "/api/items/1", "/api/items/{item}", 200),
        ("GET", "/old/3/items/1", "/old/{version}/items/{item}", 200),
        ("GET", "/api/items/404", "/api/items/{item}", 404),
        ("GET", "/api/items/x", "/api/items/{item}", 422),
        ("PUT", "/api/items/1", "/api/items/{item}", 422),
        ("DELETE", "/old/3/items/1", "/old/{version}/items/{item}", 405),
        ("GET", "/api/items/nested/p/leaf/l", "/api/items/nested/{parent}/leaf/{leaf}", 200),
        ("GET", "/old/3/items/nested/p/leaf/l", "/old/{version}/items/nested/{parent}/leaf/{leaf}", 200),
        ("GET", "/sub/acme/users/7", "/sub/{tenant}/users/{user}", 200),
        ("GET", "/sub/acme/none", "unmatched", 404),
        ("GET", "/sub/acme/openapi.json", "/sub/{tenant}/openapi.json", 200),
        ("GET", "/starlette/1", "/starlette/{x}", 200),
        ("GET", "/routes/1", "/routes/{y}", 200),
        ("GET", "/docs", "/docs", 200),
        ("GET", "/none", "unmatched", 404),
        ("GET", "/api/items/1/", "/api/items/{item}", 307),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/proxied"])
def test_templates(method: str, path: str, template: str, status: int, root_path: str, recorder: ListRecorder) -> None:
    """API-6: sub-routers, a router twice, mounted applications and Starlette routes have full templates."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    asyncio.run(drive(app, http_scope(root_path + path, method, root_path=root_path)))
    [fact] = recorder.requests()
    assert (fact["template"], fact["status"]) == (template, status)


def test_websocket_template(recorder: ListRecorder) -> None:
    """API-4: a WebSocket route of a sub-router has its full template, and its path parameters name the group."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    scope = http_scope("/old/3/items/nested/p/ws/blue", type="websocket", subprotocols=[])
    asyncio.run(drive(app, scope, [{"type": "websocket.connect"}]))
    connected, disconnected = recorder.sockets()
    assert connected["template"] == "/old/{version}/items/nested/{parent}/ws/{room}"
    assert (connected["group"], disconnected["close_code"]) == ("blue", 1000)


def test_unhandled_error(recorder: ListRecorder) -> None:
    """API-3: an unhandled error's 500 carries the correlation ID, and its fact the exception."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(RuntimeError):
        asyncio.run(app(http_scope("/boom"), None, send))  # type: ignore[arg-type]  # it never receives
    [fact] = recorder.requests()
    assert (fact["status"], fact["error"]) == (500, "RuntimeError: boom")
    assert header(sent[0], b"x-correlation-id") == fact["correlation_id"].encode()


def test_a_stream_that_is_another_ones_fault(recorder: ListRecorder) -> None:
    """TTY-3: an HTTPException in the middle of a stream, which Starlette wraps, says as what the response counts."""
    app = FastAPI()

    @app.get("/relayed")
    async def relayed() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"one"
            raise HTTPException(502, "the other side broke off")

        return StreamingResponse(pieces())

    with serving(capture(app, recorder)) as port:
        assert b"one" in talk(port, get("/relayed"))
        [fact] = recorder.requests(1)
    assert (fact["status"], broken_as(fact["flags"])) == (200, 502)


def test_application_with_its_own_root_path(recorder: ListRecorder) -> None:
    """ORC-3: FastAPI's root_path keyword is seen like a proxy's."""
    app = FastAPI()
    app.root_path = "/proxied"
    app.get("/x/{y}")(lambda y: y)
    install(app, lambda inner: capture(inner, recorder))
    for path in ("/x/1", "/proxied/x/1"):
        asyncio.run(drive(app, http_scope(path)))
    assert [fact["template"] for fact in recorder.requests()] == ["/x/{y}", "/x/{y}"]


@pytest.mark.parametrize("path", ["/dash", "/proxied/dash"])
def test_a_dashboard_around_an_application_with_its_own_root_path(path: str, recorder: ListRecorder) -> None:
    """ORC-3: a dashboard that stands around FastAPI(root_path=...) is where it would be inside, and knows that path."""
    told: list[str] = []

    async def face(scope: Any, receive: Any, send: Any) -> None:
        told.append(scope["root_path"])
        await PlainTextResponse("face")(scope, receive, send)

    app = FastAPI()
    app.root_path = "/proxied"
    app.get("/x/{y}")(lambda y: y)
    around = capture(app, recorder, face, prefix="/dash")
    sent = asyncio.run(drive(around, http_scope(path)))
    asyncio.run(drive(around, http_scope(path.replace("dash", "x/1"))))
    assert (sent[1]["body"], told) == (b"face", ["/proxied"])
    assert [fact["template"] for fact in recorder.requests()] == ["/x/{y}"]


def test_owns() -> None:
    """X-6: routes of sub-routers and FastAPI's own pages are owned too."""
    app = application()
    assert owns(app, "/docs") == "/docs"
    assert owns(app, "/api/items") == "/api/items/{item}"
    assert owns(app, "/dashboard") is None


def test_served(recorder: ListRecorder) -> None:
    """API-1: it starts, serves and stops under a real server."""
    app = application()
    install(app, lambda inner: capture(inner, recorder))
    with serving(app) as port:
        answer = talk(port, get("/api/items/1"))
    assert answer.endswith(b'{"item":1}')
    assert recorder.requests(1)[0]["template"] == "/api/items/{item}"
