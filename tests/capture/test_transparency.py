"""An application is served bare and captured, and what its clients see is compared byte for byte.

It needs Starlette and uvicorn alone, so it also runs on the lowest and the highest Starlette that is supported.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from fanlight.capture.install import install
from tests.capture.conftest import PATIENCE, ListRecorder, capture, get, server_log, serving, talk

Client = Callable[[int], object]


@dataclass
class Diary:
    """What the application noticed itself, in order."""

    entries: list[str] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)

    def note(self, entry: str) -> None:
        self.entries.append(entry)


class Trouble(Exception):
    """What an application's own handler turns into a 409."""


def application(diary: Diary, folder: Path, **settings: Any) -> Starlette:
    """An application with an endpoint of every kind."""

    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    def threaded(request: Request) -> Response:
        return PlainTextResponse("from a thread")

    async def as_json(request: Request) -> Response:
        return JSONResponse({"path": request.url.path, "params": request.path_params})

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"chunk %d\n" % number
            await asyncio.sleep(0)

    async def stream(request: Request) -> Response:
        return StreamingResponse(chunks(), media_type="text/plain")

    async def events(request: Request) -> Response:
        return StreamingResponse(chunks(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: again\n\n"
                await asyncio.sleep(0)
        finally:
            diary.note("the endless stream was ended")
            diary.finished.set()

    async def endless_events(request: Request) -> Response:
        return StreamingResponse(endless(), media_type="text/event-stream")

    async def file(request: Request) -> Response:
        return FileResponse(folder / "page.txt")

    async def background(request: Request) -> Response:
        async def task() -> None:
            diary.note("the background task ran")
            diary.finished.set()

        return PlainTextResponse("accepted", status_code=202, background=BackgroundTask(task))

    async def failing_background(request: Request) -> Response:
        async def task() -> None:
            raise RuntimeError("the background task failed")

        return PlainTextResponse("accepted", background=BackgroundTask(task))

    async def boom(request: Request) -> Response:
        raise RuntimeError("boom")

    async def boom_late(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"so far so good\n"
            raise RuntimeError("boom in the middle")

        return StreamingResponse(body())

    async def trouble(request: Request) -> Response:
        raise Trouble("handled")

    async def teapot(request: Request) -> Response:
        raise HTTPException(418, "short and stout", headers={"x-kind": "teapot"})

    async def echo(request: Request) -> Response:
        parts = [part async for part in request.stream()]
        return Response(b"".join(parts), headers={"x-parts": str(bool(parts))})

    async def cookies(request: Request) -> Response:
        response = PlainTextResponse(str(sorted(request.cookies.items())))
        response.set_cookie("one", "1")
        response.set_cookie("two", "2", httponly=True)
        response.headers.append("x-many", "a")
        response.headers.append("x-many", "b")
        return response

    async def state(request: Request) -> Response:
        request.state.mine = "set"
        return JSONResponse([request.state.from_lifespan, request.state.mine, request.app.state.shared])

    async def head_only(request: Request) -> Response:
        return Response(headers={"x-method": request.method})

    async def nothing(request: Request) -> Response:
        return Response(status_code=204)

    async def scope_keys(request: Request) -> Response:
        return JSONResponse(sorted(request.scope))

    async def disconnected(request: Request) -> Response:
        diary.note(f"disconnected {await request.is_disconnected()}")
        return PlainTextResponse("asked")

    async def echo_socket(websocket: WebSocket) -> None:
        subprotocols = websocket.scope["subprotocols"]
        await websocket.accept(subprotocols[0] if subprotocols else None)
        async for text in websocket.iter_text():
            await websocket.send_text(f"{websocket.path_params['room']}: {text}")
            await websocket.send_bytes(text.encode())
        diary.note("the client closed")
        diary.finished.set()

    async def closing_socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(int(websocket.path_params["code"]), "as you wish")

    async def refusing_socket(websocket: WebSocket) -> None:
        await websocket.close(1008)

    async def denying_socket(websocket: WebSocket) -> None:
        await websocket.send_denial_response(JSONResponse({"why": "no"}, status_code=401, headers={"x-why": "no"}))

    async def failing_socket(websocket: WebSocket) -> None:
        raise RuntimeError("before accept")

    async def breaking_socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        raise RuntimeError("after accept")

    async def leaving_socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("goodbye")

    async def on_trouble(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"trouble: {error}", status_code=409)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        diary.note("start")
        yield {"from_lifespan": "value"}
        diary.note("stop")

    app = Starlette(
        routes=[
            Route("/plain", plain),
            Route("/threaded", threaded),
            Route("/items/{item}", as_json),
            Route("/stream", stream),
            Route("/events", events),
            Route("/endless", endless_events),
            Route("/file", file),
            Route("/background", background),
            Route("/failing-background", failing_background),
            Route("/boom", boom),
            Route("/boom-late", boom_late),
            Route("/trouble", trouble),
            Route("/teapot", teapot),
            Route("/echo", echo, methods=["POST", "PUT"]),
            Route("/cookies", cookies),
            Route("/state", state),
            Route("/head", head_only),
            Route("/nothing", nothing),
            Route("/scope", scope_keys),
            Route("/disconnected", disconnected),
            Route("/slashed/", plain),
            Mount("/mounted/{tenant}", routes=[Route("/inner/{item}", as_json), Route("/boom", boom)]),
            Mount("/static", app=StaticFiles(directory=folder)),
            WebSocketRoute("/ws/echo/{room}", echo_socket),
            WebSocketRoute("/ws/close/{code}", closing_socket),
            WebSocketRoute("/ws/refuse", refusing_socket),
            WebSocketRoute("/ws/deny", denying_socket),
            WebSocketRoute("/ws/fail", failing_socket),
            WebSocketRoute("/ws/break", breaking_socket),
            WebSocketRoute("/ws/leave", leaving_socket),
        ],
        exception_handlers={Trouble: on_trouble},
        lifespan=lifespan,
        **settings,
    )
    app.state.shared = "everywhere"
    return app


async def add_header(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """A middleware of Starlette's heavier kind."""
    request.state.seen = True
    response = cast(Response, await call_next(request))
    response.headers["x-middleware"] = "yes"
    return response


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
    "chunked body": get("/echo", "transfer-encoding: chunked", method="PUT", body=b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"),
    "expect 100": get("/echo", "content-length: 2", "expect: 100-continue", method="POST", body=b"ok"),
    "no content": get("/nothing"),
    "cookies and repeated headers": get("/cookies", "cookie: a=1; b=2"),
    "state": get("/state"),
    "scope": get("/scope"),
    "is_disconnected": get("/disconnected"),
    "mounted": get("/mounted/acme/inner/7"),
    "error in a mounted application": get("/mounted/acme/boom"),
    "no route in a mounted application": get("/mounted/acme/none"),
    "pipelined": get("/plain", close=False) + get("/items/1", close=False) + get("/stream", close=False) + get("/plain"),
    "pipelined after an error": get("/boom", close=False) + get("/plain"),
    "not HTTP": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_every_kind_of_request(http: str, folder: Path, recorder: ListRecorder) -> None:
    """TTY-6: status, headers but ours, body, logged errors and the application's own view are the same, byte for byte."""
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
    names = ("plain", "stream", "unhandled error", "error in the middle of a response", "handled error", "404", "upload")
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
    """TTY-5, TTY-6: the application learns of a lost client as it did; the request is recorded as left, not in flight."""

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
                while not re.search(rb"(plain|stout|Not Found|0\r\n\r\n)$", answer):
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


def odd_application(diary: Diary) -> Any:
    """Plain ASGI that keeps to the letter of the specification and to nothing else."""

    async def app(scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] == "lifespan":
            raise NotImplementedError("no lifespan here")
        start: dict[str, Any] = {"type": "http.response.start", "status": 200}
        body: dict[str, Any] = {"type": "http.response.body", "body": b"body"}
        match scope["path"]:
            case "/iterator":
                await send(start | {"headers": iter([(b"x-a", b"1"), (b"content-length", b"4")])})
                await send(body)
            case "/tuple":
                await send(start | {"headers": ((b"x-a", b"1"), [b"X-B", b"2"])})
                await send(body)
            case "/no-headers":
                await send(start)
                await send(body)
            case "/empty-chunks":
                await send(start | {"headers": []})
                await send({"type": "http.response.body", "more_body": True})
                await send(body | {"more_body": True})
                await send({"type": "http.response.body"})
            case "/shared":
                await send(SHARED_START)
                await send(body)
                diary.note(f"unchanged {SHARED_START == SHARED_COPY}")
            case "/silent":
                return
            case "/unfinished":
                await send(start)
                await send(body | {"more_body": True})
            case "/result":
                await send(start)
                await send(body)
                return "a result"
            case "/body-first":
                await send(body)
            case "/twice":
                await send(start)
                await send(start)
            case "/nonsense":
                await send({"type": "http.response.nonsense"})
            case "/no-type":
                await send({})
            case "/bad-headers":
                await send(start | {"headers": [(b"one",)]})
            case "/raise":
                raise KeyError("raw")
            case "/interrupt":
                raise asyncio.CancelledError("by itself")
            case "/after-end":
                await send(start)
                await send(body)
                await send(body)

    return app


SHARED_START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]}
SHARED_COPY: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]}

ODD_PATHS = (
    "/iterator /tuple /no-headers /empty-chunks /shared /silent /unfinished /result /body-first /twice /nonsense "
    "/no-type /bad-headers /raise /interrupt /after-end"
).split()


@pytest.mark.parametrize("http", ["httptools", "h11"])
def test_odd_and_broken_applications(http: str, recorder: ListRecorder) -> None:
    """TTY-5, TTY-6: what an application does wrong fails as it failed before; recorded once, and not in flight for ever."""
    clients = [raw(get(path)) for path in ODD_PATHS]
    with bare_and_captured(odd_application, recorder, http=http) as (bare, captured):
        with_us, without_us = captured(*clients), bare(*clients)
    for path, seen, expected in zip(ODD_PATHS, with_us.answers, without_us.answers, strict=True):
        assert seen == expected, path
    assert with_us == without_us
    assert [fact["path"] for fact in recorder.requests()] == ODD_PATHS
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
