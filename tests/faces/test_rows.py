"""Rows: made once while they look the same, and never a stale one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fanlight.faces.web.drawings import draw
from fanlight.faces.web.render import PanelView, environment
from fanlight.faces.web.rows import LIMIT, Rows
from fanlight.panels import Column, Row, Table, View

COLUMNS = (Column(name="path", title="Path"), Column(name="took", title="Took", unit="bar"))


def rows() -> Rows:
    """Fresh, on the real template."""
    return Rows(environment().get_template("row.html"))


def view_of(*rows: Row) -> PanelView:
    """What the template of a table with these rows gets."""
    table = Table(columns=COLUMNS, rows=rows)
    return PanelView("t", "table", "panels/table.html", table, draw(table, View(), "t"), False)


def html(cache: Rows, view: Any, row: Row) -> str:
    """The row as the table's template asks for it."""
    return cache.remembered(cache.shape_of(view), view, row)


def test_an_equal_row_is_made_once() -> None:
    """HUB-11: what looks the same is the very same text, also for an equal row of a later refresh."""
    cache = rows()
    first = html(cache, view_of(Row(key="1", values=("/a", 1.0))), Row(key="1", values=("/a", 1.0)))
    again = html(cache, view_of(Row(key="1", values=("/a", 1.0))), Row(key="1", values=("/a", 1.0)))
    assert first is again
    assert "/a" in first


def test_what_looks_different_is_made_anew() -> None:
    """A changed value, state or key, or a bar measured against another peak, is another text."""
    cache = rows()
    row = Row(key="1", values=("/a", 1.0))
    view = view_of(row)
    other_peak = view_of(row, Row(key="2", values=("/b", 9.0)))
    texts = {
        html(cache, view, row),
        html(cache, other_peak, row),
        html(cache, view, Row(key="1", values=("/b", 1.0))),
        html(cache, view, Row(key="1", values=("/a", 1.0), state="warn")),
        html(cache, view, Row(key="9", values=("/a", 1.0))),
        html(cache, replace(view, name="u"), row),
    }
    assert len(texts) == 6


def test_hostile_text_is_escaped_when_remembered_too() -> None:
    """X-6: markup in a row shows as text, the first time and from memory."""
    cache = rows()
    row = Row(key="<b>", values=("<script>", 1.0), detail="<i>")
    view = view_of(row)
    for _ in range(2):
        assert "<script>" not in html(cache, view, row)


def test_a_value_without_a_hash_is_rendered_all_the_same() -> None:
    """An application's list as a value costs the memory, not the page."""
    cache = rows()
    row = Row(key="1", values=(["a"], 1.0))
    assert "a" in html(cache, view_of(row), row)


def test_memory_is_bounded() -> None:
    """Rows not used longest go first."""
    cache = rows()
    view = view_of(Row(key="0", values=("/0", 1.0)))
    for number in range(LIMIT + 5):
        html(cache, view, Row(key=str(number), values=("/x", 1.0)))
    assert len(cache._known) == LIMIT


def test_nothing_stands_under_the_numbers_of_a_bar() -> None:
    """LOOK: in a column with bars a missing value leaves the room of a bar free, as a number does."""
    row = Row(key="1", values=(None, None))
    path, took = html(rows(), view_of(row, Row(key="2", values=("/b", 9.0))), row).split("</td>")[:2]
    assert path.endswith('<span class="none">–</span>')
    assert took.endswith('<span class="none">–</span><i class="gap"></i>')
