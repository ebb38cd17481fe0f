"""The sheet: pages composed of panels, drawn again only when they must be, and not brought down by one of them."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

import pytest
from tests.faces.tui.documents import NOW, every_kind

from fanlight.faces.tui import kinds
from fanlight.faces.tui.cells import Line, line_width
from fanlight.faces.tui.document import PageDocument, SlotDocument
from fanlight.faces.tui.look import Look
from fanlight.faces.tui.sheet import Sheet
from fanlight.panels import Bar, Bars, Column, Row, Stat, Table, Text, Verdict

LOOK = Look(zone=UTC, at=NOW)


def texts(rows: list[Line]) -> str:
    return "\n".join("".join(text for text, _ in row) for row in rows)


def page(*slots: SlotDocument) -> PageDocument:
    return PageDocument(
        version=1, at=NOW, service="s", page="own", title="Own", verdict=Verdict(state="ok", phrases=()), pages=(),
        slots=slots,
    )  # fmt: skip


def rows(sheet: Sheet, document: PageDocument, at: float = NOW, dense: bool = False) -> str:
    return texts(sheet.rows(document, 120, 30, Look(zone=UTC, at=at), dense=dense))


@pytest.mark.parametrize("width", [60, 80, 100, 119, 120, 200, 299, 300])
@pytest.mark.parametrize("dense", [True, False])
def test_every_row_is_exactly_as_wide_as_the_page(width: int, dense: bool) -> None:
    """TTY-4: boxes meet at every width, and nothing runs over."""
    made = Sheet().rows(every_kind(), width, 40, LOOK, dense=dense)
    assert {line_width(row) for row in made} == {width}


def test_the_verdict_is_left_to_the_header() -> None:
    """TTY-3: every page says it once, above."""
    assert "Degraded" not in rows(Sheet(), every_kind())


def test_slow_panels_are_drawn_once_a_second() -> None:
    """TTY-4: figures at every frame, tables and charts once a second, as in the browser."""
    sheet = Sheet()
    for step, (figure, total) in enumerate([(1, 10), (2, 20), (3, 30), (4, 40), (5, 50)]):
        document = page(
            SlotDocument(name="figure", panel=Stat(title="Figure", value=figure), span=6, pace="fast"),
            SlotDocument(name="slow", panel=Bars(title="Slow", bars=(Bar(name="amount", value=total),)), span=6),
        )
        shown = rows(sheet, document, at=NOW + step * 0.25)
        assert f"│ {figure} " in shown
        assert f" {50 if step == 4 else 10} │" in shown


def test_what_was_chosen_is_drawn_at_once() -> None:
    """TTY-4: a new sort order does not wait for the next second."""
    sheet = Sheet()
    rows(sheet, page(SlotDocument(name="t", panel=Text(title="T", text="before"))))
    sheet.forget()
    assert "after" in rows(sheet, page(SlotDocument(name="t", panel=Text(title="T", text="after"))))


def test_panels_do_not_ask_for_less_again() -> None:
    """TTY-4: a row that goes does not move everything below it up while it is read."""
    sheet = Sheet()
    long = page(
        SlotDocument(name="a", panel=Text(title="A", code="1\n2\n3\n4")), SlotDocument(name="b", panel=Text(title="B"))
    )
    short = page(SlotDocument(name="a", panel=Text(title="A", code="1")), *long.slots[1:])
    before = rows(sheet, long).splitlines()
    after = rows(sheet, short, at=NOW + 2).splitlines()
    assert [line.find("B") for line in before] == [line.find("B") for line in after]


@pytest.mark.parametrize("dense", [True, False])
def test_a_panel_that_cannot_be_drawn_says_so_in_its_place(monkeypatch: pytest.MonkeyPatch, dense: bool) -> None:
    """TTY-1, X-5: wrong data in one panel does not end the terminal, or hide the panels beside it."""

    def fails(*arguments: Any) -> Any:
        raise ValueError("a value nobody expected")

    kind = kinds.KINDS[Table]
    spoiled = kinds.Kind(full=fails, ideal=fails, brief=fails, rank=kind.rank)
    monkeypatch.setitem(kinds.KINDS, Table, spoiled)
    document = page(
        SlotDocument(name="bad", panel=Table(title="Uploads", columns=())),
        SlotDocument(name="good", panel=Text(title="Good", text="still here")),
    )
    shown = rows(Sheet(), document, dense=dense)
    assert "Uploads cannot be drawn: ValueError: a value nobody expected" in shown
    assert "still here" in shown


@pytest.mark.parametrize("dense", [True, False])
def test_the_first_nine_panels_have_numbers_in_the_order_they_are_seen(dense: bool) -> None:
    """TTY-2: 1-9 enlarge what stands there; figures and actions have nothing to enlarge."""
    sheet = Sheet()
    shown = rows(sheet, every_kind(), dense=dense)
    assert list(sheet.numbers.values())[:10] == [*map(str, range(1, 10)), ""]
    assert list(sheet.numbers)[:2] == (["types", "throughput"] if dense else ["throughput", "latency"])
    assert not {"requests", "system", "actions", "more"} & set(sheet.numbers)
    found = re.findall(r"^(\d) ", shown, re.MULTILINE) if dense else re.findall(r"─ (\d) ─╮", shown)
    assert found == [*map(str, range(1, 10))]


def test_what_has_no_room_is_counted() -> None:
    """TTY-4: no row is left out in silence, in a box or in brief."""
    bars = Bars(title="Errors", bars=tuple(Bar(name=f"type-{number}", value=number) for number in range(60)))
    document = page(SlotDocument(name="errors", panel=bars))
    boxed = rows(Sheet(), document)
    assert f" {60 - boxed.count('type-')} more " in boxed
    dense = rows(Sheet(), document, dense=True)
    assert int(dense.rpartition("+")[2]) == 60 - dense.count("type-")


def listing(name: str, count: int) -> SlotDocument:
    """A table of so many rows."""
    rows = tuple(Row(key=str(number), values=(f"{name}{number}",)) for number in range(count))
    return SlotDocument(name=name, panel=Table(title=name, columns=(Column(name="c", title="C"),), rows=rows), span=6)


def test_lines_to_spare_are_given_to_what_leaves_rows_out() -> None:
    """TTY-4: on a small screen no row is left out above empty lines; the most telling listing comes first, and what
    one no longer needs another gets."""
    sheet = Sheet()
    drawn = [rows(sheet, page(listing("a", long), listing("b", 30)), at=NOW + long, dense=True) for long in (12, 9)]
    for shown, long in zip(drawn, (12, 9), strict=True):
        assert len(shown.splitlines()) == 30
        assert f"a{long - 1} " in shown
        assert f"b{30 - 2 - 2 - long - 1} " in shown
        assert f"{30 - (30 - 4 - long)} more" in shown
    assert len(rows(Sheet(), page(*(listing(name, 9) for name in "abcd")), dense=True).splitlines()) == 40


def test_an_enlarged_panel_shows_all_it_has() -> None:
    """TTY-4: all rows of a table, though the box had room for few; a chart fills the screen."""
    sheet, document = Sheet(), every_kind()
    logs = texts(sheet.alone(document, "logs", 100, 20, LOOK))
    assert logs.count("message stored") == 8
    assert len(sheet.alone(document, "latency", 100, 20, LOOK)) == 20
    assert sheet.alone(document, "gone", 100, 20, LOOK) == []
