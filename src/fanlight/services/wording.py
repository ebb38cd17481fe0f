"""Wording: texts and errors of the application fit to be shown."""

from __future__ import annotations

from typing import Final

from fanlight.core.records import describe_error, text
from fanlight.core.redaction import printable, redact

REASON_LIMIT: Final = 300
"""Characters of why something failed."""


def presentable(value: object, limit: int) -> str:
    """A text of the application: cut to `limit` characters, without control characters and obvious secrets."""
    said = redact(printable(text(value, limit + 1)))
    return said if len(said) <= limit else f"{said[: limit - 1]}…"


def reason(error: BaseException) -> str:
    """Why something failed, in a line."""
    return presentable(describe_error(error), REASON_LIMIT)
