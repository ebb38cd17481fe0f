"""Correlation IDs: where they come from, which are taken, how they are made."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from fanlight.capture import correlation
from fanlight.core.context import correlation_id

TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([(b"x-correlation-id", b"abc-1")], "abc-1"),
        ([(b"x-request-id", b"req.2")], "req.2"),
        ([(b"x-request-id", b"req"), (b"x-correlation-id", b"corr")], "corr"),
        ([(b"traceparent", TRACEPARENT)], "4bf92f3577b34da6a3ce929d0e0e4736"),
        ([(b"traceparent", TRACEPARENT), (b"x-request-id", b"req")], "req"),
        ([(b"x-correlation-id", b"no spaces"), (b"x-request-id", b"req")], "req"),
        ([(b"x-correlation-id", b"first"), (b"x-correlation-id", b"second")], "first"),
        ([(b"x-correlation-id", b"bad\r\nheader")], None),
    ],
)
def test_source(headers: list[tuple[bytes, bytes]], expected: str | None) -> None:
    """API-3: X-Correlation-ID goes before X-Request-ID before traceparent; what is not sound counts as absent."""
    assert correlation.given(headers) == expected


@pytest.mark.parametrize("value", [b"", b"x" * 129, b"a b", b"a\n", b"<script>", b'"', b"\xff", "ünicode".encode()])
def test_unsound_ids(value: bytes) -> None:
    """API-3: an ID is 1 to 128 harmless characters, so it can be put in a header, a page or a log line."""
    assert correlation.valid(value) is None


@pytest.mark.parametrize("value", [b"a", b"x" * 128, b"A-Za-z0-9._:/+=@-"])
def test_sound_ids(value: bytes) -> None:
    """API-3: the limits themselves are inside."""
    assert correlation.valid(value) == value.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"ff" + TRACEPARENT[2:],
        TRACEPARENT.upper(),
        TRACEPARENT[:-1],
        TRACEPARENT + b"1",
        b"nonsense",
    ],
)
def test_unsound_traceparent(value: bytes) -> None:
    """API-3: a traceparent that its standard calls invalid is ignored."""
    assert correlation.trace_id(value) is None


def test_traceparent_of_a_later_version() -> None:
    """API-3: a later version may say more; its trace id is in the same place."""
    assert correlation.trace_id(b"01" + TRACEPARENT[2:] + b"-more") == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_made_ids_are_unique() -> None:
    """API-3: made IDs never repeat, from several threads at once either, and are sound themselves."""
    with ThreadPoolExecutor(4) as threads:
        made = [
            identity
            for ids in threads.map(lambda _: [correlation.make() for _ in range(5000)], range(4))
            for identity in ids
        ]
    assert len(set(made)) == len(made)
    assert all(correlation.valid(identity.encode()) for identity in made[:300])


def test_made_ids_after_a_fork() -> None:
    """API-3, X-2: a forked worker makes other IDs than its parent."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writable, correlation.make().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(readable, 100).decode()
    ours = correlation.make()
    os.close(readable)
    os.close(writable)
    assert len(theirs) == len(ours)
    assert theirs[:12] != ours[:12]


def test_stamp_leaves_the_message_alone() -> None:
    """TTY-6, API-3: the header goes on a copy; headers may be missing or an iterator."""
    headers = [(b"x-a", b"1")]
    message = {"type": "websocket.accept", "headers": headers}
    stamped, identity = correlation.stamp(message, "id")
    assert stamped == {"type": "websocket.accept", "headers": [(b"x-a", b"1"), (b"x-correlation-id", b"id")]}
    assert identity == "id"
    assert message == {"type": "websocket.accept", "headers": [(b"x-a", b"1")]}
    assert correlation.stamp({"type": "websocket.accept"}, "id")[0]["headers"] == [(b"x-correlation-id", b"id")]
    assert correlation.stamp({"headers": iter(headers)}, "id")[0]["headers"][0] == (b"x-a", b"1")


@pytest.mark.parametrize(("theirs", "recorded"), [(b"theirs", "theirs"), (b"not sound", "ours")])
def test_stamp_of_the_application(theirs: bytes, recorded: str) -> None:
    """API-3: an ID the application set is sent as it is, and recorded if it is sound."""
    stamped, identity = correlation.stamp({"headers": [(b"X-Correlation-ID", theirs)]}, "ours")
    assert stamped["headers"] == [(b"X-Correlation-ID", theirs)]
    assert identity == recorded


def test_restore() -> None:
    """API-3: a context variable gets its former value back; in a foreign context nothing happens."""
    token = correlation_id.set("inner")
    correlation.restore(correlation_id, token)
    assert correlation_id.get() == ""
    with ThreadPoolExecutor(1) as thread:
        foreign = thread.submit(correlation_id.set, "other").result()
    correlation.restore(correlation_id, foreign)
    assert correlation_id.get() == ""
