"""The desk: what keys change, and what they ask for; no terminal needed."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import msgspec
import pytest
from tests.faces.service import ScriptedService
from tests.faces.tui.documents import REINDEX, document, every_kind

from fanlight.faces.tui.compose import page_document
from fanlight.faces.tui.desk import NOTICE_SECONDS, Desk, Effect
from fanlight.faces.tui.dialogs import Order, Told
from fanlight.faces.tui.document import PageDocument, SlotDocument
from fanlight.faces.tui.forms import Form, Menu
from fanlight.faces.tui.frame import frame
from fanlight.faces.tui.links import view_of
from fanlight.faces.tui.look import Look
from fanlight.faces.tui.themes import ANSI, DARK, LIGHT, PLAIN, TERMINAL
from fanlight.panels import ActionButton, Actions, Column, LogLine, Phrase, Row, State, Table, Verdict, View


def desk(given: PageDocument | None = None, **options: Any) -> Desk:
    made = Desk(View(page="hub"), Look(zone=UTC), DARK, **{"toggles": True, **options})
    made.take(given or every_kind(), 0.0)
    frame(made, 120, 40, 0.0)
    return made


def press(made: Desk, *names: str) -> Effect | None:
    """Press keys one after the other; the effect of the last."""
    effect = None
    for name in names:
        effect = made.press(name, name if len(name) == 1 else None, 0.0)
        frame(made, 120, 40, 0.0)
    return effect


def footer(made: Desk, now: float = 0.0) -> str:
    return "".join(text for text, _ in frame(made, 120, 40, now).footer[0])


def lines(count: int) -> tuple[LogLine, ...]:
    return tuple(LogLine(key=str(n), at=float(n), level="INFO", logger="l", message=f"m{n}") for n in range(count))


def test_escape_closes_what_is_open_before_it_ends_anything() -> None:
    """TTY-2: help, a filter being typed, an enlarged panel; then the dashboard."""
    made = desk()
    assert press(made, "question_mark", "escape") is None
    assert press(made, "slash", "x", "escape") is None
    assert press(made, "2", "escape") is None
    assert press(made, "escape") == Effect("quit")


def test_ranges_go_round() -> None:
    """TTY-3: as in the browser; behind the longest comes the shortest."""
    made = desk()
    seen = []
    for _ in range(5):
        assert press(made, "right_square_bracket") == Effect("fetch")
        seen.append(made.view.range)
    assert seen == ["1h", "24h", "7d", "15m", "1h"]
    assert press(made, "left_square_bracket") == Effect("fetch")
    assert made.view.range == "15m"


def test_sorting_goes_through_the_columns() -> None:
    """TTY-3: numbers begin with the largest, texts with the first; columns that cannot be sorted are passed over."""
    columns = (
        Column(name="n", title="N", unit="integer"),
        Column(name="mark", title="Mark", sort=False),
        Column(name="name", title="Name"),
    )
    table = Table(columns=columns, sortable=True, sorted="-n")
    made = desk(msgspec.structs.replace(every_kind(), slots=(SlotDocument(name="t", panel=table),)))
    assert press(made, "s") == Effect("fetch")
    assert made.view.sort == "name"
    press(made, "S")
    assert made.view.sort == "-name"
    press(made, "s")
    assert made.view.sort == "-n"


def test_only_what_is_seen_is_sorted() -> None:
    """TTY-3: with another panel enlarged s changes no table behind it."""
    table = Table(columns=(Column(name="n", title="N", unit="integer"),), rows=(), sortable=True, sorted="-n")
    slots = (SlotDocument(name="t", panel=table), *every_kind().slots)
    made = desk(msgspec.structs.replace(every_kind(), slots=slots))
    made.enlarged = next(name for name in made.sheet.numbers if name != "t")
    assert press(made, "s") is None
    assert "can be sorted" in footer(made)
    made.enlarged = "t"
    assert press(made, "s") == Effect("fetch")


def test_words_to_filter_by_are_seen_while_they_are_typed() -> None:
    """TTY-2: where no log is in sight, on another page or behind an enlarged panel, it comes, and Esc lets it go."""
    made = desk()
    assert made.log_room == 0
    press(made, "2", "slash", "m")
    assert "filter: m" in "".join(text for row in frame(made, 120, 40, 0.0).log for text, _ in row)
    press(made, "enter", "escape")
    assert not made.log_alone


def test_a_page_without_a_sortable_table_says_so() -> None:
    """TTY-3: a key never does nothing in silence."""
    made = desk(msgspec.structs.replace(every_kind(), slots=()))
    for name, said in (("s", "can be sorted"), ("S", "can be sorted"), ("a", "no actions"), ("4", "no panel 4")):
        press(made, name)
        assert said in footer(made)
    assert "no panel 4" not in footer(made, NOTICE_SECONDS + 1)


def test_viewers_cannot_act() -> None:
    """X-6: the terminal says so before anything is asked for."""
    made = desk(msgspec.structs.replace(every_kind(), role="viewer"))
    press(made, "a")
    assert made.dialog is None
    assert "role operator" in footer(made)


def test_an_action_that_is_disabled_is_not_run() -> None:
    """HUB-7: it says why it cannot; one that runs says so until it has ended."""
    made = desk(msgspec.structs.replace(every_kind(), role="operator"))
    assert press(made, "a", "3") is None
    assert made.dialog is None
    assert "already running" in footer(made)
    effect = press(made, "a", "2", "y")
    assert effect is not None
    assert effect.order is not None
    assert (effect.kind, effect.order.button.action) == ("act", "actions/restart/desktop-commander")
    assert press(made, "a", "1", "n") is None
    made.begun("Restart", "3 of 10")
    assert "○ running: Restart 3 of 10" in footer(made, 1_000.0)
    made.ended("Restart", "ok", "success: done")
    assert "● success: done" in footer(made)
    assert "running" not in footer(made, 1_000.0)
    assert made.dialog is None


def test_a_result_too_long_for_the_footer_is_told_whole() -> None:
    """HUB-7, TTY-4: in a box that scrolls and that any other key closes; never over something that is open."""
    made = desk()
    long = "error: " + " ".join(f"worker-{n}" for n in range(90))
    made.ended("Restart", "error", long)
    assert isinstance(made.dialog, Told)
    shown = ""
    for _ in range(20):
        box = made.dialog.lines(60, 15, made.look)
        assert len(box) <= 15
        shown += "".join(text for line in box for text, _ in line)
        assert made.press("down", None, 0.0) is None
    assert all(f"worker-{n}" in shown for n in (0, 45, 89))
    assert press(made, "q") is None
    assert made.dialog is None
    press(made, "slash")
    made.ended("Restart", "error", long)
    assert made.dialog is None


def test_a_viewer_is_offered_what_is_for_viewers() -> None:
    """X-6: an action that viewers may run is offered to them, and nothing else is."""
    buttons = (ActionButton(title="Say hello", action="actions/hello", role="viewer"), REINDEX)
    slot = SlotDocument(name="actions", panel=Actions(buttons=buttons))
    made = desk(msgspec.structs.replace(every_kind(), role="viewer", slots=(slot,)))
    press(made, "a")
    assert isinstance(made.dialog, Menu)
    assert [button.title for button in made.dialog.buttons] == ["Say hello"]


def test_a_value_that_is_refused_leads_back_to_its_form() -> None:
    """HUB-7: with the dashboard's words beside the field, unless something else was opened meanwhile."""
    form = Form(REINDEX)
    made = desk()
    order = Order(REINDEX, {"folder": "/x"}, form)
    made.refused(order, "folder", "folder is '/x'; expected one that exists")
    assert made.dialog is form
    assert "expected one that exists" in footer(made)
    made.dialog = None
    made.refused(order, "elsewhere", "no such value")
    assert made.dialog is form, "the fields that were wrong still are"
    other = made.dialog = Form(REINDEX)
    made.refused(order, "folder", "still not")
    assert made.dialog is other


