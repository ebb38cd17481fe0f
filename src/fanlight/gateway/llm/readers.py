"""What answers say of their tokens: one reader for each protocol, for whole documents and for events of a stream alike.

Each takes documents as they come and keeps numbers only. What it cannot understand it leaves out: an answer is passed
on whatever it says.
"""

from __future__ import annotations

import re
from math import ceil
from typing import Any, Final

import msgspec

CHARACTERS_PER_TOKEN: Final = 4
_COUNTS: Final = re.compile(rb'"usage"\s*:\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|"prompt_eval_count"\s*:\s*\d+')
"""A usage, with at most one level of details in it, or Ollama's count."""

EXACT: Final = "exact"
PARTIAL: Final = "partial"
ESTIMATED: Final = "estimated"
UNKNOWN: Final = "unknown"


class Details(msgspec.Struct):
    """Of which: tokens of a kind."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class OpenAIUsage(msgspec.Struct):
    """Tokens as chat completions (`prompt`, `completion`) and responses (`input`, `output`) name them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None


class OpenAIDelta(msgspec.Struct, gc=False):
    """What is read of a delta; of any type, as there are many who write them."""

    content: Any = None
    reasoning_content: Any = None
    refusal: Any = None
    tool_calls: Any = None


class OpenAIChoice(msgspec.Struct, gc=False):
    """What is read of a choice."""

    finish_reason: str | None = None
    delta: OpenAIDelta | None = None
    text: Any = None


class OpenAIDocument(msgspec.Struct, gc=False):
    """What is read of a completion or of one of its chunks."""

    choices: list[OpenAIChoice] | None = None
    usage: OpenAIUsage | None = None
    error: Any = None


class Response(msgspec.Struct):
    """What is read of a response."""

    status: str | None = None
    usage: OpenAIUsage | None = None
    error: Any = None


class ResponseDocument(Response):
    """What is read of a response or of one of its events."""

    type: str = ""
    delta: Any = None
    response: Response | None = None
    message: Any = None


class AnthropicUsage(msgspec.Struct):
    """Tokens as messages name them; what was read from or written to a cache is not in `input_tokens`."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class AnthropicPart(msgspec.Struct):
    """A message that begins, or what changes in it."""

    usage: AnthropicUsage | None = None
    stop_reason: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None


class AnthropicDocument(msgspec.Struct):
    """What is read of a message or of one of its events."""

    type: str = ""
    message: AnthropicPart | None = None
    delta: AnthropicPart | None = None
    usage: AnthropicUsage | None = None
    stop_reason: str | None = None
    error: Any = None


class OllamaDocument(msgspec.Struct):
    """What is read of a line, or of a whole answer; absent counts are unknown, not zero."""

    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    message: dict[str, Any] | None = None
    response: str | None = None
    error: Any = None


class Reader:
    """Reads nothing: for answers that say nothing of tokens. Base of those that do.

    `complete` is whether the upstream said all its numbers, `error` what it said went wrong inside a good status.
    """

    __slots__ = (
        "cache_write_tokens", "cached_tokens", "characters", "complete", "error", "finish_reason", "input_tokens",
        "output_tokens", "pieces", "reasoning_tokens",
    )  # fmt: skip

    decoder: msgspec.json.Decoder[Any] | None = None

    def __init__(self) -> None:
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.cache_write_tokens: int | None = None
        self.reasoning_tokens: int | None = None
        self.finish_reason: str | None = None
        self.error = ""
        self.complete = False
        self.characters = 0
        self.pieces = 0

    def take(self, data: bytes) -> None:
        """Read a document or the data of an event; what cannot be read is left out."""
        if self.decoder is None:
            return
        try:
            document = self.decoder.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return
        self.read(document)

    def take_tail(self, data: bytes) -> None:
        """Read the end of a document that is too long to be read whole, where the protocols put their counts."""
        for found in list(_COUNTS.finditer(data))[-1:]:
            self.take(b"{" + found[0] + b"}")

    def read(self, document: Any) -> None:
        """Keep what a decoded document says."""

    def said(self, text: Any) -> None:
        """Count what was generated, for an estimate."""
        if text and isinstance(text, str):
            self.characters += len(text)
            self.pieces += 1

    def usage(self) -> str:
        """How well the tokens are known: exact, partial, estimated or unknown."""
        if self.complete:
            return EXACT
        if self.input_tokens is not None or self.output_tokens is not None:
            return PARTIAL
        return ESTIMATED if self.pieces else UNKNOWN

    def output(self) -> int | None:
        """The tokens that were generated: the upstream's count, or what passed if that is more or all there is."""
        if self.complete or not self.pieces:
            return self.output_tokens
        passed = max(self.pieces, ceil(self.characters / CHARACTERS_PER_TOKEN))
        return max(passed, self.output_tokens or 0)


