"""A sheet as SVG: no script, no style, nothing from elsewhere; every text escaped."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from fanlight.faces.plots.sheet import COLOURS, Label, Path, Sheet

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def svg(sheet: Sheet) -> str:
    """The drawing as an SVG document that stands for itself or inside a page."""
    return "".join(pieces(sheet))


def pieces(sheet: Sheet) -> Iterator[str]:
    """The document in small pieces, so that the caller can let others run in between."""
    box = f"{_number(sheet.width)} {_number(sheet.height)}"
    size = f'width="{_number(sheet.width)}" height="{_number(sheet.height)}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {box}" {size} role="img" font-family="{FONT}">'
    yield f"<title>{_text(sheet.summary)}</title>"
    for path in sheet.paths:
        yield _path(path)
    for label in sheet.labels:
        yield _label(label)
    yield "</svg>"


def _path(path: Path) -> str:
    data = "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in path.places) + ("Z" if path.fill else "")
    look = f' fill="{COLOURS[path.fill]}"' if path.fill else ' fill="none"'
    if path.fill and path.opacity < 1:
        look += f' fill-opacity="{_number(path.opacity)}"'
    if path.stroke:
        look += f' stroke="{COLOURS[path.stroke]}" stroke-width="{_number(path.width)}" stroke-linejoin="round"'
    if path.dash:
        look += f' stroke-dasharray="{_number(path.dash)}"'
    return f'<path d="{data}"{look}/>'


def _label(label: Label) -> str:
    x, y = label.at
    weight = ' font-weight="600"' if label.bold else ""
    look = f'fill="{COLOURS[label.colour]}" font-size="{_number(label.size)}" text-anchor={quoteattr(label.anchor)}'
    return f'<text x="{_number(x)}" y="{_number(y)}" {look}{weight}>{_text(label.text)}</text>'


def _text(text: str) -> str:
    """Escaped, without what XML cannot hold."""
    return escape("".join(character if character.isprintable() else " " for character in text))


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"
