"""The keys of the terminal, declared once: what they do is looked up here, and help, footer and docs are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Key(NamedTuple):
    """Some keys that do one thing. `names` are as Textual calls them, `shown` as people do; `hint` is the word in the
    footer, for those that are there; `toggles` says that it is only where the dashboard can be left for the log."""

    names: tuple[str, ...]
    shown: str
    does: str
    words: str
    hint: str = ""
    toggles: bool = False


KEYS: Final = (
    Key(("d",), "d", "leave", "leave the dashboard for the plain log, and come back", "logs", toggles=True),
    Key(("q", "escape", "ctrl+c"), "q Esc Ctrl+C", "quit", "stop the server; when attached, leave it alone and go", ""),
    Key(("ctrl+z",), "Ctrl+Z", "suspend", "back to the shell for a while; the server goes on, fg comes back"),
    Key(("question_mark", "h"), "? h", "help", "this help", "help"),
    Key(("tab", "right"), "Tab →", "next_page", "the next page", "page"),
    Key(("shift+tab", "left"), "Shift+Tab ←", "previous_page", "the page before"),
    Key(("1", "2", "3", "4", "5", "6", "7", "8", "9"), "1-9", "enlarge", "enlarge that panel, and back", "panel"),
    Key(("e",), "e", "enlarge_next", "enlarge one panel after the other"),
    Key(("enter",), "Enter", "open", "in an enlarged panel: open the chosen row, which the arrows choose"),
    Key(("v",), "v", "verdict", "open what the verdict speaks of"),
    Key(("backspace",), "Backspace", "back", "back to where one came from"),
    Key(("J", "shift+down"), "J Shift+↓", "page_down", "scroll the page down"),
    Key(("K", "shift+up"), "K Shift+↑", "page_up", "scroll the page up"),
    Key(("up", "k"), "↑ k", "log_up", "scroll the log up; it then stands still"),
    Key(("down", "j"), "↓ j", "log_down", "scroll the log down"),
    Key(("pageup",), "PgUp", "log_page_up", "a screen of the log up"),
    Key(("pagedown",), "PgDn", "log_page_down", "a screen of the log down"),
    Key(("home", "g"), "Home g", "log_top", "the oldest line"),
    Key(("end", "G"), "End G", "log_end", "the newest line, and follow"),
    Key(("l",), "l", "log_alone", "the log alone, with long lines whole, and back", "log"),
    Key(("slash",), "/", "filter", "show only log lines with these words; empty shows all", "filter"),
    Key(("p", "space"), "p Space", "pause", "hold the display still; recording goes on", "pause"),
    Key(("s",), "s", "sort", "sort the table by its next column", "sort"),
    Key(("S",), "S", "sort_other_way", "sort the other way round"),
    Key(("left_square_bracket",), "[", "range_shorter", "a shorter range"),
    Key(("right_square_bracket", "r"), "] r", "range_longer", "a longer range; after the longest the shortest"),
    Key(("a",), "a", "act", "the actions of this page; each is asked for again before it runs", "actions"),
    Key(("t",), "t", "theme", "the next theme: dark, light, green, the terminal's own colours", "theme"),
)  # fmt: skip
"""Every key, in the order of the help."""

BY_NAME: Final[Mapping[str, Key]] = {name: key for key in KEYS for name in key.names}
"""The key by what was pressed."""


def hints(*, toggles: bool) -> list[tuple[str, str]]:
    """What the footer says: (key, word)."""
    return [(key.shown.split()[0], key.hint) for key in KEYS if key.hint and (toggles or not key.toggles)]


def markdown() -> str:
    """The table of the documentation."""
    rows = [f"| {' '.join(f'`{each}`' for each in key.shown.split())} | {key.words} |" for key in KEYS]
    return "\n".join(["| key | what it does |", "|---|---|", *rows])
