"""The thread between the pulse and a store, so that a slow, locked or broken store never delays anything."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Final

from fanlight.clock import Clock, SystemClock
from fanlight.stores.base import InstanceInfo, RefusedError, Store, StoredFrame, check_write

FRAMES_LIMIT: Final = 900
"""Frames that wait at most: 15 minutes of seconds, what the finest tier keeps anyway."""
BYTES_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of frames that wait at most."""
BATCH: Final = 100
"""Frames in one write."""
FIRST_RETRY, LAST_RETRY = 0.5, 5.0
"""Seconds until a failed write is tried again; doubled each time, up to the last."""
LATE: Final = 2.0
"""Seconds something may wait before history counts as behind."""

Batch = tuple[InstanceInfo, list[StoredFrame], bytes | None]


class WriteQueue:
    """What waits to be written, and when to try. Decides only: no thread, no clock, no store; seconds are given to it.

    A frame written again before its turn replaces the one that waits. Over the limits the oldest goes, into `dropped`.
    """

    def __init__(self, frames_limit: int = FRAMES_LIMIT, bytes_limit: int = BYTES_LIMIT) -> None:
        self.dropped = 0
        self.failures = 0
        self.last_error = ""
        self.retry_at = 0.0
        self._limits = (frames_limit, bytes_limit)
        self._frames: dict[tuple[int, int, str], StoredFrame] = {}
        self._bytes = 0
        self._last: InstanceInfo | None = None
        self._beats: dict[str, tuple[InstanceInfo, bytes | None]] = {}  # by instance: one may take another name
        self._taken: Batch | None = None
        self._waiting_since: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything put has been written or dropped."""
        return self._taken is None and not self._waits

    @property
    def _waits(self) -> bool:
        return bool(self._beats or self._frames)

    def put(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None, wall: float) -> None:
        """Take these over; what no store could keep is dropped at once."""
        try:
            check_write(info, frames, totals)
        except RefusedError as error:
            self._refuse(len(frames), error)
            return
        if self._waiting_since is None:
            self._waiting_since = wall
        self._last = info
        self._beat(info, totals)
        for frame in frames:
            self._insert(frame)
        self._bound()

    def delay(self, now: float) -> float | None:
        """Seconds until the next try is due, None when nothing waits."""
        return max(0.0, self.retry_at - now) if self._waits else None

    def take(self) -> Batch:
        """The oldest frames with the latest heartbeat and totals; `written`, `failed` or `refused` must follow."""
        assert self._last is not None
        keys = list(self._frames)[:BATCH]
        info, totals = self._beats.pop(next(iter(self._beats))) if self._beats else (self._last, None)
        self._taken = (info, [self._remove(key) for key in keys], totals)
        return self._taken

    def written(self, wall: float) -> None:
        """The store has what was taken."""
        self._taken = None
        self.failures, self.retry_at, self.last_error = 0, 0.0, ""
        self._waiting_since = wall if self._waits else None

    def failed(self, error: BaseException, now: float) -> None:
        """The store has nothing of it: put back what nothing newer replaced, and wait twice as long as last time."""
        assert self._taken is not None
        info, frames, totals = self._taken
        self._taken = None
        newer = self._frames
        self._frames, self._bytes = {}, 0
        for frame in (*frames, *newer.values()):
            self._insert(frame)
        later, self._beats = self._beats, {}
        self._beat(info, totals)
        for beat in later.values():
            self._beat(*beat)
        self.failures += 1
        self.last_error = str(error)
        self.retry_at = now + min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(self.failures - 1, 16))
        self._bound()

    def refused(self, error: BaseException, wall: float) -> None:
        """The store will never take it: drop it."""
        assert self._taken is not None
        frames = len(self._taken[1])
        self.written(wall)
        self._refuse(frames, error)

    def behind_since(self, wall: float) -> float | None:
        """Since when (Unix seconds) what was put is not in the store; None while the store keeps up."""
        since = self._waiting_since
        return since if since is not None and (self.failures or wall - since > LATE) else None

    def _beat(self, info: InstanceInfo, totals: bytes | None) -> None:
        known = self._beats.get(info.instance)
        self._beats[info.instance] = (info, known[1] if known and totals is None else totals)

    def _refuse(self, frames: int, error: BaseException) -> None:
        self.dropped += frames
        self.last_error = str(error)

    def _insert(self, frame: StoredFrame) -> None:
        key = (frame.tier, frame.bucket, frame.instance)
        known = self._frames.get(key)
        self._bytes += frame.size - (0 if known is None else known.size)
        self._frames[key] = frame

    def _remove(self, key: tuple[int, int, str]) -> StoredFrame:
        frame = self._frames.pop(key)
        self._bytes -= frame.size
        return frame

    def _bound(self) -> None:
        frames_limit, bytes_limit = self._limits
        while len(self._frames) > frames_limit or (self._bytes > bytes_limit and len(self._frames) > 1):
            self._remove(next(iter(self._frames)))
            self.dropped += 1


class StoreWriter:
    """Writes to a store on a daemon thread of its own; `write` returns at once and never fails.

    Thread-safe. Survives a fork: the child starts with nothing waiting, and a
    thread of its own at its first write. The store is its owner's to close, after the writer.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        frames_limit: int = FRAMES_LIMIT,
        bytes_limit: int = BYTES_LIMIT,
    ) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        self._limits = (frames_limit, bytes_limit)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._queue = WriteQueue(*self._limits)
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def dropped(self) -> int:
        """Frames that were given up: pushed out while the store could not be written, or refused by it."""
        return self._queue.dropped

    @property
    def last_error(self) -> str:
        """Why the last write failed, empty when it did not."""
        return self._queue.last_error

    @property
    def behind_since(self) -> float | None:
        """Since when (Unix seconds) the store lacks what was written; None while it keeps up."""
        return self._queue.behind_since(self._wall())

    def write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None = None) -> None:
        """Have these written soon; after `close` the frames are dropped and counted."""
        self._own()
        with self._changed:
            if self._closed:
                self._queue.dropped += len(frames)
                return
            self._queue.put(info, frames, totals, self._wall())
            if self._thread is None:
                self._thread = self._started()
            self._changed.notify_all()

    def _started(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name="fanlight-store", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends; CPython 3.12 starts no thread any more then
            return None
        return thread

    def flush(self, timeout: float = 2.0) -> bool:
        """Try now whatever was to be tried later, and wait; whether everything is written or dropped.

        Where no thread could be started it is written here.
        """
        self._own()
        if self._thread is None:
            while not self._queue.is_empty and not self._queue.failures:
                self.step()
        with self._changed:
            self._queue.retry_at = 0.0
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._queue.is_empty, timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Flush, and end the thread; what `flush` says. A store that hangs is left behind with the daemon thread."""
        done = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and done:
            thread.join(timeout)
        return done

    def step(self) -> None:
        """One write to the store: what the thread does whenever one is due. Blocks as long as the store does."""
        with self._changed:
            batch = self._queue.take()
        error = self._attempt(batch)
        with self._changed:
            if error is None:
                self._queue.written(self._wall())
            elif isinstance(error, RefusedError):
                self._queue.refused(error, self._wall())
            else:
                self._queue.failed(error, self._now())
            self._changed.notify_all()

    def _attempt(self, batch: Batch) -> Exception | None:
        try:
            self._store.write(*batch)
        except Exception as error:  # also what no store should raise: this thread must outlive it, and shows it
            return error
        return None

    def _run(self) -> None:
        while self._is_due():
            self.step()

    def _is_due(self) -> bool:
        """Wait until a write is due; False when the writer was closed."""
        with self._changed:
            while not self._closed:
                delay = self._queue.delay(self._now())
                if delay == 0:
                    return True
                self._changed.wait(delay)
            return False

    def _own(self) -> None:
        """After a fork: start anew. What waited is the parent's to write."""
        if self._pid != os.getpid():
            self._reset()

    def _now(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _wall(self) -> float:
        return self._clock.time_ns() / 1e9
