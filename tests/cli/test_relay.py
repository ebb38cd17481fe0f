"""Output passed on in whole lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import IO

import pytest

from fanlight.cli.relay import LINE_LIMIT, Relay, cut


@pytest.mark.parametrize(
    ("data", "ended", "whole", "rest"),
    [
        (b"one\ntwo", False, b"one\n", b"two"),
        (b"one", False, b"", b"one"),
        (b"one", True, b"one\n", b""),
        (b"one\n", True, b"one\n", b""),
        (b"", True, b"", b""),
        (b"x" * (LINE_LIMIT + 1), False, b"x" * (LINE_LIMIT + 1), b""),
    ],
)
def test_lines_are_kept_whole(data: bytes, ended: bool, whole: bytes, rest: bytes) -> None:
    """TTY-2: a line waits for its end, but for one that has none in 64 KiB and the last one."""
    assert cut(data, ended=ended) == (whole, rest)


def pipe() -> tuple[IO[bytes], int]:
    """A pipe: what reads it, and the descriptor that writes it."""
    reading, writing = os.pipe()
    return os.fdopen(reading, "rb"), writing


def test_children_and_the_supervisor_share_the_streams_line_by_line() -> None:
    """TTY-2: two children and the supervisor itself write through one writer; streams stay apart and lines whole."""
    out, out_end = pipe()
    err, err_end = pipe()
    relay = Relay(out_end, err_end)
    children = [(pipe(), pipe()) for _ in range(2)]
    for (stdout, _), (stderr, _) in children:
        relay.attach(stdout, stderr)
    for number, ((_, stdout_end), (_, stderr_end)) in enumerate(children):
        for line in range(100):
            os.write(stdout_end, f"{number} out".encode())
            os.write(stdout_end, f" {line}\n".encode())
            os.write(stderr_end, f"{number} err {line}\n".encode())
        os.close(stdout_end)
        os.close(stderr_end)
    relay.say("said")
    relay.close()
    os.close(out_end)
    os.close(err_end)
    with out, err:
        lines, errors = out.read().decode().splitlines(), err.read().decode().splitlines()
    for number in range(2):
        assert [line for line in lines if line[0] == str(number)] == [f"{number} out {line}" for line in range(100)]
        assert [line for line in errors if line[0] == str(number)] == [f"{number} err {line}" for line in range(100)]
    assert "said" in errors


def test_lines_that_come_soon_after_others_are_gathered(eventually: Callable[..., None]) -> None:
    """TTY-4: within the pause after the first line nothing is written; the end waits for no pause, and loses none."""
    written: list[bytes] = []
    entered, gate = threading.Event(), threading.Event()

    def write(stream: int, data: bytes) -> bool:
        written.append(data)
        entered.set()
        return gate.wait(20)

    relay = Relay(write=write, pause=3_600.0)
    relay.say("0")
    assert entered.wait(20)
    for number in range(1, 100):
        relay.say(str(number))
    gate.set()
    eventually(lambda: relay._backlog.empty)
    assert written == [b"0\n"]
    relay.close()
    assert written == [b"0\n", b"".join(b"%d\n" % number for number in range(1, 100))]


def test_a_reader_that_went_away_stops_nothing() -> None:
    """TTY-2: with stdout closed the other stream still gets its lines."""
    out, out_end = pipe()
    err, err_end = pipe()
    out.close()
    relay = Relay(out_end, err_end)
    relay.say("lost", out_end)
    relay.say("kept")
    relay.close()
    os.close(out_end)
    os.close(err_end)
    with err:
        assert err.read() == b"kept\n"