def sampled_desk(service: ScriptedService, page: str = "overview") -> Desk:
    made = Desk(View(page=page), Look(zone=UTC), DARK)
    made.take(document(page, service), 0.0)
    frame(made, 120, 40, 0.0)
    return made


def test_a_row_leads_to_its_request_and_back(watched: ScriptedService) -> None:
    """X-4: enlarge the table, choose a row, Enter; what is opened is the page the browser would open."""
    made = sampled_desk(watched)
    press(made, made.sheet.numbers["activity"], "down", "down")
    chosen = [row for row in frame(made, 120, 40, 0.0).page if any(role == "chosen" for _, role in row)]
    assert len(chosen) == 1
    assert made.document is not None
    table = next(slot.panel for slot in made.document.slots if slot.name == "activity")
    assert isinstance(table, Table)
    assert press(made, "enter") == Effect("fetch")
    assert made.view == View(page="request", path=(("id", table.rows[2].href.removeprefix("requests/")),))
    made.take(page_document(watched.context, made.view), 0.0)
    assert "Timing" in "".join(text for row in frame(made, 120, 40, 0.0).page for text, _ in row)
    assert press(made, "backspace") == Effect("fetch")
    assert made.view == View()
    assert press(made, "backspace") is None
    assert "nothing to go back to" in footer(made)


