"""One connection to the SQLite file of a store: opened when used, anew after an error, a fork or a replaced file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fanlight.errors import StoreError
from fanlight.stores.aside import identity, make_private, set_aside

VERSION: Final = 2
"""The layout below, in `PRAGMA user_version`; a file with a newer one is refused, one with an older one set aside."""
APPLICATION: Final = 0x46_61_6E_6C
"""`PRAGMA application_id`: tells our files from any other SQLite database."""
WAL_BYTES: Final = 16 * 1024 * 1024
"""What the write-ahead log is cut back to after a checkpoint."""
HEADER: Final = b"SQLite format 3\0"
APPLICATION_AT: Final = 68
"""Where a SQLite file holds its application id, as a big-endian number."""
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

RETRY_SECONDS: Final = 0.01
"""Between two tries to set up a file that another process is setting up; SQLite itself does not wait there."""

# `sequence` is the store-wide order of writing: AUTOINCREMENT never hands a number out twice, a rewrite (REPLACE) takes
# a new one, and writers take turns, so numbers become visible in order. `frames_by_writing` carries it as its row id.
# `series` stands apart: heads lie close together, and a series goes before its head does. An empty one has no row.
_SCHEMA: Final = """
CREATE TABLE frames (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, tier INTEGER NOT NULL, bucket INTEGER NOT NULL,
    instance TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (service, tier, bucket, instance));
CREATE INDEX frames_by_writing ON frames (service);
CREATE TABLE series (
    service TEXT NOT NULL, tier INTEGER NOT NULL, bucket INTEGER NOT NULL, instance TEXT NOT NULL, data BLOB NOT NULL,
    UNIQUE (service, tier, bucket, instance));
CREATE TABLE instances (
    service TEXT NOT NULL, instance TEXT NOT NULL, info BLOB NOT NULL, PRIMARY KEY (service, instance)) WITHOUT ROWID;
CREATE TABLE totals (
    service TEXT NOT NULL, instance TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (service, instance));
CREATE TABLE commands (
    service TEXT NOT NULL, id TEXT NOT NULL, issued REAL NOT NULL, expires REAL NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (service, id));
CREATE INDEX commands_by_expiry ON commands (service, expires);
CREATE TABLE targets (
    service TEXT NOT NULL, command TEXT NOT NULL, instance TEXT NOT NULL, status TEXT, message TEXT, at REAL,
    PRIMARY KEY (service, command, instance)) WITHOUT ROWID;
CREATE INDEX targets_waiting ON targets (service, instance) WHERE status IS NULL;
CREATE TABLE leases (
    service TEXT NOT NULL, name TEXT NOT NULL, instance TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (service, name)) WITHOUT ROWID
"""


class Connection:
    """A connection used by one thread at a time, in whole transactions. Waits `busy_seconds` for other writers."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._closed = False
        with _registry:
            _connections.add(self)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that has the right to write from its start, so that it never fails half-way for another's."""
        with self._transaction("BEGIN IMMEDIATE") as database:
            yield database
            database.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file."""
        with self._transaction("BEGIN") as database:
            yield database

    def close(self) -> None:
        """Close for good; using it afterwards raises StoreError."""
        with self._lock:
            self._closed = True
            self._drop()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Run the body between `begin` and, unless it has committed, a roll-back; failures become a StoreError."""
        with self._lock:
            try:
                database = self._opened()
                database.execute(begin)
                try:
                    yield database
                finally:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
            except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
                self._drop()
                if _code(error) in DAMAGED and self._file != (0, 0):  # it was ours when it was opened
                    _set_damaged_aside(self._path, self._file)
                raise StoreError(explanation(self._path, error)) from error

    def _opened(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"the store in {self._path} was closed; open it again to use it")
        if self._database is not None and identity(self._path) != self._file:
            self._drop()  # removed or replaced: writing on would fill a file that nobody can see
        if self._database is None:
            self._database = open_database(self._path, self._busy_seconds)
            self._file = identity(self._path)
        return self._database

    def _drop(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):  # it is given up because it failed
                database.close()

    def __del__(self) -> None:
        self._drop()  # as it would be by itself, but for the warning of CPython 3.13

    def before_fork(self) -> None:
        """Let go of the file and keep everyone off it; SQLite's locks would not be the child's."""
        self._lock.acquire()
        self._drop()

    def after_fork(self) -> None:
        """Let it be used again, by parent and child each with a connection of its own."""
        self._lock.release()


