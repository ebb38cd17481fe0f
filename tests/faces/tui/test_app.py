"""The terminal as people use it: driven by keys through Textual, on a clock that stands still."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.faces.tui.conftest import drive, until
from tests.faces.tui.documents import ActingSource, SampleSource, sampled

from fanlight.clock import ManualClock
from fanlight.faces.context import ActionResult
from fanlight.faces.tui.app import TerminalDashboard
from fanlight.faces.tui.forms import Form
from fanlight.faces.tui.source import SourceLost, SourceRefused, WrongValue
from fanlight.faces.tui.toolkit import events
from fanlight.panels import View

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 40), (200, 60))


def compared(name: str, lines: list[str]) -> None:
    """Compare a screen with the one kept; KEEP_SNAPSHOTS=1 in the environment keeps it anew instead."""
    path = SNAPSHOTS / f"{name}.txt"
    text = "".join(f"{line.rstrip()}\n" for line in lines)
    if os.environ.get("KEEP_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs; look at it, and keep it with KEEP_SNAPSHOTS=1"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_page_looks_as_it_was_kept(source: SampleSource, size: tuple[int, int]) -> None:
    """TTY-3, TTY-4, X-5: all pages, an unknown one of every kind of panel among them, at three sizes, through Tab."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        assert app.desk.document is not None
        names = [link.name for link in app.desk.document.pages]
        for name in names:
            await until(pilot, lambda name=name: app.desk.document.page == name)  # type: ignore[misc]
            lines = app.text()
            assert len(lines) == size[1]
            assert {len(line) for line in lines} == {size[0]}
            compared(f"{name}-{size[0]}x{size[1]}", lines)
            await pilot.press("tab")
        assert names[-1] == "hub"

    drive(source, script, size)


@pytest.mark.parametrize(
    ("key", "attached", "ending"),
    [
        ("q", False, "quit"),
        ("escape", False, "quit"),
        ("ctrl+c", False, "quit"),
        ("d", False, "logs"),
        ("q", True, "detached"),
        ("ctrl+c", True, "detached"),
    ],
)
def test_a_key_ends_it_and_says_why(source: SampleSource, key: str, attached: bool, ending: str) -> None:
    """TTY-2: q, Esc and Ctrl+C end the server, d only the drawing; attached, nothing but the drawing ends."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press(key)

    assert drive(source, script, attached=attached).return_value == ending


def test_d_does_nothing_where_there_is_no_log_to_leave_for(source: SampleSource) -> None:
    """TTY-2: a terminal that only looks on has nothing to toggle, and does not offer it."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("d")
        assert "d logs" not in app.text()[-1]
        assert "? help" in app.text()[-1]

    assert drive(source, script, toggles=False).return_value is None


def test_the_log_does_not_move_while_one_reads(watched: Any) -> None:
    """TTY-2, TTY-3: Up holds the view, new lines are counted, End follows again."""
    service = sampled()

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        log = app._parts["log"]
        await pilot.press("up", "up")
        read = log.text()[1:]
        for number in range(3):
            service.log("INFO", f"came later {number}")
        service.tick()
        await until(pilot, lambda: "3 new, End to follow" in log.text()[0])
        assert log.text()[1:] == read
        await pilot.press("end")
        assert "came later 2" in log.text()[-1]
        assert "new, End" not in log.text()[0]

    drive(SampleSource(service), script)


def test_p_holds_the_display_and_nothing_else(watched: Any) -> None:
    """TTY-2: what comes meanwhile is shown when the display goes on."""
    service = sampled()
    source = SampleSource(service)

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("p")
        held, asked = app.text()[:-1], len(source.views)
        service.log("INFO", "while it was held")
        service.tick()
        await until(pilot, lambda: len(source.views) > asked + 1)
        assert app.text()[:-1] == held
        assert "paused" in app.text()[-1]
        await pilot.press("p")
        assert any("while it was held" in line for line in app.text())

    drive(source, script)


def test_a_lost_connection_leaves_the_last_data_with_its_age(source: SampleSource) -> None:
    """TTY-4: dimmed, with its age and what is wrong; live again when the connection is."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        before = app.text()[:3]
        source.broken = SourceLost("connection refused, reconnecting")
        await until(pilot, lambda: bool(app.desk.lost))
        clock.advance(12)
        app.draw()
        await pilot.pause()
        assert app.text()[:3] == before
        assert app._parts["page"]._faded
        assert "connection refused, reconnecting, data 12s old" in app.text()[-1]
        source.broken = None
        await until(pilot, lambda: not app.desk.lost)
        assert not app._parts["page"]._faded
        assert "● live" in app.text()[-1]

    drive(source, script)


def test_before_the_first_figures_it_says_what_it_waits_for(source: SampleSource) -> None:
    """TTY-1: a refusal is told, and the server's own output stands where the log will be."""
    source.broken = SourceRefused("403: this address needs a token; give one with --token")

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        shown = "\n".join(app.text())
        assert "403: this address needs a token; give one with --token" in shown
        assert "INFO: started server process" in shown

    drive(source, script, output=lambda: ["INFO: started server process [1]"])