def test_the_chosen_row_stays_in_sight(watched: ScriptedService) -> None:
    """TTY-4: in a table longer than the screen the page follows the choice, to its end and back."""
    made = sampled_desk(watched)
    press(made, made.sheet.numbers["activity"])
    for name in ("down",) * 60 + ("home", "end", "pageup", "up", "home"):
        press(made, name)
        shown = frame(made, 120, 40, 0.0).page
        assert sum(any(role == "chosen" for _, role in row) for row in shown) == 1, name
    assert (made.row, made.top) == (0, 0)


def test_rows_stand_still_while_one_is_chosen() -> None:
    """X-4: what Enter opens is the row that is seen; leaving the panel shows what came meanwhile."""

    def page(first: int) -> PageDocument:
        rows = tuple(Row(key=str(n), values=(f"row {n}",), href=f"requests/{n}") for n in range(first, first + 5))
        slot = SlotDocument(name="t", panel=Table(title="T", columns=(Column(name="n", title="N"),), rows=rows))
        return msgspec.structs.replace(every_kind(), slots=(slot,))

    made = desk(page(0))
    press(made, "1", "down")
    made.take(page(100), 1.0)
    assert "row 1 " in "".join(text for row in frame(made, 120, 40, 1.0).page for text, _ in row)
    assert "paused" in footer(made, 2.0)
    press(made, "enter")
    assert dict(made.view.path) == {"id": "1"}
    made = desk(page(0))
    press(made, "1", "down")
    made.take(page(100), 1.0)
    press(made, "escape")
    assert "row 100" in "".join(text for row in frame(made, 120, 40, 1.0).page for text, _ in row)
    assert "live" in footer(made)


def test_the_verdict_leads_to_its_requests() -> None:
    """X-4: one key from "Degraded." to just those requests; the header says what is filtered by."""
    made = desk()
    assert press(made, "v") == Effect("fetch")
    assert made.view == View(page="requests", filters=(("status", "slow"),))
    assert "15 min · status slow" in "".join(text for text, _ in frame(made, 120, 40, 0.0).header[0])


@pytest.mark.parametrize(
    ("href", "view"),
    [
        ("requests?status=error&range=1h", View(page="requests", range="1h", filters=(("status", "error"),))),
        ("services/desktop-commander", View(page="services", path=(("name", "desktop-commander"),))),
        ("services/org%2Fmodel", View(page="services", path=(("name", "org/model"),))),
        ("pages/all-uploads", View(page="pages/all-uploads")),
        ("./", View()),
        ("requests?status=%1b", None),
        ("models/a/b", None),
        ("https://example.org/requests", None),
        ("//example.org/", None),
    ],
)
def test_addresses_mean_views(href: str, view: View | None) -> None:
    """X-6: an address of a page of this dashboard and nothing else."""
    assert view_of(href, View(page="hub")) == view


def test_a_row_without_an_address_says_so() -> None:
    """TTY-2: and so does Enter where nothing is chosen."""
    made = desk()
    press(made, "enter")
    assert "Enlarge a panel" in footer(made)
    made.take(msgspec.structs.replace(every_kind(), verdict=Verdict(state="ok", phrases=())), 0.0)
    press(made, "v")
    assert "leads nowhere" in footer(made)


def test_a_correlation_id_filters_the_log() -> None:
    """API-3: the address of a request's log lines shows just those in the terminal's own log."""
    made = desk(msgspec.structs.replace(every_kind(), lines=lines(30)))
    made._follow("logs?q=m29")
    assert [line.message for line in made.backlog.shown] == ["m29"]


def test_typing_filters_the_log() -> None:
    """TTY-3: shown while it is typed; Enter keeps it, Esc shows everything again."""
    made = desk(msgspec.structs.replace(every_kind(), lines=lines(30)))
    press(made, "l", "slash", "m", "2", "x", "backspace")
    assert [line.message for line in made.backlog.shown] == ["m2", *(f"m2{n}" for n in range(10))]
    press(made, "enter")
    assert made.prompt is None
    title = "".join(text for text, _ in frame(made, 120, 40, 0.0).log[0])
    assert "11 of 30 with: m2" in title
    press(made, "slash", "escape")
    assert len(made.backlog.shown) == 30


def test_scrolling_moves_the_page_where_there_is_no_log() -> None:
    """TTY-4: whatever does not fit can be reached."""
    made = desk()
    press(made, "down", "down")
    assert made.top == 2
    press(made, "end")
    seen = "".join(text for row in frame(made, 120, 40, 0.0).page for text, _ in row)
    assert "GET /api/chat/groups 200" in seen
    press(made, "home")
    assert made.top == 0
    press(made, "J", "K", "pagedown", "pageup")
    assert made.top == 0


def test_enlarging_goes_through_the_panels_and_back() -> None:
    """TTY-2: e takes one after the other, a digit the one of that number; both lead back to the page."""
    made = desk()
    names = []
    for _ in range(20):
        press(made, "e")
        names.append(made.enlarged)
        if not made.enlarged:
            break
    assert names[:3] == ["throughput", "latency", "success"]
    assert names[-1] == ""
    press(made, "2")
    assert made.enlarged == "latency"
    press(made, "2")
    assert made.enlarged == ""


