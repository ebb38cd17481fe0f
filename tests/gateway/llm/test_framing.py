"""Streams cut anywhere: the same events, the same bytes, in bounded memory."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fanlight.gateway.llm.framing import HELD_LIMIT, LINE_LIMIT, Events, Lines, UsageFilter

EVENT = b'data: {"choices":[{"delta":{"content":"a \\"usage\\": {"}}],"usage":null}\n\n'
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
AZURE = b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
BOTH = b'data: {"choices":[{"delta":{}}],"usage": {"prompt_tokens":1}}\n\n'
DONE = b"data: [DONE]\n\n"
PARTS = some.lists(some.sampled_from((EVENT, USAGE, AZURE, BOTH, b": ping\n\n", b"event: x\r\ndata: {}\r\n\r\n", DONE)))


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data cut at these places."""
    places = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


@given(PARTS, some.lists(some.integers(0, 10_000), max_size=12))
def test_events_are_the_same_however_they_are_cut(parts: list[bytes], cuts: list[int]) -> None:
    """TTY-7: packets break a stream anywhere; the fast way for whole packets says the same as the slow one."""
    data = b"".join(parts)
    whole = re.findall(rb"^data: ?(\{.*?)\r?$", data, re.MULTILINE)
    events = Events()
    found = [each for piece in pieces(data, cuts) for each in events.feed(piece)]
    assert [*found, *events.rest()] == whole
    single = Events()
    assert [each for part in parts for each in single.feed(part)] == whole


@given(PARTS, some.lists(some.integers(0, 10_000), max_size=12))
def test_only_the_usage_event_is_left_out(parts: list[bytes], cuts: list[int]) -> None:
    """TTY-7, X-7: every other byte passes, in order, however the stream is cut."""
    data = b"".join(parts)
    strip = UsageFilter()
    passed = b"".join(strip.feed(piece) for piece in pieces(data, cuts)) + strip.rest()
    assert passed == b"".join(part for part in parts if part is not USAGE)


@given(some.binary(max_size=400), some.lists(some.integers(0, 400), max_size=8))
def test_garbage_passes_whole(data: bytes, cuts: list[int]) -> None:
    """X-7: what is no event stream at all is not changed either."""
    strip = UsageFilter()
    assert b"".join(strip.feed(piece) for piece in pieces(data, cuts)) + strip.rest() == data


def test_what_does_not_end_is_not_held() -> None:
    """TTY-6: of an event without end, and of a line without end, no more than the limit is kept."""
    strip = UsageFilter()
    endless = b'data: {"usage":' + b"x" * HELD_LIMIT
    assert strip.feed(endless[:50]) == b""
    assert strip.feed(endless[50:]) == endless
    assert strip.feed(b"yy") == b"yy"
    assert strip.feed(b"\n\n" + USAGE + EVENT) == b"\n\n" + EVENT
    lines = Lines()
    for _ in range(LINE_LIMIT // 65_536 + 2):
        assert lines.feed(b"x" * 65_536) == []
    assert lines.unfinished
    assert sum(map(len, lines._parts)) == 0
    assert lines.feed(b'x\n{"a":1}\n') == [b'{"a":1}']
    assert (lines.overlong, lines.unfinished) == (1, False)


@pytest.mark.parametrize("data", [b'{"a":1}\n\n{"b":2}\r\n \n{"c":3}', b'\n{"a":1}\n{"b":2}\n{"c":3}\n'])
def test_lines_are_documents(data: bytes) -> None:
    """TTY-7: NDJSON with blank lines, and without a last line break."""
    lines = Lines()
    found = [each.strip() for piece in pieces(data, [3, 9, 12]) for each in lines.feed(piece)]
    assert [*found, *(each.strip() for each in lines.rest())] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
