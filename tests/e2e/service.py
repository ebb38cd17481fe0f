"""A small real service with its dashboard, served over real sockets: what the browser tests look at."""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import fanlight
from fanlight import Fanlight
from fanlight.panels import Bar, Donut, Table

TIMEOUT = 20.0
TOKEN = "operator-token-for-tests"
VIEWER_TOKEN = "viewer-token-for-tests"

Currency = Literal["EUR", "USD"]

logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)


class Server(uvicorn.Server):
    """A uvicorn that says when it listens; it waits for open answers for as long as they last."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", **options))
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@dataclass
class Shop:
    """A running service: `url` is its root, `page` its dashboard's."""

    port: int
    dashboard: Fanlight
    server: Server
    thread: threading.Thread
    cached: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def page(self) -> str:
        return f"{self.url}{self.dashboard.settings.prefix}"

    def ask(self, path: str, method: str = "GET", **headers: str) -> int:
        """One request on a connection of its own; the status of its answer."""
        return self._answer(path, method, headers)[0]

    def shows(self, fragment: str, text: str) -> None:
        """Ask for a fragment of the dashboard until it holds a text."""
        end = time.monotonic() + TIMEOUT
        while text not in (shown := self._answer(f"{self.dashboard.settings.prefix}{fragment}", "GET", {})[1]):
            assert time.monotonic() < end, f"{text} never came: {shown[:2_000]}"

    def _answer(self, path: str, method: str, headers: Mapping[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> None:
        """Stop the server as a signal would, and wait until it has."""
        self.server.should_exit = True
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive(), "open streams kept the server from ending"


def application(dashboard: Fanlight) -> Starlette:
    """Routes that answer, fail, log what they are told, and hold a WebSocket open."""

    async def item(request: Request) -> Response:
        logger.info("item %s looked at", request.path_params["item"])
        return PlainTextResponse("here it is")

    async def fail(request: Request) -> Response:
        raise RuntimeError("the stock is gone")

    async def say(request: Request) -> Response:
        logger.warning("%s", request.query_params["text"])
        text, level = request.query_params["text"], request.query_params.get("level", "info")
        dashboard.event(text, said=text, level=level)
        return PlainTextResponse("said")

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.receive()

    return Starlette(
        routes=[
            Route("/items/{item}", item, methods=["GET", "POST"]),
            Route("/fail", fail),
            Route("/say", say),
            WebSocketRoute("/talk/{group}/{user}", talk),
        ]
    )


def declare(dashboard: Fanlight, prices: dict[str, str]) -> None:
    """What only the application knows how to do."""

    @dashboard.action("Re-price")
    async def reprice(
        name: str, price: float = 1.5, currency: Literal["EUR", "USD"] = "EUR", sale: bool = False
    ) -> str:
        prices[name] = f"{price} {currency}"
        return f"{name} is {prices[name]}" + (", on sale" if sale else "")

    @dashboard.panel("Prices", span=4)
    def price_list() -> Table:
        return Table(columns=["name", "price"], rows=sorted(prices.items()))

    @dashboard.panel("Orders", span=8)
    async def orders() -> list[dict[str, object]]:
        return [{"order": number, "of": "apple", "amount": number * 3} for number in range(40)]

    @dashboard.panel("Suppliers", every=1)
    def suppliers() -> None:
        raise ConnectionError("no answer from mysql://shop:hunter2@stock")

    @dashboard.page("Stock")
    def stock() -> list[object]:
        slices = (Bar(name="apples", value=3), Bar(name="pears", value=5, tone="second"))
        return [
            len(prices),
            Donut(title="Shelves", slices=slices),
            {"fridge": {"doors": 2, "open": False}},
            price_list(),
        ]

    @dashboard.action("Count the stock", confirm="Count every shelf?", role="viewer")
    async def count() -> str:
        for shelf in range(60):
            fanlight.progress(shelf, 60, "shelves")
            await asyncio.sleep(0.1)
        raise RuntimeError("a shelf fell over")


@contextmanager
def shop(port: int = 0, server: dict[str, Any] | None = None, **settings: Any) -> Iterator[Shop]:
    """Serve it on a thread; keywords are the dashboard's settings, `server` uvicorn's. Ends what still runs."""
    dashboard = Fanlight("shop", **settings)
    cached = {"apple": "red"}
    dashboard.cache("prices", clear=cached.clear).hit(3)
    declare(dashboard, cached)
    app = application(dashboard)
    dashboard.install(app)
    running = Server(app, **(server or {}))
    with listening(port) as listener:
        thread = threading.Thread(target=running.run, args=([listener],), name="shop", daemon=True)
        thread.start()
        assert running.listening.wait(TIMEOUT), "the server did not start"
        served = Shop(listener.getsockname()[1], dashboard, running, thread, cached)
        try:
            yield served
        finally:
            served.stop()


@contextmanager
def listening(port: int = 0) -> Iterator[socket.socket]:
    """A listening socket on a port of its own, or on the one a server has just left."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        yield listener
