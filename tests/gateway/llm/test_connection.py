"""A connection fed by hand: whatever the packets, the same answer."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from fanlight.gateway.llm.connection import Connection
from fanlight.gateway.llm.framing import Events


class Transport(asyncio.Transport):
    """Keeps what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = False

    def writelines(self, parts: Any) -> None:
        """Goes nowhere."""

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing more is fed meanwhile."""

    def resume_reading(self) -> None:
        """More may be fed."""

    def abort(self) -> None:
        self.closing = True


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut at these places."""
    places = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


def read(packets: list[bytes]) -> tuple[int, list[tuple[bytes, bytes]], list[bytes], bytes, str, bool]:
    """Status, headers, events and bytes of the answer in these packets, its failure, whether it may be used again."""

    async def fed() -> Any:
        freed: list[Connection] = []
        connection = Connection("far", freed.append, lambda _: None)
        connection.connection_made(Transport())
        answer = connection.ask([b""])
        events, passed, failure, body = Events(), list[bytes](), "", b""
        for packet in packets:
            connection.data_received(packet)
            if answer.held:
                piece = await answer.chunk()
                passed += events.feed(piece)
                body += piece
        rest = asyncio.create_task(answer.chunk())
        await asyncio.sleep(0)
        if not rest.done():
            failure = "waits"
            rest.cancel()
        elif rest.exception() is not None:
            failure = getattr(rest.exception(), "kind", "")
        else:
            assert rest.result() == b""
        return answer.status, answer.headers, passed, body, failure, bool(freed) and not connection.closed

    return asyncio.run(fed())  # type: ignore[no-any-return]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-a: \xe4\r\n"
EVENTS = (b'data: {"a":1}\n\n', b"event: x\r\ndata: {}\r\n\r\n", b": ping\n\n", b"data: [DONE]\n\n")


@settings(deadline=None)
@given(some.lists(some.sampled_from(EVENTS), max_size=8), some.booleans(), some.lists(some.integers(0, 2_000)))
def test_the_same_answer_however_it_is_cut(parts: list[bytes], chunked: bool, cuts: list[int]) -> None:
    """TTY-7: packets may end anywhere, also within a head, a chunk's size or a line: the same events and bytes."""
    body = b"".join(parts)
    if chunked:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
        said = b"HTTP/1.1 103 Hints\r\n\r\n" + HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks
    else:
        said = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    status, headers, events, passed, failure, again = read(pieces(said, cuts))
    assert (status, passed, failure, again) == (200, body, "", True)
    assert headers[:2] == [(b"content-type", b"text/event-stream"), (b"x-a", b"\xe4")]
    assert events == Events().feed(body)


@settings(deadline=None)
@given(some.binary(max_size=200), some.lists(some.integers(0, 400)))
def test_garbage_ends_alike_however_it_is_cut(garbage: bytes, cuts: list[int]) -> None:
    """X-7: what comes after a head without a body may be anything; it is never used again, and never in two ways."""
    said = HEAD + b"transfer-encoding: chunked\r\n\r\n" + garbage
    whole, cut = read([said]), read(pieces(said, cuts))
    assert cut[3:] == whole[3:]


@settings(deadline=None)
@given(some.binary(min_size=1, max_size=200), some.lists(some.integers(0, 400)))
def test_no_head_is_no_answer(garbage: bytes, cuts: list[int]) -> None:
    """X-7: bytes that are no head end in a failure or wait for more, and raise nothing else."""
    assert read(pieces(garbage, cuts))[4] in ("protocol", "waits")
