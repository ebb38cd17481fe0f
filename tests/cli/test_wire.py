"""What passes between console and supervisor."""

from __future__ import annotations

from fanlight.cli.wire import READY, pair


def test_pieces_keep_their_streams_and_their_order_however_they_are_cut() -> None:
    """TTY-2: many small pieces and one larger than any read arrive whole, in order, each on its stream."""
    console, supervisor = pair()
    sent = [(number % 3, b"x" * number) for number in range(100)]
    for stream, data in sent:
        assert supervisor.send(stream, data)
    found: list[tuple[int, bytes]] = []
    while len(found) < len(sent):
        found += console.receive()
    assert found == sent
    supervisor.send(READY, b"{}")
    supervisor.socket.close()
    assert list(console.receive()) == [(READY, b"{}")]
    assert not console.ended
    assert list(console.receive()) == []
    assert console.ended
    console.socket.close()


def test_requests_to_stop_are_counted_and_a_gone_console_is_one() -> None:
    """TTY-2: each request counts; the console's end counts once, after which lines are known to go nowhere."""
    console, supervisor = pair()
    assert supervisor.stops() == 0
    console.stop()
    console.stop()
    assert supervisor.stops() == 2
    console.socket.close()
    assert supervisor.stops() == 1
    assert supervisor.gone
    assert supervisor.stops() == 0
    assert not supervisor.send(1, b"line\n")
    supervisor.socket.close()


def test_stopping_never_waits() -> None:
    """TTY-2: a supervisor that reads nothing, or is gone, does not hold up a signal handler."""
    console, supervisor = pair()
    for _ in range(100_000):
        console.stop()
    supervisor.socket.close()
    console.stop()
    console.socket.close()
