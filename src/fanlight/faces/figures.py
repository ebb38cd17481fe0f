"""Numbers as programs get them: the units and rounding that JSON and Prometheus share, so that they agree."""

from __future__ import annotations

from fanlight.core.facts import error_type


def milliseconds(seconds: float) -> float:
    """Seconds as milliseconds, to the microsecond."""
    return round(seconds * 1e3, 3)


def percent(part: float, whole: float) -> float:
    """How much of the whole, in percent; 0 of nothing."""
    return round(100 * part / whole, 2) if whole else 0.0


def hit_percent(hits: int, misses: int) -> float | None:
    """Hits of all lookups in percent; None before the first."""
    return percent(hits, hits + misses) if hits + misses else None


def outcome_error(outcome: str) -> str:
    """The error type of a cell's outcome, "" for none and for "other"."""
    return error_type(int(outcome)) if outcome.isascii() and outcome.isdigit() else ""
