"""Bodies of actions: what a button or a program sends along, as names and values."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from fanlight.faces.errors import FaceError, shown
from fanlight.faces.web.login import read_limited

BODY_LIMIT: Final = 32_768
"""Bytes of an action's body."""

FIELD_LIMIT: Final = 50
"""Fields of an action's body."""


async def given(request: Request) -> dict[str, Any]:
    """The values of a JSON object or of a form, none for no body; raises FaceError for anything else."""
    body = await read_limited(request.stream(), BODY_LIMIT)
    if not body.strip():
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _limited(_json(body))
    if kind == "application/x-www-form-urlencoded":
        return _limited(_form(body))
    message = f"The body is {shown(kind or 'of no type', 60)}; expected application/json or a plain form."
    raise FaceError(415, "unsupported_body", message)


def _json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise FaceError(422, "invalid_body", "The body is not a JSON object with the action's values.") from None


def _form(body: bytes) -> dict[str, Any]:
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELD_LIMIT))
    except ValueError:
        raise _too_many() from None


def _limited(values: dict[str, Any]) -> dict[str, Any]:
    if len(values) > FIELD_LIMIT:
        raise _too_many()
    return values


def _too_many() -> FaceError:
    return FaceError(413, "too_large", f"The body has too many fields; expected at most {FIELD_LIMIT}.")