def test_an_action_runs_only_after_a_yes(source: SampleSource) -> None:
    """HUB-7, X-5: chosen, asked for again with No picked, run, and its result is said."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("a", "enter")
        assert any("Clear every cache on every worker?" in line for line in app.text())
        await pilot.press("enter")
        assert source.acted == []
        assert app.desk.dialog is None
        await pilot.press("a", "enter", "y")
        await until(pilot, lambda: "Cleared groups on 1 worker." in app.text()[-1])
        assert source.acted == ["actions/clear-cache"]
        assert "● success" in app.text()[-1]
        source.result = ActionResult("error", "1 of 2 workers did not answer")
        await pilot.press("a", "enter", "left", "enter")
        await until(pilot, lambda: "◆ error: 1 of 2 workers did not answer" in app.text()[-1])

    drive(source, script)


@pytest.mark.parametrize("size", [(60, 15), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_an_action_asks_for_its_values(size: tuple[int, int]) -> None:
    """HUB-7, TTY-4: a form, what is wrong beside its field, the question, what the dashboard refuses: all as kept."""
    source = ActingSource()
    name = f"{size[0]}x{size[1]}"

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("a", "enter")
        compared(f"form-{name}", app.text())
        await pilot.press("tab", "end", "x", "enter")
        compared(f"form-wrong-{name}", app.text())
        await pilot.press(*"/srv", "tab", "backspace", "enter")
        compared(f"form-question-{name}", app.text())
        source.broken = WrongValue("folder", "folder is '/srv'; expected one that exists")
        await pilot.press("y")
        await until(pilot, lambda: any("expected one that exists" in line for line in app.text()[:-1]))
        assert source.given == [{"folder": "/srv", "depth": "3", "mode": "fast", "dry_run": True, "note": ""}]
        source.broken = None
        await pilot.press("end", *"/documents", "enter", "y")
        await until(pilot, lambda: "success" in app.text()[-1])
        assert source.given[-1]["folder"] == "/srv/documents"

    drive(source, script, size)


def test_a_paste_fills_the_field(source: SampleSource) -> None:
    """TTY-2: pasted text goes where text is typed, its letters are no keys, and its line breaks send nothing."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("a", "enter")
        await app.on_event(events.Paste("/srv/quarterly\nreports\t\x1b[2J"))
        assert isinstance(app.desk.dialog, Form)
        assert app.desk.dialog.entries[0].text == "/srv/quarterlyreports[2J"

    drive(ActingSource(), script)