def test_an_enlarged_panel_that_goes_leaves_the_page() -> None:
    """X-5: a panel may be there no more at the next answer."""
    made = desk()
    press(made, "1")
    made.take(msgspec.structs.replace(every_kind(), slots=every_kind().slots[-2:]), 0.0)
    frame(made, 120, 40, 0.0)
    assert made.enlarged == ""


def test_themes_go_round_and_no_color_has_none() -> None:
    """TTY-4: dark, light, green, the terminal's own; without colours the key says so."""
    made = desk()
    seen = []
    for _ in range(4):
        press(made, "t")
        seen.append(made.theme)
    assert seen == [LIGHT, TERMINAL, ANSI, DARK]
    plain = Desk(View(), Look(), PLAIN)
    press(plain, "t")
    assert plain.theme is PLAIN
    assert "NO_COLOR" in plain.notice


@pytest.mark.parametrize("late", [0.5, 4.0])
def test_data_that_comes_late_is_called_slow(late: float) -> None:
    """TTY-4: a source that hangs is not shown as live."""
    assert ("live" in footer(desk(), late)) == (late < 3)
    assert ("slow, data 4.0 s old" in footer(desk(), late)) == (late > 3)


def judged(sentence: str, state: State = "warn") -> PageDocument:
    """Every kind of panel under a verdict."""
    return msgspec.structs.replace(every_kind(), verdict=Verdict(state=state, phrases=(Phrase(sentence),)))


def test_a_long_verdict_has_two_lines_and_keeps_them() -> None:
    """TTY-4, LOOK: it is read whole at 80 cells, and a number with a digit less does not move the page."""
    long = "Degraded. Service knowledge is down: breaker open: 5 failures in a row: the API answered 503."
    made = desk(judged(long))
    seen = frame(made, 80, 24, 0.0)
    shown = " ".join("".join(text for text, _ in row).strip() for row in seen.header)
    assert shown.endswith(f"▲ {long}")
    for sentence, state, lines in (("Degraded. Less.", "warn", 3), ("Healthy.", "ok", 2), ("Degraded.", "warn", 2)):
        made.take(judged(sentence, state), 1.0)  # type: ignore[arg-type]
        seen = frame(made, 80, 24, 1.0)
        assert (len(seen.header), len(seen.lines())) == (lines, 24)


GONE = "behind for 9 s, 0 frames dropped: the Redis at redis://127.0.0.1:6379/0 cannot be reached (refused); start it"


@pytest.mark.parametrize(("width", "height"), [(60, 15), (80, 24), (120, 40), (40, 10)])
def test_a_store_that_is_gone_is_told(width: int, height: int) -> None:
    """TTY-4, X-2: on every page, in the words of the system page, below the verdict; then no more."""
    made = desk(msgspec.structs.replace(every_kind(), history=GONE))
    seen = frame(made, width, height, 0.0)
    shown = " ".join("".join(text for text, _ in row).strip() for row in seen.header)
    told = "▲ History: behind for 9 s, 0 frames dropped: the Redis at redis://127.0.0.1:6379/0 " in shown
    assert told == (width >= 60)
    assert (f"History: {GONE}" in shown) == (width >= 80)
    assert len(seen.lines()) == height
    assert ("Degraded." in shown) == (width >= 60)
    made.take(every_kind(), 1.0)
    assert "History" not in str(frame(made, width, height, 1.0).header)


def test_without_a_connection_the_servers_own_output_is_shown() -> None:
    """TTY-2: what a server wrote before it died is what one needs to read."""
    made = Desk(View(), Look(), DARK)
    made.lose("connection refused", 0.0)
    shown = "".join(text for row in frame(made, 80, 24, 0.0, ["Traceback", "\x1b[31mBoom"]).log for text, _ in row)
    assert "Output of the server" in shown
    assert "·[31mBoom" in shown


def test_the_log_alone_shows_long_lines_whole() -> None:
    """TTY-3: a traceback can be read where it was logged; under a page a line stays one line."""
    message = "failed\n" + "x" * 150 + " end"
    long = (LogLine(key="1", at=1.0, level="ERROR", logger="l", message=message), *lines(3)[2:])
    made = desk(msgspec.structs.replace(every_kind(), lines=long))
    press(made, "l")
    shown = ["".join(text for text, _ in row).rstrip() for row in frame(made, 80, 24, 0.0).log]
    assert shown[1].endswith("failed")
    assert "".join(row.strip() for row in shown[2:7]) == "x" * 150 + " end"
    assert shown[7].endswith("m2")
