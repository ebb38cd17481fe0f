"""What surrounds a page: who is looked at, the pages, the verdict; at the bottom the keys and the pulse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fanlight import formats
from fanlight.faces.tui.cells import Line, clean, cut, fit_line, line_width, spread, words
from fanlight.faces.tui.document import PageDocument, PageLink
from fanlight.faces.tui.kinds.prose import verdict
from fanlight.faces.tui.look import Look, age

JUDGED_LINES: Final = 2


def header(document: PageDocument, lines: int, cells: int, look: Look, chosen: str) -> list[Line]:
    """Who and the pages on at most so many lines, which is one or two; `chosen` is the range."""
    if lines < 2:
        return [_narrow(document, cells)][:lines]
    return [_who(document, cells, look, chosen), tabs(document.pages, document.page, cells, look)]


def judged(document: PageDocument, cells: int, look: Look) -> list[Line]:
    """The verdict: a line, two for a long one that says what is wrong."""
    lines = 1 if document.verdict.state == "ok" else JUDGED_LINES
    said = verdict(document.verdict, cells - 2, lines, look)
    return [fit_line(((" ", "text"), *line), cells) for line in said]


def trouble(document: PageDocument, cells: int, look: Look) -> list[Line]:
    """What is wrong with the store, in the words of the system page, on at most two lines; none while nothing is."""
    if not document.history:
        return []
    first, *rest = words(f"History: {clean(document.history)}", cells - 4)
    lines = [first, cut(" ".join(rest), cells - 4)] if rest else [first]
    marks = (f" {look.mark('warn')} ", "   ")
    return [fit_line(((mark, "warn"), (said, "warn")), cells) for mark, said in zip(marks, lines, strict=False)]


def _about(document: PageDocument) -> list[str]:
    """How many, which release, how long: in few words."""
    many = f"{document.instances} workers" if document.instances != 1 else ""
    up = "" if document.uptime is None else f"up {formats.span(document.uptime)}"
    return [each for each in (many, clean(document.release), up) if each]


def _who(document: PageDocument, cells: int, look: Look, chosen: str) -> Line:
    left = [(" ", "text"), (clean(document.service), "brand"), ("  ", "text"), (" · ".join(_about(document)), "muted")]
    views = f"{document.viewers} viewing" if document.viewers > 1 else ""
    cost = "" if document.cost is None else f"Fanlight {formats.phrase(document.cost, 'percent')} of a core"
    dropped = f"{document.dropped} dropped" if document.dropped else ""
    right = " · ".join(each for each in (dropped, cost, views) if each)
    at = look.clock(document.at)
    return spread(
        left, [(right, "muted"), ("  ", "text"), (clean(chosen), "text"), ("  ", "text"), (f"{at} ", "muted")], cells
    )


def _narrow(document: PageDocument, cells: int) -> Line:
    names = [link.name for link in document.pages]
    place = f" {names.index(document.page) + 1}/{len(names)}" if document.page in names else ""
    left = [(" ", "text"), (clean(document.service), "brand"), ("  ", "text"), ("  ".join(_about(document)), "muted")]
    urgent = max(document.pages, key=lambda link: link.badge, default=None)
    badge = [(f"{clean(urgent.title)} {urgent.badge}  ", "error")] if urgent is not None and urgent.badge else []
    return spread(left, [*badge, (clean(document.title), "tab"), (place, "muted"), (" ", "text")], cells)


def tabs(links: Sequence[PageLink], current: str, cells: int, look: Look) -> Line:
    """The pages side by side, the current one marked; where they are too many, those around it."""
    pieces = [_tab(link, current) for link in links]
    place = next((number for number, link in enumerate(links) if link.name == current), 0)
    first, last = place, place + 1
    taken = line_width(tuple(pieces[place])) if pieces else 0
    while True:
        grown = False
        for step, candidate in ((1, last), (-1, first - 1)):
            if 0 <= candidate < len(pieces) and taken + line_width(tuple(pieces[candidate])) <= cells - 6:
                taken += line_width(tuple(pieces[candidate]))
                first, last = (first, last + 1) if step > 0 else (first - 1, last)
                grown = True
        if not grown:
            break
    before = [("… ", "muted")] if first > 0 else []
    after = [(" …", "muted")] if last < len(pieces) else []
    return fit_line([*before, *(piece for tab in pieces[first:last] for piece in tab), *after], cells)


def _tab(link: PageLink, current: str) -> list[tuple[str, str]]:
    role = "tab" if link.name == current else "muted"
    badge = [(f"{link.badge} ", "tab" if link.name == current else "error")] if link.badge else []
    return [(f" {clean(link.title)} ", role), *badge]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How the data comes: `late` is how old it is in seconds, `lost` what is wrong with the connection."""

    late: float = 0.0
    lost: str = ""
    paused: bool = False
    scrolled: str = ""


def footer(hints: Iterable[tuple[str, str]], notice: str, pulse: Pulse, cells: int, look: Look) -> Line:
    """The keys, or in their place what has just happened; at the right how fresh the data is."""
    right = [*_fresh(pulse, look), (" ", "text")]
    if notice:
        return spread([(f" {clean(notice)}", "strong")], right, cells)
    room = cells - line_width(tuple(right)) - 1
    left: list[tuple[str, str]] = [(" ", "text")]
    for key, word in hints:
        piece = [(key, "accent"), (f" {word}  ", "muted")]
        if line_width((*left, *piece)) > room:
            break
        left += piece
    return spread(left, right, cells)


def _fresh(pulse: Pulse, look: Look) -> list[tuple[str, str]]:
    scrolled = [(f"{pulse.scrolled}  ", "muted")] if pulse.scrolled else []
    if pulse.lost:
        return [*scrolled, (f"{look.mark('warn')} {clean(pulse.lost)}, data {age(pulse.late)} old", "warn!")]
    if pulse.paused:
        return [*scrolled, (f"{look.mark('idle')} paused {age(pulse.late)}", "warn!")]
    return [*scrolled, (f"{look.mark('ok')} live", "ok")]


def too_small(cells: int, look: Look) -> Line:
    """What stands over the log where nothing else has room."""
    return fit_line([(f" {look.mark('warn')} ", "warn"), ("60 x 15 needed; here is the log", "muted")], cells)


def title_line(title: str, note: str, end: str, cells: int, look: Look) -> Line:
    """A line between two parts of the screen: a title, what it covers, something at its end."""
    left = [
        (look.glyphs.across * 2, "faint"),
        (f" {clean(title)} ", "title"),
        (f"{clean(note)} " if note else "", "muted"),
    ]
    right = [(f" {end} ", "accent"), (look.glyphs.across * 2, "faint")] if end else []
    room = cells - line_width(tuple(left)) - line_width(tuple(right))
    if room < 0:
        return fit_line(left, cells)
    return (*left, (look.glyphs.across * room, "faint"), *right)
