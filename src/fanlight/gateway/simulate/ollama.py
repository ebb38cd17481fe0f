"""The Ollama protocol, spoken by a script."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fanlight.gateway.simulate.openai import DIMENSIONS, inputs, offered
from fanlight.gateway.simulate.script import Script, Wish, tokens, vector
from fanlight.gateway.simulate.wire import Piece, line, plain_text

VERSION: Final = "0.12.0"
SIZE: Final = 2_019_393_189
LOAD_NS: Final = 21_000_000
DETAILS: Final = {
    "parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}  # fmt: skip


def chat_wish(asked: Mapping[str, Any]) -> Wish:
    """What a chat asks for."""
    messages = asked["messages"]
    functions = (each.get("function", {}) for each in asked.get("tools") or ())
    return Wish(
        model=str(asked["model"]),
        prompt=plain_text(messages),
        most=_most(asked),
        tools=offered(functions, "parameters"),
        answered=bool(messages) and messages[-1].get("role") == "tool",
        schema=_format(asked.get("format")),
    )


def generate_wish(asked: Mapping[str, Any]) -> Wish:
    """What a completion asks for."""
    prompt = plain_text([asked.get("system") or "", asked.get("prompt") or ""])
    return Wish(str(asked["model"]), prompt, _most(asked), schema=_format(asked.get("format")))


def _most(asked: Mapping[str, Any]) -> int | None:
    wanted = (asked.get("options") or {}).get("num_predict")
    return int(wanted) if wanted is not None and wanted > 0 else None


def _format(wanted: Any) -> Mapping[str, Any] | None:
    if wanted == "json":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return wanted if isinstance(wanted, Mapping) else None


def _at(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")


def _said(script: Script, text: str, *, chat: bool, last: bool) -> dict[str, Any]:
    if not chat:
        return {"response": text}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if script.tool and last:
        message["tool_calls"] = [{"function": {"name": script.tool.name, "arguments": script.arguments}}]
    return {"message": message}


def _end(script: Script) -> dict[str, Any]:
    first, rest = int(script.first_seconds * 1e9), int((script.seconds - script.first_seconds) * 1e9)
    return {
        "done": True,
        "done_reason": "length" if script.cut_short else "stop",
        "total_duration": first + rest + LOAD_NS,
        "load_duration": LOAD_NS,
        "prompt_eval_count": script.input_tokens,
        "prompt_eval_duration": first,
        "eval_count": script.output_tokens,
        "eval_duration": rest,
    }


def whole(wish: Wish, script: Script, now: float, *, chat: bool) -> dict[str, Any]:
    """The whole answer of a chat or a completion."""
    text = "" if script.tool else script.text
    return {"model": wish.model, "created_at": _at(now)} | _said(script, text, chat=chat, last=True) | _end(script)


def stream(wish: Wish, script: Script, now: float, *, chat: bool) -> Iterator[Piece]:
    """The answer in lines; a tool's call comes whole, as Ollama sends it."""
    head = {"model": wish.model, "created_at": _at(now)}
    pieces = ("",) if script.tool else script.pieces
    for number, piece in enumerate(pieces):
        said = _said(script, piece, chat=chat, last=bool(script.tool))
        yield Piece(line(head | said | {"done": False}), first=number == 0, token=True)
    yield Piece(line(head | _said(script, "", chat=chat, last=False) | _end(script)))


def embed(asked: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Embeddings of one text or of several."""
    texts = inputs(asked["input"])
    size = min(int(asked.get("dimensions") or DIMENSIONS), 4_096)
    return {
        "model": str(asked["model"]),
        "embeddings": [vector(each, size, seed) for each in texts],
        "total_duration": LOAD_NS + 2_000_000,
        "load_duration": LOAD_NS,
        "prompt_eval_count": sum(map(tokens, texts)),
    }


def embedding(asked: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The embedding of one text, of the older route."""
    return {"embedding": vector(str(asked["prompt"]), DIMENSIONS, seed)}


def tags(names: tuple[str, ...]) -> dict[str, Any]:
    """The models there are."""
    return {"models": [{**_model(name), "modified_at": "2026-01-01T00:00:00Z"} for name in names]}


def running(names: tuple[str, ...]) -> dict[str, Any]:
    """The models that are loaded."""
    more = {"expires_at": "2030-01-01T00:00:00Z", "size_vram": SIZE, "context_length": 8_192}
    return {"models": [_model(name) | more for name in names]}


def _model(name: str) -> dict[str, Any]:
    digest = f"{zlib.crc32(name.encode()):08x}" * 8
    return {"name": name, "model": name, "size": SIZE, "digest": digest, "details": DETAILS}


def show(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a model."""
    name = str(asked["model"])
    return {
        "modelfile": f"FROM {name}",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": DETAILS,
        "model_info": {"general.architecture": "llama", "general.parameter_count": 3_212_749_888},
        "capabilities": ["completion", "tools"],
        "modified_at": "2026-01-01T00:00:00Z",
    }
