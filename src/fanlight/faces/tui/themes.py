"""Themes: what each role looks like. Meaning is in words and shapes; a theme only helps the eye."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Face:
    """How text looks: a colour ("" is the terminal's own) and attributes."""

    colour: str = ""
    bold: bool = False
    dim: bool = False
    reverse: bool = False
    underline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Theme:
    """A face for each role; `background` "" is the terminal's own. Themes are told apart by identity."""

    name: str
    background: str
    faces: Mapping[str, Face]


def _hues(
    text: str, muted: str, faint: str, main: str, second: str, ok: str, warn: str, error: str, fill: str
) -> Mapping[str, Face]:
    return {
        "text": Face(text),
        "strong": Face(text, bold=True),
        "title": Face(text, bold=True),
        "muted": Face(muted),
        "faint": Face(faint),
        "accent": Face(main),
        "brand": Face(main, bold=True),
        "tab": Face(main, bold=True, reverse=True),
        "chosen": Face(main, reverse=True),
        "main": Face(main),
        "second": Face(second),
        "ok": Face(ok),
        "warn": Face(warn),
        "error": Face(error),
        "fill": Face(fill),
    }


DARK: Final = Theme(
    name="dark",
    background="#0e1116",
    faces=_hues("#dbe2ea", "#8995a5", "#39434f", "#6aa8ff", "#b08cff", "#43b581", "#e3a63b", "#ef5f57", "#1f3554"),
)
LIGHT: Final = Theme(
    name="light",
    background="#ffffff",
    faces=_hues("#1b2430", "#5c6878", "#c9d0d9", "#2468d8", "#7346c8", "#1d7f55", "#9a6400", "#c5322b", "#cfdff7"),
)
TERMINAL: Final = Theme(
    name="terminal",
    background="#0a0a0a",
    faces=_hues("#00ff00", "#00b800", "#245c24", "#00ffff", "#00d7af", "#00ff00", "#ffaa00", "#ff4040", "#0b3d3d"),
)
"""The green one, as in the browser."""

ANSI: Final = Theme(
    name="ansi",
    background="",
    faces={
        **_hues("", "", "", "blue", "magenta", "green", "yellow", "red", "blue"),
        **dict.fromkeys(("muted", "faint"), Face(dim=True)),
        "fill": Face("blue", dim=True),
        "tab": Face("", bold=True, reverse=True),
        "chosen": Face("", reverse=True),
    },
)
PLAIN: Final = Theme(
    name="plain",
    background="",
    faces={
        **dict.fromkeys(("text", "main", "second", "ok", "warn", "error", "accent"), Face()),
        "strong": Face(bold=True),
        "title": Face(bold=True),
        "brand": Face(bold=True),
        "tab": Face(bold=True, reverse=True),
        "chosen": Face(reverse=True),
        **dict.fromkeys(("muted", "faint", "fill"), Face(dim=True)),
    },
)
"""For NO_COLOR: attributes alone."""

THEMES: Final[Mapping[str, Theme]] = {theme.name: theme for theme in (DARK, LIGHT, TERMINAL, ANSI)}
"""The themes that can be chosen, in the order the key goes through them."""


def chosen(name: str, environ: Mapping[str, str]) -> Theme:
    """A theme by its name; NO_COLOR, set to anything, wins (no-color.org). For "auto", and any name that is none, the
    one that suits the background of which the terminal speaks in COLORFGBG ("0;15"), else dark."""
    if environ.get("NO_COLOR"):
        return PLAIN
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    return THEMES.get(name) or (LIGHT if ground in ("7", "15") else DARK)


def following(theme: Theme) -> Theme:
    """The theme after this one; without colours there is no other."""
    if theme is PLAIN:
        return PLAIN
    names = list(THEMES)
    return THEMES[names[(names.index(theme.name) + 1) % len(names)]]


def face(theme: Theme, role: str, *, faded: bool = False) -> Face:
    """How a role looks; "!" at its end draws it bold. Faded is for data that is no longer fresh."""
    found = theme.faces.get(role.rstrip("!")) or theme.faces["text"]
    if faded:
        muted = theme.faces["muted"]
        return Face(muted.colour, dim=muted.dim or not muted.colour, reverse=found.reverse)
    return Face(found.colour, True, found.dim, found.reverse, found.underline) if role.endswith("!") else found
