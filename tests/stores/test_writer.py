"""StoreWriter: the pulse never waits for a store, and nothing is lost that the bounds can hold."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec
import pytest

from fanlight.clock import ManualClock
from fanlight.errors import StoreError
from fanlight.stores.base import InstanceInfo, RefusedError, StoredFrame
from fanlight.stores.memory import MemoryStore
from fanlight.stores.writer import BATCH, LAST_RETRY, StoreWriter, WriteQueue

NOW = 1_700_000_000


def info(last_seen: float = NOW) -> InstanceInfo:
    return InstanceInfo("chat", "a", "web1", 42, "1.0", NOW - 60.0, last_seen)


def frame(second: int = 0, data: bytes = b"data") -> StoredFrame:
    return StoredFrame(1, NOW + second, "a", data)


def buckets(frames: Sequence[StoredFrame]) -> list[int]:
    return [frame.bucket - NOW for frame in frames]


class FaultyStore(MemoryStore):
    """A store that raises `fault` at each write while it is set, and waits at `gate`."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None) -> None:
        self.entered.set()
        self.gate.wait()
        if self.fault is not None:
            raise self.fault
        super().write(info, frames, totals)
        self.batches.append(buckets(frames))


def test_what_is_put_is_taken_with_the_latest_heartbeat_and_totals() -> None:
    """X-3: of heartbeats and totals only the last matters; frames all do, oldest first."""
    queue = WriteQueue()
    queue.put(info(1.0), [frame(0)], b"one", 0.0)
    queue.put(info(2.0), [frame(1)], b"two", 0.0)
    queue.put(info(3.0), [], None, 0.0)
    assert queue.delay(0.0) == 0.0
    assert queue.take() == (info(3.0), [frame(0), frame(1)], b"two")
    assert not queue.is_empty
    queue.written(0.0)
    assert queue.is_empty
    assert queue.delay(0.0) is None


def test_a_frame_written_again_replaces_the_one_that_waits() -> None:
    """X-3: a second rewritten four times a second waits once."""
    queue = WriteQueue(frames_limit=1)
    for data in (b"1", b"12", b"123"):
        queue.put(info(), [frame(0, data)], None, 0.0)
    assert queue.dropped == 0
    assert queue.take()[1] == [frame(0, b"123")]


def test_over_the_limit_the_oldest_goes_and_is_counted() -> None:
    """TTY-6: the queue is bounded in frames and in bytes, and says what it dropped."""
    queue = WriteQueue(frames_limit=3)
    queue.put(info(), [frame(second) for second in range(5)], None, 0.0)
    assert queue.dropped == 2
    assert buckets(queue.take()[1]) == [2, 3, 4]
    queue = WriteQueue(bytes_limit=10)
    queue.put(info(), [frame(0, b"123456"), frame(1, b"123456"), frame(2, b"1")], None, 0.0)
    assert queue.dropped == 1
    queue.put(info(), [frame(3, b"x" * 50)], None, 0.0)
    assert queue.dropped == 3
    assert buckets(queue.take()[1]) == [3]


def test_a_failed_write_is_put_back_in_its_place() -> None:
    """X-3: after a failure the same frames wait again, but for those something newer replaced; newer totals stay."""
    queue = WriteQueue()
    queue.put(info(1.0), [frame(0, b"old"), frame(1)], b"old", 0.0)
    queue.take()
    queue.put(info(2.0), [frame(0, b"new"), frame(2)], b"new", 0.0)
    queue.failed(StoreError("down"), 100.0)
    queue.retry_at = 0.0
    assert queue.take() == (info(2.0), [frame(0, b"new"), frame(1), frame(2)], b"new")
    queue.failed(StoreError("down"), 100.0)
    assert queue.take() == (info(2.0), [frame(0, b"new"), frame(1), frame(2)], b"new")


def test_what_is_put_back_counts_against_the_limit() -> None:
    """TTY-6: a write that failed does not let the queue grow beyond its bound."""
    queue = WriteQueue(frames_limit=3)
    queue.put(info(), [frame(0), frame(1)], None, 0.0)
    queue.take()
    queue.put(info(), [frame(2), frame(3)], None, 0.0)
    assert queue.dropped == 0
    queue.failed(StoreError("down"), 0.0)
    assert queue.dropped == 1
    assert buckets(queue.take()[1]) == [1, 2, 3]


def test_waits_grow_to_five_seconds_and_end_with_a_success() -> None:
    """X-3: a broken store is tried ever more rarely; one success starts over."""
    queue, waits = WriteQueue(), []
    queue.put(info(), [frame()], None, 0.0)
    for _ in range(10):
        queue.take()
        queue.failed(StoreError("down"), 100.0)
        waits.append(queue.delay(100.0))
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == LAST_RETRY == 5.0
    assert queue.delay(100.0 + LAST_RETRY) == 0.0
    queue.take()
    queue.written(0.0)
    queue.put(info(), [], None, 0.0)
    assert (queue.delay(0.0), queue.last_error) == (0.0, "")


def test_behind_since_names_the_oldest_unwritten_second() -> None:
    """X-3: history is behind since the first thing that waits was put, once a write failed or it took too long."""
    queue = WriteQueue()
    assert queue.behind_since(50.0) is None
    queue.put(info(), [frame(0)], None, 50.0)
    queue.put(info(), [frame(1)], None, 51.0)
    assert queue.behind_since(51.0) is None
    assert queue.behind_since(52.5) == 50.0
    queue.take()
    queue.failed(StoreError("down"), 0.0)
    assert queue.behind_since(50.1) == 50.0
    queue.take()
    queue.written(60.0)
    assert queue.behind_since(100.0) is None


