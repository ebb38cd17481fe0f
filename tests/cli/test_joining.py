"""An answer's head leaves with its first bytes, and never later than the loop's next turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fanlight.cli.joining import Joining

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.done.append(b"".join(parts))

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.closing = True
        self.done.append("closed")

    def abort(self) -> None:
        self.closing = True
        self.done.append("aborted")

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str) -> str:
        return name

    def pause_reading(self) -> None:
        self.done.append("paused")


def written(use: Callable[[Joining], None], turns: int = 2) -> list[Any]:
    """What comes to the wire."""

    async def play() -> list[Any]:
        wire = Wire()
        use(Joining(wire, asyncio.get_running_loop()))
        for _ in range(turns):
            await asyncio.sleep(0)
        return [*wire.done]  # as it is now

    return asyncio.run(play())


def test_a_head_and_its_first_bytes_are_one_write() -> None:
    """Budget: two answers of one connection are two writes; later bytes go out as they come."""

    def use(joining: Joining) -> None:
        for data in (HEAD, b"one", b"more", HEAD, b"two"):
            joining.write(data)

    assert written(use, turns=0) == [HEAD + b"one", b"more", HEAD + b"two"]
    assert written(use) == [HEAD + b"one", b"more", HEAD + b"two"]


def test_a_head_alone_leaves_with_the_next_turn_of_the_loop() -> None:
    """X-6: a client that waits for the head of a stream gets it before the first event."""
    assert written(lambda joining: joining.write(HEAD), turns=0) == []
    assert written(lambda joining: joining.write(HEAD)) == [HEAD]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Joining.close, [HEAD, "closed"]),
        (Joining.write_eof, [HEAD, "eof"]),
        (lambda joining: joining.writelines([b"a", b"b"]), [HEAD, b"ab"]),
        (lambda joining: joining.abort(), ["aborted"]),
        (lambda joining: joining.pause_reading(), ["paused", HEAD]),
    ],
)
def test_nothing_overtakes_a_head(end: Callable[[Joining], None], said: list[Any]) -> None:
    """TTY-5: what is held goes out before the end; an aborted connection gets no more bytes."""

    def use(joining: Joining) -> None:
        joining.write(HEAD)
        end(joining)

    assert written(use) == said


def test_all_else_is_the_transports_own() -> None:
    """TTY-6: a server asks its transport what it would ask the one around which this is."""

    async def play() -> tuple[Any, Any]:
        joining = Joining(Wire(), asyncio.get_running_loop())
        return joining.get_extra_info("peername"), joining.is_closing()

    assert asyncio.run(play()) == ("peername", False)
