"""Where enhanced prompts are kept: a SQLite file that workers share and a restart finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

BUSY_SECONDS: Final = 2.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS prompts (
    key BLOB PRIMARY KEY, answer TEXT NOT NULL, made REAL NOT NULL, size INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS by_age ON prompts (made, size);
"""
ENTRY_BYTES: Final = 200
"""What an entry takes besides its text."""


class Shelf:
    """Answers by key, the oldest forgotten first. Thread-safe; blocks; raises sqlite3.Error.

    Without a path they are of this process alone.
    """

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = Lock()
        self._rows = opened(path, _SCHEMA)

    def get(self, key: bytes, max_age: float) -> str | None:
        """The answer of a key that is no older than `max_age` seconds."""
        with self._lock:
            query = "SELECT answer FROM prompts WHERE key = ? AND made > ?"
            row = self._rows.execute(query, (key, self._now() - max_age)).fetchone()
        return None if row is None else str(row[0])

    def put(self, key: bytes, answer: str, max_bytes: int, max_age: float) -> int:
        """Keep an answer; says how many others had to go."""
        size = len(answer.encode()) + ENTRY_BYTES
        if size > max_bytes:
            return 0
        with self._lock, self._rows:
            self._rows.execute("BEGIN IMMEDIATE")
            self._rows.execute("INSERT OR REPLACE INTO prompts VALUES (?, ?, ?, ?)", (key, answer, self._now(), size))
            gone = self._rows.execute("DELETE FROM prompts WHERE made <= ?", (self._now() - max_age,)).rowcount
            total = self._rows.execute("SELECT sum(size) FROM prompts").fetchone()[0]
            while total > max_bytes:
                oldest = self._rows.execute("SELECT rowid, size FROM prompts ORDER BY made LIMIT 1").fetchone()
                self._rows.execute("DELETE FROM prompts WHERE rowid = ?", oldest[:1])
                total -= oldest[1]
                gone += 1
            return gone

    def clear(self) -> int:
        """Forget them all; says how many."""
        with self._lock:
            return self._rows.execute("DELETE FROM prompts").rowcount

    def count(self) -> int:
        """How many answers there are."""
        with self._lock:
            return int(self._rows.execute("SELECT count(*) FROM prompts").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._rows.close()


def opened(path: Path | None, schema: str) -> sqlite3.Connection:
    """A file that workers share, or memory; for one thread at a time, in transactions of its caller's own."""
    where = ":memory:" if path is None else str(path)
    rows = sqlite3.connect(where, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    if path is not None:
        rows.execute("PRAGMA journal_mode=WAL")
    rows.executescript(schema)
    return rows
