"""Groups and messages in SQLite. Every method blocks, takes one lock, and may be called from any thread."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from .samples import GROUPS, PEOPLE, sentence

DAY: Final = 86_400.0
SEEDED_MESSAGES: Final = 1_200
KEPT_MESSAGES: Final = 50_000
PRUNE_EVERY: Final = 500

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS groups (
    group_id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL, created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
    message_id INTEGER PRIMARY KEY AUTOINCREMENT, group_id TEXT NOT NULL REFERENCES groups, author TEXT NOT NULL,
    text TEXT NOT NULL, created_at REAL NOT NULL, is_deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_by_group ON messages (group_id, is_deleted, message_id, created_at);
CREATE INDEX IF NOT EXISTS messages_by_time ON messages (created_at);
"""
ADD_MESSAGE: Final = "INSERT INTO messages (group_id, author, text, created_at, is_deleted) VALUES (?, ?, ?, ?, ?)"
SELECT_MESSAGES: Final = "SELECT message_id, group_id, author, text, created_at FROM messages WHERE is_deleted = 0"
SELECT_GROUPS: Final = "SELECT group_id, name, owner, created_at FROM groups"
COUNT_GROUPS: Final = "SELECT COUNT(*), COUNT(*) FILTER (WHERE created_at >= ?) FROM groups"
COUNT_MESSAGES: Final = "SELECT COUNT(*), TOTAL(is_deleted), COUNT(*) FILTER (WHERE created_at >= ?) FROM messages"
TOP_GROUPS: Final = """
SELECT m.group_id, g.name AS group_name, COUNT(*) AS message_count, MAX(m.created_at) AS last_message
FROM messages m JOIN groups g USING (group_id) WHERE m.is_deleted = 0
GROUP BY m.group_id ORDER BY message_count DESC, m.group_id LIMIT 10
"""


class ConflictError(Exception):
    """What should be made is there already."""


@dataclass(frozen=True)
class Group:
    """A group of people who talk; never changed once made."""

    group_id: str
    name: str
    owner: str
    created_at: str


@dataclass(frozen=True)
class Message:
    """One message that is not deleted. `created_at` is RFC 3339, UTC."""

    message_id: int
    group_id: str
    author: str
    text: str
    created_at: str


