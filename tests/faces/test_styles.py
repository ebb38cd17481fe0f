"""The style sheet: the agreed colours, and enough contrast in every theme."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files

import pytest


def _tokens() -> Mapping[str, Mapping[str, str]]:
    """The colours of each theme from the style sheet."""
    css = (files("fanlight.faces.web") / "static" / "css" / "tokens.css").read_text()
    both = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)
    terminal = css.split('[data-theme="terminal"]')[1]
    return {
        "light": {name: light for name, light, _ in both},
        "dark": {name: dark for name, _, dark in both},
        "terminal": dict(re.findall(r"--([\w-]+): (#\w{6})", terminal)),
    }


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _mixed(colour: str, other: str, part: float) -> str:
    """`part` of a colour on another, as color-mix does in sRGB."""
    pairs = zip(*((int(c[p : p + 2], 16) for p in (1, 3, 5)) for c in (colour, other)), strict=True)
    return "#" + "".join(f"{round(a * part + b * (1 - part)):02x}" for a, b in pairs)


def _text_pairs() -> Iterator[tuple[str, str]]:
    for text in ("text", "muted", "accent", "ok", "warn", "error", "second"):
        yield from ((text, ground) for ground in ("bg", "card"))
    yield from (("text", "raised"), ("muted", "raised"), ("on-accent", "accent"))


@pytest.mark.parametrize("theme", ["dark", "light", "terminal"])
def test_text_contrast_is_aa_in_every_theme(theme: str) -> None:
    """Item 5: WCAG AA: text has 4.5:1 on every ground it stands on, computed from the tokens."""
    tokens = _tokens()[theme]
    poor = {(text, ground): round(_contrast(tokens[text], tokens[ground]), 2) for text, ground in _text_pairs()}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}
    for state in ("ok", "warn", "error"):
        banner = _mixed(tokens[state], tokens["card"], 0.09)
        assert min(_contrast(tokens[text], banner) for text in ("text", "accent")) >= 4.5


@pytest.mark.parametrize("theme", ["dark", "light", "terminal"])
def test_controls_and_states_contrast_is_aa(theme: str) -> None:
    """Item 5: WCAG AA: marks, lines and the edges of fields have 3:1."""
    tokens = _tokens()[theme]
    for part in ("edge", "accent", "ok", "warn", "error", "second", "muted"):
        assert _contrast(tokens[part], tokens["card"]) >= 3, part


def test_colours_are_tokens_only() -> None:
    """LOOK: the three themes differ in tokens alone: no other style sheet names a colour."""
    for path in (files("fanlight.faces.web") / "static" / "css").iterdir():
        if path.name != "tokens.css":
            assert not re.search(r"#[0-9a-f]{3,8}\b(?!-)", path.read_text()), path.name


def test_tokens_are_the_ones_agreed() -> None:
    """LOOK: the themes' colours, as drawn."""
    tokens = _tokens()
    names = ("bg", "card", "line", "text", "muted", "accent", "ok", "warn", "error", "second")
    assert [tokens["dark"][name] for name in names] == [
        "#0e1116", "#151a21", "#232a34", "#dbe2ea", "#8995a5", "#6aa8ff", "#43b581", "#e3a63b", "#ef5f57", "#b08cff",
    ]  # fmt: skip
    assert [tokens["light"][name] for name in names] == [
        "#f5f6f8", "#ffffff", "#e1e5eb", "#1b2430", "#5c6878", "#2468d8", "#1d7f55", "#9a6400", "#c5322b", "#7346c8",
    ]  # fmt: skip
    assert [tokens["terminal"][name] for name in ("bg", "line", "text", "muted", "accent", "ok", "warn")] == [
        "#0a0a0a", "#333333", "#00ff00", "#00a800", "#00ffff", "#00ff00", "#ffaa00",
    ]  # fmt: skip
