"""`fanlight demo`: the example service, driven by real clients, all of which end together."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import pytest

from fanlight.cli.demo import examples, require
from fanlight.errors import FanlightError

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def requests_so_far(body: str) -> int:
    """The service's count of requests."""
    return int(json.loads(body)["performance"]["total_requests"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_is_driven_and_ends_whole(
    command: Command, eventually: Callable[[Callable[[], bool]], None], number: int
) -> None:
    """API-1: the clients' requests are recorded; Ctrl+C ends the service and the clients, with status 0."""
    running = command("demo", "--port", "0")
    address = running.served()
    running.until("Ctrl+C stops everything")
    eventually(lambda: requests_so_far(running.get(address, "/dashboard/api/data")[1]) > 20)
    family = running.family()
    assert len(family) == 1, "the clients run in a process of their own"
    assert running.stop(number) == 0
    assert not any(process.is_running() for process in family)
    assert not any("Traceback" in line for line in running.lines), "\n".join(running.lines)


def test_the_clients_end_with_a_killed_demo(command: Command) -> None:
    """API-1: `kill -9` of the demo leaves no clients behind."""
    running = command("demo", "--port", "0")
    running.until("Ctrl+C stops everything")
    family = running.family()
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_the_demo_without_traffic_is_still(command: Command) -> None:
    """API-1: `--no-traffic` starts no clients."""
    running = command("demo", "--port", "0", "--no-traffic")
    running.until("without traffic")
    assert running.family() == []
    assert running.stop() == 0


def test_a_missing_extra_is_named() -> None:
    """X-8: without the extra the demo says which install brings it."""
    with pytest.raises(FanlightError, match=r"needs nosuchlibrary, .* pip install 'fanlight\[demo\]'"):
        require("json", "nosuchlibrary")


def test_the_example_is_found() -> None:
    """API-1: the example service is found from the checkout as from an install."""
    assert (examples() / "chat_api" / "app.py").is_file()
