"""The Anthropic protocol, spoken by a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanlight.gateway.simulate.openai import offered
from fanlight.gateway.simulate.script import Script, Wish, tokens
from fanlight.gateway.simulate.wire import Piece, event, plain_text


def wish(asked: Mapping[str, Any]) -> Wish:
    """What a message asks for."""
    messages = asked["messages"]
    content = messages[-1].get("content")
    choice = asked.get("tool_choice") or {}
    return Wish(
        model=str(asked["model"]),
        prompt=f"{plain_text(asked.get('system') or '')}{plain_text(messages)}",
        most=asked["max_tokens"],
        tools=() if choice.get("type") == "none" else offered(asked.get("tools") or (), "input_schema"),
        answered=isinstance(content, list) and any(part.get("type") == "tool_result" for part in content),
    )


def _usage(script: Script, output: int) -> dict[str, int]:
    return {
        "input_tokens": script.input_tokens - script.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": script.cached_tokens,
        "output_tokens": output,
    }


def _reason(script: Script) -> str:
    return "tool_use" if script.tool else "max_tokens" if script.cut_short else "end_turn"


def message(wish: Wish, script: Script) -> dict[str, Any]:
    """A whole message."""
    begun = _begun(wish, script)
    block = _block(script) | ({"input": script.arguments} if script.tool else {"text": script.text})
    return begun | {
        "content": [block],
        "stop_reason": _reason(script),
        "usage": _usage(script, script.output_tokens),
    }


def _begun(wish: Wish, script: Script) -> dict[str, Any]:
    return {
        "id": f"msg_{script.id}",
        "type": "message",
        "role": "assistant",
        "model": wish.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(script, 1),
    }


def _block(script: Script) -> dict[str, Any]:
    if script.tool:
        return {"type": "tool_use", "id": f"toolu_{script.id}", "name": script.tool.name, "input": {}}
    return {"type": "text", "text": ""}


def stream(wish: Wish, script: Script) -> Iterator[Piece]:
    """A message in events, from message_start to message_stop."""

    def said(kind: str, **fields: Any) -> bytes:
        return event({"type": kind} | fields, kind)

    yield Piece(said("message_start", message=_begun(wish, script)), first=True)
    yield Piece(said("content_block_start", index=0, content_block=_block(script)))
    yield Piece(said("ping"))
    for piece in script.pieces:
        text = {"type": "text_delta", "text": piece}
        delta = {"type": "input_json_delta", "partial_json": piece} if script.tool else text
        yield Piece(said("content_block_delta", index=0, delta=delta), token=True)
    yield Piece(said("content_block_stop", index=0))
    ending = {"stop_reason": _reason(script), "stop_sequence": None}
    yield Piece(said("message_delta", delta=ending, usage={"output_tokens": script.output_tokens}))
    yield Piece(said("message_stop"))


def count(asked: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens a message would be."""
    return {"input_tokens": tokens(plain_text([asked.get("system") or "", asked["messages"]]))}


def models(names: tuple[str, ...]) -> dict[str, Any]:
    """The list of models."""
    listed = [model(name) for name in names]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return {"data": listed, "has_more": False} | ends


def model(name: str) -> dict[str, Any]:
    """One model."""
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
