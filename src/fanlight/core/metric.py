"""Metric: one number by its names outside of Fanlight."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
"""What a number does: only goes up, goes up and down, or is a distribution."""


SECONDS: Final = range(-10, 5)
"""Bounds of durations: 2^-10 s (1 ms) to 2^4 s (16 s)."""


class Metric(NamedTuple):
    """One number by its outside names. `unit` is UCUM as OpenTelemetry writes it; `scale` turns our value into it;
    `attributes` name the parts of a series' key in order ("" is left out) or the tail of a group's name; a histogram's
    bounds are 2 to the `exponents`."""

    name: str
    prometheus: str
    kind: Kind
    unit: str
    help: str
    scale: float = 1.0
    attributes: tuple[str, ...] = ()
    exponents: range = SECONDS
