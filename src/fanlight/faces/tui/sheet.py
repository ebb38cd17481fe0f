"""A page as lines: its panels drawn, boxed and put in their places; what has not changed is not drawn again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fanlight.faces.tui.cells import Line, clean, cut_words, fit_line, width, wrapped
from fanlight.faces.tui.document import PageDocument, SlotDocument
from fanlight.faces.tui.kinds import KINDS, Kind, Label
from fanlight.faces.tui.kinds.base import BRIEF_ROWS
from fanlight.faces.tui.kinds.stat import pack
from fanlight.faces.tui.kinds.table import left_out
from fanlight.faces.tui.layout import FRAME, Place, Wish, arrange
from fanlight.faces.tui.look import Look
from fanlight.panels import Feed, Gauge, Log, Panel, Section, Stat, Table, TimeSeries, Verdict, Waterfall

BESIDES: Final = 2
"""Cells a box takes at each side: its border and a space."""

MOST_ROWS: Final = 12
"""Lines a table or list asks for before there is room to spare."""

MOST_LINES: Final = 24
"""Lines any panel asks for at most."""

SLOW_SECONDS: Final = 0.9
"""Seconds of data between two drawings of a panel of slow pace: a second, with room for early ticks."""

CHART_MORE: Final = 8
"""Lines a chart could use beyond what it needs."""


Shape = tuple[int, int, str]
"""Width, height (in brief the rows of a listing, negative) and number."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A panel as it was last drawn."""

    panel: Panel
    shape: Shape
    at: float
    lines: list[Line]