def test_what_no_store_keeps_is_dropped_at_once() -> None:
    """X-3: a frame that will be refused does not block those behind it, and is counted."""
    queue = WriteQueue()
    queue.put(info(), [StoredFrame(7, NOW, "a", b"")], None, 0.0)
    assert queue.is_empty
    assert queue.dropped == 1
    assert "no place for a frame of tier 7" in queue.last_error


def test_writing_never_waits_for_the_store() -> None:
    """TTY-6: while the store hangs, writes return, and what waited goes in when it wakes up."""
    store = FaultyStore()
    store.gate.clear()
    writer = StoreWriter(store, clock=ManualClock(NOW), frames_limit=10)
    writer.write(info(), [frame(0)])
    store.entered.wait()
    for second in range(1, 20):
        writer.write(info(), [frame(second)])
    assert not writer.flush(0)
    assert writer.dropped == 9
    store.gate.set()
    assert writer.close()
    assert buckets(store_frames(store)) == [0, *range(10, 20)]


def store_frames(store: MemoryStore) -> list[StoredFrame]:
    return store.frames("chat", 1, 0)


def test_a_store_that_comes_back_gets_everything() -> None:
    """X-3: writes during a fault wait, are shown as behind, and arrive once, in order, when the fault ends."""
    store, clock = FaultyStore(), ManualClock(NOW)
    writer = StoreWriter(store, clock=clock)
    store.fault = StoreError("connection refused")
    writer.write(info(), [frame(0)], b"one")
    wait_until(writer, "connection refused")
    assert writer.behind_since == NOW
    for second in range(1, 4):
        clock.advance(0.1)
        writer.write(info(), [frame(second)], b"two")
    store.fault = None
    assert writer.flush(10)
    assert writer.behind_since is None
    assert (writer.last_error, writer.dropped) == ("", 0)
    assert store.batches == [[0, 1, 2, 3]]
    assert store.totals("chat") == {"a": b"two"}
    assert writer.close()


def wait_until(writer: StoreWriter, error: str) -> None:
    """Wait for the writer's thread to have seen this error."""
    with writer._changed:
        assert writer._changed.wait_for(lambda: error in writer.last_error, 10)


@pytest.mark.parametrize("fault", [StoreError("down"), ZeroDivisionError("a bug")])
def test_no_fault_ends_the_thread(fault: Exception) -> None:
    """TTY-6: whatever a store raises, also what none should, the writer goes on."""
    store = FaultyStore()
    store.fault = fault
    writer = StoreWriter(store, clock=ManualClock(NOW))
    writer.write(info(), [frame()])
    wait_until(writer, str(fault))
    store.fault = None
    assert writer.close()
    assert store.batches == [[0]]


def test_what_the_store_refuses_is_not_tried_again() -> None:
    """X-3: a refusal drops its batch, counted, and the next write goes through."""
    store = FaultyStore()
    store.fault = RefusedError("never")
    writer = StoreWriter(store, clock=ManualClock(NOW))
    writer.write(info(), [frame()])
    assert writer.flush(10)
    assert (writer.dropped, writer.last_error) == (1, "never")
    store.fault = None
    writer.write(info(), [frame(1)])
    assert writer.close()
    assert store.batches == [[1]]


def test_a_long_queue_goes_in_batches() -> None:
    """X-3: catching up holds the store for no more than a batch at a time."""
    store = FaultyStore()
    writer = StoreWriter(store, clock=ManualClock(NOW))
    writer.write(info(), [frame(second) for second in range(250)], b"totals")
    assert writer.close()
    assert [len(batch) for batch in store.batches] == [BATCH, BATCH, 50]


def test_a_name_that_was_left_is_still_said_goodbye_for() -> None:
    """X-3: an instance that goes on under another name loses neither its last totals nor its goodbye."""
    queue = WriteQueue()
    queue.put(info(), [frame(0)], b"last", NOW)
    queue.put(msgspec.structs.replace(info(), closed=True), [], None, NOW)
    queue.put(msgspec.structs.replace(info(), instance="b"), [frame(1)], b"first", NOW)
    first = queue.take()
    assert (first[0].closed, first[2], buckets(first[1])) == (True, b"last", [0, 1])
    queue.failed(OSError("no"), 0.0)
    assert queue.take() == first
    queue.written(NOW)
    assert not queue.is_empty
    assert (queue.take()[0].instance, queue.is_empty) == ("b", False)


@pytest.mark.parametrize("fault", [None, StoreError("the disk is full")])
def test_where_no_thread_starts_any_more_closing_writes(
    fault: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-3: as its interpreter ends CPython 3.12 starts no thread; what is left is written, or said not to be."""

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refused)
    store = FaultyStore()
    store.fault = fault
    writer = StoreWriter(store)
    writer.write(info(), [frame(second) for second in range(2 * BATCH)])
    assert writer.close(timeout=0.01) == (fault is None)
    assert sum(map(len, store.batches)) == (2 * BATCH if fault is None else 0)


def test_after_close_frames_are_dropped_and_counted() -> None:
    """TTY-6: a late write neither fails nor vanishes silently; closing twice is closing once."""
    writer = StoreWriter(FaultyStore(), clock=ManualClock(NOW))
    assert writer.close()
    assert writer.close()
    writer.write(info(), [frame(0), frame(1)])
    assert writer.dropped == 2


def test_closing_over_a_broken_store_says_so() -> None:
    """X-3: close waits no longer than told and reports that something is not written."""
    store = FaultyStore()
    store.fault = StoreError("down")
    writer = StoreWriter(store, clock=ManualClock(NOW))
    writer.write(info(), [frame()])
    assert not writer.close(0)
