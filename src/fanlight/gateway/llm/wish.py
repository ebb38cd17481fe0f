"""What a request asks for: the model it names, and its body as the provider is to get it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from fanlight.errors import FanlightError
from fanlight.gateway.llm.endpoints import Endpoint

MODEL_LIMIT: Final = 128

_BODY: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_FLAG: Final = msgspec.json.Decoder(bool)
_OPTIONS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE: Final = msgspec.Raw(b"true")
_INCLUDES: Final = re.compile(rb'"include_usage"\s*:\s*true')


class Malformed(FanlightError):
    """A body that is no request."""


class Wish(msgspec.Struct):
    """A request that was read: its fields as they were written, each once, so that no two readers of it disagree."""

    model: str
    stream: bool
    fields: dict[str, msgspec.Raw]
    size: int


def read(body: bytes, endpoint: Endpoint) -> Wish:
    """What a body asks for. Raises Malformed with what was expected."""
    try:
        fields = _BODY.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"the body is no JSON object ({str(error)[:120]}); expected one with a model") from None
    given = fields.get("model")
    name = "model" if given is not None else "name"
    model = _value(fields.get(name, msgspec.Raw(b"null")), _TEXT)
    if not isinstance(model, str) or not model or len(model) > MODEL_LIMIT or not model.isprintable():
        raise Malformed(f"`model` is missing or no name; expected a text of 1 to {MODEL_LIMIT} characters")
    stream = endpoint.streams
    if "stream" in fields:
        said = _value(fields["stream"], _FLAG)
        if said is None and bytes(fields["stream"]) != b"null":
            raise Malformed("`stream` is neither true nor false")
        stream = endpoint.streams if said is None else bool(said)
    return Wish(model, stream, fields, len(body))


def _value(raw: msgspec.Raw, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        return None


def asks_usage(wish: Wish) -> bool:
    """Whether the client wants a stream's usage event."""
    given = wish.fields.get("stream_options")
    return given is not None and _INCLUDES.search(bytes(given)) is not None


def body_for(wish: Wish, model: str, *, ask_usage: bool) -> bytes:
    """The body with the provider's name of the model, and the wish for usage where it is to be added."""
    fields = {**wish.fields}
    key = "model" if "model" in fields else "name"
    if model != wish.model:
        fields[key] = msgspec.Raw(msgspec.json.encode(model))
    if ask_usage:
        given = fields.get("stream_options")
        options = (_value(given, _OPTIONS) if given is not None else None) or {}
        fields["stream_options"] = msgspec.Raw(msgspec.json.encode({**options, "include_usage": _TRUE}))
    return msgspec.json.encode(fields)
