"""Several workers under the supervisor, as real processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Running

PAIR = ("run", "plain:app", "--port", "0", "--workers", "2")


def pids(running: Running, address: str, wanted: int, eventually: Callable[[Callable[[], bool]], None]) -> set[int]:
    """The processes that answer, once there are as many as wanted."""
    seen: set[int] = set()

    def enough() -> bool:
        seen.add(int(running.get(address, "/")[1]))
        return len(seen) >= wanted

    eventually(enough)
    return seen


def test_workers_share_the_port_and_the_store(
    command: Command, eventually: Callable[[Callable[[], bool]], None], folder: Path
) -> None:
    """X-2: workers that are to keep nothing share a private store all the same; it goes with them."""
    running = command(*PAIR, "--store", "memory://")
    address = running.served()
    assert len(pids(running, address, 2, eventually)) == 2
    (store,) = (folder / "tmp").iterdir()
    assert store.stat().st_mode & 0o777 == 0o700
    assert running.stop() == 0
    assert not store.exists()


def test_the_default_store_is_kept_for_the_next_time(command: Command, folder: Path) -> None:
    """X-3: with no store told, workers share a file of the user's own, which stays."""
    running = command(*PAIR)
    running.served()
    assert running.stop() == 0
    (made,) = (folder / "state" / "fanlight").glob("*.db")
    assert made.stat().st_mode & 0o777 == 0o600
    assert list((folder / "tmp").iterdir()) == []


def test_a_store_of_the_users_own_is_used_and_kept(command: Command, folder: Path) -> None:
    """X-3: with a store given none is made up."""
    running = command(*PAIR, "--store", f"sqlite:///{folder}/kept.db")
    running.served()
    assert list((folder / "tmp").iterdir()) == []
    assert running.stop() == 0
    assert (folder / "kept.db").is_file()


def test_a_killed_worker_is_replaced(command: Command, eventually: Callable[[Callable[[], bool]], None]) -> None:
    """X-2: a worker killed with -9 is started again, the supervisor says so, and the service goes on."""
    running = command(*PAIR)
    address = running.served()
    before = pids(running, address, 2, eventually)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    line = running.until("starting it again in 0.5 s")
    assert f"(pid {victim}) was ended by SIGKILL" in line
    eventually(lambda: int(running.get(address, "/")[1]) not in before)
    assert running.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_other_signals_stop_it_cleanly_too(command: Command, number: int) -> None:
    """TTY-2: Ctrl+C and a closed terminal end the supervisor and its workers with status 0."""
    running = command(*PAIR)
    running.served()
    family = running.family()
    assert running.stop(number) == 0
    assert not any(process.is_running() for process in family)


def test_workers_end_with_a_killed_supervisor(
    command: Command, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """X-2: `kill -9` of the supervisor leaves no worker behind."""
    running = command(*PAIR)
    address = running.served()
    pids(running, address, 2, eventually)
    family = running.family()
    assert len(family) == 2
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_no_line_of_a_worker_is_lost_or_torn(
    command: Command, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """TTY-2: all lines of both workers, on both streams, arrive once and whole."""
    running = command(*PAIR, "--no-access-log")
    address = running.served()
    workers = pids(running, address, 2, eventually)
    printed: list[str] = []
    eventually(lambda: printed.append(running.get(address, "/print")[1]) is None and len(set(printed)) == 2)  # type: ignore[func-returns-value]  # append, then look
    assert running.stop() == 0
    for pid in workers:
        for stream in ("out", "err"):
            lines = [line for line in running.lines if line.startswith(f"{stream} {pid} ")]
            times = printed.count(str(pid))
            assert lines == [f"{stream} {pid} {number}" for _ in range(times) for number in range(500)]


def test_either_worker_tells_the_same_totals(
    command: Command, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """X-2: the dashboard of either worker shows the requests of both."""
    running = command(*PAIR)
    address = running.served()
    for _ in range(40):
        running.get(address, "/counted")
    assert len(pids(running, address, 2, eventually)) == 2
    seen: list[int] = []

    def told() -> bool:
        data = json.loads(running.get(address, "/dashboard/api/data")[1])
        seen.append(data["performance"]["total_requests"])
        return len(seen) >= 12 and len(set(seen[-12:])) == 1 and seen[-1] >= 42

    eventually(told)
    assert running.stop() == 0