class Sheet:
    """Draws the documents of one terminal, one after the other; panels of slow pace once a second.

    `numbers` has the panels that can be enlarged, in the order they were last seen, with the digits of the first nine.
    """

    def __init__(self) -> None:
        self._drawn: dict[str, _Drawn] = {}
        self._wanted: dict[str, int] = {}
        self._more: dict[str, int] = {}
        self._places: list[Place] = []
        self.numbers: dict[str, str] = {}
        self._arranged: tuple[object, ...] = ()
        self._look: Look | None = None
        self._page = ""

    def rows(self, document: PageDocument, width: int, height: int, look: Look, *, dense: bool) -> list[Line]:
        """The page in lines of this width: as many as it takes, which may be more or fewer than `height`."""
        self._turn(document, look)
        slots = shown_slots(document)
        if dense:
            return self._filling(slots, width, height, look)
        return self._gridded(slots, width, height, look)

    def alone(
        self, document: PageDocument, name: str, width: int, height: int, look: Look, chosen: int = -1
    ) -> list[Line]:
        """One panel with all the room, and all its lines if they are more; the chosen line in the box stands out."""
        slot = next((slot for slot in document.slots if slot.name == name), None)
        if slot is None:
            return []
        inner = max(height - FRAME, 1 if isinstance(slot.panel, TimeSeries) else ideal_lines(slot.panel, width - 4))
        lines = box(slot.panel, width, inner + FRAME, self.numbers.get(name, ""), look)
        if 0 <= chosen < inner:
            left, *pieces, right = lines[chosen + 1]
            lines[chosen + 1] = (left, *((text, "chosen") for text, _ in pieces), right)
        return lines

    def forget(self) -> None:
        """Draw everything anew the next time, whatever its pace: something was chosen."""
        self._drawn.clear()

    def _turn(self, document: PageDocument, look: Look) -> None:
        """Forget what was drawn of another page or for another kind of terminal."""
        if self._page != document.page or self._look is None or self._look.glyphs is not look.glyphs:
            self._drawn, self._wanted, self._more, self._arranged = {}, {}, {}, ()
        self._page, self._look = document.page, look

    def _filling(self, slots: Sequence[SlotDocument], cells: int, height: int, look: Look) -> list[Line]:
        """The page in brief; lines that would stay empty below it are given to listings that leave rows out."""
        lines = list(self._stacked(slots, cells, look))
        spare = height - len(lines) + sum(min(self._more.get(slot.name, 0), _waiting(slot.panel)) for slot in slots)
        more: dict[str, int] = {}
        for slot in (slot for group in _telling(slots) for slot in group):
            given = min(spare - sum(more.values()), _waiting(slot.panel))
            if given > 0:
                more[slot.name] = given
        if more == self._more:
            return lines
        self._more = more
        return list(self._stacked(slots, cells, look))

    def _stacked(self, slots: Sequence[SlotDocument], cells: int, look: Look) -> Iterator[Line]:
        """Panels in brief under one another, the most telling first; figures share lines."""
        groups = list(_telling(slots))
        self.numbers = numbers([slot for group in groups for slot in group])
        for ordered in groups:
            figures = [slot.panel for slot in ordered if isinstance(slot.panel, Stat)]
            if figures:
                yield from (fit_line(line, cells) for line in pack(figures, cells, look))
            for slot in ordered:
                if not isinstance(slot.panel, Stat):
                    yield from self._brief(slot, self.numbers.get(slot.name, ""), cells, look)

    def _brief(self, slot: SlotDocument, number: str, cells: int, look: Look) -> list[Line]:
        rows = BRIEF_ROWS + self._more.get(slot.name, 0)

        def draw() -> list[Line]:
            label = Label(number, clean(slot.panel.title or slot.name), slot.panel.note, rows)
            panel = slot.panel
            made = drawn(panel, lambda: kind_of(panel).brief(panel, label, cells, look), cells, look)
            return [fit_line(line, cells) for line in made]

        return self._remembered(slot, (cells, -rows, number), look.at, draw)

    def _remembered(self, slot: SlotDocument, shape: Shape, at: float, draw: Callable[[], list[Line]]) -> list[Line]:
        """A panel's lines as they were last drawn, if it is the same and in the same shape; else drawn now."""
        known = self._drawn.get(slot.name)
        if known is not None and known.shape == shape:
            early = slot.pace == "slow" and 0 <= at - known.at < SLOW_SECONDS
            if early or known.panel == slot.panel:
                return known.lines
        known = self._drawn[slot.name] = _Drawn(slot.panel, shape, at, draw())
        return known.lines

    def _gridded(self, slots: Sequence[SlotDocument], cells: int, height: int, look: Look) -> list[Line]:
        places = self._arrange(slots, cells, height)
        named = {slot.name: slot for slot in slots}
        self.numbers = numbers([named[place.name] for place in places])
        bottom = max((place.y + place.height for place in places), default=0)
        rows: list[list[tuple[int, int, Line]]] = [[] for _ in range(bottom)]
        for place in places:
            for down, line in enumerate(self._boxed(named[place.name], place, self.numbers.get(place.name, ""), look)):
                rows[place.y + down].append((place.x, place.width, line))
        return [_joined(row, cells) for row in rows]

    def _arrange(self, slots: Sequence[SlotDocument], cells: int, height: int) -> list[Place]:
        """The places, worked out anew only when what they depend on has changed; panels never ask for less again."""
        wishes = tuple(self._wish(slot, cells) for slot in slots)
        asked = (wishes, cells, height)
        if asked != self._arranged:
            self._arranged = asked
            self._places = sorted(arrange(wishes, cells, height), key=lambda place: (place.y, place.x))
        return self._places

    def _wish(self, slot: SlotDocument, cells: int) -> Wish:
        panel = slot.panel
        inner = max(min(max(slot.span, 1), 12) * cells // 12 - 2 * BESIDES, 1)
        ideal = max(ideal_lines(panel, inner), self._wanted.get(slot.name, 1))
        self._wanted[slot.name] = ideal
        listed = isinstance(panel, Table | Feed | Log | Waterfall)
        lines = min(ideal, MOST_ROWS if listed else MOST_LINES)
        more = CHART_MORE if isinstance(panel, TimeSeries) else ideal - lines
        return Wish(
            slot.name,
            slot.span,
            max(slot.rows, 1),
            lines,
            more,
            boxed=not isinstance(panel, Section | Verdict),
            widens=not isinstance(panel, Stat),
            rank=kind_of(panel).rank,
            glance=isinstance(panel, Gauge),
        )

    def _boxed(self, slot: SlotDocument, place: Place, number: str, look: Look) -> list[Line]:
        shape = (place.width, place.height, number)
        return self._remembered(slot, shape, look.at, lambda: box(slot.panel, place.width, place.height, number, look))


def kind_of(panel: Panel) -> Kind:
    """How a panel is drawn."""
    return KINDS[type(panel)]


def drawn(panel: Panel, draw: Callable[[], list[Line]], cells: int, look: Look) -> list[Line]:
    """A drawing, or what went wrong with it: one panel's data must not end the terminal."""
    try:
        return draw()
    except Exception as error:
        said = f"{look.mark('error')} {panel.title or 'This panel'} cannot be drawn: {type(error).__name__}: {error}"
        return wrapped(said, max(cells, 1), "error", 2)


def ideal_lines(panel: Panel, cells: int) -> int:
    """The lines a panel would like inside its box."""
    try:
        return kind_of(panel).ideal(panel, cells)
    except Exception:  # drawing it will say what is wrong
        return 2


def shown_slots(document: PageDocument) -> list[SlotDocument]:
    """The panels of a page but for the verdict, which the header says on every page."""
    return [slot for slot in document.slots if slot.panel != document.verdict]


def numbers(seen: Sequence[SlotDocument]) -> dict[str, str]:
    """Those of the panels that can be enlarged, with the digits of the first nine."""
    names = [slot.name for slot in seen if kind_of(slot.panel).enlarges]
    return {name: str(place + 1) if place < 9 else "" for place, name in enumerate(names)}


def _waiting(panel: Panel) -> int:
    """How many rows a listing has beyond those it shows in brief."""
    if isinstance(panel, Table):
        return max(len(panel.rows) - BRIEF_ROWS, 0)
    listed = panel.items if isinstance(panel, Feed) else panel.lines if isinstance(panel, Log) else ()
    return max(len(listed) - BRIEF_ROWS, 0)


def _telling(slots: Sequence[SlotDocument]) -> Iterator[list[SlotDocument]]:
    """The panels under each heading, the most telling first."""
    for group in _sections(slots):
        yield sorted(group, key=lambda slot: kind_of(slot.panel).rank)


def _sections(slots: Sequence[SlotDocument]) -> Iterator[list[SlotDocument]]:
    """The panels from one heading to the next, the heading among them."""
    group: list[SlotDocument] = []
    for slot in slots:
        if isinstance(slot.panel, Section) and group:
            yield group
            group = []
        group.append(slot)
    if group:
        yield group


def _joined(pieces: Sequence[tuple[int, int, Line]], cells: int) -> Line:
    """Parts of a row side by side, gaps filled."""
    line: list[tuple[str, str]] = []
    end = 0
    for x, across, part in sorted(pieces, key=lambda piece: piece[0]):
        if x > end:
            line.append((" " * (x - end), "text"))
        line += part
        end = x + across
    if end < cells:
        line.append((" " * (cells - end), "text"))
    return tuple(line)


def box(panel: Panel, cells: int, height: int, number: str, look: Look) -> list[Line]:
    """A panel in its box: title, note and number in the upper edge, how much is left out in the lower one."""
    if isinstance(panel, Section | Verdict):
        lines = [(("  ", "text"), *line) for line in kind_of(panel).full(panel, cells - 3, height, look)]
        return [fit_line(line, cells) for line in (*lines, *[()] * height)][:height]
    inner = cells - 2 * BESIDES
    room = height - FRAME
    content = drawn(panel, lambda: kind_of(panel).full(panel, inner, room, look), inner, look)[:room]
    beyond = _beyond(panel, inner, len(content))
    left, right = ((f"{look.glyphs.down} ", "faint"),), ((f" {look.glyphs.down}", "faint"),)
    body = [(*left, *fit_line(line, inner), *right) for line in (*content, *[()] * (room - len(content)))]
    return [_top(panel, cells, number, look), *body, _bottom(cells, f"{beyond} more" if beyond else "", look)]


def _beyond(panel: Panel, cells: int, shown: int) -> int:
    """How many lines, or rows of a table, have no room in the box."""
    if panel.error or isinstance(panel, TimeSeries | Stat):
        return 0
    if isinstance(panel, Table):
        return left_out(panel, shown - 1) if panel.rows else 0
    return max(ideal_lines(panel, cells) - shown, 0)


def _top(panel: Panel, cells: int, number: str, look: Look) -> Line:
    corners, across = look.glyphs.corners, look.glyphs.across
    end = f" {number} " if number else ""
    title = cut_words(clean(panel.title), cells - 6 - len(end))
    room = cells - 8 - len(end) - width(title)
    note = cut_words(clean(panel.note), room) if panel.note and room > 5 else ""
    said = [(f" {title} ", "title")] if title else []
    said += [(f"{note} ", "muted")] if note else []
    taken = sum(width(text) for text, _ in said)
    rest = cells - 3 - taken - len(end)
    return ((corners[0] + across, "faint"), *said, (across * max(rest - (1 if end else 0), 0), "faint"),
            *(((end, "muted"), (across, "faint")) if end else ()), (corners[1], "faint"))  # fmt: skip


def _bottom(cells: int, end: str, look: Look) -> Line:
    corners, across = look.glyphs.corners, look.glyphs.across
    if not end or width(end) + 6 > cells:
        return ((corners[2] + across * (cells - 2) + corners[3], "faint"),)
    rest = across * (cells - 5 - width(end))
    return ((corners[2] + rest, "faint"), (f" {end} ", "muted"), (across + corners[3], "faint"))
