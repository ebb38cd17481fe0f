"""Output that waits for its reader: bounded, in order, and never in the way of who writes."""

from __future__ import annotations

import struct
import tempfile
import threading
from collections import deque
from typing import IO, Final

MEMORY_LIMIT: Final = 4 << 20
"""Bytes that wait in memory; what comes after them waits in a temporary file."""

FILE_LIMIT: Final = 256 << 20
"""How large the file may get before it has been read to its end; what comes after that is dropped, and said there."""

_HEAD: Final = struct.Struct("!BI")


class Backlog:
    """A queue of (stream, whole lines) between threads. `put` never waits for the reader.

    The temporary file has no name, so it is gone with the process. Dropped lines are counted; a line that says how
    many stands where they would have.
    """

    def __init__(self, memory: int = MEMORY_LIMIT, file: int = FILE_LIMIT, notes: int = 2) -> None:
        self._limits = memory, file
        self._notes = notes
        self._ready = threading.Condition()
        self._items: deque[tuple[int, bytes]] = deque()
        self._held = 0
        self._file: IO[bytes] | None = None
        self._read = self._written = 0
        self._missing = 0
        self._closed = False
        self.taken = 0
        self.dropped = 0

    def put(self, stream: int, data: bytes) -> None:
        """Add lines; a note on what was dropped before goes first."""
        with self._ready:
            note = self._note() if self._missing else b""
            if note and self._added(self._notes, note):
                self._missing = 0
            if self._missing or not self._added(stream, data):
                self._missing += data.count(b"\n")
                self.dropped += data.count(b"\n")
            self._ready.notify()

    def get(self, most: int = 0) -> tuple[int, bytes] | None:
        """The oldest lines, waited for, with those after them on the same stream up to `most` bytes in all.

        None when it was closed and everything has been taken.
        """
        with self._ready:
            while not self._items and not self._refilled():
                if self._missing:
                    self._queue(self._notes, self._note())
                    self._missing = 0
                elif self._closed:
                    return None
                else:
                    self._ready.wait()
            stream, data = self._items.popleft()
            pieces, size = [data], len(data)
            while self._items and self._items[0][0] == stream and size + len(self._items[0][1]) <= most:
                pieces.append(self._items.popleft()[1])
                size += len(pieces[-1])
            self._held -= size
            self.taken += len(pieces)
            return stream, b"".join(pieces)

    @property
    def empty(self) -> bool:
        """Whether nothing waits at this moment."""
        return not self._items and not self._waits_in_file()

    def close(self) -> None:
        """Nothing more comes."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def _note(self) -> bytes:
        limit = self._limits[1] >> 20
        return f"fanlight: {self._missing} lines were dropped here: more than {limit} MiB waited to be shown\n".encode()

    def _added(self, stream: int, data: bytes) -> bool:
        if not self._waits_in_file() and (not self._items or self._held + len(data) <= self._limits[0]):
            self._queue(stream, data)
            return True
        record = _HEAD.pack(stream, len(data)) + data
        return self._written + len(record) <= self._limits[1] and self._spilled(record)

    def _queue(self, stream: int, data: bytes) -> None:
        self._items.append((stream, data))
        self._held += len(data)

    def _spilled(self, record: bytes) -> bool:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="fanlight-")  # noqa: SIM115 - open for as long as lines wait
            self._file.seek(self._written)
            self._file.write(record)
            self._file.flush()
        except OSError:  # a full disk is one more bound
            return False
        self._written += len(record)
        return True

    def _waits_in_file(self) -> bool:
        return self._written > self._read

    def _refilled(self) -> bool:
        """Take back from the file what memory has room for."""
        if self._file is None or not self._waits_in_file():
            return False
        self._file.seek(self._read)
        while self._waits_in_file() and (not self._items or self._held < self._limits[0] // 2):
            stream, size = _HEAD.unpack(self._file.read(_HEAD.size))
            self._queue(stream, self._file.read(size))
            self._read += _HEAD.size + size
        if not self._waits_in_file():
            self._file.close()
            self._file, self._read, self._written = None, 0, 0
        return True
