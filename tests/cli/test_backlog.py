"""Lines that wait: in memory, then in a file, then not at all."""

from __future__ import annotations

import threading

import pytest

from fanlight.cli.backlog import Backlog


def line(number: int) -> bytes:
    return b"%05d\n" % number


def taken(backlog: Backlog) -> list[tuple[int, bytes]]:
    """Everything that waits, the backlog closed."""
    backlog.close()
    return list(iter(backlog.get, None))


@pytest.mark.parametrize("memory", [0, 60, 1 << 20])
def test_lines_come_in_order_wherever_they_waited(memory: int) -> None:
    """TTY-2: in memory, in the file and across both, every line comes once and in order, on its own stream."""
    backlog = Backlog(memory=memory)
    for number in range(50):
        backlog.put(1 + number % 2, line(number))
    assert [backlog.get() for _ in range(30)] == [(1 + number % 2, line(number)) for number in range(30)]
    for number in range(50, 100):
        backlog.put(1 + number % 2, line(number))
    assert taken(backlog) == [(1 + number % 2, line(number)) for number in range(30, 100)]
    assert backlog.dropped == 0


@pytest.mark.parametrize("memory", [0, 60, 1 << 20])
def test_lines_of_one_stream_are_taken_together(memory: int) -> None:
    """TTY-4: what waits on the same stream comes in one piece, up to a size; order and streams stay as they are."""
    backlog = Backlog(memory=memory)
    for number in range(8):
        backlog.put(1 if number < 6 else 2, line(number))
    assert not backlog.empty
    found = [backlog.get(3 * len(line(0))) for _ in range(3)]
    if memory > 60:
        assert found == [(1, line(0) + line(1) + line(2)), (1, line(3) + line(4) + line(5)), (2, line(6) + line(7))]
    backlog.close()
    rest = list(iter(lambda: backlog.get(1 << 20), None))
    together = [each for each in (*found, *rest) if each is not None]
    assert b"".join(data for _, data in together) == b"".join(map(line, range(8)))
    assert {stream for stream, data in together if line(5) in data} == {1}
    assert backlog.empty
    assert backlog.taken == 8


def test_what_fits_nowhere_is_dropped_and_said_where_it_was() -> None:
    """TTY-2, TTY-6: beyond both bounds lines are counted, and a line says how many were dropped at that place."""
    backlog = Backlog(memory=12, file=22)  # two lines of six bytes, and two more with heads of five
    for number in range(7):
        backlog.put(1, line(number))
    assert [backlog.get() for _ in range(4)] == [(1, line(number)) for number in range(4)]
    backlog.put(1, line(7))
    stream, note = backlog.get() or (0, b"")
    assert stream == 2
    assert note.startswith(b"fanlight: 3 lines were dropped here")
    assert taken(backlog) == [(1, line(7))]
    assert backlog.dropped == 3


def test_dropped_lines_at_the_end_are_said_too() -> None:
    """TTY-2: the note comes even when no line follows it."""
    backlog = Backlog(memory=6, file=0)
    backlog.put(1, line(0))
    backlog.put(1, line(1))
    (first, (_, note)) = taken(backlog)
    assert first == (1, line(0))
    assert note.startswith(b"fanlight: 1 lines were dropped here")


def test_the_file_never_outgrows_its_bound() -> None:
    """TTY-6: a reader that keeps up just so does not let the file grow for ever: it counts what it has read too."""
    backlog = Backlog(memory=0, file=110)
    for number in range(1_000):
        backlog.put(1, line(number))
        if number % 2:
            backlog.get()
    assert backlog.dropped
    assert backlog._written <= 110
    taken(backlog)


def test_a_reader_waits_for_the_next_line() -> None:
    """TTY-2: a reader in another thread gets a line when it comes, and its end when it is closed."""
    backlog = Backlog()
    seen: list[tuple[int, bytes]] = []

    def read() -> None:
        seen.extend(iter(backlog.get, None))

    reader = threading.Thread(target=read)
    reader.start()
    backlog.put(1, line(0))
    backlog.close()
    reader.join(10)
    assert seen == [(1, line(0))]
