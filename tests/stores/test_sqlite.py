"""SqliteStore: many processes, kills, forks, and what its queries cost; the rest is in the contract."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import fanlight
from fanlight.core.frame import Frame
from fanlight.stores import sqlite
from fanlight.stores.base import InstanceInfo, StoredFrame
from fanlight.stores.sqlite import SqliteStore

SOURCE = str(Path(fanlight.__path__[0]).parent)
INFO = InstanceInfo("chat", "a", "web1", 42, "1.0", 0.0, 0.0)

PRELUDE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from fanlight.stores.base import InstanceInfo, StoredFrame
from fanlight.stores.sqlite import SqliteStore
def write(store, instance, second):
    info = InstanceInfo("chat", instance, "web1", os.getpid(), "1.0", 0.0, float(second))
    store.write(info, [StoredFrame(1, second, instance, b"data" * 200)], b"totals %d" % second)
"""

HAMMER = """
sys.stdin.readline()
store = SqliteStore(sys.argv[2])
for second in range(50):
    write(store, sys.argv[3], second)
store.close()
"""

ENDLESS = """
store = SqliteStore(sys.argv[2])
for second in range(1_000_000):
    write(store, "victim", second)
    print(second, flush=True)
"""

FORKING = """
from fanlight.clock import ManualClock
from fanlight.stores.writer import StoreWriter
store = SqliteStore(sys.argv[2])
writer = StoreWriter(store, clock=ManualClock(1.0))
def put(instance):
    writer.write(InstanceInfo("chat", instance, "web1", 1, "1.0", 0.0, 0.0), [StoredFrame(1, 1, instance, b"queued")])
    assert writer.flush(10)
write(store, "before", 0)
put("parent")
child = os.fork()
name = "parent" if child else "child"
write(store, name, 0)
put(name)
assert len(store.frames("chat", 1, 0)) >= 3
if child:
    store.close()  # the parent leaves first: the child's connection must not lose its file
    assert os.waitpid(child, 0)[1] == 0
else:
    write(store, name, 2)
"""


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + script, SOURCE, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_four_processes_write_at_once(tmp_path: Path) -> None:
    """X-2: four processes that make the file and write to it together lose nothing, and a follower sees it all."""
    path = tmp_path / "store.db"
    names = ["w1", "w2", "w3", "w4"]
    processes = [started(HAMMER, str(path), name) for name in names]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    store = SqliteStore(path)
    expected = [(second, name) for second in range(50) for name in names]
    assert [(frame.bucket, frame.instance) for frame in store.frames("chat", 1, 0)] == expected
    assert sorted((frame.bucket, frame.instance) for frame in store.changes("chat", 0)[1]) == expected
    assert store.totals("chat") == dict.fromkeys(names, b"totals 49")
    assert [info.instance for info in store.instances("chat")] == names
    store.close()


def test_a_killed_writer_leaves_a_readable_file(tmp_path: Path) -> None:
    """X-3: after kill -9 everything the writer had finished is there, whole, and another process writes on."""
    path = tmp_path / "store.db"
    process = started(ENDLESS, str(path))
    assert process.stdout is not None
    for _ in range(20):
        finished = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = SqliteStore(path)
    seconds = [frame.bucket for frame in store.frames("chat", 1, 0)]
    assert seconds == list(range(len(seconds)))
    assert len(seconds) > finished
    assert store.totals("chat") == {"victim": b"totals %d" % seconds[-1]}
    store.write(INFO, [], None)
    assert len(store.instances("chat")) == 2
    store.close()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_parent_and_child_write_after_a_fork(tmp_path: Path) -> None:
    """X-8: a store and its writer opened before a server forks serve both sides, whoever leaves first."""
    path = tmp_path / "store.db"
    process = started(FORKING, str(path))
    try:
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    store = SqliteStore(path)
    written = {(frame.instance, frame.bucket) for frame in store.frames("chat", 1, 0)}
    assert written == {("before", 0), ("parent", 0), ("parent", 1), ("child", 0), ("child", 1), ("child", 2)}
    store.close()


