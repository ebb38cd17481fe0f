"""What the gateway needs of a provider, whatever carries it there."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from fanlight.errors import FanlightError


class UpstreamError(FanlightError):
    """A provider that cannot be reached or that broke off; its text names no address and holds no secret."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Reply(Protocol):
    """An answer that has begun."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Names in lower case."""

    @property
    def ended(self) -> bool:
        """Whether it is known that all of it was given out, so that no further chunk need be awaited."""

    async def chunk(self) -> bytes:
        """The next bytes as they come, b"" at the end; raises UpstreamError when the provider breaks off."""

    def close(self) -> None:
        """Give it up; idempotent. An answer that was read to its end leaves its connection for the next."""


class Upstream(Protocol):
    """A provider's transport."""

    def ask(
        self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes | None
    ) -> Coroutine[Any, Any, Reply]:
        """Send a request; the answer once its head is there. Raises UpstreamError. `path` may hold a query.

        Names of headers are in lower case. It may be on its way before it is awaited, which must happen.
        """

    async def close(self) -> None:
        """Close what is kept open."""
