"""anthropic: messages and whatever else its clients ask, tokens as the API told them.

Input tokens include those read from and written to the cache, which the API counts apart.
"""

from __future__ import annotations

from typing import Any

from fanlight.capture.clients.library import Library, Undo
from fanlight.capture.clients.models import change_sdk, field, note


def change(library: Library) -> Undo:
    """Have calls of anthropic's clients recorded."""
    import anthropic

    clients, streams = (anthropic.Anthropic, anthropic.AsyncAnthropic), (anthropic.Stream, anthropic.AsyncStream)
    return change_sdk(library, clients, streams, read, spoke)


def read(given: Any, said: dict[str, Any]) -> bool:
    """Note tokens and why it stopped, of a message or an event; whether the tokens are now final.

    The usage of `message_start` holds the input; of the output only a placeholder, which is not taken. That of
    `message_delta` is cumulative: it replaces, and its input may leave out what came from the cache.
    """
    kind = field(given, "type")
    message = field(given, "message") if kind == "message_start" else given
    usage, stopped = field(message, "usage"), field(message, "stop_reason") or field(given, "delta", "stop_reason")
    if usage is None:
        return False
    if "input_tokens" not in said:
        _note_input(usage, said)
    if kind == "message_start":
        return False
    note(said, output_tokens=field(usage, "output_tokens"), finish_reason=stopped)
    note(said, reasoning_tokens=field(usage, "output_tokens_details", "thinking_tokens"))
    return bool(stopped is not None or kind == "message")


def _note_input(usage: Any, said: dict[str, Any]) -> None:
    fresh, cached = field(usage, "input_tokens"), field(usage, "cache_read_input_tokens")
    written = field(usage, "cache_creation_input_tokens")
    if fresh is not None:
        note(said, input_tokens=fresh + (cached or 0) + (written or 0), cached_tokens=cached)


def spoke(event: Any) -> bool:
    """Whether an event carries a token."""
    return bool(field(event, "type") == "content_block_delta")
