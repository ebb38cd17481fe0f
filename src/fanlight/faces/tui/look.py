"""How things are drawn here and now: the characters a terminal can show, its time zone, the moment, the span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from fanlight import formats
from fanlight.faces.tui import cells
from fanlight.panels import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters that are no text. `levels` go from the least to the most; `marks` are by state."""

    levels: str
    full: str
    half: str
    rest: str
    marks: Mapping[str, str]
    corners: str
    across: str
    down: str
    grid: str
    up_sign: str
    down_sign: str
    cursor: str
    tick: str
    lines: str
    braille: bool


UNICODE: Final = Glyphs(
    levels="▁▂▃▄▅▆▇█",
    full="━",
    half="╸",
    rest="─",
    marks={"ok": "●", "warn": "▲", "error": "◆", "idle": "○", "": " "},
    corners="╭╮╰╯",
    across="─",
    down="│",
    grid="┈",
    up_sign="↑",
    down_sign="↓",
    cursor="▏",
    tick="┊",
    lines="",
    braille=True,
)
ASCII: Final = Glyphs(
    levels="_.:-=+*#",
    full="=",
    half="-",
    rest=".",
    marks={"ok": "+", "warn": "!", "error": "X", "idle": "-", "": " "},
    corners="++++",
    across="-",
    down="|",
    grid=".",
    up_sign="^",
    down_sign="v",
    cursor="_",
    tick=":",
    lines="*o+x@%",
    braille=False,
)

DAY: Final = 86_400
"""Seconds after which a time of day alone no longer tells a moment."""

STATE_WORDS: Final[Mapping[str, str]] = {"ok": "ok", "warn": "warning", "error": "error", "idle": "idle", "": ""}
"""What a state is called where nothing else says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What every drawing is told. `at` is the moment shown (Unix seconds), `span` the seconds charts reach back;
    `coarse` times of day are without milliseconds."""

    glyphs: Glyphs = UNICODE
    zone: tzinfo | None = None
    at: float = 0.0
    span: float = 900.0
    coarse: bool = False

    def mark(self, state: State | str) -> str:
        """A state's own shape."""
        return self.glyphs.marks.get(state, " ")

    def local(self, at: float) -> datetime | None:
        """A moment in the viewer's time zone; None for what is none."""
        try:
            return datetime.fromtimestamp(at, UTC).astimezone(self.zone)
        except (OverflowError, OSError, ValueError, TypeError):
            return None

    def clock(self, at: float, form: str = "%H:%M:%S") -> str:
        """A moment's time of day."""
        moment = self.local(at)
        return formats.DASH if moment is None else moment.strftime(form)

    def clock_ms(self, at: float) -> str:
        """A moment's time of day to the millisecond."""
        moment = self.local(at)
        return formats.DASH if moment is None else f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"

    def moment(self, at: float, *, coarse: bool) -> str:
        """A moment in twelve cells, or in eight: its time of day, or its day when it is a day ago. A whole second is
        known to the second, as that of a service's last call."""
        if self.at - at >= DAY:
            return self.clock(at, "%d %b  " if coarse else "%d %b %H:%M")
        if coarse:
            return self.clock(at)
        return self.clock_ms(at) if at % 1 else f"{self.clock(at)}    "

    def phrase(self, raw: object, unit: str) -> str:
        """A raw value in its unit, as one text; times in the viewer's zone."""
        if unit == "time" and isinstance(raw, int | float):
            return self.value(raw, unit)[0].rstrip()
        return cells.clean(formats.phrase(raw, unit))

    def value(self, raw: object, unit: str) -> tuple[str, str]:
        """A raw value in its unit as (text, suffix)."""
        if unit == "time" and isinstance(raw, int | float):
            return self.moment(raw, coarse=self.coarse), ""
        text, suffix = formats.value(raw, unit)
        return cells.clean(text), suffix


def age(seconds: float) -> str:
    """How old something is, in one or two units."""
    return f"{max(seconds, 0):.1f} s" if seconds < 10 else formats.span(seconds)
