"""openai: chat completions, responses, embeddings and whatever else its clients ask, tokens as the API told them.

A stream of chat completions tells its tokens only where `stream_options={"include_usage": True}` asks for them.
"""

from __future__ import annotations

from typing import Any

from fanlight.capture.clients.library import Library, Undo
from fanlight.capture.clients.models import change_sdk, field, note


def change(library: Library) -> Undo:
    """Have calls of openai's clients recorded."""
    import openai

    clients, streams = (openai.OpenAI, openai.AsyncOpenAI), (openai.Stream, openai.AsyncStream)
    return change_sdk(library, clients, streams, read, spoke)


def read(given: Any, said: dict[str, Any]) -> bool:
    """Note tokens and why it stopped, of an answer or an event of either API; whether the tokens are now final."""
    answer = field(given, "response") if field(given, "response") is not None else given
    for choice in field(answer, "choices") or ():
        note(said, finish_reason=field(choice, "finish_reason"))
    status = field(answer, "status")
    if status in ("completed", "incomplete", "failed", "cancelled"):
        note(said, finish_reason=field(answer, "incomplete_details", "reason") or status)
    usage = field(answer, "usage")
    if usage is None:
        return False
    sent, told = ("input", "output") if field(usage, "input_tokens") is not None else ("prompt", "completion")
    note(
        said,
        input_tokens=field(usage, f"{sent}_tokens"),
        output_tokens=field(usage, f"{told}_tokens"),
        cached_tokens=field(usage, f"{sent}_tokens_details", "cached_tokens"),
        reasoning_tokens=field(usage, f"{told}_tokens_details", "reasoning_tokens"),
    )
    return True


def spoke(event: Any) -> bool:
    """Whether an event carries a token: of text, thought, a refusal or a tool's arguments."""
    if str(field(event, "type") or "").endswith(".delta"):
        return True
    deltas = [field(choice, "delta") or field(choice, "text") for choice in field(event, "choices") or ()]
    return any(isinstance(delta, str) or _said(delta) for delta in deltas if delta)


def _said(delta: Any) -> bool:
    names = ("content", "tool_calls", "refusal", "reasoning_content", "reasoning", "function_call")
    return any(field(delta, name) for name in names)
