"""How asking an MCP server can fail, as one exception that also crosses between workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from fanlight import error_type
from fanlight.errors import FanlightError

Kind = Literal["refused", "unavailable", "crashed", "timeout", "broken", "open"]
"""refused: the server answered with an error; unavailable: it does not run; crashed: it ended during the call; timeout;
broken: it spoke no MCP; open: its breaker is."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
RESOURCE_NOT_FOUND: Final = -32002
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_VERSION: Final = -32022
TEXT_LIMIT: Final = 2_000

STATUS: Final[Mapping[str, int]] = {
    "refused": 502, "unavailable": 503, "open": 503, "crashed": 502, "timeout": 504, "broken": 502,
}  # fmt: skip
"""The HTTP status of each kind where plain HTTP is spoken."""


class Failure(FanlightError):
    """A request of an MCP server that got no result. `data` is the server's own; `retry_after` is in seconds."""

    def __init__(
        self, kind: Kind, message: str, *, code: int = INTERNAL_ERROR, data: Any = None,
        retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message[:TEXT_LIMIT])
        self.kind: Kind = kind
        self.code = code
        self.data = data
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The status of the answer where plain HTTP is spoken."""
        if self.kind == "refused" and self.code in (INVALID_PARAMS, INVALID_REQUEST):
            return 400
        if self.kind == "refused" and self.code in (METHOD_NOT_FOUND, RESOURCE_NOT_FOUND):
            return 404
        return STATUS[self.kind]

    @property
    def type(self) -> str:
        """The error type of its call: a refusal for what the caller asked is no fault of the server."""
        if self.kind != "refused":
            return self.kind
        return error_type(self.status) if self.status < 500 else f"rpc_{self.code}"

    def document(self) -> dict[str, Any]:
        """As the `error` of a JSON-RPC answer."""
        found: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.data is not None:
            found["data"] = self.data
        elif self.kind != "refused":
            found["data"] = {"kind": self.kind, "retryAfter": self.retry_after}
        return found

    def packed(self) -> dict[str, Any]:
        """As what `unpacked` makes the same of in another process."""
        inside = {"kind": self.kind, "data": self.data, "retry_after": self.retry_after}
        return {"code": self.code, "message": str(self), "data": inside}


class _Error(msgspec.Struct):
    code: int = INTERNAL_ERROR
    message: str = ""
    data: Any = None


def refusal(error: Any) -> Failure:
    """What a server answered as its `error`."""
    try:
        found = msgspec.convert(error, _Error)
    except msgspec.ValidationError:
        return Failure("broken", "answered with an error that is none of JSON-RPC's")
    return Failure("refused", found.message, code=found.code, data=found.data)


def unpacked(failure: Failure) -> Failure:
    """What failed in the process that owns the servers, from how it told this one."""
    inside = failure.data
    if failure.kind != "refused" or not isinstance(inside, dict) or inside.get("kind") not in STATUS:
        return failure
    return Failure(
        inside["kind"], str(failure), code=failure.code, data=inside["data"], retry_after=inside["retry_after"]
    )
