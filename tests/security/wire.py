"""The dashboard behind a real server of either parser, and bytes sent to it as they are."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from tests.faces.service import ScriptedService
from tests.faces.serving import context_of

from fanlight.faces.api import routes
from fanlight.faces.web.app import WebFace

Parser = Literal["h11", "httptools"]
PARSERS: tuple[Parser, ...] = ("h11", "httptools")
TIMEOUT = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 when the connection was closed without an answer."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Wire:
    """A port that takes any bytes."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, data: bytes) -> Answer:
        """Send these bytes on a connection of their own and read until it is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT) as connection:
            try:
                connection.sendall(data)
                return _answer(b"".join(iter(lambda: connection.recv(65_536), b"")))
            except ConnectionError:  # it did not want to read all of it
                return Answer()

    def ask(self, head: str, *headers: str, body: bytes = b"") -> Answer:
        """A request line without its version, and header lines; the connection is closed afterwards."""
        lines = [f"{head} HTTP/1.1", *headers, "Connection: close", f"Content-Length: {len(body)}", "", ""]
        return self.send("\r\n".join(lines).encode("latin-1") + body)


@contextmanager
def served(app: ASGIApp, parser: Parser = "h11", **options: Any) -> Iterator[Wire]:
    """An application on a free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        quiet: dict[str, Any] = {"log_config": None, "lifespan": "off", **options}
        server = _Server(uvicorn.Config(app, http=parser, **quiet))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
        thread.start()
        assert server.listening.wait(TIMEOUT)
        try:
            yield Wire(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(TIMEOUT)


def dashboard(**settings: Any) -> tuple[WebFace, ScriptedService]:
    """A dashboard with pages and documents, and the service behind it."""
    service = ScriptedService(**settings)
    context = context_of(service)
    return WebFace(context, routes(context)), service


@contextmanager
def collected(name: str) -> Iterator[list[str]]:
    """What a logger says meanwhile."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(name)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _answer(data: bytes) -> Answer:
    if not data:
        return Answer()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return Answer(int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}, body.decode("utf-8"))
