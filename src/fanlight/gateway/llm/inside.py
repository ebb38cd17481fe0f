"""Asking a model from inside the gateway: the way of any client, with its fallbacks, breakers and records."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from fanlight.errors import FanlightError
from fanlight.gateway.access import Caller
from fanlight.gateway.asgi import Message
from fanlight.gateway.config import speaks
from fanlight.gateway.llm.endpoints import ENDPOINTS
from fanlight.gateway.llm.exchange import Exchange
from fanlight.gateway.llm.runtime import Runtime
from fanlight.gateway.unfinished import Unfinished

if TYPE_CHECKING:
    from fanlight import Fanlight

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
"""Where a chat is asked for in each protocol; the first that the model's provider speaks is taken."""

MAX_TOKENS = 4_096


class Unanswered(FanlightError):
    """A model gave no answer; `status` is that of the error a client would have got."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def complete(dashboard: Fanlight, runtime: Runtime, caller: Caller, model: str, prompt: str) -> str:
    """What a model of the configuration answers to a prompt; raises Unanswered."""
    entry = runtime.config.models.get(model)
    if entry is None:
        raise Unanswered(404, f"the model {model[:100]!r} is not served here")
    spoken = speaks(runtime.config.providers[entry.provider])
    protocol = next(each for each in PATHS if each in spoken)
    asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": False}
    if protocol == "anthropic":
        asked["max_tokens"] = MAX_TOKENS
    try:
        status, body = await _exchanged(dashboard, runtime, caller, PATHS[protocol], msgspec.json.encode(asked))
    except Unfinished as error:
        raise Unanswered(error.status, f"{model} gave half an answer: {error}") from error
    try:
        answer = msgspec.json.decode(body)
        if status == 200:
            return _text(protocol, answer)
    except (msgspec.DecodeError, LookupError, TypeError) as error:
        raise Unanswered(502, f"{model} answered with what cannot be read") from error
    told = answer.get("error") if isinstance(answer, dict) else None
    said = told.get("message") if isinstance(told, dict) else told
    raise Unanswered(status, f"{model} answered {status}: {str(said)[:300]}")


async def _exchanged(
    dashboard: Fanlight, runtime: Runtime, caller: Caller, path: str, body: bytes
) -> tuple[int, bytes]:
    given = [{"type": "http.request", "body": body}]
    status, found = 0, bytearray()

    async def receive() -> Message:
        if given:
            return given.pop()
        await asyncio.get_running_loop().create_future()  # this client does not leave
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        found.extend(message.get("body", b""))

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    await Exchange(dashboard, runtime, ENDPOINTS[path], "", caller, scope, receive, send).run()
    return status, bytes(found)


def _text(protocol: str, answer: Any) -> str:
    if protocol == "openai":
        return str(answer["choices"][0]["message"]["content"])
    if protocol == "ollama":
        return str(answer["message"]["content"])
    return "".join(str(part["text"]) for part in answer["content"] if part["type"] == "text")
