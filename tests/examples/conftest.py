"""What the tests of the examples share: the examples on the path, and a real server in a thread."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

PATIENCE = 40.0
"""Seconds after which a test that waits for something is given up; nothing is judged by time."""

Serve = Callable[..., AbstractContextManager[str]]


class Server(uvicorn.Server):
    """A uvicorn that tells when it has started."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(app, loop="asyncio", lifespan="on", log_config=None, timeout_graceful_shutdown=2)
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    """Serve an application over a real socket; yields its base URL."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server = Server(app)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        assert server.ready.wait(20), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def serve() -> Serve:
    return served


def ask(url: str, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Answer:
    """One request over a connection of its own; `headers` with `_` for `-`."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read().decode())
    finally:
        connection.close()


class Answer(NamedTuple):
    """An answer: status, headers and text."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def until(check: Callable[[], Any]) -> Any:
    """What a check gives once that is true; fails when it never is."""
    pause, last = threading.Event(), time.monotonic() + PATIENCE
    while not (found := check()):
        assert time.monotonic() < last, "never came true"
        pause.wait(0.05)
    return found
