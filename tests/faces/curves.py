"""Sample lines, charts and figures, as a busy service would give them; always the same."""

from __future__ import annotations

import math
import random
from typing import Final

from fanlight.panels import Line, Marker, Panel, Stat, TimeSeries

NOW: Final = 1_795_264_441.204
"""The samples' present; every time is at or before it."""


def wander(count: int, level: float, swing: float) -> tuple[float, ...]:
    """A believable line around `level`."""
    dice = random.Random(f"{count} {level} {swing}")
    value, values = level, []
    for place in range(count):
        value += (level - value) * 0.08 + dice.uniform(-swing, swing)
        values.append(max(value + math.sin(place / 23) * swing, 0.0))
    return tuple(values)


def spike(values: tuple[float, ...], start: int, stop: int, height: float) -> tuple[float, ...]:
    """The line with a plateau."""
    dice = random.Random(f"{start} {stop} {height}")
    return tuple(
        value + (height * dice.uniform(0.8, 1.1) if start <= place < stop else 0.0)
        for place, value in enumerate(values)
    )


def charts() -> dict[str, Panel]:
    """Throughput and latency on one time axis, and one with a second axis, a limit and gaps."""
    start, step = NOW - 900, 5.0
    deploy = (Marker(at=NOW - 600, text="v1.4.2 deployed"),)
    p50, p95, p99 = wander(180, 0.022, 0.002), wander(180, 0.071, 0.006), wander(180, 0.134, 0.014)
    errors = spike(wander(180, 0.6, 0.5), 100, 122, 16)
    success: tuple[float | None, ...] = tuple(None if 60 <= i < 80 else v for i, v in enumerate(wander(180, 97, 0.8)))
    return {
        "throughput": TimeSeries(
            title="Throughput",
            note="requests and errors per second",
            start=start,
            step=step,
            unit="rate",
            markers=deploy,
            lines=(
                Line(name="requests", values=wander(180, 184, 9), fill=True),
                Line(name="errors", values=errors, tone="error"),
            ),
            select="requests",
        ),
        "latency": TimeSeries(
            title="Latency",
            note="p50, p95, p99",
            start=start,
            step=step,
            unit="seconds",
            markers=deploy,
            select="requests?sort=-duration",
            lines=(
                Line(name="p50", values=p50, tone="ok"),
                Line(name="p95", values=spike(p95, 100, 122, 0.09), tone="second"),
                Line(name="p99", values=spike(p99, 100, 122, 0.23), tone="warn"),
            ),
        ),
        "success": TimeSeries(
            title="Success and response time",
            start=start,
            step=step,
            unit="percent",
            limit=95,
            lines=(
                Line(name="success", values=success, tone="ok"),
                Line(name="mean", values=p95, tone="second", unit="seconds"),
            ),
        ),
    }


def figures() -> dict[str, Panel]:
    """The six figures of an overview."""
    errors = spike(wander(180, 0.5, 0.3), 100, 120, 8)
    latency = spike(wander(180, 0.071, 0.004), 100, 122, 0.09)
    return {
        "requests": Stat(
            title="Requests",
            value=184.0,
            unit="rate",
            detail="▲ 12 % vs. yesterday",
            spark=wander(180, 184, 9),
            href="requests",
        ),
        "errors": Stat(
            title="Error rate",
            value=0.8,
            unit="percent",
            detail="threshold 5 %",
            spark=errors,
            tone="error",
            href="requests?status=error",
        ),
        "p95": Stat(
            title="Latency p95",
            value=0.071,
            unit="seconds",
            detail="p50 22 ms · p99 134 ms",
            spark=latency,
            tone="second",
            href="requests?sort=-duration",
        ),
        "inflight": Stat(
            title="In flight", value=17, unit="integer", detail="peak 41 · 12 WebSockets", spark=wander(180, 17, 3)
        ),
        "tokens": Stat(
            title="Tokens",
            value=38_200,
            unit="per_minute",
            detail="in 31.0 k · out 7.2 k",
            spark=wander(180, 38, 2),
            tone="ok",
        ),
        "cache": Stat(
            title="Cache hits",
            value=87.3,
            unit="percent",
            detail="847 hits · 123 misses",
            spark=wander(180, 87, 0.4),
            tone="ok",
        ),
    }
