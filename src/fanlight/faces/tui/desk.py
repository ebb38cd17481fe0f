"""What one terminal looks at, and what its keys change: keys and documents in, effects out; no drawing, no waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

from fanlight.faces.tui import keys, themes
from fanlight.faces.tui.backlog import Backlog
from fanlight.faces.tui.cells import clean, width
from fanlight.faces.tui.dialogs import Dialog, Help, Order, Told
from fanlight.faces.tui.document import PageDocument
from fanlight.faces.tui.forms import Form, Menu
from fanlight.faces.tui.kinds.table import NUMERIC
from fanlight.faces.tui.links import targets, view_of
from fanlight.faces.tui.look import Look
from fanlight.faces.tui.sheet import Sheet, shown_slots
from fanlight.panels import RANGES, ActionButton, Actions, Log, Table, View

NOTICE_SECONDS: Final = 6.0
"""How long the footer says what has just happened."""

BACK_LIMIT: Final = 20
"""Views that one can go back to."""

FOOTER_REST: Final = 10
"""Cells of the footer that a notice does not get."""

FAR: Final = 1_000_000
"""Lines: more than any page has."""

FILTER_LIMIT: Final = 100
"""Characters of a filter."""


class Effect(NamedTuple):
    """What a key asks for beyond the terminal itself."""

    kind: Literal["quit", "logs", "suspend", "fetch", "act"]
    order: Order | None = None


class Desk:
    """One terminal's state. `now` is monotonic seconds, given by the caller; not thread-safe."""

    def __init__(self, view: View, look: Look, theme: themes.Theme, *, toggles: bool = False) -> None:
        self.view, self.look, self.theme, self.toggles = view, look, theme, toggles
        self.document: PageDocument | None = None
        self.fresh: PageDocument | None = None
        self.backlog = Backlog()
        self.sheet = Sheet()
        self.dialog: Dialog | None = None
        self.prompt: str | None = None
        self.enlarged = ""
        self.row = 0
        self._came_from: deque[View] = deque(maxlen=BACK_LIMIT)
        self.paused = self.choosing = self.log_alone = False
        self.lost = ""
        self.received = 0.0
        self.top = 0
        self.notice = ""
        self.notice_until = 0.0
        self.cells = self.page_room = self.log_room = 1
        self.chosen = False
        self.judged = ("", 1)
        self.now = 0.0
        self.running: dict[str, str] = {}

    def take(self, document: PageDocument, now: float) -> None:
        """A document has come; while the display is held it waits."""
        self.fresh, self.lost, self.now = document, "", now
        if self.paused:
            return
        self.received = now
        if self.document is None or self.document.page != document.page:
            self._enlarge("")
        if self.chosen:
            self.sheet.forget()
            self.chosen = False
        self.document = document
        self.backlog.add(document.lines)

    def lose(self, why: str, now: float) -> None:
        """The dashboard cannot be reached: what is there stays, and grows old."""
        self.lost, self.now = why, now

    def say(self, text: str) -> None:
        """Say something in the footer for a while."""
        self.notice, self.notice_until = text, self.now + NOTICE_SECONDS

    def begun(self, title: str, message: str = "") -> None:
        """An action runs; how far it has come."""
        self.running[title] = f"{self.look.mark('idle')} running: {' '.join(filter(None, (title, message)))}"

    def ended(self, title: str, state: str, said: str) -> None:
        """An action has ended, or could not be begun; what the footer cannot hold is said in a box."""
        self.running.pop(title, None)
        told = f"{self.look.mark(state)} {said}"
        self.say(told)
        if width(clean(told)) > self.cells - FOOTER_REST and self.dialog is None and self.prompt is None:
            self.dialog = Told(title, told, "text")

    def refused(self, order: Order, name: str, why: str) -> None:
        """The dashboard does not take a value of an action: back to its form, unless something else is open."""
        self.ended(order.button.title, "error", why)
        if isinstance(order.form, Form) and order.form.refuse(name, why) and self.dialog is None:
            self.dialog = order.form

    @property
    def types(self) -> bool:
        """Whether keys are text now."""
        return self.prompt is not None or (self.dialog is not None and self.dialog.types)

    @property
    def log_page(self) -> bool:
        """Whether the page is nothing but a log, which then is the log itself."""
        slots = shown_slots(self.document) if self.document else []
        return len(slots) == 1 and isinstance(slots[0].panel, Log)

    @property
    def log_beside(self) -> bool:
        """Whether the log stands under the page: on the first page of the menu."""
        document = self.document
        return document is None or not document.pages or document.pages[0].name == document.page

    def press(self, key: str, character: str | None, now: float) -> Effect | None:
        """A key was pressed."""
        self.now = now
        if self.dialog is not None:
            return self._answer(self.dialog, key, character)
        if self.prompt is not None:
            self._type(key, character)
            return None
        declared = keys.BY_NAME.get(key)
        if declared is None or (declared.toggles and not self.toggles):
            return None
        if key.isdigit():
            self._enlarge_number(key)
            return None
        act: Callable[[], Effect | None] = getattr(self, f"do_{declared.does}")
        return act()

    def _answer(self, dialog: Dialog, key: str, character: str | None) -> Effect | None:
        step = dialog.press(key, character)
        self.dialog = step.dialog
        if step.say:
            self.say(step.say)
        return Effect("act", step.order) if step.order else None

    def _type(self, key: str, character: str | None) -> None:
        text = self.prompt or ""
        if key in ("escape", "ctrl+c"):
            self.prompt = None
            self.backlog.filter("")
        elif key == "enter":
            self.prompt = None
        else:
            if key == "backspace":
                text = text[:-1]
            elif character and character.isprintable():
                text = (text + character)[:FILTER_LIMIT]
            self.prompt = text
            self.backlog.filter(text)

    def do_leave(self) -> Effect:
        return Effect("logs")

    def do_suspend(self) -> Effect:
        return Effect("suspend")

    def do_quit(self) -> Effect | None:
        """Stop, unless something is open that is closed first."""
        if self.enlarged or self.log_alone:
            self._enlarge("")
            self.log_alone = False
            return None
        return Effect("quit")

    def do_help(self) -> None:
        self.dialog = Help(self.toggles)

    def do_next_page(self) -> Effect | None:
        return self._turn(1)

    def do_previous_page(self) -> Effect | None:
        return self._turn(-1)

    def _turn(self, step: int) -> Effect | None:
        names = [link.name for link in self.document.pages] if self.document else []
        if not names:
            return None
        place = names.index(self.view.page) if self.view.page in names else 0
        page = names[(place + step) % len(names)]
        return self._go(View(page=page, scope=self.view.scope, range=self.view.range))

    def _enlarge_number(self, digit: str) -> None:
        name = next((name for name, number in self.sheet.numbers.items() if number == digit), "")
        if name:
            self._enlarge("" if self.enlarged == name else name)
        else:
            self.say(f"There is no panel {digit} on this page.")

    def do_enlarge_next(self) -> None:
        names = ["", *self.sheet.numbers]
        place = names.index(self.enlarged) if self.enlarged in names else 0
        self._enlarge(names[(place + 1) % len(names)])

    def _enlarge(self, name: str) -> None:
        self.enlarged, self.top, self.row = name, 0, 0
        if self.choosing:
            self.choosing = False
            if self.paused:
                self.do_pause()

    def _targets(self) -> tuple[int, tuple[str, ...]]:
        """Where the enlarged panel's rows begin, and where they lead."""
        slots = self.document.slots if self.document and self.enlarged else ()
        return next((targets(slot.panel) for slot in slots if slot.name == self.enlarged), (0, ()))

    def chosen_line(self) -> int:
        """The line inside the enlarged panel's box that is chosen; -1 for none."""
        first, hrefs = self._targets()
        return first + min(self.row, len(hrefs) - 1) if any(hrefs) else -1

    def _choose(self, lines: int) -> None:
        """Choose another row, and keep it in sight; meanwhile the display is held, or rows would move away from under
        the choice."""
        self.choosing = self.choosing or not self.paused
        self.paused = True
        _, hrefs = self._targets()
        self.row = min(max(self.row + lines, 0), len(hrefs) - 1)
        line = self.chosen_line() + 1
        self.top = min(max(self.top, line - self.page_room + 2), max(line - 2, 0))

    def do_open(self) -> Effect | None:
        _, hrefs = self._targets()
        if not any(hrefs):
            self.say("Enlarge a panel with rows first; Enter opens the chosen one.")
            return None
        return self._follow(hrefs[min(self.row, len(hrefs) - 1)])

    def do_verdict(self) -> Effect | None:
        return self._follow(self.document.verdict.href if self.document else "")

    def _follow(self, href: str) -> Effect | None:
        """Go where an address leads."""
        view = view_of(href, self.view) if href else None
        if view is None:
            self.say("That leads nowhere.")
            return None
        self._came_from.append(self.view)
        return self._go(view)

    def do_back(self) -> Effect | None:
        if not self._came_from:
            self.say("There is nothing to go back to.")
            return None
        return self._go(self._came_from.pop())

    def _go(self, view: View) -> Effect:
        self.view, self.log_alone, self.chosen = view, False, True
        self.paused = self.choosing = False
        self._enlarge("")
        if view.page == "logs":
            self.backlog.filter(view.filter("q"))
        return Effect("fetch")

    def do_page_down(self) -> None:
        self.top += max(self.page_room // 2, 1)

    def do_page_up(self) -> None:
        self.top = max(self.top - max(self.page_room // 2, 1), 0)

    def _scroll(self, lines: int) -> None:
        """Move the log; where there is none the page."""
        if self.log_room > 0 and not self.enlarged:
            self.backlog.move(lines, self.log_room)
        elif self.chosen_line() >= 0:
            self._choose(lines)
        else:
            self.top = max(self.top + lines, 0)

    def _screen(self) -> int:
        return max((self.log_room if self.log_room > 0 and not self.enlarged else self.page_room) - 1, 1)

    def do_log_up(self) -> None:
        self._scroll(-1)

    def do_log_down(self) -> None:
        self._scroll(1)

    def do_log_page_up(self) -> None:
        self._scroll(-self._screen())

    def do_log_page_down(self) -> None:
        self._scroll(self._screen())

    def do_log_top(self) -> None:
        self._scroll(-FAR)

    def do_log_end(self) -> None:
        self._scroll(FAR)

    def do_log_alone(self) -> None:
        self.log_alone, self.enlarged = not self.log_alone, ""

    def do_filter(self) -> None:
        """Type words; where no log is to be seen, it comes."""
        if self.log_room <= 0:
            self.log_alone, self.enlarged = True, ""
        self.prompt = self.backlog.words

    def do_pause(self) -> None:
        self.paused = not self.paused
        if not self.paused and self.fresh is not None:
            self.chosen = True
            self.take(self.fresh, self.now)

    def _sortable(self) -> Table | None:
        """The page's table that is sorted; of an enlarged panel only that one."""
        slots = self.document.slots if self.document else ()
        panels = [slot.panel for slot in slots if self.enlarged in ("", slot.name)]
        return next((panel for panel in panels if isinstance(panel, Table) and panel.sortable), None)

    def do_sort(self) -> Effect | None:
        """The next column; numbers and times begin with the largest."""
        table = self._sortable()
        columns = [column for column in table.columns if column.sort and column.title] if table else []
        if not table or not columns:
            self.say("There is no table here that can be sorted.")
            return None
        names = [column.name for column in columns]
        sorted_by = (self.view.sort or table.sorted).lstrip("-")
        column = columns[(names.index(sorted_by) + 1) % len(columns) if sorted_by in names else 0]
        first = "-" if column.unit in NUMERIC or column.unit == "time" else ""
        return self._changed(sort=first + column.name)

    def do_sort_other_way(self) -> Effect | None:
        table = self._sortable()
        applied = self.view.sort or (table.sorted if table else "")
        if not table or not applied:
            self.say("There is no table here that can be sorted.")
            return None
        return self._changed(sort=applied[1:] if applied.startswith("-") else f"-{applied}")

    def do_range_longer(self) -> Effect:
        return self._range(1)

    def do_range_shorter(self) -> Effect:
        return self._range(-1)

    def _range(self, step: int) -> Effect:
        """The next range, going round."""
        names = list(RANGES)
        place = names.index(self.view.range) if self.view.range in names else 0
        return self._changed(range=names[(place + step) % len(names)])

    def _changed(self, **changes: str) -> Effect:
        self.view = msgspec.structs.replace(self.view, **changes)
        self.paused, self.chosen = False, True
        return Effect("fetch")

    def do_act(self) -> None:
        role = self.document.role if self.document else "viewer"
        buttons: list[ActionButton] = []
        for slot in self.document.slots if self.document else ():
            buttons += slot.panel.buttons if isinstance(slot.panel, Actions) else ()
        allowed = [button for button in buttons if role in (button.role, "operator")]
        if allowed:
            self.dialog = Menu(allowed)
        elif buttons:
            self.say("Actions need the role operator; this terminal is a viewer.")
        else:
            self.say("There are no actions on this page.")

    def do_theme(self) -> None:
        self.theme = themes.following(self.theme)
        if self.theme is themes.PLAIN:
            self.say("NO_COLOR is set: there are no colours to choose.")
