"""Errors in the shape of the API that was called, so that its SDK raises what it raises for the provider's own."""

from __future__ import annotations

from typing import Any, Final

import msgspec

OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"
OLLAMA: Final = "ollama"

_OPENAI_TYPES: Final = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "invalid_request_error",
    413: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip
_ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def document(protocol: str, status: int, message: str, code: str) -> dict[str, Any]:
    """The body of an error of this protocol."""
    if protocol == ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(status, _usual(status, "api_error"))
        return {"type": "error", "error": {"type": kind, "message": message}}
    if protocol == OLLAMA:
        return {"error": message}
    kind = _OPENAI_TYPES.get(status, _usual(status, "server_error"))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _usual(status: int, ours: str) -> str:
    return ours if status >= 500 else "invalid_request_error"


def body(protocol: str, status: int, message: str, code: str) -> bytes:
    """The body of an error of this protocol, encoded."""
    return msgspec.json.encode(document(protocol, status, message, code))


def in_stream(protocol: str, message: str, code: str) -> bytes:
    """An error as the next event of a stream of this protocol."""
    data = body(protocol, 502, message, code)
    if protocol == OLLAMA:
        return data + b"\n"
    return (b"event: error\n" if protocol == ANTHROPIC else b"") + b"data: " + data + b"\n\n"
