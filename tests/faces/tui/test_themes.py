"""Themes: a face for every role, and none where NO_COLOR is set."""

from __future__ import annotations

import re
from datetime import UTC

import pytest
from tests.faces.tui.documents import NOW, every_kind

from fanlight.faces.tui.desk import Desk
from fanlight.faces.tui.frame import frame
from fanlight.faces.tui.look import Look
from fanlight.faces.tui.themes import DARK, LIGHT, PLAIN, TERMINAL, THEMES, Theme, chosen, face
from fanlight.faces.tui.toolkit import style_of
from fanlight.panels import View


@pytest.mark.parametrize("theme", [*THEMES.values(), PLAIN], ids=lambda theme: theme.name)
def test_every_role_that_is_drawn_has_a_face(theme: Theme) -> None:
    """TTY-4: no role falls back to plain text unseen, in boxes and in brief, dialogs included."""
    for size in ((80, 24), (200, 60)):
        desk = Desk(View(page="hub"), Look(zone=UTC, at=NOW), theme, toggles=True)
        desk.take(every_kind(), 0.0)
        desk.press("question_mark", "?", 0.0)
        made = frame(desk, *size, 0.0)
        roles = {role.rstrip("!") for line in (*made.lines(), *made.over) for _, role in line}
        assert roles <= set(theme.faces)
        for role in roles:
            assert style_of(theme, role, False).bold == (face(theme, role).bold or None)
            assert style_of(theme, role, True).bgcolor == style_of(theme, "text", False).bgcolor


def test_no_color_wins_and_has_attributes_alone() -> None:
    """TTY-4: whatever theme was asked for (no-color.org); unset or empty it does nothing."""
    assert chosen("light", {"NO_COLOR": "1"}) is PLAIN
    assert chosen("light", {"NO_COLOR": ""}) is LIGHT
    assert chosen("light", {}) is LIGHT
    assert chosen("auto", {}) is DARK
    assert chosen("auto", {"COLORFGBG": "0;15"}) is LIGHT
    assert chosen("dark", {"COLORFGBG": "0;15"}) is DARK
    assert chosen("auto", {"COLORFGBG": "15;0"}) is DARK
    assert not any(each.colour for each in PLAIN.faces.values())


def test_old_data_is_muted() -> None:
    """TTY-4: what is no longer fresh has lost its colours, in every theme."""
    for theme in (*THEMES.values(), PLAIN):
        assert face(theme, "error!", faded=True) == face(theme, "text", faded=True)
        assert face(theme, "error!").bold


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [DARK, LIGHT, TERMINAL], ids=lambda theme: theme.name)
def test_what_is_read_has_contrast(theme: Theme) -> None:
    """TTY-4: 4.5 to 1 for every role that words are written in (WCAG 2.2, 1.4.3)."""
    ground = _luminance(theme.background)
    for role, look in theme.faces.items():
        if role in ("faint", "fill"):
            continue
        assert re.fullmatch("#[0-9a-f]{6}", look.colour)
        light, dark = sorted((ground, _luminance(look.colour)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, role
