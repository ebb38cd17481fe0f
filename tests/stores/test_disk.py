"""A disk that is full: a real tmpfs, filled to its last byte, in a mount namespace that nothing leaks out of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.cli.conftest import PATIENCE, SOURCE, Running, environ, eventually, folder

__all__ = ["environ", "eventually", "folder"]

Eventually = Callable[[Callable[[], bool]], None]

MOUNT: Final = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"'
NAMESPACES: Final = {"unshare -m": "nsenter -m", "unshare -U -r -m": "nsenter -U -m --preserve-credentials"}
"""Of the mounts alone, which needs root, or with users of its own, which many systems allow to anyone: how to make such
a namespace, and how to join it."""


class Small(NamedTuple):
    """What a command begins with so that `disk` in the test's folder is, for it and its children, 2 MB small; and what
    another one begins with, before the process id of the first, so that it sees the same."""

    mount: list[str]
    join: list[str]


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """A disk to fill; without the right to mount one the test is skipped, and says so."""
    disk = tmp_path / "disk"
    disk.mkdir()
    said = ""
    for make, join in NAMESPACES.items():
        words = [*make.split(), "sh", "-c", MOUNT, str(disk)]
        try:
            tried = subprocess.run([*words, "true"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        except FileNotFoundError:
            pytest.skip("unshare is not installed (Debian: apt install util-linux)")
        if tried.returncode == 0:
            return Small(words, [*join.split(), "-t"])
        said = tried.stderr.strip()
    pytest.skip(f"no right to mount a disk to fill: {said}")


FILL: Final = """
import os, sys
def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (65536, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as full:
                assert full.errno == 28, full
"""

SECONDS: Final = """
from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.panels import View

disk = sys.argv[1]
clock = ManualClock(1_700_000_000.0)
dashboard = Fanlight("shop", store=f"sqlite:///{disk}/store.db", clock=clock)
engine = dashboard.engine

def seconds(count):
    for _ in range(count):
        dashboard.event("second")
        clock.advance(1)
        dashboard.pulse.tick(second_closed=True)

def said():
    own = dashboard.query.snapshot(View()).own
    return own.history, own.dropped.get("frames", 0)

seconds(3)
assert engine._writer.flush(10)
fill(f"{disk}/filler")
seconds(1_000)
assert not engine._writer.flush(1)
history, _ = said()
assert history.startswith("behind for "), history
assert ", 100 frames dropped: " in history, history
assert "the disk is full: make room" in history, history
os.remove(f"{disk}/filler")
assert engine._writer.flush(10), engine._writer.last_error
seconds(1)
assert engine._writer.flush(10), engine._writer.last_error
assert said() == ("", 100), said()
stored = [row.bucket for row in engine.store.frames("shop", 1, 0)]
assert len(stored) == 3 + 900 + 1, len(stored)
assert stored[-901:] == list(range(stored[-1] - 900, stored[-1] + 1))
dashboard.close()
print("caught up", flush=True)
"""


def test_a_thousand_seconds_without_room_drop_the_oldest_and_say_so(
    small: Small, environ: dict[str, str], tmp_path: Path
) -> None:
    """X-3, TTY-6: on a disk without a free byte the newest fifteen minutes wait, what had to go is counted and shown,
    and still is when there is room and everything that waited is written."""
    command = [*small.mount, sys.executable, "-c", FILL + SECONDS, str(tmp_path / "disk")]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "caught up\n"), done.stderr


STORED: Final = """
import pathlib, sys
from tests.servers.conftest import stored_requests
print(stored_requests(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture
def service(small: Small, folder: Path, environ: dict[str, str]) -> Iterator[Running]:
    """`fanlight run` with its store on the small disk."""
    words = ["run", "plain:app", "--port", "0", "--name", "shop", "--no-access-log"]
    store = {"FANLIGHT_STORE": f"sqlite:///{folder}/disk/shop.db"}
    running = Running(words, folder, {**environ, **store}, before=small.mount)
    yield running
    if running.popen.poll() is None:
        running.popen.kill()
    running.end()


def test_a_service_on_a_full_disk_notices_nothing(
    service: Running, small: Small, folder: Path, environ: dict[str, str], eventually: Eventually
) -> None:
    """X-3: while its disk is full every request is answered and nothing is said in its log; the System page says since
    when history is behind and why; when there is room again everything is written."""
    address = service.served()

    def inside(code: str) -> str:
        """What a program says that sees the disk as the service does."""
        words = [*small.join, str(service.popen.pid), sys.executable, "-c", code, str(folder / "disk")]
        places = {"PYTHONPATH": f"{SOURCE}:{SOURCE.parent}"}
        return subprocess.run(words, env=environ | places, check=True, stdout=subprocess.PIPE, text=True).stdout

    def stored() -> int:
        return int(inside(STORED))

    def ask(count: int) -> None:
        assert [service.get(address, f"/item/{number}")[0] for number in range(count)] == [200] * count

    def history() -> str:
        _, body = service.get(address, "/dashboard/api/panels/own")
        return str({fact["name"]: fact["value"] for fact in json.loads(body)["panel"]["facts"]}.get("History", ""))

    ask(20)
    eventually(lambda: stored() == 20)
    inside(FILL + "fill(sys.argv[1] + '/filler')")
    ask(50)
    eventually(lambda: history().startswith("behind for "))
    assert "0 frames dropped" in history()
    assert "the disk is full: make room" in history()
    ask(50)
    inside("import os, sys; os.remove(sys.argv[1] + '/filler')")
    eventually(lambda: history() == "")
    ask(1)
    eventually(lambda: stored() == 121)
    assert service.stop() == 0
    assert [line for line in service.lines if "rror" in line] == []