def open_database(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """The file as a store of this version, made when it is not there; raises StoreError when it is something else.

    What was ours and is damaged or of an older layout is set aside first.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        make_private(path)
        seen = identity(path)
        database = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            _prepare(database, path)
        except _OlderLayout as older:
            with suppress(sqlite3.Error):  # so that the file alone is whole
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.close()
            set_aside(path, f"layout-{older.version}", seen)
        except BaseException as error:
            database.close()
            if _code(error) in DAMAGED and _is_ours(path) and _set_damaged_aside(path, seen):
                continue
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return database


def explanation(path: Path, error: Exception) -> str:
    """One line on what is wrong with the file and what to do."""
    advice = {
        sqlite3.SQLITE_NOTADB: "it is not a SQLite file: name another file, or move this one away",
        sqlite3.SQLITE_CORRUPT: "it is damaged: it is set aside, or move it away with its -wal and -shm files",
        sqlite3.SQLITE_BUSY: "another process holds it: end whatever keeps it locked",
        sqlite3.SQLITE_FULL: "the disk is full: make room",
        sqlite3.SQLITE_READONLY: "it cannot be written: give this user write access to the file and its directory",
        sqlite3.SQLITE_CANTOPEN: "it cannot be opened: name a file in a directory this user can write to",
        sqlite3.SQLITE_IOERR: "the disk fails: check it, and that the file is not on a network file system",
    }
    if isinstance(error, OSError):
        return f"cannot use {path} as a store ({error.strerror}); name a file in a directory this user can write to"
    return f"cannot use {path} as a store ({error}); {advice.get(_code(error), 'check what was given and the file')}"


class _OlderLayout(Exception):  # what happens next is no error
    """The file is of a layout this version no longer reads."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def _set_damaged_aside(path: Path, seen: tuple[int, int]) -> bool:
    """Whether the path is free for a new file, or names one already."""
    with suppress(OSError):  # then the error that led here says what to do
        set_aside(path, "corrupt", seen)
    return identity(path) != seen


def _is_ours(path: Path) -> bool:
    """Whether a file that cannot be opened was made by Fanlight: by its head, or because only Fanlight writes there."""
    try:
        with path.open("rb") as file:
            head = file.read(APPLICATION_AT + 4)
    except OSError:
        return False
    ours = head.startswith(HEADER) and head[APPLICATION_AT:] == APPLICATION.to_bytes(4, "big")
    return ours or (path.parent.name == "fanlight" and path.suffix == ".db")


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    if _is_ready(database, path):
        return
    mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(
            f"the file system of {path} cannot hold a store that processes share; name a file on a local disk"
        )
    database.execute("BEGIN IMMEDIATE")
    if not _is_ready(database, path):  # another process may have been first
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")


def _is_ready(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the file holds our layout, False when it is still empty; StoreError when it holds anything else."""
    application, version, tables = database.execute(
        "SELECT application_id, user_version, (SELECT COUNT(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if not tables:
        return False
    if application != APPLICATION:
        raise StoreError(f"{path} is a SQLite database of something else; name a file of its own for Fanlight")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer Fanlight (layout {version}, this one reads {VERSION}); upgrade this one"
        )
    if version < VERSION:
        raise _OlderLayout(version)
    return True


def _code(error: BaseException) -> int:
    """The primary result code of SQLite, -1 when the error is not from there."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_BUSY


_registry = threading.RLock()  # the child of a fork may open a store before `_after_fork` has had its turn
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_held: list[Connection] = []


def _before_fork() -> None:
    _registry.acquire()
    _held[:] = _connections
    for connection in _held:
        connection.before_fork()


def _after_fork() -> None:
    for connection in _held:
        connection.after_fork()
    _held.clear()
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