class Storage:
    """One SQLite file; without a path, a temporary one that `close` removes. At most about `keep` messages are kept."""

    failure: type[Exception] = sqlite3.Error

    def __init__(self, path: str = "", clock: Callable[[], float] = time.time, keep: int = KEPT_MESSAGES) -> None:
        self.path = path
        self._clock = clock
        self._keep = keep
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, make the tables, and put sample groups and messages into an empty one."""
        if not self.path:
            self._folder = tempfile.TemporaryDirectory(prefix="chat-api-")
            self.path = str(Path(self._folder.name) / "chat.db")
        connection = sqlite3.connect(self.path, timeout=10, check_same_thread=False, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(SCHEMA)
        _seed(connection, self._clock())
        self._connection = connection

    def close(self) -> None:
        """Close the file, and remove it if it was temporary. Closing twice is harmless."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder, self.path = None, ""

    def add_group(self, name: str, owner: str) -> Group:
        """Make a group; its id is its name in a form fit for a URL. Raises ConflictError if that is taken."""
        group_id = slug(name)
        try:
            self._rows("INSERT INTO groups VALUES (?, ?, ?, ?)", group_id, name, owner, self._clock())
        except sqlite3.IntegrityError as error:
            raise ConflictError(f"there is a group {group_id} already") from error
        group = self.group(group_id)
        assert group is not None
        return group

    def group(self, group_id: str) -> Group | None:
        """The group of this id."""
        return next(map(_group, self._rows(f"{SELECT_GROUPS} WHERE group_id = ?", group_id)), None)

    def groups(self, limit: int, offset: int) -> list[Group]:
        """Groups, the newest first."""
        rows = self._rows(f"{SELECT_GROUPS} ORDER BY created_at DESC, group_id LIMIT ? OFFSET ?", limit, offset)
        return [_group(row) for row in rows]

    def count_messages(self, group_id: str) -> int:
        """How many messages of a group are not deleted."""
        return int(self._rows("SELECT COUNT(*) FROM messages WHERE group_id = ? AND is_deleted = 0", group_id)[0][0])

    def add_message(self, group_id: str, author: str, text: str) -> Message:
        """Store one message; now and then the oldest of all are pruned."""
        sql = f"{ADD_MESSAGE} RETURNING message_id, group_id, author, text, created_at"
        message = _message(self._rows(sql, group_id, author, text, self._clock(), 0)[0])
        if message.message_id % PRUNE_EVERY == 0:
            self._rows("DELETE FROM messages WHERE message_id <= ?", message.message_id - self._keep)
        return message

    def message(self, message_id: int) -> Message | None:
        """The message of this id, unless it is deleted."""
        return next(map(_message, self._rows(f"{SELECT_MESSAGES} AND message_id = ?", message_id)), None)

    def messages(self, group_id: str, limit: int, before: int | None = None) -> list[Message]:
        """Messages of a group, the newest first, those before a message id if one is given."""
        sql = f"{SELECT_MESSAGES} AND group_id = ? AND message_id < ? ORDER BY message_id DESC LIMIT ?"
        return [_message(row) for row in self._rows(sql, group_id, _MAX_ID if before is None else before, limit)]

    def delete_message(self, message_id: int) -> bool:
        """Mark a message as deleted; False if there is none to mark."""
        sql = "UPDATE messages SET is_deleted = 1 WHERE message_id = ? AND is_deleted = 0 RETURNING message_id"
        return bool(self._rows(sql, message_id))

    def search(self, text: str, limit: int) -> list[Message]:
        """Messages that contain a text, upper and lower case alike, the newest first."""
        pattern = "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"
        sql = f"{SELECT_MESSAGES} AND text LIKE ? ESCAPE '\\' ORDER BY message_id DESC LIMIT ?"
        return [_message(row) for row in self._rows(sql, pattern, limit)]

    def batch(self, after: int, limit: int) -> list[Message]:
        """Messages after a message id, the oldest first."""
        sql = f"{SELECT_MESSAGES} AND message_id > ? ORDER BY message_id LIMIT ?"
        return [_message(row) for row in self._rows(sql, after, limit)]

    def statistics(self) -> dict[str, Any]:
        """The `database` section of the dashboard; rates in percent, rounded to two digits."""
        yesterday = self._clock() - DAY
        groups, new_groups = self._rows(COUNT_GROUPS, yesterday)[0]
        total, deleted, new_messages = map(int, self._rows(COUNT_MESSAGES, yesterday)[0])
        top = [dict(row) for row in self._rows(TOP_GROUPS)]
        return {
            "total_groups": groups,
            "total_messages": total,
            "active_messages": total - deleted,
            "deleted_messages": deleted,
            "deletion_rate_percent": round(100 * deleted / total, 2) if total else 0.0,
            "avg_messages_per_group": round(total / groups, 2) if groups else 0.0,
            "last_24h": {"new_groups": new_groups, "new_messages": new_messages},
            "top_active_groups": [{**group, "last_message": rfc3339(group["last_message"])} for group in top],
        }

    def _rows(self, sql: str, *values: object) -> Sequence[sqlite3.Row]:
        with self._lock:
            if self._connection is None:
                raise RuntimeError("the storage is not open; the application opens it when it starts")
            return self._connection.execute(sql, values).fetchall()


_MAX_ID: Final = 2**63 - 1


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def slug(name: str) -> str:
    """A name as an id fit for a URL: letters and digits of any script, in lower case, joined by hyphens."""
    return "-".join(re.findall(r"[^\W_]+", name.lower())) or "group"


def _group(row: sqlite3.Row) -> Group:
    return Group(row[0], row[1], row[2], rfc3339(row[3]))


def _message(row: sqlite3.Row) -> Message:
    return Message(row[0], row[1], row[2], row[3], rfc3339(row[4]))


def _seed(connection: sqlite3.Connection, now: float) -> None:
    """Fill an empty file. Workers that start together share one file, so looking and filling are one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT COUNT(*) FROM groups").fetchone()[0] == 0:
        random = Random(1)
        ages = [(30 - 4.2 * rank) * DAY for rank in range(len(GROUPS))]
        groups = [(slug(name), name, random.choice(PEOPLE), now - age) for name, age in zip(GROUPS, ages, strict=True)]
        connection.executemany("INSERT INTO groups VALUES (?, ?, ?, ?)", groups)
        connection.executemany(ADD_MESSAGE, sample_messages(random, now, ages))
    connection.execute("COMMIT")


def sample_messages(random: Random, now: float, ages: Sequence[float]) -> list[tuple[str, str, str, float, bool]]:
    """Three days of talk, most of it in the first groups, a few messages deleted; none is older than its group.

    Each is (group, author, text, when, whether it is deleted), the oldest first.
    """
    weights = [1 / (rank + 1) for rank in range(len(GROUPS))]
    ranks = random.choices(range(len(GROUPS)), weights, k=SEEDED_MESSAGES)
    talk = sorted((now - random.uniform(0, min(3 * DAY, ages[rank])), rank) for rank in ranks)
    return [
        (slug(GROUPS[rank]), random.choice(PEOPLE), sentence(random), at, random.random() < 0.027) for at, rank in talk
    ]
