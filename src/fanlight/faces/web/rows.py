"""Rows: a table's rows as HTML, by functions and not by a template, which takes several times as long.

Fifty new rows at each look are most of what an overview costs to draw and to send. Every text is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from html import escape  # markupsafe's takes four times as long
from typing import Any, Final

from markupsafe import Markup

from fanlight.faces.web.drawings import Grid, Head, share
from fanlight.faces.web.marks import breaking, mark, moment, value
from fanlight.faces.web.words import dom_id, marked_state, state_of
from fanlight.panels import Row

_NONE: Final = '<span class="none">–</span>'
_GAP: Final = '<i class="gap"></i>'  # as much room as a bar
_UNSAID: Final = '<td class="is-said"></td>'
_UNMARKED: Final = '<i class="mark"></i>'


_TOGETHER: Final = 8  # rows made between two breaths: 0.1 ms


def table_rows(view: Any) -> Iterator[Markup]:
    """A table's rows, some at a time; `view` is a render.PanelView."""
    rows, name, grid = view.panel.rows, escape(view.name), view.drawing
    for start in range(0, len(rows), _TOGETHER):
        made = [_row(name, grid, row) for row in rows[start : start + _TOGETHER]]
        yield Markup("".join(made))  # noqa: S704  # each piece is escaped


def _row(name: str, grid: Grid, row: Row) -> str:
    css = f' class="{escape(row.state)}"' if row.state else ""
    pieces = [f'<tr id="{name}:{escape(dom_id(row.key))}"{css}>']
    for place, raw in enumerate(row.values):
        pieces.append(_cell(grid, place, raw, row))
    if grid.detailed:
        said = escape(row.detail or "")  # an application may have put None there
        pieces.append(f'<td class="is-said" title="{said}"><span>{said}</span></td>' if said else _UNSAID)
    pieces.append("</tr>\n")
    return "".join(pieces)


def _cell(grid: Grid, place: int, raw: Any, row: Row) -> str:
    head = grid.heads[place]
    sign = _sign(row, head.unit) if place == grid.mark else ""
    opening = _opening(head.css, head.title if grid.labelled else "")
    return f"{opening}{sign}{_content(raw, row, head, linked=place == grid.link)}</td>"


@lru_cache(256)
def _opening(css: str, label: str) -> str:
    labelled = f' data-label="{escape(label)}"' if label else ""
    return f'<td class="{escape(css)}"{labelled}>'


def _sign(row: Row, unit: str) -> str:
    """The row's mark; a good status says so itself."""
    return mark(row.state) if row.state and not (row.state == "ok" and unit == "status") else _UNMARKED


def _content(raw: Any, row: Row, head: Head, *, linked: bool) -> str:
    if raw is None:
        return _NONE + _GAP if head.unit == "bar" else _NONE
    make = _DRAWN.get(head.unit)
    if make is not None:
        return make(raw, row, head)
    text = breaking(raw) if head.path else value(raw, head.unit)
    return f'<a href="{escape(row.href)}">{text}</a>' if linked and row.href else text


def _status(raw: Any, row: Row, head: Head) -> str:
    return f'<span class="http {marked_state(raw, row.state)}">{escape(str(raw))}</span>'


def _pill(raw: Any, row: Row, head: Head) -> str:
    return f'<span class="pill {state_of(raw)}">{escape(str(raw))}</span>'


def _bar(raw: Any, row: Row, head: Head) -> str:
    level = _level(row, share(raw, head.peak, 3), 'height="3"')
    return (
        f'<span class="levelled"><span>{value(raw, "bar")}</span>'
        f'<svg class="track" width="64" height="3" aria-hidden="true">{level}</svg></span>'
    )


def _score(raw: Any, row: Row, head: Head) -> str:
    level = _level(row, share(raw, 100), 'height="4"')
    return (
        '<span class="levelled scored"><svg class="track" width="44" height="4" aria-hidden="true">'
        f'<rect class="rail" width="100%" height="4"/>{level}</svg><span>{value(raw, "integer")}</span></span>'
    )


def _level(row: Row, width: str, height: str) -> str:
    return f'<rect class="fill-{escape(row.state or "ok")}" width="{width}" {height}/>'


_DRAWN: Final[Mapping[str, Callable[[Any, Row, Head], str]]] = {
    "time": lambda raw, row, head: moment(raw),
    "status": _status,
    "state": _pill,
    "bar": _bar,
    "score": _score,
}
"""Units that are more than their text."""
