"""What an action is asked for in the terminal: which one, and its values, a field each. Pure: keys in, steps out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fanlight.faces.tui.cells import Line, Piece, clean, cut, cut_left, fit, width, wrapped
from fanlight.faces.tui.dialogs import BACKWARD, CLOSING, FORWARD, Dialog, Order, Question, Step
from fanlight.faces.tui.look import Look
from fanlight.panels import ActionButton, Field, FieldKind
from fanlight.services.parameters import TEXT_LIMIT, ParameterError, parameter_of, read

LEAST_CONTROL: Final = 12
"""Cells of what is put in, at least; a long title gives way."""

HINTS: Final[dict[FieldKind, str]] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "Space changes it",
    "choice": "arrows choose",
}
NEXT: Final = frozenset({"tab", "down"})
BEFORE: Final = frozenset({"shift+tab", "up"})


class Menu(Dialog):
    """Which action?"""

    title = "Actions"

    def __init__(self, buttons: Sequence[ActionButton]) -> None:
        super().__init__()
        self.buttons = tuple(buttons)
        self.picked = 0

    def press(self, key: str, character: str | None) -> Step:
        if key in CLOSING:
            return Step()
        if key in BACKWARD | FORWARD:
            self.picked = (self.picked + (1 if key in FORWARD else -1)) % len(self.buttons)
        elif key.isdigit() and 0 < int(key) <= len(self.buttons):
            return begin(self.buttons[int(key) - 1])
        elif key in ("enter", "space"):
            return begin(self.buttons[self.picked])
        return Step(self)

    def body(self, cells: int, look: Look) -> list[Line]:
        return [
            ((cut(clean(f" {place + 1} {_named(button)} "), cells), "chosen" if place == self.picked else "accent"),)
            for place, button in enumerate(self.buttons)
        ]

    def focus(self) -> tuple[int, int]:
        return self.picked, self.picked


def _named(button: ActionButton) -> str:
    return f"{button.title}  ({button.disabled})" if button.disabled else button.title


def begin(button: ActionButton) -> Step:
    """What comes after an action was chosen: its form, or else the question."""
    if button.disabled:
        return Step(say=f"{button.title}: {button.disabled}")
    return Step(Form(button) if button.fields else Question(Order(button)))


class Entry:
    """One field as it is filled in: its text, where in it the next character goes, and what is wrong with it."""

    def __init__(self, field: Field) -> None:
        self.field = field
        optional = not field.required and field.default is None
        self.choices = ("", *field.choices) if optional else field.choices
        self.text = self._first()
        self.place = len(self.text)
        self.error = ""

    def _first(self) -> str:
        default = self.field.default
        if self.field.kind == "boolean":
            return "yes" if default is True else "no"
        if self.field.kind == "choice" and default not in self.choices:
            return self.choices[0] if self.choices else ""
        return "" if default is None else str(default)[:TEXT_LIMIT]

    def values(self) -> dict[str, Any]:
        """What is sent for it: nothing for what was left empty, but for a text that may be empty."""
        name, kind = self.field.name, self.field.kind
        if kind == "boolean":
            return {name: self.text == "yes"}
        return {name: self.text} if self.text or (kind == "text" and not self.field.required) else {}

    def check(self) -> None:
        """Know what is wrong with it, by the rules it will be read by."""
        try:
            read((parameter_of(self.field),), self.values())
            self.error = ""
        except ParameterError as error:
            self.error = str(error)

    def press(self, key: str, character: str | None) -> None:
        """A key for this field."""
        before = self.text
        if self.field.kind == "boolean":
            self._flip(key)
        elif self.field.kind == "choice":
            self._choose(key, character)
        else:
            self._type(key, character)
        if self.text != before:
            self.error = ""

    def _flip(self, key: str) -> None:
        if key in ("space", "left", "right"):
            self.text = "no" if self.text == "yes" else "yes"
        elif key in ("y", "n"):
            self.text = "yes" if key == "y" else "no"

    def _choose(self, key: str, character: str | None) -> None:
        """The next choice, the one before, or the next that begins with a letter."""
        at = self.choices.index(self.text) if self.text in self.choices else 0
        if key in ("left", "right", "space"):
            self.text = self.choices[(at + (-1 if key == "left" else 1)) % len(self.choices)] if self.choices else ""
        elif character and character.isprintable():
            following = (*self.choices[at + 1 :], *self.choices[: at + 1])
            first = character.lower()
            self.text = next((each for each in following if each.lower().startswith(first)), self.text)

    def _type(self, key: str, character: str | None) -> None:
        before, after = self.text[: self.place], self.text[self.place :]
        if key in ("home", "end", "left", "right"):
            self.place = {"home": 0, "end": len(self.text), "left": self.place - 1, "right": self.place + 1}[key]
            self.place = min(max(self.place, 0), len(self.text))
            return
        if key == "backspace":
            before = before[:-1]
        elif key == "delete":
            after = after[1:]
        elif key == "ctrl+u":
            before = ""
        elif character and character.isprintable() and len(self.text) < TEXT_LIMIT:
            before += character
        self.text, self.place = before + after, len(before)

    def drawn(self, cells: int, look: Look, *, here: bool) -> Line:
        """What is in it, in exactly so many cells."""
        role, left, right = "chosen" if here else "text", "[", "]"
        shown = clean(self.text)
        if self.field.kind == "boolean":
            return ((f"[{'x' if self.text == 'yes' else ' '}] {fit(shown, cells - 4)}", role),)
        if self.field.kind == "choice":
            left, right = "<", ">"
        elif here:
            before, after = clean(self.text[: self.place]), clean(self.text[self.place :])
            rest = min(width(after), cells // 3)
            shown = f"{cut_left(before, cells - 3 - rest)}{look.glyphs.cursor}{after}"
        return ((left, "muted"), (fit(shown, cells - 2), role), (right, "muted"))


class Form(Dialog):
    """The values of one action, a field each; Enter goes on when none of them is wrong."""

    types = True

    def __init__(self, button: ActionButton) -> None:
        super().__init__()
        self.button = button
        self.title = button.title
        self.entries = [Entry(field) for field in button.fields]
        self.here = 0
        self._seen = (0, 0)

    def press(self, key: str, character: str | None) -> Step:
        if key in ("escape", "ctrl+c"):
            return Step()
        if key == "enter":
            return self._go_on()
        if key in NEXT | BEFORE:
            self.here = (self.here + (1 if key in NEXT else -1)) % len(self.entries)
        else:
            self.entries[self.here].press(key, character)
        return Step(self)

    def _go_on(self) -> Step:
        for entry in self.entries:
            entry.check()
        if self._to_error():
            return Step(self)
        values = {name: value for entry in self.entries for name, value in entry.values().items()}
        return Step(Question(Order(self.button, values, self)))

    def refuse(self, name: str, why: str) -> bool:
        """The dashboard will not take a value; whether that is one of this form's."""
        for entry in self.entries:
            if entry.field.name == name:
                entry.error = why
        return self._to_error()

    def _to_error(self) -> bool:
        """Go to the first field that is wrong; whether there is one."""
        wrong = [place for place, entry in enumerate(self.entries) if entry.error]
        self.here = wrong[0] if wrong else self.here
        return bool(wrong)

    def body(self, cells: int, look: Look) -> list[Line]:
        titles = [_title(entry.field) for entry in self.entries]
        room = min(max(map(width, titles)), cells - LEAST_CONTROL - 2)
        lines: list[Line] = []
        for place, (entry, title) in enumerate(zip(self.entries, titles, strict=True)):
            here, first = place == self.here, len(lines)
            name: Piece = (fit(title, room), "strong" if here else "text")
            lines.append((name, ("  ", "text"), *entry.drawn(cells - room - 2, look, here=here)))
            said = wrapped(f"{look.mark('error')} {entry.error}", cells - 2, "error", 2) if entry.error else []
            lines += [(("  ", "text"), *line) for line in said]
            self._seen = (first, len(lines) - 1) if here else self._seen
        return lines

    def focus(self) -> tuple[int, int]:
        return self._seen

    def foot(self, cells: int, look: Look) -> list[Line]:
        field = self.entries[self.here].field
        needed = ", needed" if field.required else ""
        where = f" ({self.here + 1} of {len(self.entries)})" if len(self.entries) > 1 else ""
        keys = (("Tab", "next"), ("Enter", "go on"), ("Esc", "leave"))
        said: list[Piece] = [piece for key, word in keys for piece in ((key, "accent"), (f" {word}  ", "muted"))]
        return [(), ((f"{HINTS[field.kind]}{needed}{where}", "muted"),), tuple(said)]


def _title(field: Field) -> str:
    return clean(f"{field.title} *" if field.required else field.title)
