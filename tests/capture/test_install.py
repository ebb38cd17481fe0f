"""Installing around Starlette, and what an application owns itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from tests.capture.conftest import drive, hello, http_scope

from fanlight.capture.install import install, owns
from fanlight.errors import FanlightError


class Layer:
    """An application around another that counts what passes it."""

    made = 0

    def __init__(self, app: Any) -> None:
        self.app = app
        self.passed = 0
        Layer.made += 1

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def forward(message: Any) -> None:
            self.passed += 1
            await send(message)

        await self.app(scope, receive, forward)


async def answer(request: Request) -> Response:
    return PlainTextResponse("x" * 2000)


async def boom(request: Request) -> Response:
    raise RuntimeError("boom")


async def converse(websocket: WebSocket) -> None:
    await websocket.accept()


def application() -> Starlette:
    return Starlette(routes=[Route("/", answer), Route("/boom", boom)])


def layers(app: Starlette) -> list[Layer]:
    """The layers around an application that has served."""
    found, inner = [], app.middleware_stack
    while isinstance(inner, Layer):
        found.append(inner)
        inner = inner.app
    return found


def test_outermost() -> None:
    """API-3: it stands outside the error middleware, so that an unhandled error's 500 passes it."""
    app = application()
    install(app, Layer)
    with pytest.raises(RuntimeError):
        asyncio.run(drive(app, http_scope("/boom")))
    assert [layer.passed for layer in layers(app)] == [2]


def test_middleware_added_later() -> None:
    """TTY-6: add_middleware works after install, and what it adds is inside."""
    app = application()
    install(app, Layer)
    app.add_middleware(GZipMiddleware)
    sent = asyncio.run(drive(app, http_scope(headers=[(b"accept-encoding", b"gzip")])))
    assert (b"content-encoding", b"gzip") in sent[0]["headers"]
    assert len(layers(app)) == 1


def test_application_that_has_served() -> None:
    """API-1: it can be installed around an application whose middleware is built already."""
    app = application()
    asyncio.run(drive(app, http_scope()))
    install(app, Layer)
    asyncio.run(drive(app, http_scope()))
    assert [layer.passed for layer in layers(app)] == [2]


def test_installing_twice() -> None:
    """API-1: the same dashboard installs once; another one gets its own layer."""
    app = application()
    owner = object()
    for _ in range(2):
        install(app, Layer)
        install(app, lambda inner: Layer(inner), owner)
    asyncio.run(drive(app, http_scope()))
    assert len(layers(app)) == 2


@pytest.mark.parametrize(
    ("thing", "kind"), [(hello, "hello (a function)"), (Router(), "a starlette.routing.Router"), (None, "NoneType")]
)
def test_not_a_starlette_application(thing: object, kind: str) -> None:
    """X-8: anything else gets one line that says what was got, what was expected and what to do."""
    with pytest.raises(FanlightError) as caught:
        install(thing, Layer)
    message = str(caught.value)
    assert kind in message
    assert "expected a Starlette or FastAPI application" in message
    assert "dashboard.asgi(app)" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("routes", "owned"),
    [
        ([Route("/dashboard", answer)], "/dashboard"),
        ([Route("/dashboard/{page}", answer)], "/dashboard/{page}"),
        ([WebSocketRoute("/dashboard/live", converse)], "/dashboard/live"),
        ([Mount("/dashboard", app=hello)], "/dashboard/{path}"),
        ([Mount("/dashboard", app=Router([Route("/", answer)]))], "/dashboard/{path}"),
        ([Mount("/", app=Router([Route("/dashboard", answer)]))], "/dashboard"),
        ([Route("/dashboards", answer)], None),
        ([Route("/x/dashboard", answer)], None),
        ([Route("/{path:path}", answer)], None),
        ([Route("/{name}", answer)], None),
        ([Mount("/", app=StaticFiles(directory=".", check_dir=False))], None),
        ([], None),
    ],
)
def test_owns(routes: list[Any], owned: str | None) -> None:
    """X-6: a route or mount at or under the prefix is named; one that takes any path is not."""
    assert owns(Starlette(routes=routes), "/dashboard") == owned


def test_owns_of_an_application_without_routes() -> None:
    """X-8: nothing is known of other applications."""
    assert owns(hello, "/dashboard") is None
