"""Rows: every unit as it is to look, and escaped whatever comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast, get_args

import pytest

from fanlight.faces.web.drawings import Grid, draw
from fanlight.faces.web.render import PanelView
from fanlight.faces.web.rows import table_rows
from fanlight.panels import Column, Row, Table, Unit, View

HOSTILE: Any = '"><script>alert(1)</script>'
COLUMNS = (Column(name="path", title="Path"), Column(name="took", title="Took", unit="bar"))


def html(*rows: Row, columns: tuple[Column, ...] = COLUMNS) -> str:
    """The first of these rows of a table."""
    table = Table(columns=columns, rows=rows)
    view = PanelView("t", "table", "panels/table.html", table, draw(table, View(), "t"), False)
    return "".join(table_rows(view)).splitlines()[0]


def test_on_paper_a_value_carries_the_title_of_its_column() -> None:
    """LOOK: on a phone the report's rows stand without their head, and still say what each number is."""
    table = Table(columns=COLUMNS, rows=(Row(key="1", values=("/a", 4.0)),))
    grid = replace(cast("Grid", draw(table, View(), "t")), labelled=True)
    row = "".join(table_rows(PanelView("t", "table", "panels/table.html", table, grid, False)))
    assert '<td class="is-bar number" data-label="Took">' in row
    assert "data-label" not in html(Row(key="1", values=("/a", 4.0)))


def test_a_bar_is_measured_against_the_longest() -> None:
    """LOOK: half as long as the longest is half of the track; next to nothing is still seen."""
    longest = Row(key="2", values=("/b", 8.0))
    assert '<rect class="fill-ok" width="50%"' in html(Row(key="1", values=("/a", 4.0)), longest)
    assert '<rect class="fill-ok" width="3%"' in html(Row(key="1", values=("/a", 0.001)), longest)


def test_a_bar_has_the_colour_of_its_rows_state() -> None:
    """LOOK: and the row says the state in words."""
    row = html(Row(key="1", values=("/a", 1.0), state="warn"))
    assert '<tr id="t:1" class="warn">' in row
    assert 'class="fill-warn"' in row
    assert '<span class="unseen">warning </span>/a' in row


def test_nothing_stands_under_the_numbers_of_a_bar() -> None:
    """LOOK: in a column with bars a missing value leaves the room of a bar free, as a number does."""
    path, took = html(Row(key="1", values=(None, None)), Row(key="2", values=("/b", 9.0))).split("</td>")[:2]
    assert path.endswith('<span class="none">–</span>')
    assert took.endswith('<span class="none">–</span><i class="gap"></i>')


def test_the_link_is_the_rows_text() -> None:
    """HUB-6: a row with an address is opened by its text; one without has none."""
    assert '<a href="requests/1">/a</a>' in html(Row(key="1", values=("/a", 1.0), href="requests/1"))
    assert "<a" not in html(Row(key="1", values=("/a", 1.0)))


def test_a_good_status_needs_no_mark() -> None:
    """LOOK: 200 says it itself, but keeps the place where others have theirs."""
    columns = (Column(name="status", title="Status", unit="status"),)
    assert '<i class="mark"></i><span class="http ok">200</span>' in html(
        Row(key="1", values=(200,), state="ok"), columns=columns
    )
    for status in (500, 200):  # a response that broke off began with 200
        assert f'<span class="unseen">error </span><span class="http error">{status}</span>' in html(
            Row(key="1", values=(status,), state="error"), columns=columns
        )


@pytest.mark.parametrize("unit", get_args(Unit))
def test_hostile_text_is_escaped_in_every_unit(unit: Unit) -> None:
    """X-6: markup in a key, value, state, address or detail shows as text."""
    columns = (Column(name="first", unit="text"), Column(name="second", unit=unit))
    numeric = unit in ("bar", "score", "time")
    row = Row(key=HOSTILE, values=(HOSTILE, 1.0 if numeric else HOSTILE), href=HOSTILE, detail=HOSTILE, state=HOSTILE)
    made = html(row, columns=columns)
    assert "<script" not in made


def test_a_value_of_any_kind_is_shown() -> None:
    """An application's list as a value is its text."""
    assert "[&#x27;a&#x27;]" in html(Row(key="1", values=(["a"], 1.0)))


def test_a_row_without_a_detail_beside_one_that_has_one() -> None:
    """X-9: an application's None where a text belongs costs neither the row nor the table."""
    nothing: Any = None
    row = html(Row(key="1", values=("/a", 1.0), detail=nothing), Row(key="2", values=("/b", 1.0), detail="stream"))
    assert '<td class="is-said"></td>' in row
