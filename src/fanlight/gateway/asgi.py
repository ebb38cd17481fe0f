"""The little of ASGI that the gateway's parts share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from fanlight.errors import FanlightError
from fanlight.gateway.llm.patience import Patience
from fanlight.gateway.llm.rounds import Rounds

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pair = tuple[bytes, bytes]

JSON: Pair = (b"content-type", b"application/json")

BODY_SECONDS: Final = 30.0
"""How long nothing of a request's body may come: each that waits is one of `max_in_flight`."""


async def answer(send: Send, status: int, body: bytes, headers: Iterable[Pair] = ()) -> None:
    """Send a whole JSON answer."""
    sized = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, sized, *headers]})
    await send({"type": "http.response.body", "body": body})


async def body_of(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """A request's body, None when its client left.

    Raises BodyRefused as soon as it is longer than `limit` bytes, or when nothing of it came for BODY_SECONDS.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise too_long(limit)
    task = asyncio.current_task()
    assert task is not None
    try:
        with Patience(Rounds.of(task.get_loop()), task, BODY_SECONDS) as patience:
            return await _read(receive, limit, patience)
    except TimeoutError:
        said = f"nothing of the request's body came for {BODY_SECONDS:g} s"
        raise BodyRefused(408, "request_timeout", said) from None


async def _read(receive: Receive, limit: int, patience: Patience) -> bytes | None:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):  # as most come
        whole: bytes = message.get("body", b"")
        if len(whole) > limit:
            raise too_long(limit)
        return whole
    body = bytearray()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_long(limit)
        if not message.get("more_body"):
            return bytes(body)
        patience.extend(BODY_SECONDS)
        message = await receive()
    return None


class BodyRefused(FanlightError):
    """A body that is longer than it may be, or that does not come."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def too_long(limit: int) -> BodyRefused:
    """What is said of a body of over so many bytes."""
    return BodyRefused(413, "request_too_large", f"the body is longer than {limit >> 20} MiB (max_body_megabytes)")
