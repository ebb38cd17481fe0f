"""What stands over the page for a moment: a box that takes the keys, the help, a question. Pure: keys in, steps out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from fanlight import formats
from fanlight.faces.tui.cells import Line, clean, cut, fit, fit_line, line_width, width, wrapped
from fanlight.faces.tui.keys import KEYS
from fanlight.faces.tui.look import Look
from fanlight.panels import ActionButton

WIDEST: Final = 76
CLOSING: Final = frozenset({"escape", "q", "ctrl+c"})
BACKWARD: Final = frozenset({"up", "k", "left", "shift+tab", "pageup"})
FORWARD: Final = frozenset({"down", "j", "right", "tab", "pagedown"})
VALUES_SHOWN: Final = 8
"""Values that a question repeats."""

TOLD_LINES: Final = 40
"""Lines of a message at most; a run's has at most 900 characters."""


class Order(NamedTuple):
    """An action that is to be run with these values; `form` is where they were put in."""

    button: ActionButton
    values: Mapping[str, Any] = {}
    form: Dialog | None = None


class Step(NamedTuple):
    """What a key has led to: the dialog there is now, something to be said, something to be run."""

    dialog: Dialog | None = None
    say: str = ""
    order: Order | None = None


class Dialog(ABC):
    """A box of lines: a body that scrolls, and a foot that stays. Takes every key while it is open."""

    title = ""
    types = False
    """Whether text can be put in."""

    def __init__(self) -> None:
        self.top = 0

    @abstractmethod
    def press(self, key: str, character: str | None) -> Step:
        """A key was pressed."""

    def body(self, cells: int, look: Look) -> list[Line]:
        """All lines but the foot's."""
        return []

    def foot(self, cells: int, look: Look) -> list[Line]:
        """The lines at the bottom."""
        return []

    def focus(self) -> tuple[int, int]:
        """The first and last line of the body that are to be in sight, as it was last made."""
        return self.top, self.top

    def lines(self, cells: int, height: int, look: Look) -> list[Line]:
        """The box, at most so wide and high."""
        inner = min(cells - 6, WIDEST)
        body, foot = self.body(inner, look), self.foot(inner, look)
        room = max(height - 2 - len(foot), 1)
        first, last = self.focus()
        self.top = max(min(max(self.top, last - room + 1), first, len(body) - room), 0)
        shown = [*body[self.top : self.top + room], *foot]
        across = max([width(clean(self.title)) + 2, *map(line_width, (*body, *foot))])
        return _boxed(self.title, shown, min(across, inner), look, more=len(body) > room)


def _boxed(title: str, body: Sequence[Line], inner: int, look: Look, *, more: bool) -> list[Line]:
    corners, across, down = look.glyphs.corners, look.glyphs.across, look.glyphs.down
    name = cut(clean(title), inner - 2)
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


class Help(Dialog):
    """Every key there is; any but those that scroll closes it."""

    title = "Keys"

    def __init__(self, toggles: bool) -> None:
        super().__init__()
        self.keys = [key for key in KEYS if toggles or not key.toggles]

    def press(self, key: str, character: str | None) -> Step:
        if key not in BACKWARD | FORWARD:
            return Step()
        self.top = max(self.top + (1 if key in FORWARD else -1), 0)
        return Step(self)

    def body(self, cells: int, look: Look) -> list[Line]:
        names = max(width(key.shown) for key in self.keys) + 2
        lines: list[Line] = []
        for key in self.keys:
            for place, line in enumerate(wrapped(key.words, cells - names, "text", 3)):
                lines.append(((fit("" if place else key.shown, names), "accent"), *line))
        return lines


class Told(Dialog):
    """Something too long for the footer, whole; any key but those that scroll closes it."""

    def __init__(self, title: str, text: str, role: str) -> None:
        super().__init__()
        self.title, self.text, self.role = title, text, role

    def press(self, key: str, character: str | None) -> Step:
        if key not in BACKWARD | FORWARD:
            return Step()
        self.top = max(self.top + (1 if key in FORWARD else -1), 0)
        return Step(self)

    def body(self, cells: int, look: Look) -> list[Line]:
        return wrapped(self.text, cells, self.role, TOLD_LINES)


class Question(Dialog):
    """Really? The first answer is no, so that Enter alone does nothing; no leads back to where the values are."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order
        self.title = order.button.title
        self.yes = False

    def press(self, key: str, character: str | None) -> Step:
        if key in CLOSING or key in ("n", "2"):
            return Step(self.order.form)
        if key in ("y", "1") or (key in ("enter", "space") and self.yes):
            return Step(order=self.order)
        if key in ("enter", "space"):
            return Step(self.order.form)
        self.yes ^= key in BACKWARD | FORWARD
        return Step(self)

    def body(self, cells: int, look: Look) -> list[Line]:
        asked = wrapped(self.order.button.confirm or f"Run {self.title}?", cells, "text", 6)
        given = list(self.order.values.items())
        told: list[Line] = [
            ((cut(clean(f"  {name} = {_shown(value)}"), cells), "muted"),) for name, value in given[:VALUES_SHOWN]
        ]
        more = len(given) - VALUES_SHOWN
        return [*asked, *told, *([((f"  and {more} more", "muted"),)] if more > 0 else []), ()]

    def foot(self, cells: int, look: Look) -> list[Line]:
        return [
            ((f" {place} {answer} ", "chosen" if yes is self.yes else "accent"),)
            for place, answer, yes in ((1, "Yes", True), (2, "No", False))
        ]


def _shown(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value) or formats.DASH
