"""The little of ASGI that the gateway's parts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

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
