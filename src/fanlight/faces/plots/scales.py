"""Scales: which round values an axis is marked at."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

TIME_STEPS: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800
)  # fmt: skip
"""Seconds between two marks of a time axis: what people count time in."""


def ticks(top: float, most: int, unit: str = "number") -> list[float]:
    """Round values from 0 to `top` or just above it, at most `most` steps; the last one is the axis's end.

    Bytes are round in powers of two, and what is counted (unit "integer") in whole numbers.
    """
    if not (math.isfinite(top) and top > 0):
        return [0.0, 1.0]
    step = _step(max(top / most, 1.0) if unit == "integer" else top / most, unit)
    return [step * place for place in range(max(math.ceil(top / step - 1e-9), 1) + 1)]


def _step(rough: float, unit: str) -> float:
    """The smallest round step that is no less."""
    if unit == "bytes":
        return float(2.0 ** math.ceil(math.log2(rough)))
    magnitude = 10.0 ** math.floor(math.log10(rough))
    factors = (1, 2, 5, 10, 20) if unit == "integer" else (1, 2, 2.5, 5, 10, 20)
    return next(factor * magnitude for factor in factors if factor * magnitude >= rough)


def moments(start: float, end: float, most: int) -> list[float]:
    """Round moments (Unix seconds, UTC) inside the span, at most `most`."""
    span = end - start
    step = next((step for step in TIME_STEPS if span / step <= most), TIME_STEPS[-1] * math.ceil(span / most / 604_800))
    first = math.ceil(start / step) * step
    return [float(moment) for moment in range(first, math.floor(end) + 1, step)]


def moment_text(at: float, span: float) -> str:
    """A moment as a time axis says it: with seconds in short spans, with the day in long ones; UTC."""
    moment = datetime.fromtimestamp(at, UTC)
    if span <= 300:
        return f"{moment:%H:%M:%S}"
    if span <= 86_400:
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}" if span > 5 * 86_400 else f"{moment.day} {moment:%b %H:%M}"
