"""The simulated provider as an ASGI application of its own, for `fanlight simulate`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any, Final

import msgspec

from fanlight import Fanlight, error_type
from fanlight.gateway.asgi import Message, Receive, Scope, Send
from fanlight.gateway.simulate.provider import JSON, MODEL, MODELS, ROUTES, Answer, Asked, ConnectionLost, Simulator

BODY_LIMIT: Final = 32 << 20
PLAY_VARIABLE: Final = "FANLIGHT_SIMULATE"
"""What is played, for the process that serves: a Play in JSON."""

PATIENCE_SECONDS: Final = 30.0
"""How long an answer may take before its request is slow: a model's takes seconds."""

SERVICE: Final = "simulator"
"""The service whose calls the answers are recorded as."""


class Play(msgspec.Struct, frozen=True):
    """What `fanlight simulate` was told to play; as the arguments of a Simulator."""

    seed: int = 7
    speed: float = 1.0
    failures: float = 0.0
    models: tuple[str, ...] = MODELS


class Named(msgspec.Struct, frozen=True):
    """What a request says of the model it wants; Ollama has two words for it."""

    model: str = ""
    name: str = ""


_NAMED: Final = msgspec.json.Decoder(Named)


def create() -> Any:
    """The simulated provider of the `fanlight simulate` command, with its dashboard."""
    play = msgspec.json.decode(os.environ[PLAY_VARIABLE], type=Play)
    simulator = Simulator(seed=play.seed, speed=play.speed, failures=play.failures, models=play.models)
    dashboard = Fanlight("simulate", slow_routes=dict.fromkeys(ROUTES, PATIENCE_SECONDS))
    return dashboard.asgi(SimulatedProvider(simulator, dashboard))


class SimulatedProvider:
    """Serves a simulator; a simulated loss of the connection is a real one. What a model answers is a call."""

    def __init__(self, simulator: Simulator, dashboard: Fanlight) -> None:
        self._simulator = simulator
        self._dashboard = dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["path"], headers, body)
        generates = asked.method == "POST" and asked.path in ROUTES
        if generates or asked.path.startswith(MODEL):
            scope["path_template"] = asked.path if generates else f"{MODEL}{{model}}"
        work = asyncio.ensure_future(self._generate(asked, send) if generates else self._list(asked, send))
        gone = asyncio.ensure_future(_gone(receive))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, gone):
            task.cancel()
        with contextlib.suppress(ConnectionLost, asyncio.CancelledError):
            await work  # a response left unfinished makes the server close the connection

    async def _list(self, asked: Asked, send: Send) -> None:
        answer = await self._simulator.answer(asked)
        await send(_start(answer))
        await _play(answer, send)

    async def _generate(self, asked: Asked, send: Send) -> None:
        operation = ROUTES[asked.path].operation
        with self._dashboard.call(SERVICE, operation, kind="llm", model=_model(asked.body)) as call:
            answer = await self._simulator.answer(asked)
            await send(_start(answer))
            await _play(answer, send)
            call.set(stream=answer.headers["content-type"] != JSON, **answer.counts)
            if answer.failure:
                call.fail(answer.failure, _kind(answer.status))


async def _play(answer: Answer, send: Send) -> None:
    async for chunk in answer.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _kind(status: int) -> str:
    """The error type of a failed answer; under a 200 it is the provider's own."""
    return "rate_limit" if status == 429 else error_type(status) if status >= 400 else "upstream"


def _model(body: bytes) -> str:
    """The model a request asks for; "" where it cannot be read."""
    try:
        named = _NAMED.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return named.model or named.name


def _start(answer: Answer) -> Message:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _body(receive: Receive) -> bytes | None:
    """The request's body, cut at 32 MiB; None when the client left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if len(body) < BODY_LIMIT:
            body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return
