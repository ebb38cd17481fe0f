"""Many workers, however they were started: every one of them shows the same totals."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.servers.conftest import (
    close,
    document,
    drive,
    each_worker,
    listening,
    stored_histogram,
    stored_requests,
)

from fanlight.faces.figures import milliseconds

if TYPE_CHECKING:
    from tests.servers.conftest import Launch

Eventually = Callable[[Callable[[], bool]], None]

SERVERS = {
    "uvicorn": ("uvicorn", "stall:app", "--workers", "4", "--port", "0", "--no-access-log"),
    "gunicorn": ("gunicorn", "stall:app", "-k", "uvicorn_worker.UvicornWorker", "-w", "4", "-b", "127.0.0.1:0"),
    "gunicorn alone": ("gunicorn", "stall:app", "-k", "asgi", "-w", "4", "-b", "127.0.0.1:0"),
    "fanlight run": ("fanlight", "run", "stall:app", "--workers", "4", "--port", "0", "--no-access-log"),
}

RELOADING = {
    "uvicorn": ("uvicorn", "stall:app", "--reload", "--port", "0", "--no-access-log"),
    "gunicorn": SERVERS["gunicorn"],  # told to by SIGHUP: its --reload does not end workers of uvicorn's kind
    "gunicorn alone": ("gunicorn", "stall:app", "-k", "asgi", "-w", "2", "--reload", "-b", "127.0.0.1:0"),
    "fanlight run": ("fanlight", "run", "stall:app", "--reload", "--workers", "2", "--port", "0", "--no-access-log"),
}


def told(connections: dict[int, Any]) -> list[tuple[int, dict[str, float]]]:
    """What each worker says: requests in all, and the percentiles of the window."""
    figures = [document(each, "/dashboard/api/data")["performance"] for each in connections.values()]
    return [(each["total_requests"], each["last_15_minutes"]) for each in figures]


@pytest.mark.parametrize(
    ("server", "kept", "fresh"),
    [
        ("uvicorn", 1_000, 1_000),
        ("gunicorn", 1_000, 1_000),
        ("gunicorn alone", 1_000, 1_000),
        ("fanlight run", 9_000, 1_000),
    ],
)
def test_every_worker_shows_the_same(
    server: str, kept: int, fresh: int, launch: Launch, eventually: Eventually, folder: Path
) -> None:
    """X-2: thousands of requests over kept and new connections; each of four workers tells the exact total and the
    same percentile, of one merged histogram; after the end the store holds every one of them.
    """
    running = launch(*SERVERS[server])
    place = listening(running)
    close(each_worker(place, 4, eventually))
    sent = drive(place, kept, fresh)
    connections = each_worker(place, 4, eventually)
    eventually(lambda: [total for total, _ in told(connections)] == [sent] * 4)
    percentiles = [figures for _, figures in told(connections)]
    assert percentiles == [percentiles[0]] * 4
    assert percentiles[0]["count"] == sent
    listed = document(connections[min(connections)], "/dashboard/api/system/health")["instances"]
    assert {each["pid"] for each in listed if each["live"]} == set(connections)
    close(connections)
    running.stop()
    assert stored_requests(folder) == sent
    merged = stored_histogram(folder).quantiles((0.5, 0.95, 0.99))
    assert [percentiles[0][f"{name}_ms"] for name in ("p50", "p95", "p99")] == list(map(milliseconds, merged))


@pytest.mark.parametrize("server", RELOADING)
def test_a_reload_keeps_the_totals(server: str, launch: Launch, eventually: Eventually, folder: Path) -> None:
    """X-2, X-3: when a file changes the workers are replaced, the service answers on the same port, and the new ones
    tell all that was ever asked; at the end the store holds it."""
    running = launch(*RELOADING[server])
    place, workers = listening(running), {"uvicorn": 1, "gunicorn": 4}.get(server, 2)
    before = each_worker(place, workers, eventually)
    close(before)
    sent = drive(place, 200, 40)
    source = folder / "stall.py"
    source.write_text(source.read_text() + "\n# changed\n")
    if server == "gunicorn":
        running.popen.send_signal(signal.SIGHUP)

    def renewed() -> bool:
        try:
            found = each_worker(place, workers, eventually)
            close(found)
        except OSError:  # between two workers
            return False
        return not found.keys() & before.keys()

    eventually(renewed)
    sent += drive(place, 40, 40)
    connections = each_worker(place, workers, eventually)
    eventually(lambda: [total for total, _ in told(connections)] == [sent] * workers)
    close(connections)
    running.stop()
    assert stored_requests(folder) == sent


def test_a_killed_worker_takes_nothing_along_that_was_a_second_old(
    launch: Launch, eventually: Eventually, folder: Path
) -> None:
    """X-3, X-2: kill -9 of a worker whose last request is seconds ago loses none of them: the other one, the one that
    comes in its place and the store tell the exact total."""
    running = launch("fanlight", "run", "stall:app", "--workers", "2", "--port", "0", "--no-access-log")
    place = listening(running)
    close(each_worker(place, 2, eventually))
    sent = drive(place, 200, 200)
    before = each_worker(place, 2, eventually)
    eventually(lambda: [total for total, _ in told(before)] == [sent] * 2)
    close(before)
    killed = min(before)
    psutil.Process(killed).kill()

    def renewed() -> bool:
        try:
            found = each_worker(place, 2, eventually)
            close(found)
        except OSError:  # what the killed one had accepted
            return False
        return killed not in found

    eventually(renewed)
    sent += drive(place, 40, 40)
    after = each_worker(place, 2, eventually)
    eventually(lambda: [total for total, _ in told(after)] == [sent] * 2)
    close(after)
    running.stop()
