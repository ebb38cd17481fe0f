"""What the protocols' encoders share: pieces of a stream, events, and the text of a prompt."""

from __future__ import annotations

from typing import Any, Final

import msgspec

PROMPT_LIMIT: Final = 1 << 20


class Piece(msgspec.Struct, frozen=True):
    """Bytes of a stream; `first` waits for the first token, `token` takes the time of a token."""

    data: bytes
    first: bool = False
    token: bool = False


def event(document: Any, name: str = "") -> bytes:
    """A server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(document) + b"\n\n"


def line(document: Any) -> bytes:
    """A line of NDJSON."""
    return msgspec.json.encode(document) + b"\n"


def plain_text(given: Any) -> str:
    """All text in a prompt of whatever shape, at most 1 MiB of it."""
    found: list[str] = []
    waiting, size = [given], 0
    while waiting and size < PROMPT_LIMIT:
        each = waiting.pop()
        if isinstance(each, str):
            found.append(each)
            size += len(each)
        elif isinstance(each, dict):
            waiting += [value for key, value in each.items() if key not in ("role", "type", "id")]
        elif isinstance(each, list):
            waiting += reversed(each)
    return "\n".join(found)[:PROMPT_LIMIT]
