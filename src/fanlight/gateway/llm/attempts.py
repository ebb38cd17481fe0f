"""What comes after an attempt that failed before its first byte: pure decisions."""

from __future__ import annotations

import random
from typing import Final

import msgspec

RETRIED: Final = frozenset((408, 425, 429, 500, 502, 503, 504, 529))
"""Statuses another attempt may mend; every other answer is the client's to see."""

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0
"""A provider that asks for a longer pause is not waited for: a fallback is asked, or the client told."""

STATUS: Final = {"connect": 502, "reset": 502, "protocol": 502, "timeout": 504, "open": 503}


class Failure(msgspec.Struct, frozen=True):
    """How an attempt failed: an answer of the provider (status, headers, body) or none (`kind`, and a message)."""

    kind: str
    message: str = ""
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    retry_after: float | None = None


def pause(failure: Failure, turn: int, retries: int, chance: random.Random) -> float | None:
    """Seconds until the same provider is asked again, None when it is not; `turn` counts its attempts from 0.

    What took too long is not tried again there: it would take as long once more.
    """
    if turn >= retries or failure.kind in ("timeout", "open"):
        return None
    if failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= LONGEST_PAUSE else None
    if failure.kind == "reset" and turn == 0:
        return 0.0  # most often a kept connection that the provider had just closed
    return min(FIRST_PAUSE * float(2**turn), LONGEST_PAUSE) * chance.uniform(0.5, 1.0)
