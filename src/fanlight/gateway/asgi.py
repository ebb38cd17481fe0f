"""The little of ASGI that the gateway's parts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from fanlight.errors import FanlightError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pair = tuple[bytes, bytes]

JSON: Pair = (b"content-type", b"application/json")


async def answer(send: Send, status: int, body: bytes, headers: Iterable[Pair] = ()) -> None:
    """Send a whole JSON answer."""
    sized = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, sized, *headers]})
    await send({"type": "http.response.body", "body": body})


async def body_of(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """A request's body, None when its client left; raises TooLong as soon as it is longer than `limit` bytes."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise TooLong(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):  # as most come
        whole: bytes = message.get("body", b"")
        if len(whole) > limit:
            raise TooLong(limit)
        return whole
    body = bytearray()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLong(limit)
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
    return None


class TooLong(FanlightError):
    """A body that is longer than it may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit >> 20} MiB (max_body_megabytes)")
