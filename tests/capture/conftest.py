"""What the capture tests share: a recorder with a list, a driver without sockets, a server with them."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import pytest
import uvicorn

from fanlight.capture.asgi import Application, Capture, CaptureOptions
from fanlight.clock import Clock, ManualClock
from fanlight.core.facts import EVENT, REQUEST, SOCKET, Fact
from fanlight.core.recorder import Recorder, Sample

PATIENCE = 20.0  # seconds before a test that waits for something that never comes fails

REQUEST_FIELDS = (
    "kind seq at_ns duration_ns first_byte_ns method route root_path status flags path correlation_id error"
)
SOCKET_FIELDS = "kind seq at_ns event route root_path path group user close_code duration_ns connections correlation_id"


class ListRecorder:
    """Keeps facts in a list, and lets another thread wait for them."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.facts: list[Fact] = []
        self.counts: dict[str, int] = {}
        self.failures: list[tuple[str, BaseException]] = []
        self.samplers: list[Callable[[], Any]] = []
        self.describe_route: Callable[[Any, str, str], str] = lambda route, root_path, path: "?"
        self._arrived = threading.Condition()

    def next_seq(self) -> int:
        return len(self.facts) + 1

    def append(self, fact: Fact) -> None:
        with self._arrived:
            self.facts.append(fact)
            self._arrived.notify_all()

    def resolve_routes(self, describe: Callable[[Any, str, str], str], by_path: Callable[[Any], bool]) -> None:
        self.describe_route = describe

    def count(self, name: str, amount: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def event(self, type: str, fields: Mapping[str, Any], correlation_id: str = "") -> None:
        self.append((EVENT, self.next_seq(), 0, type, dict(fields), correlation_id))

    def failed(self, where: str, error: BaseException) -> None:
        self.failures.append((where, error))

    def requests(self, number: int | None = None) -> list[dict[str, Any]]:
        """The REQUEST facts by field name, after waiting until there are `number`."""
        return self._of(REQUEST, REQUEST_FIELDS, number)

    def sockets(self, number: int | None = None) -> list[dict[str, Any]]:
        """The SOCKET facts by field name, after waiting until there are `number`."""
        return self._of(SOCKET, SOCKET_FIELDS, number)

    def _of(self, kind: int, fields: str, number: int | None) -> list[dict[str, Any]]:
        def found() -> list[dict[str, Any]]:
            names = fields.split()
            facts = [dict(zip(names, fact, strict=True)) for fact in self.facts if fact[0] == kind]
            for fact in facts:
                fact["template"] = self.describe_route(fact["route"], fact["root_path"], fact["path"])
            return facts

        with self._arrived:
            if number is not None and not self._arrived.wait_for(lambda: len(found()) >= number, PATIENCE):
                raise AssertionError(f"waited for {number} facts, got {found()}")
            return found()

    def samples(self) -> dict[tuple[str, str], float | None]:
        """What the samplers say now."""
        taken: list[Sample] = [sample for sampler in self.samplers for sample in sampler()]
        return {(sample.name, sample.label): sample.value for sample in taken}


@pytest.fixture
def recorder() -> ListRecorder:
    return ListRecorder()


def capture(app: Application, recorder: ListRecorder, face: Application | None = None, **options: Any) -> Capture:
    """A Capture over a ListRecorder."""
    return Capture(app, cast(Recorder, recorder), CaptureOptions(**options), face)


def http_scope(path: str = "/", method: str = "GET", **changes: Any) -> dict[str, Any]:
    """A scope as a server makes it."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    return scope | changes


async def drive(
    app: Application, scope: dict[str, Any], received: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Run an application over a scope; returns what it sent. `received` are the messages it gets."""
    waiting = list(received if received is not None else [{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def header(message: Mapping[str, Any], name: bytes) -> bytes | None:
    """The first value of a response's header."""
    return next((value for key, value in message["headers"] if key == name), None)


async def hello(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    """The smallest ASGI application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}
CHUNK = BODY | {"more_body": True}
GONE = {"type": "http.disconnect"}


def sending(*messages: dict[str, Any], then: BaseException | None = None) -> Application:
    """An application that sends these messages, then perhaps raises."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        if then is not None:
            raise then

    return app


def run(
    app: Application, recorder: ListRecorder, scope: dict[str, Any] | None = None, **options: Any
) -> list[dict[str, Any]]:
    """What an application sends through a Capture."""
    return asyncio.run(drive(capture(app, recorder, **options), scope or http_scope()))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


@contextmanager
def serving(app: Application, **settings: Any) -> Iterator[int]:
    """A uvicorn over a real socket, in a thread; gives its port and stops it in the end."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, **settings)
    server = _Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        if not server.ready.wait(PATIENCE):
            raise AssertionError("the server did not start")
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def talk(port: int, data: bytes) -> bytes:
    """Send bytes over a new connection; everything that comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def get(path: str, *headers: str, method: str = "GET", body: bytes = b"", close: bool = True) -> bytes:
    """A raw HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "host: testserver", *headers]
    if close:
        lines.append("connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class LogLines(logging.Handler):
    """What the server logged, without what differs from run to run."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            error = record.exc_info[1] if record.exc_info else None
            self.lines.append(f"{record.levelname} {record.msg.strip()} {error!r}")


@contextmanager
def server_log() -> Iterator[list[str]]:
    """The error lines uvicorn writes meanwhile."""
    handler = LogLines()
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
