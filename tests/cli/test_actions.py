"""Actions on several workers, as real processes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Running

Eventually = Callable[[Callable[[], bool]], None]

JSON = {"Content-Type": "application/json"}

APPLICATION = """
import asyncio, os, signal
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from fanlight import Fanlight

entries = {"a": 1}
dashboard = Fanlight("farm")
dashboard.cache("prompts", clear=entries.clear)
done = []


@dashboard.action("Count", runs="everywhere")
async def count():
    done.append(1)
    return str(len(done))


@dashboard.action("Kill", runs="everywhere")
async def kill(pid: int):
    if os.getpid() == pid:
        os.kill(pid, signal.SIGKILL)


@dashboard.action("Hold", timeout=30)
async def hold():
    while entries:
        await asyncio.sleep(0.05)


async def size(request):
    return PlainTextResponse(f"{os.getpid()} {len(entries)} {len(done)}")


app = Starlette(routes=[Route("/size", size)])
dashboard.install(app)
"""


@pytest.fixture
def farm(command: Command, folder: Path, eventually: Eventually) -> tuple[Running, str]:
    """Four workers that know of each other."""
    (folder / "farm.py").write_text(APPLICATION)
    running = command("run", "farm:app", "--port", "0", "--workers", "4")
    address = running.served()

    def together() -> bool:
        health = json.loads(running.get(address, "/dashboard/api/system/health")[1])
        return len(health["instances"]) == 4

    eventually(together)
    return running, address


def sizes(farm: tuple[Running, str], eventually: Eventually, wanted: int = 4) -> dict[int, tuple[int, int]]:
    """(entries in the cache, times counted) of each worker, by its pid."""
    running, address = farm
    seen: dict[int, tuple[int, int]] = {}

    def enough() -> bool:
        pid, entries, done = map(int, running.get(address, "/size")[1].split())
        seen[pid] = (entries, done)
        return len(seen) >= wanted

    eventually(enough)
    return seen


def post(farm: tuple[Running, str], path: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer to an action."""
    host = farm[1].removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=40)
    try:
        connection.request("POST", f"/dashboard/actions/{path}", json.dumps(given or {}), JSON)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


def ended(farm: tuple[Running, str], answer: dict[str, Any], eventually: Eventually) -> dict[str, Any]:
    """The run's last word, asked of whichever worker answers."""
    running, address = farm

    def over() -> bool:
        answer.update(json.loads(running.get(address, f"/dashboard/api/runs/{answer['run']}")[1]))
        return bool(answer["status"] != "running")

    eventually(over)
    return answer


def test_a_cleared_cache_is_empty_in_all_four(farm: tuple[Running, str], eventually: Eventually) -> None:
    """HUB-4, HUB-7, X-2: success means that each of the four has cleared its own."""
    before = sizes(farm, eventually)
    assert set(before.values()) == {(1, 0)}
    answer = ended(farm, post(farm, "clear-cache"), eventually)
    assert (answer["status"], answer["message"]) == ("success", "Clear caches: done on 4 instances: prompts")
    after = sizes(farm, eventually)
    assert after == dict.fromkeys(before, (0, 0))


def test_an_action_runs_once_on_each(farm: tuple[Running, str], eventually: Eventually) -> None:
    """HUB-7: everywhere is everywhere, and once."""
    sizes(farm, eventually)
    answer = ended(farm, post(farm, "count"), eventually)
    assert answer["message"] == "Count: done on 4 instances: 1"
    assert {done for _, done in sizes(farm, eventually).values()} == {1}


def test_a_worker_that_dies_makes_the_result_partial(farm: tuple[Running, str], eventually: Eventually) -> None:
    """HUB-7: the result names the worker that was killed in the middle of the action."""
    workers = set(sizes(farm, eventually))
    host = farm[1].removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=40)  # kept: who answers it must not be the victim
    connection.request("GET", "/size")
    asked = int(connection.getresponse().read().split()[0])
    victim = max(workers - {asked})
    connection.request("POST", "/dashboard/actions/kill", json.dumps({"pid": victim}), JSON)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    ended(farm, answer, eventually)
    assert answer["status"] == "error"
    assert "done on 3 of 4 instances, but not on" in answer["message"]
    assert f"-{victim}-" in answer["message"]
    assert answer["message"].endswith("it ended during the action")


def test_one_at_a_time_across_workers(farm: tuple[Running, str], eventually: Eventually) -> None:
    """HUB-7: pressed again on any worker while it runs, it is refused; afterwards it is not."""
    sizes(farm, eventually)
    first = post(farm, "hold")
    assert first["status"] == "running"
    refusals = [post(farm, "hold") for _ in range(8)]
    assert {(each["status"], each["message"]) for each in refusals} == {
        ("error", "Hold: it is running already; wait until it has ended")
    }
    post(farm, "clear-cache")
    assert ended(farm, first, eventually)["status"] == "success"
    assert post(farm, "hold")["status"] == "success"
