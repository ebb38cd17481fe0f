"""The web face behind a real server on a port of its own, and a plain client for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.faces.service import ScriptedService

from fanlight.core.pacer import Pacer
from fanlight.faces.context import FaceContext
from fanlight.faces.web.app import WebFace

TIMEOUT = 10.0


class ManualTicks:
    """A pulse that ticks when told to."""

    def __init__(self) -> None:
        self.pacer = Pacer(sleep=lambda seconds: None)
        self.watchers = self.hurries = 0
        self.callbacks: list[Callable[[int], None]] = []

    def watch(self) -> Callable[[], None]:
        self.watchers += 1

        def leave() -> None:
            self.watchers -= 1

        return leave

    def hurry(self) -> None:
        """Nothing comes but by `fire`."""
        self.hurries += 1

    def listen(self, callback: Callable[[int], None], /) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def fire(self) -> None:
        """Tell everybody who listens, on this thread."""
        for callback in tuple(self.callbacks):
            callback(0)


def context_of(service: ScriptedService, ticks: ManualTicks | None = None, **changes: Any) -> FaceContext:
    """What the web face of a scripted service is given."""
    return replace(service.context, pulse=ticks or ManualTicks(), **changes)


class _Announcing(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@dataclass
class Served:
    """A running server."""

    port: int
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        """Ask the server to stop, as a signal would."""
        self.server.should_exit = True

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            texts = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, texts, answer.read())
        finally:
            connection.close()

    def stream(self, query: str = "") -> Stream:
        """Open a live stream."""
        return Stream(self.port, f"/dashboard/live{query}")


@dataclass
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stream:
    """A live stream being read, event by event."""

    def __init__(self, port: int, path: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self._connection.request("GET", path)
        self.answer = self._connection.getresponse()

    def events(self) -> Iterator[tuple[str, str]]:
        """(name, data) of each event, to the end of the stream; the name is "" for a message."""
        name, lines = "", list[str]()
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                lines.append(line[6:])
            elif not line:
                yield name, "\n".join(lines)
                name, lines = "", []

    def until(self, wanted: str) -> str:
        """The data of the next event of a name."""
        return next(data for name, data in self.events() if name == wanted)

    def close(self) -> None:
        self._connection.close()
        self.answer.close()


@contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[Served]:
    """A real server for an application, on a free port, on a thread."""
    config = uvicorn.Config(app, log_level="critical", lifespan="off", access_log=False, **options)
    server = _Announcing(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        assert server.listening.wait(TIMEOUT)
        try:
            yield Served(listener.getsockname()[1], server, thread)
        finally:
            server.should_exit = True
            thread.join(TIMEOUT)
            assert not thread.is_alive()


def under(face: WebFace, prefix: str) -> ASGIApp:
    """An application that has the face under its prefix and nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert prefix in scope["path"]
        await face(scope, receive, send)

    return app


@contextmanager
def dashboard(service: ScriptedService, ticks: ManualTicks | None = None, **changes: Any) -> Iterator[Served]:
    """A scripted service's web face, served."""
    context = context_of(service, ticks, **changes)
    with serving(under(WebFace(context), context.settings.prefix)) as served:
        yield served
