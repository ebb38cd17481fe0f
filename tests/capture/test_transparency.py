"""An application is served bare and captured, and what its clients see is compared byte for byte.

It needs Starlette and uvicorn alone, so it also runs on the lowest and the highest Starlette that is supported.
"""

from __future__ import annotations

import gc
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from tests.capture.conftest import PATIENCE, ListRecorder, capture, get, server_log, serving, talk
from tests.capture.specimen import ODD, Diary, add_header, application, odd_application
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from fanlight.capture.install import install

Client = Callable[[int], object]

# Starlette 0.40's BaseHTTPMiddleware leaves a stream of anyio's open at an error, with us or without.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> None:
    """What the last test left is found here, under the filter above, and not in some other module's test."""
    gc.collect()


@dataclass
class Witness:
    """All that clients, the log and the application itself saw."""

    answers: list[object]
    log: list[str]
    diary: list[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.txt").write_text("a page\n" * 2000)
    return tmp_path


@contextmanager
def bare_and_captured(
    make: Callable[[Diary], Any], recorder: ListRecorder, **server: Any
) -> Iterator[tuple[Callable[..., Witness], Callable[..., Witness]]]:
    """Two ways to run clients: against the application as it is, and against it with Capture around it."""

    def run(captured: bool, *clients: Client, finishes: bool = False) -> Witness:
        diary = Diary()
        app = make(diary)
        if captured and isinstance(app, Starlette):
            install(app, lambda inner: capture(inner, recorder))
        elif captured:
            app = capture(app, recorder)
        with server_log() as log, serving(app, **server) as port:
            answers = [client(port) for client in clients]
            if finishes and not diary.finished.wait(PATIENCE):
                raise AssertionError(f"the application did not finish: {diary.entries}")
        return Witness(answers, log, diary.entries)

    yield (lambda *clients, **more: run(False, *clients, **more), lambda *clients, **more: run(True, *clients, **more))


def raw(data: bytes) -> Client:
    """A client that sends these bytes and tells all that came back."""
    return lambda port: comparable(talk(port, data))


def comparable(answer: bytes) -> bytes:
    """The answer without the header Fanlight adds and without the date."""
    answer = re.sub(rb"(?mi)^(date|x-correlation-id): .*\r\n", b"", answer)
    return re.sub(rb"0x[0-9a-f]{6,}", b"0x0", answer)  # addresses in a debug page


REQUESTS = {
    "plain": get("/plain"),
    "threaded": get("/threaded"),
    "json": get("/items/42?q=1"),
    "stream": get("/stream"),
    "stream over HTTP/1.0": b"GET /stream HTTP/1.0\r\nhost: testserver\r\n\r\n",
    "server-sent events": get("/events"),
    "file": get("/file"),
    "part of a file": get("/file", "range: bytes=5-20"),
    "static file": get("/static/page.txt"),
    "missing static file": get("/static/none.txt"),
    "unhandled error": get("/boom"),
    "error in the middle of a response": get("/boom-late"),
    "error in a background task": get("/failing-background"),
    "handled error": get("/trouble"),
    "HTTP exception": get("/teapot"),
    "HEAD": get("/plain", method="HEAD"),
    "HEAD of a stream": get("/stream", method="HEAD"),
    "HEAD by itself": get("/head", method="HEAD"),
    "404": get("/nowhere"),
    "405": get("/plain", method="DELETE"),
    "unknown method": get("/plain", method="PROPFIND"),
    "redirected slash": get("/slashed?x=1"),
    "upload": get("/echo", "content-length: 70000", method="POST", body=b"u" * 70000),
    "chunked body": get(
        "/echo", "transfer-encoding: chunked", method="PUT", body=b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    ),
    "expect 100": get("/echo", "content-length: 2", "expect: 100-continue", method="POST", body=b"ok"),
    "no content": get("/nothing"),
    "cookies and repeated headers": get("/cookies", "cookie: a=1; b=2"),
    "state": get("/state"),
    "scope": get("/scope"),
    "is_disconnected": get("/disconnected"),
    "mounted": get("/mounted/acme/inner/7"),
    "error in a mounted application": get("/mounted/acme/boom"),
    "no route in a mounted application": get("/mounted/acme/none"),
    "pipelined": get("/plain", close=False)
    + get("/items/1", close=False)
    + get("/stream", close=False)
    + get("/plain"),
    "pipelined after an error": get("/boom", close=False) + get("/plain"),
    "not HTTP": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_every_kind_of_request(http: str, folder: Path, recorder: ListRecorder) -> None:
    """TTY-6: status, headers but ours, body, logged errors and what the application noticed are the same."""
    clients = [raw(data) for data in REQUESTS.values()]
    with bare_and_captured(lambda diary: application(diary, folder), recorder, http=http) as (bare, captured):
        with_us, without_us = captured(*clients), bare(*clients)
    for name, seen, expected in zip(REQUESTS, with_us.answers, without_us.answers, strict=True):
        assert seen == expected, name
    assert with_us == without_us
    assert recorder.failures == []
    assert len(recorder.requests()) == sum(data.count(b"host: testserver") for data in REQUESTS.values())


@pytest.mark.parametrize(
    "settings",
    [{"debug": True}, {"middleware": [Middleware(BaseHTTPMiddleware, dispatch=add_header)]}],
    ids=["debug", "middleware"],
)
def test_debug_pages_and_heavy_middleware(settings: dict[str, Any], folder: Path, recorder: ListRecorder) -> None:
    """TTY-6: tracebacks of the debug page and what Starlette's own middleware does are not changed either."""
    names = (
        "plain",
        "stream",
        "unhandled error",
        "error in the middle of a response",
        "handled error",
        "404",
        "upload",
    )
    clients = [raw(REQUESTS[name]) for name in names]
    with bare_and_captured(lambda diary: application(diary, folder, **settings), recorder) as (bare, captured):
        assert captured(*clients) == bare(*clients)
    assert len(recorder.requests()) == len(names)


def test_background_task_runs_after_the_response(folder: Path, recorder: ListRecorder) -> None:
    """TTY-6: a background task runs, and lifespan start and stop stay around it."""
    client = raw(get("/background"))
    with bare_and_captured(lambda diary: application(diary, folder), recorder) as (bare, captured):
        witness = captured(client, finishes=True)
        assert witness == bare(client, finishes=True)
    assert witness.diary == ["start", "the background task ran", "stop"]


def test_client_that_leaves_a_stream(folder: Path, recorder: ListRecorder) -> None:
    """TTY-5, TTY-6: the application learns of a lost client as before; the request is recorded so, not in flight."""

    def leave(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(get("/endless"))
            while b"data: again" not in connection.recv(65536):
                continue

    with bare_and_captured(lambda diary: application(diary, folder), recorder) as (bare, captured):
        witness = captured(leave, finishes=True)
        assert witness == bare(leave, finishes=True)
    [fact] = recorder.requests(1)
    assert (fact["status"], fact["flags"]) == (200, 3)
    assert recorder.samples()["http.server.active_requests", ""] == 0


def test_keep_alive_connection(folder: Path, recorder: ListRecorder) -> None:
    """TTY-6: a connection is kept and used again, in step, after every kind of response."""

    def client(port: int) -> list[bytes]:
        answers = []
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            for path in ("/plain", "/stream", "/teapot", "/nowhere", "/plain"):
                connection.sendall(get(path, close=False))
                answer = b""
                while not re.search(rb"(plain|stout|Not Found|\r\n0\r\n\r\n)$", answer):
                    answer += connection.recv(65536)
                answers.append(comparable(answer))
        return answers

    with bare_and_captured(lambda diary: application(diary, folder), recorder) as (bare, captured):
        assert captured(client) == bare(client)


def converse(path: str, *messages: str, close: int = 1000, subprotocols: tuple[str, ...] = ()) -> Client:
    """A WebSocket client that says these messages and tells all it saw."""

    def client(port: int) -> list[object]:
        seen: list[object] = []
        offered = [Subprotocol(name) for name in subprotocols]
        try:
            with connect(f"ws://127.0.0.1:{port}{path}", subprotocols=offered or None, open_timeout=PATIENCE) as ws:
                assert ws.response is not None
                seen.append((ws.response.status_code, ws.subprotocol, visible(ws.response.headers.raw_items())))
                for message in messages:
                    ws.send(message)
                    seen.extend((ws.recv(PATIENCE), ws.recv(PATIENCE)))
                if not messages:
                    seen.append(ws.recv(PATIENCE))
                ws.close(close)
        except InvalidStatus as error:
            answer = error.response
            seen.append((answer.status_code, answer.body, visible(answer.headers.raw_items())))
        except ConnectionClosed as error:
            seen.append(str(error))
        return seen

    return client


def visible(headers: Any) -> list[tuple[str, str]]:
    """Response headers but ours, the date and the answer to a random key."""
    hidden = {"x-correlation-id", "date", "sec-websocket-accept"}
    return [(name.lower(), value) for name, value in headers if name.lower() not in hidden]


SOCKETS = {
    "echo": (converse("/ws/echo/blue", "one", "two"), "disconnected", 1000),
    "client closes with a code": (converse("/ws/echo/blue", "one", close=4001), "disconnected", 4001),
    "subprotocol": (converse("/ws/echo/blue", "one", subprotocols=("chat", "other")), "disconnected", 1000),
    "server closes": (converse("/ws/close/1000"), "disconnected", 1000),
    "server closes with a policy code": (converse("/ws/close/1008"), "disconnected", 1008),
    "server closes with its own code": (converse("/ws/close/4403"), "disconnected", 4403),
    "refused": (converse("/ws/refuse"), "refused", 403),
    "denied": (converse("/ws/deny"), "refused", 401),
    "fails before accept": (converse("/ws/fail"), "refused", 500),
    "fails after accept": (converse("/ws/break", "one"), "disconnected", 1011),
    "returns after accept": (converse("/ws/leave"), "disconnected", 1000),
    "no route": (converse("/ws/nowhere"), "refused", 403),
}


def test_every_kind_of_websocket(folder: Path, recorder: ListRecorder) -> None:
    """TTY-6, API-4: handshake, messages, close code and denial are the same; and the way each ended is recorded."""
    clients = [client for client, _, _ in SOCKETS.values()]
    with bare_and_captured(lambda diary: application(diary, folder), recorder) as (bare, captured):
        with_us, without_us = captured(*clients), bare(*clients)
    for name, seen, expected in zip(SOCKETS, with_us.answers, without_us.answers, strict=True):
        assert seen == expected, name
    assert with_us == without_us
    ends = [(fact["event"], fact["close_code"]) for fact in recorder.sockets() if fact["event"] != "connected"]
    assert ends == [(event, code) for _, event, code in SOCKETS.values()]
    assert recorder.failures == []


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_odd_and_broken_applications(http: str, recorder: ListRecorder) -> None:
    """TTY-5, TTY-6: what an application does wrong fails as before; recorded once, not in flight for ever."""
    clients = [raw(get(path)) for path in ODD]
    with bare_and_captured(odd_application, recorder, http=http) as (bare, captured):
        with_us, without_us = captured(*clients), bare(*clients)
    for path, seen, expected in zip(ODD, with_us.answers, without_us.answers, strict=True):
        assert seen == expected, path
    assert with_us == without_us
    assert [fact["path"] for fact in recorder.requests()] == list(ODD)
    assert recorder.samples()["http.server.active_requests", ""] == 0


def test_the_comparison_sees_the_capture(folder: Path, recorder: ListRecorder) -> None:
    """API-3: the one header the comparison leaves out is there, on an unhandled error's 500 too."""
    app = application(Diary(), folder)
    install(app, lambda inner: capture(inner, recorder))
    with server_log(), serving(app) as port:
        for path, status in (("/plain", b"200"), ("/boom", b"500"), ("/teapot", b"418")):
            answer = talk(port, get(path, "x-request-id: from-the-client"))
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"\r\nx-correlation-id: from-the-client\r\n" in answer
