"""A sheet as a PDF of one page of its size. The one file that knows fpdf2 (extra `pdf`)."""

from __future__ import annotations

from typing import Any, Final

from fanlight.errors import FanlightError
from fanlight.faces.plots.sheet import COLOURS, Label, Path, Sheet

FONT: Final = "Helvetica"
"""One of the fonts that every reader has; it knows Latin letters, others are shown as question marks."""

_ALIGNED: Final = {"start": 0.0, "middle": 0.5, "end": 1.0}


class MissingLibrary(FanlightError):
    """fpdf2 is not installed."""


def pdf(sheet: Sheet) -> bytes:
    """The drawing as a PDF document; raises MissingLibrary, naming the command that installs what is missing."""
    try:
        from fpdf import FPDF
    except ImportError:
        raise MissingLibrary("PDF files need fpdf2: pip install 'fanlight[pdf]' (SVG and PNG need nothing)") from None
    document: Any = FPDF(unit="pt", format=(sheet.width, sheet.height))
    document.set_auto_page_break(False)
    document.set_margin(0)
    document.set_title(_latin(sheet.summary))
    document.add_page()
    for path in sheet.paths:
        _draw(document, path)
    for label in sheet.labels:
        _write(document, label)
    return bytes(document.output())


def _draw(document: Any, path: Path) -> None:
    with document.local_context(fill_opacity=path.opacity):
        document.set_line_width(path.width)
        if path.fill:
            document.set_fill_color(COLOURS[path.fill])
            document.polygon(path.places, style="F")
        if path.stroke:
            document.set_draw_color(COLOURS[path.stroke])
            document.set_dash_pattern(dash=path.dash, gap=path.dash)
            document.polyline(path.places)


def _write(document: Any, label: Label) -> None:
    document.set_font(FONT, "B" if label.bold else "", label.size)
    document.set_text_color(COLOURS[label.colour])
    text = _latin(label.text)
    x, y = label.at
    document.text(x - document.get_string_width(text) * _ALIGNED[label.anchor], y, text)


def _latin(text: str) -> str:
    """The text in the letters of the font."""
    plain = text.replace("\u202f", " ").replace("–", "-").replace("∞", "inf")
    return plain.encode("latin-1", "replace").decode("latin-1")
