"""The headers of the new era that say what a request's body says, so that proxies need not read it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

NAME_OF: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose header `Mcp-Name` repeats this parameter."""

_PLAIN: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?|")
_WRAPPED: Final = re.compile(r"=\?base64\?(.*)\?=")


def named(method: str, params: Mapping[str, Any]) -> str | None:
    """What `Mcp-Name` says for a request, None where it is not sent."""
    value = params.get(NAME_OF.get(method, ""))
    return value if isinstance(value, str) else None


def encoded(value: str) -> str:
    """A text as a header takes it."""
    if _PLAIN.fullmatch(value) and not _WRAPPED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decoded(value: str) -> str | None:
    """The text of a header, None for one that was made wrong."""
    wrapped = _WRAPPED.fullmatch(value)
    if wrapped is None:
        return value
    try:
        return base64.b64decode(wrapped[1], validate=True).decode()
    except ValueError:
        return None
