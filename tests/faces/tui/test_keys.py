"""The table of keys: complete, unambiguous, and what help, footer and documentation are made of."""

from __future__ import annotations

import itertools
from pathlib import Path

from fanlight.faces.tui import keys
from fanlight.faces.tui.desk import Desk
from fanlight.faces.tui.dialogs import Help
from fanlight.faces.tui.look import Look
from fanlight.faces.tui.themes import DARK
from fanlight.panels import View

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_no_key_does_two_things() -> None:
    """TTY-2: each name stands once in the table."""
    names = list(itertools.chain.from_iterable(key.names for key in keys.KEYS))
    assert len(names) == len(set(names)) == len(keys.BY_NAME)


def test_every_key_does_something_before_and_after_the_first_document() -> None:
    """TTY-2: each line of the table has its doing, and none of them needs data to be there."""
    for key in keys.KEYS:
        desk = Desk(View(), Look(), DARK, toggles=True)
        assert key.does == "enlarge" or hasattr(desk, f"do_{key.does}")
        for name in key.names:
            desk.dialog = None
            desk.prompt = None
            desk.press(name, None, 0.0)


def test_the_keys_asked_for_are_there() -> None:
    """TTY-2: the ones the terminal was ordered with."""
    wanted = {
        "d": "leave", "q": "quit", "escape": "quit", "ctrl+c": "quit", "up": "log_up", "k": "log_up",
        "down": "log_down", "j": "log_down", "pageup": "log_page_up", "pagedown": "log_page_down", "g": "log_top",
        "G": "log_end", "p": "pause", "space": "pause", "question_mark": "help", "1": "enlarge", "9": "enlarge",
        "e": "enlarge_next", "slash": "filter", "s": "sort", "t": "theme", "tab": "next_page",
        "shift+tab": "previous_page", "left_square_bracket": "range_shorter", "right_square_bracket": "range_longer",
        "r": "range_longer",
    }  # fmt: skip
    assert {name: keys.BY_NAME[name].does for name in wanted} == wanted


def test_help_and_footer_are_made_of_the_table() -> None:
    """TTY-2: what help lists is what there is; without a log to leave for, d is not offered."""
    assert len(Help(True).keys) == len(keys.KEYS)
    assert len(Help(False).keys) == len(keys.KEYS) - 1
    for cells in (54, 74):
        shown = "".join(text for line in Help(True).body(cells, Look()) for text, _ in line)
        assert "…" not in shown, "at 60 and at 80 columns every word of it can be read"
    assert ("d", "logs") in keys.hints(toggles=True)
    assert ("d", "logs") not in keys.hints(toggles=False)


def test_the_documentation_has_this_table() -> None:
    """API-10: docs/terminal.md lists the keys as they are."""
    assert keys.markdown() in (DOCS / "terminal.md").read_text()