class OpenAIReader(Reader):
    """Chat and text completions, and embeddings."""

    __slots__ = ()
    decoder = msgspec.json.Decoder(OpenAIDocument)

    def read(self, document: OpenAIDocument) -> None:
        for choice in document.choices or ():
            if choice.finish_reason is not None:
                self.finish_reason = choice.finish_reason
            if choice.delta is None:
                self.said(choice.text)
            elif choice.delta.content:
                self.said(choice.delta.content)
            else:
                self._rare(choice.delta)
        if document.usage is not None:
            self.count(document.usage)
        if document.error:
            self.error = error_text(document.error)

    def _rare(self, delta: OpenAIDelta) -> None:
        self.said(delta.reasoning_content or delta.refusal)
        for call in delta.tool_calls if isinstance(delta.tool_calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            self.said(function.get("arguments") if isinstance(function, dict) else None)

    def count(self, usage: OpenAIUsage) -> None:
        """Keep the tokens of a usage."""
        given, made = usage.prompt_tokens, usage.completion_tokens
        self.input_tokens = usage.input_tokens if given is None else given
        self.output_tokens = usage.output_tokens if made is None else made
        into = usage.prompt_tokens_details or usage.input_tokens_details
        out = usage.completion_tokens_details or usage.output_tokens_details
        self.cached_tokens = into.cached_tokens if into else None
        self.reasoning_tokens = out.reasoning_tokens if out else None
        self.complete = self.input_tokens is not None


class ResponsesReader(OpenAIReader):
    """Responses: usage comes with the last event."""

    __slots__ = ()
    decoder = msgspec.json.Decoder(ResponseDocument)

    def read(self, document: ResponseDocument) -> None:  # type: ignore[override]  # each reader has its documents
        if document.type.endswith(".delta"):
            self.said(document.delta)
            return
        whole = document.response or document
        self.finish_reason = whole.status or self.finish_reason
        if whole.usage is not None:
            self.count(whole.usage)
        failed = document.message if document.type == "error" else whole.error
        if failed:
            self.error = error_text(failed)


class AnthropicReader(Reader):
    """Messages: message_delta's usage is cumulative and takes the place of what came before."""

    __slots__ = ()
    decoder = msgspec.json.Decoder(AnthropicDocument)

    def read(self, document: AnthropicDocument) -> None:
        kind, delta = document.type, document.delta
        if kind == "content_block_delta" and delta is not None:
            self.said(delta.text or delta.partial_json or delta.thinking)
        elif kind == "message_start" and document.message is not None:
            self._count(document.message.usage)
        elif kind in ("message_delta", "message"):
            self._count(document.usage)
            self.finish_reason = (delta.stop_reason if delta else document.stop_reason) or self.finish_reason
            self.complete = document.usage is not None and document.usage.output_tokens is not None
        elif kind == "error":
            self.error = error_text(document.error)

    def _count(self, usage: AnthropicUsage | None) -> None:
        if usage is None:
            return
        if usage.output_tokens is not None:
            self.output_tokens = usage.output_tokens
        if usage.input_tokens is not None:
            read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
            self.input_tokens = usage.input_tokens + read + written
            self.cached_tokens, self.cache_write_tokens = read, written


class OllamaReader(Reader):
    """Ollama's own answers: the line that is `done` has the counts."""

    __slots__ = ()
    decoder = msgspec.json.Decoder(OllamaDocument)

    def read(self, document: OllamaDocument) -> None:
        if document.message:
            self.said(document.message.get("content") or document.message.get("thinking"))
        self.said(document.response)
        if document.error:
            self.error = error_text(document.error)
        if document.prompt_eval_count is not None:
            self.input_tokens = document.prompt_eval_count
        if document.eval_count is not None:
            self.output_tokens = document.eval_count
        self.finish_reason = document.done_reason or self.finish_reason
        counted = self.output_tokens is not None or not document.done
        self.complete = self.complete or (self.input_tokens is not None and counted)


def error_text(error: Any) -> str:
    """What an error of any of the protocols says, in a line."""
    if isinstance(error, dict):
        error = error.get("message") or error.get("type") or "an error without a message"
    return " ".join(str(error)[:300].split())
