"""The backlog: lines in order, each once, bounded, and a window that stands still while one reads."""

from __future__ import annotations

from fanlight.faces.tui.backlog import Backlog
from fanlight.panels import LogLine


def line(number: int, message: str = "", level: str = "INFO") -> LogLine:
    return LogLine(
        key=f"k{number}", at=float(number), level=level, logger="chat.api", message=message or f"line {number}"
    )


def messages(backlog: Backlog, height: int) -> list[str]:
    return [each.message for each in backlog.window(height)]


def test_lines_are_kept_once_and_in_order() -> None:
    """TTY-3: an answer repeats the last seconds, and other workers' lines come late."""
    backlog = Backlog()
    assert backlog.add([line(1), line(3)])
    assert backlog.add([line(1), line(3), line(2), line(4)])
    assert not backlog.add([line(2), line(4)])
    assert messages(backlog, 9) == ["line 1", "line 2", "line 3", "line 4"]
    assert backlog.newest == 4.0


def test_the_oldest_go() -> None:
    """TTY-3: 2,000 lines are kept, more than the 1,000 asked for, and no more."""
    backlog = Backlog()
    for start in range(0, 5_000, 50):
        backlog.add(line(number) for number in range(start, start + 50))
    assert len(backlog) == 2_000
    assert messages(backlog, 2) == ["line 4998", "line 4999"]
    assert len(backlog._known) == 2_000


def test_the_view_does_not_move_while_one_reads() -> None:
    """TTY-2: new lines are counted, not shown; the end follows again."""
    backlog = Backlog()
    backlog.add(map(line, range(20)))
    backlog.move(-2, 5)
    assert messages(backlog, 5) == [f"line {number}" for number in range(13, 18)]
    backlog.add(map(line, range(20, 23)))
    assert messages(backlog, 5) == [f"line {number}" for number in range(13, 18)]
    assert (backlog.following, backlog.unread) == (False, 3)
    backlog.move(100, 5)
    assert messages(backlog, 2) == ["line 21", "line 22"]
    assert (backlog.following, backlog.unread) == (True, 0)


def test_scrolling_ends_at_the_oldest_line() -> None:
    """TTY-2: the top is a whole window; a backlog shorter than the window cannot be scrolled."""
    backlog = Backlog()
    backlog.add(map(line, range(20)))
    backlog.move(-100, 5)
    assert messages(backlog, 5) == [f"line {number}" for number in range(5)]
    short = Backlog()
    short.add(map(line, range(3)))
    short.move(-1, 5)
    assert short.following


def test_what_one_reads_may_be_dropped() -> None:
    """TTY-3: the oldest lines left are shown in its place."""
    backlog = Backlog(limit=10)
    backlog.add(map(line, range(10)))
    backlog.move(-100, 3)
    backlog.add(map(line, range(10, 18)))
    assert messages(backlog, 3) == ["line 8", "line 9", "line 10"]


def test_the_filter_shows_lines_with_all_words() -> None:
    """TTY-3: in level, logger, source, message or correlation ID, in any case; unread lines are those that match."""
    backlog = Backlog()
    backlog.add([line(1, "stored A"), line(2, "no room", "ERROR"), line(3, "stored B", "ERROR")])
    backlog.filter("error STORED")
    assert messages(backlog, 9) == ["stored B"]
    backlog.add([line(4, "stored C", "ERROR"), line(5, "fine")])
    assert messages(backlog, 9) == ["stored B", "stored C"]
    assert (len(backlog.shown), len(backlog), backlog.words) == (2, 5, "error stored")
    backlog.filter("")
    assert len(backlog.shown) == 5
