"""Faults of the file, injected for real: the service notices nothing, frames wait, and history catches up."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import fanlight
from fanlight import Fanlight
from fanlight.core.frame import Frame
from fanlight.panels import View
from fanlight.stores.base import InstanceInfo, StoredFrame
from fanlight.stores.connection import VERSION
from fanlight.stores.sqlite import SqliteStore

SOURCE = str(Path(fanlight.__path__[0]).parent)
SECONDS = 30.0

HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


class Service:
    """A real application with its dashboard, asked as a client asks."""

    def __init__(self, path: Path) -> None:
        async def hello(request: Any) -> PlainTextResponse:
            return PlainTextResponse("hello")

        self.path = path
        self.dashboard = Fanlight("shop", store=f"sqlite:///{path}")
        app = Starlette(routes=[Route("/hello", hello)])
        self.dashboard.install(app)
        self.client = TestClient(app)
        self.asked = 0

    def ask(self, count: int = 5) -> None:
        for _ in range(count):
            assert self.client.get("/hello").status_code == 200
        self.asked += count

    def history(self) -> str:
        return self.dashboard.query.snapshot(View()).own.history

    def stored(self) -> int:
        """Requests that are in the store's totals and the seconds after them."""
        store = SqliteStore(self.path)
        try:
            found = sum(
                Frame.decode(row.data).totals["requests"].count
                for row in store.frames("shop", 1, 0)
                if "requests" in Frame.decode(row.data).totals
            )
        finally:
            store.close()
        return found


def eventually(check: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < end, f"{what} did not come about in {SECONDS:g} s"
        time.sleep(0.05)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "store.db")
    with made.client:
        made.ask()
        eventually(lambda: made.stored() == 5, "the first seconds")
        yield made


def test_a_locked_file_delays_nothing_and_is_caught_up_with(service: Service) -> None:
    """X-3: another process holds the file: the service answers, history is said to be behind, then catches up."""
    command = [sys.executable, "-c", HOLDER, str(service.path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        service.ask(20)
        eventually(lambda: service.history().startswith("behind for"), "being behind")
        assert "0 frames dropped" in service.history()
        service.ask(20)
    finally:
        holder.communicate("\n")
    eventually(lambda: service.stored() == service.asked, "catching up")
    eventually(lambda: service.history() == "", "being up to date")


def test_a_file_overwritten_with_garbage_is_set_aside(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """X-3: damage while running: the file is kept under another name, a warning names it, history goes on."""
    garbage = os.urandom(64 * 1024)
    with service.path.open("r+b") as file:
        file.write(garbage)
    for side in ("-wal", "-shm"):
        Path(f"{service.path}{side}").write_bytes(garbage)
    service.ask(20)
    eventually(lambda: bool(list(service.path.parent.glob("store.db.corrupt-*"))), "setting aside")
    eventually(lambda: _totals(service.path) == service.asked, "the totals in the new file")
    assert any("set aside" in record.message and record.levelno == logging.WARNING for record in caplog.records)
    assert any(garbage[:4096] in kept.read_bytes() for kept in service.path.parent.glob("store.db.corrupt-*"))
    assert service.dashboard.query.snapshot(View()).requests.total.count == service.asked


def _totals(path: Path) -> int:
    store = SqliteStore(path)
    try:
        blobs = [Frame.decode(blob) for blob in store.totals("shop").values()]
    finally:
        store.close()
    return sum(frame.totals["requests"].count for frame in blobs if "requests" in frame.totals)


def test_garbage_in_place_of_the_default_file_is_set_aside(tmp_path: Path) -> None:
    """X-3: in the state directory, where only Fanlight writes, a file without a readable head is set aside at start."""
    path = tmp_path / "fanlight" / "shop.db"
    path.parent.mkdir()
    path.write_bytes(b"\x00garbage" * 1_000)
    store = SqliteStore(path)
    store.write(InstanceInfo("shop", "a", "h", 1, "", 0.0, 0.0), [StoredFrame(1, 1, "a", b"x")], None)
    store.close()
    (aside,) = path.parent.glob("shop.db.corrupt-*")
    assert aside.read_bytes() == b"\x00garbage" * 1_000


def test_a_file_of_an_older_layout_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """X-3: what this version no longer reads is kept whole under a name that says its layout; several opening at once
    set it aside once."""
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION - 1}")
        database.execute("INSERT INTO totals VALUES ('chat', 'a', x'01')")
        database.commit()
    stores = [SqliteStore(path) for _ in range(3)]
    (aside,) = tmp_path.glob(f"store.db.layout-{VERSION - 1}-*")
    with closing(sqlite3.connect(aside)) as database:
        assert database.execute("SELECT COUNT(*) FROM totals").fetchone() == (1,)
    assert stores[0].totals("chat") == {}
    assert sum("set aside" in record.message for record in caplog.records) == 1
    for store in stores:
        store.close()
