"""Many workers, however they were started: every one of them shows the same totals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.conftest import close, document, drive, each_worker, listening, stored_requests

if TYPE_CHECKING:
    from tests.servers.conftest import Launch

Eventually = Callable[[Callable[[], bool]], None]

SERVERS = {
    "uvicorn": ("uvicorn", "stall:app", "--workers", "4", "--port", "0", "--no-access-log"),
    "gunicorn": ("gunicorn", "stall:app", "-k", "uvicorn_worker.UvicornWorker", "-w", "4", "-b", "127.0.0.1:0"),
    "fanlight run": ("fanlight", "run", "stall:app", "--workers", "4", "--port", "0", "--no-access-log"),
}


def told(connections: dict[int, Any]) -> list[tuple[int, dict[str, float]]]:
    """What each worker says: requests in all, and the percentiles of the window."""
    figures = [document(each, "/dashboard/api/data")["performance"] for each in connections.values()]
    return [(each["total_requests"], each["last_15_minutes"]) for each in figures]


@pytest.mark.parametrize(
    ("server", "kept", "fresh"),
    [("uvicorn", 1_000, 1_000), ("gunicorn", 1_000, 1_000), ("fanlight run", 9_000, 1_000)],
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
