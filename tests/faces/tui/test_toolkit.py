"""Without the library the terminal says how to get it, and nothing else needs it."""

from __future__ import annotations

import subprocess
import sys

from fanlight.faces.tui.themes import DARK
from fanlight.faces.tui.toolkit import Lines, style_of

SCRIPT = """
import sys
sys.modules["textual"] = sys.modules["textual.app"] = None
import fanlight.faces.tui.once, fanlight.faces.tui.compose, fanlight.faces.tui.frame
try:
    import fanlight.faces.tui.app
except fanlight.FanlightError as error:
    print(type(error).__name__, error)
"""


def test_a_missing_library_is_named_with_its_command() -> None:
    """TTY-1, X-8: one line; pages as text, documents and the rest of Fanlight work without it."""
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert answer.stdout == (
        "MissingTextual the terminal dashboard needs textual, which is not installed: "
        "pip install 'fanlight[terminal]'\n"
    ), answer.stderr


def test_fanlight_itself_does_not_import_it() -> None:
    """X-8: a service without a terminal pays nothing for it."""
    script = "import fanlight, fanlight.cli, sys; print([n for n in sys.modules if n in ('textual', 'rich')])"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert answer.stdout == "[]\n", answer.stderr


def test_gaps_take_the_look_of_what_stands_before_them() -> None:
    """TTY-4: fewer pieces are drawn and told, but where a gap would show: what is reversed ends with its text."""
    lines = Lines("page", DARK, ascii=False)
    words = (("a", "muted"), ("  ", "text"), ("b", "muted"), ("c", "ok"))
    row = (*words, (" tab ", "tab"), (" ", "text"), ("  d", "text"))
    found = [(segment.text, segment.style) for segment in lines._segments(row)]
    styles = [style_of(DARK, role, False) for role in ("muted", "ok", "tab", "text")]
    assert found == list(zip(("a  b", "c", " tab ", "   d"), styles, strict=True))
