"""cli.folders: what a command that was killed leaves is removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fanlight.cli.folders import LOCK, shared_folder

OWNER = """
import sys
from fanlight.cli.folders import shared_folder
with shared_folder() as folder:
    (folder / "store.db").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for what is temporary."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def owner(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A command in a process of its own, and its folder."""
    environ = {**os.environ, "TMPDIR": str(place)}
    words = [sys.executable, "-c", OWNER]
    with subprocess.Popen(words, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:  # also after a failure, or its end would be waited for without end
            process.kill()


def test_what_a_killed_command_leaves_goes_with_the_next(place: Path) -> None:
    """TTY-6, HUB-9: kill -9 leaves the folder; the next command removes it, but not that of one that lives."""
    with owner(place) as (living, lived_in), owner(place) as (killed, left):
        killed.kill()
        killed.wait()
        assert (left / "store.db").exists()
        with shared_folder():
            assert left.exists()  # so young that its owner might be about to take the lock
        for folder in (left, lived_in):
            os.utime(folder, (0, 0))
        with shared_folder() as mine:
            assert not left.exists()
            assert (lived_in / "store.db").exists()
            assert (mine.stat().st_mode & 0o777, mine.parent) == (0o700, place)
        assert not mine.exists()
        living.communicate("")
        assert not lived_in.exists()


def test_what_is_not_a_commands_folder_stays(place: Path) -> None:
    """X-6: a link, a folder that others can read and one without a lock are left alone, whatever they are called."""
    elsewhere = place / "elsewhere"
    for folder in (elsewhere, place / "fanlight-0", place / "fanlight-open"):
        folder.mkdir(mode=0o700)
        (folder / "kept").touch()
    for folder in (elsewhere, place / "fanlight-open"):
        (folder / LOCK).touch()
    (place / "fanlight-open").chmod(0o755)
    (place / "fanlight-link").symlink_to(elsewhere)
    (place / "fanlight-file").touch()
    for folder in place.iterdir():
        os.utime(folder, (0, 0), follow_symlinks=False)
    before = sorted(place.rglob("*"))
    with shared_folder():
        assert set(before) < set(place.rglob("*"))
    assert sorted(place.rglob("*")) == before
