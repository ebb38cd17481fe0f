"""One frame: what a desk looks like on a screen of some size, as lines for each part of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from fanlight.faces.tui import chrome, keys
from fanlight.faces.tui.cells import Line, clean, cut, fit_line
from fanlight.faces.tui.desk import Desk
from fanlight.faces.tui.kinds.listing import log_line, log_lines
from fanlight.faces.tui.layout import LEAST, Zones, zones
from fanlight.faces.tui.look import Look
from fanlight.faces.web.chrome import RANGE_TITLES
from fanlight.panels import RANGES

STALE_SECONDS: Final = 3.0
"""From this age on data that comes late is called so."""


class Frame(NamedTuple):
    """The lines of each part; `over` stands over the middle, `faded` says that the data is no longer fresh."""

    zones: Zones
    header: list[Line]
    page: list[Line]
    log: list[Line]
    footer: list[Line]
    over: list[Line]
    faded: bool

    def lines(self) -> list[Line]:
        """All parts under one another."""
        return [*self.header, *self.page, *self.log, *self.footer]


def frame(desk: Desk, width: int, height: int, now: float, output: Sequence[str] = ()) -> Frame:
    """The desk at a moment (monotonic seconds); `output` stands in the log's place while nothing else comes."""
    told = _told(desk, width)
    shared = _zones(desk, width, height, told=max(len(told) - 1, 0), empty=not (len(desk.backlog) or output))
    desk.cells, desk.page_room, desk.log_room = width, shared.page, max(shared.log - 1, 0)
    look = _look(desk)
    page, scrolled = _page(desk, width, shared, look)
    over = desk.dialog.lines(width, height, look) if desk.dialog else []
    return Frame(
        shared,
        _header(desk, width, height, shared.header, look, told),
        page,
        _log(desk, width, shared.log, look, output),
        [_footer(desk, width, now, scrolled, look)][: shared.footer],
        over,
        bool(desk.lost),
    )


def _look(desk: Desk) -> Look:
    document = desk.document
    if document is None:
        return desk.look
    return Look(
        glyphs=desk.look.glyphs, zone=desk.look.zone, at=document.at, span=float(RANGES.get(desk.view.range, 900))
    )


def _zones(desk: Desk, width: int, height: int, *, told: int, empty: bool) -> Zones:
    alone = (desk.log_page or desk.log_alone) and not desk.enlarged
    return zones(width, height, log=desk.log_beside and not desk.enlarged, alone=alone, empty=empty, told=told)


def _told(desk: Desk, width: int) -> list[Line]:
    """How things are: the verdict, and what is wrong with the store. A verdict that took two lines keeps them until the
    state is another, so that a number which is shorter by a digit does not move the page."""
    document = desk.document
    if document is None:
        return []
    judged = chrome.judged(document, width, desk.look)
    state, kept = desk.judged
    lines = max(len(judged), kept) if state == document.verdict.state else len(judged)
    desk.judged = (document.verdict.state, lines)
    return [*_filled(judged, width, lines), *chrome.trouble(document, width, desk.look)]


def _header(desk: Desk, width: int, height: int, lines: int, look: Look, told: Sequence[Line]) -> list[Line]:
    if width < LEAST[0] or height < LEAST[1]:
        return [chrome.too_small(width, look)]
    if desk.document is None:
        return _filled([((" Fanlight", "brand"),)], width, lines)
    chosen = " · ".join(
        (RANGE_TITLES.get(desk.view.range, desk.view.range), *(f"{name} {value}" for name, value in desk.view.filters))
    )
    return [*chrome.header(desk.document, lines - len(told), width, look, chosen), *told]


def _filled(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    """Exactly so many lines."""
    return [_fitted(line, width) for line in (*lines[:height], *[()] * (height - len(lines)))]


@lru_cache(maxsize=1_024)
def _fitted(line: Line, width: int) -> Line:
    """As `fit_line`, remembered: most lines of a frame are those of the frame before."""
    return fit_line(line, width)


def _page(desk: Desk, width: int, shared: Zones, look: Look) -> tuple[list[Line], str]:
    """The part of the page that is seen, and where in the page it is."""
    if shared.page <= 0:
        return [], ""
    if desk.document is None:
        waiting = desk.lost or "Waiting for the first figures ..."
        return _filled([(), ((f"  {cut(clean(waiting), width - 4)}", "muted"),)], width, shared.page), ""
    rows = _rows(desk, width, shared, look)
    beyond = max(len(rows) - shared.page, 0)
    desk.top = min(desk.top, beyond)
    share = f"{desk.top + shared.page}/{len(rows)}" if beyond else ""
    return _filled(rows[desk.top : desk.top + shared.page], width, shared.page), share


def _rows(desk: Desk, width: int, shared: Zones, look: Look) -> list[Line]:
    document = desk.document
    assert document is not None
    if desk.enlarged:
        rows = desk.sheet.alone(document, desk.enlarged, width, shared.page, look, desk.chosen_line())
        if rows:
            return rows
        desk.enlarged = ""  # it is no longer on the page
    return desk.sheet.rows(document, width, shared.page, look, dense=shared.dense)


def _log(desk: Desk, width: int, height: int, look: Look, output: Sequence[str]) -> list[Line]:
    """The log with its title line; without a connection what the server itself last wrote, if that is at hand."""
    if height <= 0:
        return []
    backlog = desk.backlog
    room = height - 1
    if output and (desk.lost or not len(backlog)):
        raw: list[Line] = [((f" {cut(clean(text), width - 2)}", "text"),) for text in output[-room:]] if room else []
        return [chrome.title_line("Output", "of the server", "", width, look), *_filled(raw, width, room)]
    seen = backlog.window(room) if room else []
    if desk.log_alone or desk.log_page:
        drawn = [row for line in seen for row in log_lines(line, width - 2, look)][-room:]
    else:
        drawn = [log_line(line, width - 2, look) for line in seen]
    return [_log_title(desk, width, look), *_filled([((" ", "text"), *row) for row in drawn], width, room)]


def _log_title(desk: Desk, width: int, look: Look) -> Line:
    backlog = desk.backlog
    if desk.prompt is not None:
        return chrome.title_line(
            "Log", f"filter: {desk.prompt}{look.glyphs.cursor}", "Enter keep, Esc all", width, look
        )
    note = f"{len(backlog.shown)} of {len(backlog)} with: {backlog.words}" if backlog.words else f"last {len(backlog)}"
    note = note if len(backlog) else "no line yet"
    dropped = desk.document.lines_dropped if desk.document else 0
    note += f", {dropped} dropped" if dropped else ""
    end = "" if backlog.following else f"{backlog.unread} new, End to follow"
    return chrome.title_line("Log", note, end, width, look)


def _footer(desk: Desk, width: int, now: float, scrolled: str, look: Look) -> Line:
    late = now - desk.received
    lost = desk.lost if desk.document is not None else ""
    if not lost and not desk.paused and desk.document is not None and late > STALE_SECONDS:
        lost = "slow"
    pulse = chrome.Pulse(late=_stepped(late), lost=lost, paused=desk.paused, scrolled=scrolled)
    notice = desk.notice if now < desk.notice_until else "  ".join(desk.running.values())
    return chrome.footer(keys.hints(toggles=desk.toggles), notice, pulse, width, look)


def _stepped(seconds: float) -> float:
    """Whole seconds, so that the footer changes once a second."""
    return float(int(seconds))
