"""The routes of the three protocols, and what each of them asks of a model."""

from __future__ import annotations

from typing import Final

import msgspec

from fanlight.gateway.llm.readers import AnthropicReader, OllamaReader, OpenAIReader, Reader, ResponsesReader
from fanlight.gateway.refusals import ANTHROPIC, OLLAMA, OPENAI


class Endpoint(msgspec.Struct, frozen=True):
    """A route that asks a model: its protocol, the operation it is recorded as, and what reads its answers.

    `streams` is whether it streams when the request does not say; `tells_usage` whether a stream tells its tokens only
    when asked to.
    """

    path: str
    protocol: str
    operation: str
    reader: type[Reader]
    streams: bool = False
    tells_usage: bool = False


ENDPOINTS: Final = {
    each.path: each
    for each in (
        Endpoint("/v1/chat/completions", OPENAI, "chat", OpenAIReader, tells_usage=True),
        Endpoint("/v1/completions", OPENAI, "text_completion", OpenAIReader, tells_usage=True),
        Endpoint("/v1/embeddings", OPENAI, "embeddings", OpenAIReader),
        Endpoint("/v1/responses", OPENAI, "responses", ResponsesReader),
        Endpoint("/v1/messages", ANTHROPIC, "messages", AnthropicReader),
        Endpoint("/v1/messages/count_tokens", ANTHROPIC, "count_tokens", Reader),
        Endpoint("/api/chat", OLLAMA, "chat", OllamaReader, streams=True),
        Endpoint("/api/generate", OLLAMA, "generate", OllamaReader, streams=True),
        Endpoint("/api/embed", OLLAMA, "embeddings", OllamaReader),
        Endpoint("/api/embeddings", OLLAMA, "embeddings", OllamaReader),
        Endpoint("/api/show", OLLAMA, "show", Reader),
    )
}
"""By path."""

LISTS: Final = ("/v1/models", "/api/tags", "/api/ps", "/api/version")
"""What is asked with GET; `/v1/models/{name}` too."""


def protocol_of(path: str, headers: dict[bytes, bytes]) -> str:
    """The protocol of a path, for errors and lists; `/v1/models` is Anthropic's where its version is named."""
    if path.startswith("/api/"):
        return OLLAMA
    if path.startswith("/v1/messages") or b"anthropic-version" in headers:
        return ANTHROPIC
    return OPENAI
