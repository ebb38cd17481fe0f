"""Flask under gunicorn's forked workers and threads, with the dashboard in a process beside them."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.servers.conftest import (
    answer,
    close,
    connected,
    document,
    drive,
    each_worker,
    free_port,
    listening,
    stored_requests,
)

if TYPE_CHECKING:
    from tests.servers.conftest import Launch

Eventually = Callable[[Callable[[], bool]], None]

GUNICORN = ("gunicorn", "shop:app", "-w", "3", "--threads", "4", "-b", "127.0.0.1:0")


def answers(port: int) -> bool:
    """Whether the dashboard at this port serves."""
    connection = connected(f"127.0.0.1:{port}")
    try:
        return answer(connection, "/health")[0] == 200
    except OSError:
        return False
    finally:
        connection.close()


def dashboards(running: psutil.Process) -> list[psutil.Process]:
    return [each for each in running.children(recursive=True) if "_dashboard" in each.cmdline()]


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["forked", "preloaded"])
def test_threads_of_forked_workers_are_all_counted(
    preload: tuple[str, ...], launch: Launch, eventually: Eventually, folder: Path
) -> None:
    """X-8, X-2: requests of every thread of every worker are counted once, each worker is an instance, the one
    dashboard beside them tells the total, and at a graceful end the last second is written.
    """
    port = free_port()
    running = launch(*GUNICORN, *preload, FANLIGHT_PORT=str(port))
    place = listening(running)
    close(each_worker(place, 3, eventually))
    sent = drive(place, 400, 200)
    eventually(lambda: answers(port))
    assert len(dashboards(psutil.Process(running.popen.pid))) == 1
    viewer = connected(f"127.0.0.1:{port}")
    eventually(lambda: document(viewer, "/api/data")["performance"]["total_requests"] == sent)
    listed = document(viewer, "/api/system/health")["instances"]
    workers = {each.pid for each in psutil.Process(running.popen.pid).children()}
    assert {each["pid"] for each in listed} <= workers
    assert all(each["live"] for each in listed)
    endpoints = document(viewer, "/api/requests")
    assert "/items/{item}" in str(endpoints)
    viewer.close()
    last = drive(place, 40, 0)
    assert running.stop() == 0
    assert stored_requests(folder) == sent + last


def test_a_reload_keeps_the_totals(launch: Launch, eventually: Eventually, folder: Path) -> None:
    """X-8, X-3: with gunicorn's --reload a changed file ends the workers; the new ones and the dashboard beside them
    tell all that was ever asked."""
    port = free_port()
    running = launch(*GUNICORN, "--reload", FANLIGHT_PORT=str(port))
    place = listening(running)
    before = each_worker(place, 3, eventually)
    close(before)
    sent = drive(place, 200, 40)
    source = folder / "shop.py"
    source.write_text(source.read_text() + "\n# changed\n")

    def renewed() -> bool:
        try:
            found = each_worker(place, 3, eventually)
            close(found)
        except OSError:  # between two workers
            return False
        return not found.keys() & before.keys()

    eventually(renewed)
    sent += drive(place, 40, 40)

    def told() -> bool:
        viewer = connected(f"127.0.0.1:{port}")
        try:
            return bool(document(viewer, "/api/data")["performance"]["total_requests"] == sent)
        except OSError:  # between two dashboards
            return False
        finally:
            viewer.close()

    eventually(told)
    assert running.stop() == 0
    assert stored_requests(folder) == sent


def test_the_dashboard_ends_with_a_killed_service(launch: Launch, eventually: Eventually) -> None:
    """X-8: kill -9 of everything the service is leaves no dashboard behind."""
    port = free_port()
    running = launch(*GUNICORN, FANLIGHT_PORT=str(port))
    drive(listening(running), 0, 8)
    eventually(lambda: answers(port))
    master = psutil.Process(running.popen.pid)
    beside, family = dashboards(master), master.children()
    master.kill()
    for worker in family:
        worker.kill()
    assert psutil.wait_procs(beside, 30)[1] == []
    eventually(lambda: not answers(port))


def test_another_worker_takes_the_dashboard_over(launch: Launch, eventually: Eventually) -> None:
    """X-8: when the worker that had the dashboard is killed, the next one serves it on the same port."""
    port = free_port()
    running = launch(*GUNICORN, FANLIGHT_PORT=str(port))
    place = listening(running)
    close(each_worker(place, 3, eventually))
    drive(place, 40, 40)
    eventually(lambda: answers(port))
    [first] = dashboards(psutil.Process(running.popen.pid))
    owner = first.parent()
    assert owner is not None
    owner.send_signal(signal.SIGKILL)
    assert psutil.wait_procs([first], 30)[1] == []

    def taken_over() -> bool:
        drive(place, 0, 4)
        return answers(port) and dashboards(psutil.Process(running.popen.pid)) != []

    eventually(taken_over)


def test_a_port_of_somebody_else_is_said_once(launch: Launch, eventually: Eventually) -> None:
    """X-8, TTY-6: a port that another program has is named with what to do; the service goes on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        port = other.getsockname()[1]
        running = launch(*GUNICORN[:2], "-w", "1", "-b", "127.0.0.1:0", FANLIGHT_PORT=str(port))
        place = listening(running)
        drive(place, 0, 4)
        peer, _ = other.accept()
        with peer:
            peer.sendall(b"something else\r\n\r\n")
            running.until(f"port {port} is taken by another program; give port= (FANLIGHT_PORT) another number")
        drive(place, 0, 4)
        assert running.stop() == 0
    assert sum("is taken by another program" in line for line in running.lines) == 1
