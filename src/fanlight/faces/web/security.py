"""The headers every answer of the web face carries, errors included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import Message, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere, nowhere to be framed."""

HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"x-robots-tag", b"noindex, nofollow"),
)
"""Sent with every answer, whatever made it."""

NO_STORE: Final = (b"cache-control", b"no-store")
"""Sent where an answer says nothing of its own about caching."""


def secured(send: Send) -> Send:
    """A `send` that puts the headers on whatever is answered; those set here win over the answer's own."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _with_headers(message.get("headers", ()))}
        await send(message)

    return guarded


def _with_headers(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    ours = {name for name, _ in HEADERS}
    kept = [(name, value) for name, value in given if name.lower() not in ours]
    caching = () if any(name.lower() == b"cache-control" for name, _ in kept) else (NO_STORE,)
    return [*kept, *HEADERS, *caching]
