"""Which dashboards run here: files that come and go with their processes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import psutil
import pytest

from fanlight import Fanlight, presence
from fanlight.presence import Presence, announce, listening, present


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    return tmp_path / "fanlight"


def write(folder: Path, **changes: object) -> None:
    """A file of a process that says this of itself."""
    known = Presence(pid=os.getpid(), born=psutil.Process().create_time(), service="x", instance="i", prefix="/p")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "one.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(known, **changes)))


def test_a_running_dashboard_is_written_down_until_it_closes(folder: Path) -> None:
    """TTY-1: start writes a file only its user can read, close takes it away."""
    dashboard = Fanlight("chat-api", prefix="/glass")
    dashboard.start()
    (found,) = present()
    assert (found.pid, found.service, found.prefix) == (os.getpid(), "chat-api", "/glass")
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    dashboard.close()
    assert present() == []


def test_what_is_stale_is_ignored_and_removed(folder: Path) -> None:
    """TTY-1: a file whose process is gone, or whose pid is another's by now, counts for nothing."""
    write(folder, born=1.0)
    assert present() == []
    assert list(folder.iterdir()) == []
    write(folder, pid=2**22 + 1)
    assert present() == []


def test_a_folder_others_can_write_to_is_not_believed(folder: Path) -> None:
    """X-6: in a shared place anybody could have put a file for us."""
    write(folder)
    assert len(present()) == 1
    folder.chmod(0o777)
    assert present() == []
    announce("x", "i", "/p")()
    assert [file.name for file in folder.iterdir()] == ["one.json"]


def test_garbage_is_passed_over(folder: Path) -> None:
    """TTY-6: what is no file of ours, or too large a one, is passed over."""
    write(folder)
    (folder / "two.json").write_bytes(b"{")
    (folder / "three.json").write_bytes(b" " * presence.FILE_LIMIT + b"{}")
    assert [found.service for found in present()] == ["x"]


def test_where_nothing_can_be_written_nothing_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """TTY-6: a read-only machine starts its dashboards all the same."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(presence, "folders", lambda: [tmp_path / "file" / "below"])
    announce("x", "i", "/p")()
    assert present() == []


def test_the_ports_of_a_process_are_those_it_listens_on() -> None:
    """TTY-1: a listening socket is found by its process, and a process that is gone has none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname() in listening(os.getpid())
    assert listening(2**22 + 1) == []
