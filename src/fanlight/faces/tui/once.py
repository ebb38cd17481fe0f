"""One page as plain text, for pipes and mails: everything on it at the given width, without colours or Textual."""

from __future__ import annotations

from collections.abc import Iterator

from fanlight.faces.tui import chrome
from fanlight.faces.tui.cells import Line, clean, plain_ascii
from fanlight.faces.tui.document import PageDocument
from fanlight.faces.tui.kinds.listing import log_line
from fanlight.faces.tui.layout import DENSE_WIDTH
from fanlight.faces.tui.look import Look
from fanlight.faces.tui.sheet import Sheet
from fanlight.faces.web.chrome import RANGE_TITLES
from fanlight.panels import View


def once(document: PageDocument, width: int, look: Look, view: View, *, lines: int = 10) -> list[str]:
    """The page and its last log lines as text, each at most `width` cells; ASCII alone where the look has no more."""
    return [_text(line, look).rstrip() for line in _lines(document, width, look, view, lines)]


def _lines(document: PageDocument, width: int, look: Look, view: View, lines: int) -> Iterator[Line]:
    dense = width < DENSE_WIDTH
    chosen = RANGE_TITLES.get(view.range, view.range)
    yield from chrome.header(document, 1 if dense else 2, width, look, chosen)
    yield from chrome.judged(document, width, look)
    yield from chrome.trouble(document, width, look)
    yield from Sheet().rows(document, width, 0, look, dense=dense)
    if document.lines:
        yield chrome.title_line("Log", f"last {len(document.lines)}", "", width, look)
        yield from (log_line(line, width, look) for line in document.lines[-lines:])


def _text(line: Line, look: Look) -> str:
    text = clean("".join(text for text, _ in line))
    return text if look.glyphs.braille else plain_ascii(text)
