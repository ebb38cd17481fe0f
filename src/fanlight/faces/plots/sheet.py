"""Sheet: a drawing as data: paths and labels on an area measured in points, the origin at the top left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Place = tuple[float, float]
"""(x, y) in points."""

COLOURS: Final[Mapping[str, str]] = {
    "main": "#2468d8",
    "second": "#7346c8",
    "ok": "#1d7f55",
    "warn": "#9a6400",
    "error": "#c5322b",
    "muted": "#5c6878",
    "text": "#1b2430",
    "line": "#e1e5eb",
}
"""Colours by role: those of the light theme, as files are mostly looked at on paper or in documents."""


@dataclass(frozen=True, slots=True)
class Path:
    """Straight lines through `places`. `stroke` and `fill` are colour roles, "" for none; `opacity` is the fill's."""

    places: tuple[Place, ...]
    stroke: str = ""
    fill: str = ""
    width: float = 1.0
    opacity: float = 1.0
    dash: float = 0.0


@dataclass(frozen=True, slots=True)
class Label:
    """One line of text with its baseline at a place."""

    at: Place
    text: str
    colour: str = "muted"
    size: float = 10.0
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished drawing; `summary` says what it shows to those who cannot see it."""

    width: float
    height: float
    summary: str
    paths: tuple[Path, ...] = ()
    labels: tuple[Label, ...] = field(default=())
