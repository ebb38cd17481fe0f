"""The OpenAI protocol, spoken by a script."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fanlight.gateway.simulate.script import Script, Tool, Wish, tokens, vector
from fanlight.gateway.simulate.wire import Piece, event, plain_text

DIMENSIONS: Final = 256
MOST_DIMENSIONS: Final = 4_096
MOST_INPUTS: Final = 2_048


def chat_wish(asked: Mapping[str, Any]) -> Wish:
    """What a chat completion asks for."""
    messages = asked["messages"]
    functions = (each.get("function", {}) for each in asked.get("tools") or () if each.get("type") == "function")
    return Wish(
        model=str(asked["model"]),
        prompt=plain_text(messages),
        most=asked.get("max_completion_tokens") or asked.get("max_tokens"),
        tools=() if asked.get("tool_choice") == "none" else offered(functions, "parameters"),
        answered=messages[-1].get("role") == "tool",
        schema=_format(asked.get("response_format") or {}),
        reasons=bool(asked.get("reasoning_effort")),
    )


def offered(functions: Any, schema: str) -> tuple[Tool, ...]:
    """The tools of a request; `schema` is where the protocol puts the arguments' schema."""
    return tuple(Tool(str(each["name"]), each.get(schema) or {}) for each in functions if "name" in each)


def _format(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if wanted.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None


def usage(script: Script) -> dict[str, Any]:
    """What chat and text completions say of their tokens."""
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": script.output_tokens,
        "total_tokens": script.input_tokens + script.output_tokens,
        "prompt_tokens_details": {"cached_tokens": script.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": script.reasoning_tokens, "audio_tokens": 0},
    }


def chat(wish: Wish, script: Script, now: int) -> dict[str, Any]:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": script.text, "refusal": None, "annotations": []}
    if script.tool:
        call = {"name": script.tool.name, "arguments": script.text}
        message |= {
            "content": None,
            "tool_calls": [{"id": f"call_{script.id}", "type": "function", "function": call}],
        }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": script.finish_reason}
    return _head(wish, script, now, "chat.completion") | {"choices": [choice], "usage": usage(script)}


def _head(wish: Wish, script: Script, now: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{script.id}",
        "object": kind,
        "created": now,
        "model": wish.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def chat_stream(wish: Wish, script: Script, now: int, *, with_usage: bool) -> Iterator[Piece]:
    """A chat completion in chunks, ended by [DONE]."""
    head = _head(wish, script, now, "chat.completion.chunk")
    null = {"usage": None} if with_usage else {}

    def chunk(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event(head | {"choices": [choice]} | null)

    yield Piece(chunk({"role": "assistant", "content": None if script.tool else "", "refusal": None}), first=True)
    if script.tool:
        named = {"name": script.tool.name, "arguments": ""}
        call = {"index": 0, "id": f"call_{script.id}", "type": "function", "function": named}
        yield Piece(chunk({"tool_calls": [call]}))
    for piece in script.pieces:
        delta = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if script.tool else {"content": piece}
        yield Piece(chunk(delta), token=True)
    yield Piece(chunk({}, script.finish_reason))
    if with_usage:
        yield Piece(event(head | {"choices": [], "usage": usage(script)}))
    yield Piece(b"data: [DONE]\n\n")


def text_wish(asked: Mapping[str, Any]) -> Wish:
    """What a legacy completion asks for."""
    return Wish(str(asked["model"]), plain_text(asked["prompt"]), asked.get("max_tokens"))


def text(wish: Wish, script: Script, now: int) -> dict[str, Any]:
    """A whole legacy completion."""
    choice = {"text": script.text, "index": 0, "logprobs": None, "finish_reason": script.finish_reason}
    return _text_head(wish, script, now) | {"choices": [choice], "usage": usage(script)}


def _text_head(wish: Wish, script: Script, now: int) -> dict[str, Any]:
    return {"id": f"cmpl-{script.id}", "object": "text_completion", "created": now, "model": wish.model}


def text_stream(wish: Wish, script: Script, now: int, *, with_usage: bool) -> Iterator[Piece]:
    """A legacy completion in chunks."""
    head = _text_head(wish, script, now)
    null = {"usage": None} if with_usage else {}
    for number, piece in enumerate(script.pieces):
        last = number == len(script.pieces) - 1
        choice = {"text": piece, "index": 0, "logprobs": None, "finish_reason": script.finish_reason if last else None}
        yield Piece(event(head | {"choices": [choice]} | null), first=number == 0, token=True)
    if with_usage:
        yield Piece(event(head | {"choices": [], "usage": usage(script)}))
    yield Piece(b"data: [DONE]\n\n")


def embeddings(asked: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Embeddings of one text or of several, as numbers or in base 64."""
    texts = inputs(asked["input"])
    size = min(int(asked.get("dimensions") or DIMENSIONS), MOST_DIMENSIONS)
    packed = asked.get("encoding_format") == "base64"
    data = []
    for number, each in enumerate(texts):
        values = vector(each, size, seed)
        said: Any = base64.b64encode(struct.pack(f"<{size}f", *values)).decode() if packed else values
        data.append({"object": "embedding", "index": number, "embedding": said})
    count = sum(map(tokens, texts))
    counted = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": data, "model": str(asked["model"]), "usage": counted}


def inputs(given: Any) -> list[str]:
    """The texts of an `input`: a text, tokens, or a list of either."""
    if isinstance(given, str) or (isinstance(given, list) and given and isinstance(given[0], int)):
        given = [given]
    return [each if isinstance(each, str) else " ".join(map(str, each)) for each in list(given)[:MOST_INPUTS]]


def models(names: tuple[str, ...]) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model(name) for name in names]}


def model(name: str) -> dict[str, Any]:
    """One model."""
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "fanlight"}
