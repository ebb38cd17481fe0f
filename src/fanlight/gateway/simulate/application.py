"""The simulated provider as an ASGI application of its own, for `fanlight simulate`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from fanlight.gateway.asgi import Message, Receive, Scope, Send
from fanlight.gateway.simulate.provider import Answer, Asked, ConnectionLost, Simulator

BODY_LIMIT: Final = 32 << 20


class SimulatedProvider:
    """Serves a simulator; a simulated loss of the connection is a real one."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

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
        work = asyncio.ensure_future(self._answer(Asked(scope["method"], scope["path"], headers, body), send))
        gone = asyncio.ensure_future(_gone(receive))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (work, gone):
            task.cancel()
        with contextlib.suppress(ConnectionLost, asyncio.CancelledError):
            await work  # a response left unfinished makes the server close the connection

    async def _answer(self, asked: Asked, send: Send) -> None:
        answer = await self._simulator.answer(asked)
        await send(_start(answer))
        async for chunk in answer.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


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
