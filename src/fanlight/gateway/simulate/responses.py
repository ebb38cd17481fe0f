"""OpenAI's Responses protocol, spoken by a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fanlight.gateway.simulate.openai import offered
from fanlight.gateway.simulate.script import Script, Wish
from fanlight.gateway.simulate.wire import Piece, event, plain_text


def wish(asked: Mapping[str, Any]) -> Wish:
    """What a response asks for."""
    given = asked["input"]
    functions = (each for each in asked.get("tools") or () if each.get("type") == "function")
    last = given[-1] if isinstance(given, list) and given else {}
    return Wish(
        model=str(asked["model"]),
        prompt=f"{plain_text(asked.get('instructions') or '')}{plain_text(given)}",
        most=asked.get("max_output_tokens"),
        tools=() if asked.get("tool_choice") == "none" else offered(functions, "parameters"),
        answered=isinstance(last, Mapping) and last.get("type") == "function_call_output",
        reasons=bool(asked.get("reasoning")),
    )


def usage(script: Script) -> dict[str, Any]:
    """What a response says of its tokens."""
    return {
        "input_tokens": script.input_tokens,
        "input_tokens_details": {"cached_tokens": script.cached_tokens},
        "output_tokens": script.output_tokens,
        "output_tokens_details": {"reasoning_tokens": script.reasoning_tokens},
        "total_tokens": script.input_tokens + script.output_tokens,
    }


def _item(script: Script, status: str, said: str) -> dict[str, Any]:
    if script.tool:
        return {
            "type": "function_call", "id": f"fc_{script.id}", "call_id": f"call_{script.id}", "status": status,
            "name": script.tool.name, "arguments": said,
        }  # fmt: skip
    content = [_part(said)] if said or status == "completed" else []
    return {"type": "message", "id": f"msg_{script.id}", "status": status, "role": "assistant", "content": content}


def _part(said: str) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


def whole(wish: Wish, script: Script, now: int, *, done: bool = True) -> dict[str, Any]:
    """A response, finished or just begun."""
    status = "in_progress" if not done else "incomplete" if script.cut_short else "completed"
    return {
        "id": f"resp_{script.id}",
        "object": "response",
        "created_at": now,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": wish.model,
        "output": [_item(script, "completed", script.text)] if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage(script) if done else None,
    }


def stream(wish: Wish, script: Script, now: int) -> Iterator[Piece]:
    """A response in typed events."""
    number = -1

    def said(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        return event({"type": kind, "sequence_number": number} | fields, kind)

    begun = whole(wish, script, now, done=False)
    item = _item(script, "in_progress", "")
    place = {"item_id": item["id"], "output_index": 0} | ({} if script.tool else {"content_index": 0})
    yield Piece(said("response.created", response=begun))
    yield Piece(said("response.in_progress", response=begun))
    yield Piece(said("response.output_item.added", output_index=0, item=item), first=True)
    kind = "response.function_call_arguments" if script.tool else "response.output_text"
    more: dict[str, Any] = {} if script.tool else {"logprobs": []}
    if not script.tool:
        yield Piece(said("response.content_part.added", **place, part=_part("")))
    for piece in script.pieces:
        yield Piece(said(f"{kind}.delta", **place, delta=piece, **more), token=True)
    finished = {"arguments": script.text, "name": item["name"]} if script.tool else {"text": script.text}
    yield Piece(said(f"{kind}.done", **place, **finished, **more))
    if not script.tool:
        yield Piece(said("response.content_part.done", **place, part=_part(script.text)))
    yield Piece(said("response.output_item.done", output_index=0, item=_item(script, "completed", script.text)))
    end = whole(wish, script, now)
    yield Piece(said(f"response.{end['status']}", response=end))
