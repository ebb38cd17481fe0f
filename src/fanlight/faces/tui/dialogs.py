"""What stands over the page for a moment: the help, a choice of actions, a question. Pure: keys in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fanlight.faces.tui.cells import Line, clean, cut, fit, fit_line, line_width, width, wrapped
from fanlight.faces.tui.keys import KEYS
from fanlight.faces.tui.look import Look
from fanlight.panels import ActionButton

WIDEST: Final = 76
CLOSING: Final = frozenset({"escape", "q", "ctrl+c"})


@dataclass(slots=True)
class Dialog:
    """Lines in a box; `choices` are picked with the arrows and Enter, `button` is what a yes would run."""

    title: str
    text: tuple[str, ...] = ()
    rows: tuple[Line, ...] = ()
    choices: tuple[str, ...] = ()
    buttons: tuple[ActionButton, ...] = ()
    picked: int = 0
    top: int = 0
    close_on_any: bool = False

    def press(self, key: str) -> int | None:
        """The number of the choice that was made, -1 when it was closed, None while it stays."""
        if key in CLOSING or (key == "n" and not self.close_on_any):
            return -1
        if key in ("up", "k", "left", "shift+tab", "down", "j", "right", "tab", "pagedown", "pageup"):
            self._move(-1 if key in ("up", "k", "left", "shift+tab", "pageup") else 1)
            return None
        if self.close_on_any:
            return -1
        if key == "y" and len(self.buttons) == 1:
            return 0
        if key.isdigit() and 0 < int(key) <= len(self.choices):
            return int(key) - 1
        return self.picked if key in ("enter", "space") else None

    def _move(self, step: int) -> None:
        if self.choices:
            self.picked = (self.picked + step) % len(self.choices)
        else:
            self.top = min(max(self.top + step, 0), max(len(self.rows) - 1, 0))

    def lines(self, cells: int, height: int, look: Look) -> list[Line]:
        """The box, at most so wide and high."""
        inner = min(cells - 6, WIDEST)
        body = [line for text in self.text for line in wrapped(text, inner, "text", 6)]
        body += [*self.rows]
        if self.choices:
            body += [(), *self._choices(inner, look)]
        room = max(height - 2, 1)
        self.top = min(self.top, max(len(body) - room, 0))
        across = min(max((line_width(line) for line in body), default=0), inner)
        across = max(across, width(clean(self.title)) + 2)
        return _boxed(self.title, body[self.top : self.top + room], across, look, more=len(body) > room)

    def _choices(self, inner: int, look: Look) -> list[Line]:
        return [
            ((f" {place + 1} {cut(clean(choice), inner - 4)} ", "chosen" if place == self.picked else "accent"),)
            for place, choice in enumerate(self.choices)
        ]


def _boxed(title: str, body: Sequence[Line], inner: int, look: Look, *, more: bool) -> list[Line]:
    corners, across, down = look.glyphs.corners, look.glyphs.across, look.glyphs.down
    name = clean(title)
    head: Line = (
        (corners[0] + across, "accent"),
        (f" {name} ", "title"),
        (across * max(inner - width(name) - 1, 0) + corners[1], "accent"),
    )
    end = f" {look.glyphs.up_sign}{look.glyphs.down_sign} " if more else across * 4
    foot: Line = ((corners[2] + across * (inner - 3) + end + across + corners[3], "accent"),)
    return [
        head,
        *(((f"{down} ", "accent"), *fit_line(line, inner), (f" {down}", "accent")) for line in body),
        foot,
    ]


def help_dialog(toggles: bool) -> Dialog:
    """Every key there is."""
    shown = [key for key in KEYS if toggles or not key.toggles]
    names = max(width(key.shown) for key in shown)
    rows = tuple(((fit(key.shown, names), "accent"), (f"  {key.words}", "text")) for key in shown)
    return Dialog("Keys", rows=rows, close_on_any=True)


def choose(buttons: Sequence[ActionButton]) -> Dialog:
    """Which action?"""
    names = tuple(f"{button.title}  ({button.disabled})" if button.disabled else button.title for button in buttons)
    return Dialog("Actions", choices=names, buttons=tuple(buttons))


def confirm(button: ActionButton) -> Dialog:
    """Really? The first answer is no, so that Enter alone does nothing."""
    text = (button.confirm or f"Run {button.title}?",)
    return Dialog(button.title, text=text, choices=("Yes", "No"), buttons=(button,), picked=1)