def test_history_survives_the_process(tmp_path: Path) -> None:
    """HUB-10: what was written is there when the file is opened again, and the cursor goes on from where it was."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.write(INFO, [StoredFrame(1, 1, "a", b"one")], b"totals")
    cursor, _ = store.changes("chat", 0)
    store.close()
    again = SqliteStore(path)
    assert again.totals("chat") == {"a": b"totals"}
    assert again.changes("chat", cursor) == (cursor, [])
    again.write(INFO, [StoredFrame(1, 2, "a", b"two")], None)
    assert again.changes("chat", cursor)[1] == [StoredFrame(1, 2, "a", b"two")]
    again.close()


def test_a_cursor_is_never_given_out_twice(tmp_path: Path) -> None:
    """X-2: after everything was pruned, what is written next is still news to an old follower."""
    store = SqliteStore(tmp_path / "store.db")
    store.write(INFO, [StoredFrame(1, 1, "a", b"old")], None)
    cursor, _ = store.changes("chat", 0)
    assert store.prune("chat", 2_000.0) == 1
    store.write(INFO, [StoredFrame(1, 1_999, "a", b"new")], None)
    assert store.changes("chat", cursor)[1] == [StoredFrame(1, 1_999, "a", b"new")]
    store.close()


def test_pruning_goes_in_short_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: a long absence is cleaned up in steps, so that no writer waits for all of it."""
    monkeypatch.setattr(sqlite, "PRUNE_ROWS", 10)
    store = SqliteStore(tmp_path / "store.db")
    store.write(INFO, [StoredFrame(1, second, "a", b"x") for second in range(25)], None)
    assert store.prune("chat", 10_000.0) == 25
    store.close()


QUERIES = {
    "frames": (sqlite._FRAMES, 7),
    "heads": (sqlite._HEADS, 7),
    "changes": (sqlite._CHANGES, 6),
    "prune frames": (sqlite._PRUNE_FRAMES, 4),
    "prune series": (sqlite._PRUNE_SERIES, 4),
    "clear series": (sqlite._CLEAR_SERIES, 4),
    "prune targets": (sqlite._PRUNE_TARGETS, 3),
    "commands": (sqlite._COMMANDS, 3),
    "acknowledge": (sqlite._ACKNOWLEDGE, 6),
    "acknowledgements": (sqlite._ACKNOWLEDGEMENTS, 2),
}


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_uses_an_index(tmp_path: Path, name: str) -> None:
    """X-3: no query reads a whole table; the two that page sort nothing."""
    query, parameters = QUERIES[name]
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * parameters)]
    assert not [step for step in plan if step.startswith("SCAN")], plan
    if name in ("frames", "heads", "changes"):
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_an_instance_that_came_back_is_not_retired(tmp_path: Path) -> None:
    """X-3: between deciding and doing, an instance that writes again keeps its totals, and they count once."""
    store = SqliteStore(tmp_path / "store.db")
    store.write(INFO, [], Frame(0, 1).encode())
    store.write(InstanceInfo("chat", "a", "web1", 42, "1.0", 0.0, 99.0), [], None)
    assert store._retire(INFO) == 0
    assert set(store.totals("chat")) == {"a"}
    store.close()


def test_a_lease_goes_to_one_of_many_processes(tmp_path: Path) -> None:
    """X-3: connections that look and then write take turns: none fails, and each lease has exactly one holder."""
    stores = [SqliteStore(tmp_path / "store.db") for _ in range(4)]
    holders: list[tuple[int, str]] = []

    def compete(store: SqliteStore, name: str) -> None:
        leases = range(25)
        holders.extend((n, name) for n in leases if store.acquire_lease("chat", f"lease {n}", name, 0.0, 10.0))

    threads = [threading.Thread(target=compete, args=(store, f"w{n}")) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lease for lease, _ in holders) == list(range(25))
    for store in stores:
        store.close()
