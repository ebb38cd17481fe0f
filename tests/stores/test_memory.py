"""MemoryStore: what only it promises; the rest is in the contract."""

from __future__ import annotations

from mmap import mmap
from typing import Any

import pytest

from fanlight.stores import memory
from fanlight.stores.base import Command, InstanceInfo, StoredFrame, all_frames
from fanlight.stores.memory import LARGE, PAGE_BYTES, MemoryStore


def info(service: str = "chat") -> InstanceInfo:
    return InstanceInfo(service, "a", "web1", 42, "1.0", 0.0, 0.0)


def frames(count: int, first: int = 0) -> list[StoredFrame]:
    return [StoredFrame(1, first + second, "a", b"x" * 10) for second in range(count)]


def test_bytes_are_bounded_and_drops_counted() -> None:
    """TTY-6: past its limit the store lets the longest unwritten frames go and says how many."""
    store = MemoryStore(limit_bytes=50)
    store.write(info(), frames(5), None)
    assert store.dropped == 0
    store.write(info(), frames(1), None)
    store.write(info(), frames(1, first=9), None)
    assert store.dropped == 1
    assert [frame.bucket for frame in store.frames("chat", 1, 0)] == [0, 2, 3, 4, 9]


def test_series_make_room_before_heads_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: past the limit the oldest series of the finest steps go first, some of each tier stay, then heads go."""
    monkeypatch.setattr(memory, "SERIES_LEFT", 2)
    store = MemoryStore(limit_bytes=70)
    coarse = [StoredFrame(60, 60 * minute, "", b"h" * 5, b"s" * 10) for minute in range(2)]
    store.write(info(), [*coarse, *(StoredFrame(10, 10 * place, "", b"h" * 5, b"s" * 10) for place in range(4))], None)
    assert [len(frame.series) for frame in store.frames("chat", 60, 0)] == [10, 10]
    assert [len(frame.series) for frame in store.frames("chat", 10, 0)] == [0, 0, 10, 10]
    assert store.dropped == 0
    store.write(info(), [StoredFrame(10, 90, "", b"h" * 10)], None)
    assert [frame.bucket for frame in store.frames("chat", 60, 0)] == [60]
    assert store.dropped == 1


def test_rewriting_takes_no_room() -> None:
    """TTY-6: the same frame written a thousand times is held once."""
    store = MemoryStore(limit_bytes=50)
    for _ in range(1_000):
        store.write(info(), frames(5), None)
    assert store.dropped == 0
    assert len(store.frames("chat", 1, 0)) == 5


def test_pruning_makes_room_again() -> None:
    """X-3: what retention removed no longer counts against the limit."""
    store = MemoryStore(limit_bytes=50)
    store.write(info(), frames(5), None)
    assert store.prune("chat", 910.0) == 5
    store.write(info(), frames(5, first=905), None)
    assert store.dropped == 0


def test_one_service_cannot_push_another_out() -> None:
    """X-2: the limit is each service's own."""
    store = MemoryStore(limit_bytes=50)
    store.write(info("quiet"), frames(5), None)
    store.write(info("loud"), frames(50), None)
    assert len(store.frames("quiet", 1, 0)) == 5


def test_a_sent_command_is_a_copy() -> None:
    """HUB-7: changing the arguments after sending, or those received, changes no command."""
    store = MemoryStore()
    arguments: dict[str, Any] = {"names": ["one"]}
    store.send("chat", Command("c1", "clear", arguments, ("a",), 0.0, 10.0, "me"))
    arguments["names"].append("two")
    store.commands("chat", "a", 1.0)[0].arguments.clear()
    assert store.commands("chat", "a", 1.0)[0].arguments == {"names": ["one"]}


def test_large_series_are_kept_apart_and_read_in_pages() -> None:
    """Memory: series of many sizes come back as they were written, a megabyte at a time, in whole buckets."""
    store = MemoryStore()
    sizes = [1, LARGE - 1, LARGE, 150_000]
    written = [
        StoredFrame(10, bucket, instance, b"head", instance.encode() * sizes[bucket // 10 % 4])
        for bucket in range(0, 400, 10)
        for instance in ("a", "b")
    ]
    store.write(info(), written, None)
    page = store.frames("chat", 10, 0)
    assert page == written[: len(page)]
    assert PAGE_BYTES <= sum(len(frame.series) for frame in page) < PAGE_BYTES + 2 * 150_000
    assert len(page) % 2 == 0
    assert list(all_frames(store, "chat", 10, 0)) == written
    assert [frame.series for frame in store.frames("chat", 10, 0, series=False)] == [b""] * len(written)
    held = store._services["chat"]
    assert {len(series) >= LARGE for series in held.series.values() if isinstance(series, mmap)} == {True}
    assert held.bytes == sum(frame.size for frame in written)
    store.write(info(), [StoredFrame(10, 0, "a", b"head", b"new")], None)
    assert held.bytes == sum(frame.size for frame in written) + 2
