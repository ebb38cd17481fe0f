"""Outcomes: what an exception says of a call, and whose fault that is."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

from fanlight.core.facts import BLAMELESS, CANCELLED, error_type, status_of
from fanlight.core.records import LABEL_LIMIT, describe_error, text
from fanlight.core.redaction import printable, redact

RATE_LIMIT: Final = "rate_limit"
"""The error type of a 429: no fault of the caller's request, and the service asks to be left alone."""


def outcome_of(error: BaseException) -> str:
    """The outcome of a call that raised: CANCELLED, or the type of its error.

    By HTTP status where the exception carries one, "timeout" for anything named so, else the exception's class.
    Whatever is no Exception (a cancellation, a closed generator, an interrupt) gave the call up from outside.
    """
    if not isinstance(error, Exception):
        return CANCELLED
    status = status_of(error)
    if status >= 400:
        return RATE_LIMIT if status == 429 else error_type(status)
    name = type(error).__name__
    return "timeout" if isinstance(error, TimeoutError) or "timeout" in name.lower() else name[:LABEL_LIMIT]


def retry_after_of(error: BaseException | None) -> float:
    """Seconds a service asked to be left alone: an exception's `retry_after`, or its response's header; 0 for none."""
    try:
        said = getattr(error, "retry_after", None)
        if said is None:
            said = error.response.headers.get("retry-after")  # type: ignore[union-attr]
        return max(_seconds(said), 0.0)
    except Exception:
        return 0.0


def _seconds(said: Any) -> float:
    """Seconds, or how far away an HTTP date is."""
    try:
        return float(said)
    except ValueError:
        return parsedate_to_datetime(str(said)).timestamp() - time.time()


def blameless(outcome: str) -> bool:
    """Whether an error of this type is none of the service's, which did its part."""
    return outcome in BLAMELESS


def described(error: BaseException | str | None) -> str:
    """An exception, or a reason, as one line without secrets; never fails."""
    return " ".join(printable(redact(describe_error(error))).split())


def named(type_: str) -> str:
    """An error type the application names, fit to be a label; CANCELLED is an outcome of its own."""
    return text(type_, LABEL_LIMIT).strip() or "failed"
