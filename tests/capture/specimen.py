"""Applications with an endpoint of every kind, for the comparison of what clients see with and without the capture."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket


@dataclass
class Diary:
    """What the application noticed itself, in order."""

    entries: list[str] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)

    def note(self, entry: str) -> None:
        self.entries.append(entry)


class Trouble(Exception):
    """What an application's own handler turns into a 409."""


def diary_of(connection: Request | WebSocket) -> Diary:
    """The diary of the application that serves this."""
    return cast(Diary, connection.app.state.diary)


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


async def endless(diary: Diary) -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"data: again\n\n"
            await asyncio.sleep(0)
    finally:
        diary.note("the endless stream was ended")
        diary.finished.set()


async def endless_events(request: Request) -> Response:
    return StreamingResponse(endless(diary_of(request)), media_type="text/event-stream")


async def file(request: Request) -> Response:
    return FileResponse(request.app.state.folder / "page.txt")


async def background(request: Request) -> Response:
    diary = diary_of(request)

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
    diary_of(request).note(f"disconnected {await request.is_disconnected()}")
    return PlainTextResponse("asked")


async def echo_socket(websocket: WebSocket) -> None:
    subprotocols = websocket.scope["subprotocols"]
    await websocket.accept(subprotocols[0] if subprotocols else None)
    async for text in websocket.iter_text():
        await websocket.send_text(f"{websocket.path_params['room']}: {text}")
        await websocket.send_bytes(text.encode())
    diary_of(websocket).note("the client closed")


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
    app.state.diary.note("start")
    yield {"from_lifespan": "value"}
    app.state.diary.note("stop")


def routes(folder: Path) -> list[BaseRoute]:
    """One route for every kind of endpoint."""
    return [
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
    ]


def application(diary: Diary, folder: Path, **settings: Any) -> Starlette:
    """A Starlette application with an endpoint of every kind."""
    app = Starlette(routes=routes(folder), exception_handlers={Trouble: on_trouble}, lifespan=lifespan, **settings)
    app.state.shared = "everywhere"
    app.state.diary = diary
    app.state.folder = folder
    return app


async def add_header(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """A middleware of Starlette's heavier kind."""
    request.state.seen = True
    response = cast(Response, await call_next(request))
    response.headers["x-middleware"] = "yes"
    return response


Act = Callable[[Callable[[dict[str, Any]], Awaitable[None]], Diary], Awaitable[object]]

START: dict[str, Any] = {"type": "http.response.start", "status": 200}
BODY: dict[str, Any] = {"type": "http.response.body", "body": b"body"}


def sends(*messages: dict[str, Any], then: object = None) -> Act:
    """Sends these messages, then returns or raises something."""

    async def act(send: Callable[[dict[str, Any]], Awaitable[None]], diary: Diary) -> object:
        for message in messages:
            headers = message.get("headers")
            await send(message | {"headers": headers()} if callable(headers) else message)
        if isinstance(then, BaseException):
            raise then
        return then

    return act


async def looks_back(send: Callable[[dict[str, Any]], Awaitable[None]], diary: Diary) -> None:
    """Sends a message, and looks whether it was changed."""
    message = START | {"headers": [(b"x-a", b"1")]}
    await send(message)
    await send(BODY)
    diary.note(f"afterwards {message}")


ODD: dict[str, Act] = {
    "/iterator": sends(START | {"headers": lambda: iter([(b"x-a", b"1"), (b"content-length", b"4")])}, BODY),
    "/tuple": sends(START | {"headers": ((b"x-a", b"1"), [b"X-B", b"2"])}, BODY),
    "/no-headers": sends(START, BODY),
    "/empty-chunks": sends(
        START | {"headers": []},
        {"type": "http.response.body", "more_body": True},
        BODY | {"more_body": True},
        {"type": "http.response.body"},
    ),
    "/unchanged": looks_back,
    "/silent": sends(),
    "/unfinished": sends(START, BODY | {"more_body": True}),
    "/result": sends(START, BODY, then="a result"),
    "/body-first": sends(BODY),
    "/twice": sends(START, START),
    "/nonsense": sends({"type": "http.response.nonsense"}),
    "/no-type": sends({}),
    "/bad-headers": sends(START | {"headers": [(b"one",)]}),
    "/raise": sends(then=KeyError("raw")),
    "/interrupt": sends(then=asyncio.CancelledError("by itself")),
    "/after-end": sends(START, BODY, BODY),
}
"""What odd and broken applications do, by path."""


def odd_application(diary: Diary) -> Any:
    """Plain ASGI that keeps to the letter of the specification, or not even to that."""

    async def app(scope: Any, receive: Any, send: Any) -> object:
        if scope["type"] == "lifespan":
            raise NotImplementedError("no lifespan here")
        return await ODD[scope["path"]](send, diary)

    return app