def test_an_action_that_goes_on_is_followed(source: SampleSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-7: the footer says how far it has come, through a loss of the connection, and then what became of it."""
    monkeypatch.setattr("fanlight.faces.tui.app.FOLLOW", 0.02)
    source.result = ActionResult("running", "Clear caches: under way", "f00d")
    source.later = ActionResult("running", "3 of 10", "f00d")

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("a", "enter", "y")
        clock.advance(60)
        await until(pilot, lambda: "○ running: Clear caches 3 of 10" in app.text()[-1])
        source.broken = SourceLost("connection refused")
        asked = len(source.followed)
        await until(pilot, lambda: len(source.followed) > asked + 1)
        assert "running: Clear caches 3 of 10" in app.text()[-1]
        source.broken, source.later = None, ActionResult("success", "Clear caches: done: 7 entries", "f00d")
        await until(pilot, lambda: "● success: Clear caches: done: 7 entries" in app.text()[-1])
        assert set(source.followed) == {"f00d"}

    drive(source, script)


def test_nobody_waits_for_an_action_when_the_terminal_has_gone(
    source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TTY-2: d in the middle of an action leaves; the action is the service's, and goes on there."""
    monkeypatch.setattr("fanlight.faces.tui.app.FOLLOW", 0.02)
    source.result = ActionResult("running", "under way", "f00d")
    source.later = ActionResult("running", "for ever", "f00d")

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("a", "enter", "y")
        await until(pilot, lambda: "for ever" in app.text()[-1])
        await pilot.press("d")

    app = drive(source, script)
    assert app.return_value == "logs"
    assert not app._acting


def test_help_lists_the_keys_and_any_key_closes_it(source: SampleSource) -> None:
    """TTY-2: also in the smallest terminal that has room for pages, where it is scrolled."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("?")
        shown = "\n".join(app.text())
        assert "the next page" in shown
        assert "stop the server" in shown
        assert "the next theme" not in shown
        await pilot.press(*["down"] * 30)
        assert "the next theme" in "\n".join(app.text())
        await pilot.press("x")
        assert app.desk.dialog is None

    drive(source, script, (60, 15))


def test_rows_that_stay_the_same_are_drawn_anew_in_a_new_size(source: SampleSource) -> None:
    """TTY-4: after a resize the terminal is sent what the dashboard has: no row keeps the old width's end."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        for width, height in ((60, 15), (80, 24), (200, 60), (80, 24), (120, 40)):
            await pilot.resize_terminal(width, height)
            await until(pilot, lambda width=width, height=height: _fills(app, width, height))  # type: ignore[misc]
            await until(pilot, lambda: [strip.text for strip in app.screen._compositor.render_strips()] == app.text())

    drive(source, script)


def test_it_follows_the_terminal_through_resizes(source: SampleSource) -> None:
    """TTY-4: every size from tiny to huge is filled exactly; below 60 x 15 there is a message and the log."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        for width, height in ((300, 80), (60, 15), (59, 14), (20, 5), (1, 1), (99, 27), (100, 28), (300, 15), (60, 80)):
            await pilot.resize_terminal(width, height)
            await until(pilot, lambda width=width, height=height: _fills(app, width, height))  # type: ignore[misc]
            if (width, height) == (59, 14):
                assert "60 x 15 needed" in app.text()[0]
                assert "routellm 503" in "\n".join(app.text())

    drive(source, script)


def _fills(app: TerminalDashboard, width: int, height: int) -> bool:
    lines = app.text()
    return len(lines) == height and {len(line) for line in lines} == {width}


def test_keys_change_the_view_that_is_asked_for(source: SampleSource) -> None:
    """TTY-3: pages, sorting and enlarging, as in the browser."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        await pilot.press("s")
        await until(pilot, lambda: source.views[-1] == View(sort="-ratio"))
        await until(pilot, lambda: any("Error rate ↓" in line for line in app.text()))
        await pilot.press("S")
        await until(pilot, lambda: source.views[-1] == View(sort="ratio"))
        await pilot.press("shift+tab")
        await until(pilot, lambda: source.views[-1] == View(page="hub"))
        await pilot.press("tab", "tab")
        await until(pilot, lambda: source.views[-1] == View(page="requests"))
        await pilot.press("4")
        assert app.desk.enlarged == "request-list"
        assert "Requests" in app.text()[3]
        await pilot.press("escape")
        assert not app.desk.enlarged

    drive(source, script)


def test_nothing_a_client_sent_reaches_the_terminal_as_a_command(watched: Any) -> None:
    """X-6: escape sequences, control and bidirectional characters of log lines and paths are shown as dots."""
    service = sampled()
    service.log("ERROR", "\x1b]0;owned\x07 \x1b[2J \u202e reversed \x9b31m \r\n second line")
    service.request("GET", None, 404, 0.01, path="/\x1b[31mred")
    service.tick()

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        text = "".join(app.text())
        assert text.isprintable()
        assert "]0;owned" in text

    drive(SampleSource(service), script)


def test_ascii_draws_no_other_character(source: SampleSource) -> None:
    """TTY-4: for terminals without braille and boxes, every page in ASCII alone."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        for _ in range(12):
            assert "".join(app.text()).isascii()
            page = app.desk.document.page  # type: ignore[union-attr]
            await pilot.press("tab")
            await until(pilot, lambda page=page: app.desk.document.page != page)  # type: ignore[misc,union-attr]

    drive(source, script, ascii=True)


def test_pasted_text_is_only_ever_text(source: SampleSource) -> None:
    """X-6: into the filter as typed; elsewhere a pasted "q" does not stop the server."""

    async def script(app: TerminalDashboard, pilot: Any, clock: ManualClock) -> None:
        app.post_message(events.Paste("q\nd"))
        await pilot.pause()
        assert app.is_running
        await pilot.press("slash")
        app.post_message(events.Paste("routellm\n"))
        await until(pilot, lambda: app.desk.backlog.words == "routellm")
        assert len(app.desk.backlog.shown) == 1

    assert drive(source, script).return_value is None
