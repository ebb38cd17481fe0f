"""What a request's body must hold, and what is said of one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class BadRequest(ValueError):
    """A request that is refused: what was got, and what was expected."""


class Need(msgspec.Struct, frozen=True):
    """What a key of the body must be, in words and in types; `objects`: an array of one object or more."""

    said: str
    types: tuple[type, ...]
    objects: bool = False


TEXT: Final = Need("a string", (str,))
ARRAY: Final = Need("an array", (list,))
MESSAGES: Final = Need("an array of one message or more", (list,), objects=True)
INPUT: Final = Need("a string or an array", (str, list))
COUNT: Final = Need("a whole number of 1 or more", (int,))

LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Keys that are a COUNT wherever they are."""

_WORDS: Final[dict[type, str]] = {
    dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a number", float: "a number",
}  # fmt: skip


def read(data: bytes, needs: Mapping[str, Need]) -> dict[str, Any]:
    """The body of a request that holds what it must; raises BadRequest."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"it is no JSON ({error})"[:200]) from error
    if not isinstance(body, dict):
        raise BadRequest(f"it is {_words(body)}, expected an object")
    body.setdefault("model", body.get("name"))  # as older clients of Ollama call it
    for name, need in needs.items():
        if body.get(name) is None:
            raise BadRequest(f"`{name}` is missing, expected {need.said}")
        _check(name, body[name], need)
    for name in LIMITS:
        if body.get(name) is not None:
            _check(name, body[name], COUNT)
    return body


def _check(name: str, value: Any, need: Need) -> None:
    if type(value) not in need.types:
        got = _words(value)
    elif need is COUNT and value < 1:
        got = f"{value}"[:40]
    elif need.objects and not value:
        got = "an array of none"
    elif need.objects and not all(isinstance(each, dict) for each in value):
        got = "an array of more than objects"
    else:
        return
    raise BadRequest(f"`{name}` is {got}, expected {need.said}")


def _words(value: object) -> str:
    return _WORDS.get(type(value), "null")
