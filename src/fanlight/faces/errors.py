"""The one error format of every face: `{"error": {"code", "message", "detail"}}`, and the errors that become it.

Messages are written for the person who reads them and never hold internals: no exception text, no paths of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from fanlight.errors import FanlightError

CONTENT_TYPE: Final = "application/json"
"""What an error document is."""

SHOWN_NAMES: Final = 40
"""How many names a "there are ..." message lists."""


class FaceError(FanlightError):
    """A request a face refuses or cannot answer: an HTTP status, a code for programs, a message for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> dict[str, dict[str, str]]:
        """The error as every face writes it."""
        return {"error": {"code": self.code, "message": self.message, "detail": self.detail}}

    def json(self) -> bytes:
        """The document, encoded."""
        return msgspec.json.encode(self.document())


class NotFound(FaceError):
    """Nothing has that name; the detail names what exists."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        message = f"There is no {kind} {shown(name)}." if name else f"There is no such {kind}."
        super().__init__(404, "not_found", message, there_is(kind, known))


class Failed(FaceError):
    """Fanlight itself failed; what went wrong is counted and kept, not told."""

    def __init__(self) -> None:
        super().__init__(
            500,
            "internal",
            "Fanlight could not answer this request; the service itself is not affected.",
            "The failure is counted; its text is on the system page.",
        )


def shown(text: str, limit: int = 80) -> str:
    """Foreign text fit for a message: quoted, cut, without control characters."""
    clean = "".join(character if character.isprintable() else "?" for character in text[: limit + 1])
    return f'"{clean[:limit]}…"' if len(clean) > limit else f'"{clean}"'


def there_is(kind: str, known: Iterable[str]) -> str:
    """What exists of a kind, the first few by name."""
    names = sorted(known)
    if not names:
        return f"No {kind} has been declared."
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"There is: {', '.join(names[:SHOWN_NAMES])}{more}."
