"""The SQLite file: how it is made, what is refused, and what a fault says."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from fanlight.errors import StoreError
from fanlight.stores import connection as module
from fanlight.stores.base import InstanceInfo, StoredFrame
from fanlight.stores.connection import APPLICATION, VERSION, Connection, explanation
from fanlight.stores.sqlite import SqliteStore

INFO = InstanceInfo("chat", "a", "web1", 42, "1.0", 0.0, 0.0)


def frame(bucket: int = 0) -> StoredFrame:
    return StoredFrame(1, bucket, "a", b"data")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_we_make_is_private(tmp_path: Path) -> None:
    """X-6: the file, its log and its directory are for their owner alone."""
    path = tmp_path / "made" / "store.db"
    store = SqliteStore(path)
    store.write(INFO, [frame()], None)
    assert mode(path.parent) == 0o700
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}
    assert {file.name for file in path.parent.iterdir()} >= {"store.db", "store.db-wal"}
    store.close()


def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """X-6: a file that someone shared on purpose stays shared."""
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o660)
    SqliteStore(path).close()
    assert mode(path) == 0o660


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    """X-3: layout version, application id and write-ahead logging are in the file."""
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        found = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")]
        assert found == [VERSION, APPLICATION]
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """X-3: a file of a newer layout is left as it is."""
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError, match=r"store\.db was written by a newer Fanlight \(layout \d, this one reads \d\)"):
        SqliteStore(path)


def test_the_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """X-3: the application's own database named by mistake is neither written nor switched to another journal."""
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE users (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"app\.db is a SQLite database of something else"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """X-3: the error names the path and says to move it away; the file is never deleted."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary, " * 1_000)
    with pytest.raises(StoreError, match=r"notes\.txt.*not a SQLite file: name another file, or move this one away"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"dear diary")


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    """X-3: overwritten pages raise StoreError; the file is set aside as it is, and the store goes on with a new one."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.write(INFO, [StoredFrame(1, second, "a", b"x" * 500) for second in range(500)], None)
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    damaged = SqliteStore(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"store\.db.*it is damaged: it is set aside"):
        damaged.frames("chat", 1, 0)
    (aside,) = tmp_path.glob("store.db.corrupt-*Z")
    assert aside.read_bytes() == before
    damaged.write(INFO, [frame()], None)
    assert damaged.frames("chat", 1, 0) == [frame()]
    damaged.close()


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    """X-3: a path below a file, and a directory in place of the file, say where to put it instead."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "store.db", tmp_path):
        with pytest.raises(StoreError, match=r"cannot use .* name a file in a directory this user can write to"):
            SqliteStore(path)


def test_a_locked_file_fails_and_heals(tmp_path: Path) -> None:
    """X-3: while another process holds the lock a write gives up in time, readers go on, and the next write works."""
    path = tmp_path / "store.db"
    store = SqliteStore(path, busy_seconds=0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds it"):
            store.write(INFO, [frame()], None)
        assert store.frames("chat", 1, 0) == []
    store.write(INFO, [frame()], None)
    assert store.frames("chat", 1, 0) == [frame()]
    store.close()


def test_setting_up_waits_for_whoever_is_setting_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-2: workers that start together and find an empty file, locked by the first of them, try again."""
    path = tmp_path / "store.db"
    first = sqlite3.connect(path, isolation_level=None)
    first.execute("BEGIN EXCLUSIVE")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        first.close()

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=pause))
    store = SqliteStore(path, busy_seconds=0.01)
    assert len(pauses) == 1
    store.write(INFO, [frame()], None)
    store.close()


def test_a_full_file_fails_whole_and_heals(tmp_path: Path) -> None:
    """X-3: a write that finds no room leaves nothing of itself behind, and works again when there is room."""
    store = SqliteStore(tmp_path / "store.db")
    store.write(INFO, [frame()], b"before")
    connection = store._writer
    with connection.reading() as database:
        database.execute("PRAGMA max_page_count = 20")
    with pytest.raises(StoreError, match="the disk is full: make room"):
        store.write(INFO, [StoredFrame(1, second, "a", b"x" * 4096) for second in range(100)], b"after")
    assert store.frames("chat", 1, 0) == [frame()]
    assert store.totals("chat") == {"a": b"before"}
    store.write(INFO, [frame(1)], b"after")
    assert store.totals("chat") == {"a": b"after"}
    store.close()


def test_a_removed_file_is_made_anew(tmp_path: Path) -> None:
    """X-3: a file deleted while in use does not swallow what is written afterwards."""
    path = tmp_path / "store.db"
    store, other = SqliteStore(path), SqliteStore(path)
    store.write(INFO, [frame(1)], None)
    assert other.frames("chat", 1, 0) == [frame(1)]
    for file in tmp_path.iterdir():
        file.unlink()
    store.write(INFO, [frame(2)], None)
    assert other.frames("chat", 1, 0) == [frame(2)]
    other.close()
    store.write(INFO, [frame(3)], None)
    store.close()
    again = SqliteStore(path)
    assert again.frames("chat", 1, 0) == [frame(2), frame(3)]
    again.close()


def test_an_error_in_the_body_undoes_it(tmp_path: Path) -> None:
    """X-3: a transaction whose body fails leaves no trace, and the connection can be used again."""
    connection = Connection(tmp_path / "store.db", 1.0)

    def fail() -> None:
        with connection.writing() as database:
            database.execute("INSERT INTO leases VALUES ('chat', 'compact', 'a', 1.0)")
            raise KeyError("body")

    with pytest.raises(KeyError):
        fail()
    with connection.reading() as database:
        assert database.execute("SELECT COUNT(*) FROM leases").fetchone() == (0,)
    connection.close()


def test_who_will_write_keeps_others_out_while_it_reads(tmp_path: Path) -> None:
    """X-2: what a writing transaction has read stays true until it has written, so leases have one holder."""
    first, second = (Connection(tmp_path / "store.db", 0.01) for _ in range(2))
    with first.writing() as database:
        assert database.execute("SELECT COUNT(*) FROM leases").fetchone() == (0,)
        with pytest.raises(StoreError, match="another process holds it"), second.writing():
            pass
        database.execute("INSERT INTO leases VALUES ('chat', 'compact', 'a', 1.0)")
    with second.reading() as database:
        assert database.execute("SELECT COUNT(*) FROM leases").fetchone() == (1,)
    first.close()
    second.close()


def test_what_nobody_holds_is_closed(tmp_path: Path) -> None:
    """X-8: a dashboard that is dropped, closed or not, leaves no open file, which CPython 3.13 would warn of."""
    connection = Connection(tmp_path / "f.db", 1.0)
    with connection.reading() as database:
        pass
    del connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_an_unknown_fault_still_names_the_file() -> None:
    """X-3: what SQLite says without a code is repeated with the path."""
    assert explanation(Path("/x.db"), sqlite3.Error("odd")).startswith("cannot use /x.db as a store (odd); check")
