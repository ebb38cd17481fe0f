"""What happened, a line each: events, log lines, the spans of one request."""

from __future__ import annotations

from typing import Final

from fanlight.faces.tui.cells import Line, clean, cut, cut_left, fit, folded, width
from fanlight.faces.tui.kinds.base import Kind, Label, message, message_lines, state_role
from fanlight.faces.tui.look import Look
from fanlight.faces.web.words import level_state
from fanlight.panels import Feed, FeedItem, Log, LogLine, Span, Waterfall

TYPE: Final = 16
ROOMY: Final = 100
"""Cells from which a log line has room for milliseconds and long names."""

FOLDS: Final = 40
"""Lines that one log line takes at most."""

LEAST_MESSAGE: Final = 20
LEAST_INDENT: Final = 4
DEPTH: Final = 8
SHORT: Final = {"WARNING": "WARN", "CRITICAL": "CRIT"}


def feed(panel: Feed, cells: int, height: int, look: Look) -> list[Line]:
    """Events, the newest first."""
    instead = message(panel, cells, height, look, empty=not panel.items)
    if instead is not None:
        return instead
    shown = panel.items[:height]
    types = min(max(width(clean(item.type)) for item in shown), max(TYPE, cells // 4))
    return [_event(item, types, cells, look) for item in shown]


def _event(item: FeedItem, types: int, cells: int, look: Look) -> Line:
    role = state_role(item.state)
    return ((f"{look.moment(item.at, coarse=True)} ", "muted"), (f"{look.mark(item.state)} ", role),
            (fit(item.type, types), role), (f"  {cut(clean(item.text), cells - types - 13)}", "text"))  # fmt: skip


def log(panel: Log, cells: int, height: int, look: Look) -> list[Line]:
    """The newest lines, the newest last."""
    instead = message(panel, cells, height, look, empty=not panel.lines)
    return instead if instead is not None else [log_line(line, cells, look) for line in panel.lines[-height:]]


def log_line(line: LogLine, cells: int, look: Look) -> Line:
    """Time, level, logger, file and line, message; columns of fixed width, so that messages begin at one place."""
    head, taken, role = _log_head(line, cells, look)
    return (*head, (cut(clean(line.message), max(cells - taken, 0)), role))


def log_lines(line: LogLine, cells: int, look: Look) -> list[Line]:
    """As `log_line` with all of the message, on as many lines as it takes, at most FOLDS; they are indented less where
    they would have next to no room."""
    head, taken, role = _log_head(line, cells, look)
    indent = taken if cells - taken >= LEAST_MESSAGE else LEAST_INDENT
    text, *more = map(clean, line.message.split("\n"))
    first = next(folded(text, max(cells - taken, 1)))
    texts = [*([text[len(first) :]] if len(first) < len(text) else []), *more]
    pieces = [piece for text in texts for piece in folded(text, max(cells - indent, 1))]
    return [(*head, (first, role)), *(((" " * indent, "text"), (piece, role)) for piece in pieces[: FOLDS - 1])]


def _log_head(line: LogLine, cells: int, look: Look) -> tuple[Line, int, str]:
    """What stands before the message, its width, and the message's role."""
    roomy = cells >= ROOMY
    time = look.clock_ms(line.at) if roomy else look.clock(line.at)
    logger, source = (20, 18) if roomy else (12, 14)
    state = level_state(line.level)
    role = state_role(state, "accent") if state != "idle" else "muted"
    head = (
        (f"{time} ", "muted"),
        (fit(line.level if roomy else SHORT.get(line.level, line.level), 8 if roomy else 5), role),
        (f" {fit(cut_left(clean(line.logger), logger), logger)} ", "text"),
        (f"{fit(cut_left(clean(line.source), source), source)} ", "muted"),
    )
    return head, sum(width(text) for text, _ in head), state_role(state) if state == "error" else "text"


def waterfall(panel: Waterfall, cells: int, height: int, look: Look) -> list[Line]:
    """Spans under one another, each at its time."""
    instead = message(panel, cells, height, look, empty=not panel.spans)
    if instead is not None:
        return instead
    shown = panel.spans[:height]
    whole = panel.duration or max(span.start + span.duration for span in panel.spans) or 1.0
    names = min(max(width(clean(span.name)) + 2 * _depth(span) for span in shown), max(cells // 3, 8))
    said = max(width(look.phrase(span.duration, "seconds")) for span in shown)
    return [_span(span, whole, names, said, cells, look) for span in shown]


def _depth(span: Span) -> int:
    return min(max(span.depth, 0), DEPTH)


def _span(span: Span, whole: float, names: int, said: int, cells: int, look: Look) -> Line:
    room = max(cells - names - said - 4, 4)
    before = min(max(round(span.start / whole * room), 0), room - 1)
    length = min(max(round(span.duration / whole * room), 1), room - before)
    track = look.glyphs.full * length
    alarming = span.state in ("warn", "error")
    role = state_role(span.state, "main").rstrip("!")
    sign = look.mark(span.state) if alarming else " "
    return ((fit("  " * _depth(span) + clean(span.name), names), "text"), (f" {sign} ", state_role(span.state)),
            (" " * before, "text"), (track, role), (" " * (room - before - length), "text"),
            (" " + fit(look.phrase(span.duration, "seconds"), said, "right"), "strong"))  # fmt: skip


def _ideal_feed(panel: Feed, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.items) or len(panel.items)


def _ideal_log(panel: Log, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.lines) or len(panel.lines)


def _ideal_waterfall(panel: Waterfall, cells: int) -> int:
    return message_lines(panel, cells, empty=not panel.spans) or len(panel.spans)


def _under(label: Label, lines: list[Line], beyond: int, cells: int) -> list[Line]:
    end = f"{beyond} more" if beyond > 0 else ""
    return [label.heading(cells, end), *((("  ", "text"), *line) for line in lines)]


def _brief_feed(panel: Feed, label: Label, cells: int, look: Look) -> list[Line]:
    return _under(label, feed(panel, cells - 3, label.rows, look), len(panel.items) - label.rows, cells)


def _brief_log(panel: Log, label: Label, cells: int, look: Look) -> list[Line]:
    return _under(label, log(panel, cells - 3, label.rows, look), len(panel.lines) - label.rows, cells)


def _brief_waterfall(panel: Waterfall, label: Label, cells: int, look: Look) -> list[Line]:
    return _under(label, waterfall(panel, cells - 3, 12, look), len(panel.spans) - 12, cells)


FEED = Kind(full=feed, ideal=_ideal_feed, brief=_brief_feed, rank=7)
LOG = Kind(full=log, ideal=_ideal_log, brief=_brief_log, rank=8)
WATERFALL = Kind(full=waterfall, ideal=_ideal_waterfall, brief=_brief_waterfall, rank=3)
