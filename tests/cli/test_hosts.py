"""Two instances of one service, as on two hosts: real processes that share nothing but a real Redis."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame
from fanlight.faces.figures import milliseconds
from fanlight.stores.redis import RedisStore

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Running
    from tests.redis_server import RedisServer

Wait = Callable[[Callable[[], bool]], None]

APPLICATION = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    number = int(scope["path"].rpartition("/")[2] or 0)
    await asyncio.sleep(number % 10 / 1000)
    await send({"type": "http.response.start", "status": 500 if number % 7 == 0 else 200,
                "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


class Host:
    """One instance: what it is asked, and what its dashboard says."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._address = running.served()
        self.port = self._address.removeprefix("http://").partition("/")[0]
        self.statuses: list[int] = []

    def serve(self, requests: int) -> None:
        """That many requests: half on one kept connection, half on connections of their own."""
        kept = http.client.HTTPConnection(self.port, timeout=20)
        for number in range(requests):
            connection = kept if number % 2 else http.client.HTTPConnection(self.port, timeout=20)
            connection.request("GET", f"/work/{number}")
            answer = connection.getresponse()
            answer.read()
            self.statuses.append(answer.status)
            if connection is not kept:
                connection.close()
        kept.close()

    def says(self) -> dict[str, Any]:
        """The JSON document of all instances."""
        status, body = self._running.get(self._address, "/dashboard/api/data")
        assert status == 200, body
        document: dict[str, Any] = json.loads(body)
        return document

    def stats(self) -> dict[str, Any]:
        """The system pulse."""
        document: dict[str, Any] = json.loads(self._running.get(self._address, "/dashboard/api/stats")[1])
        return document

    def figures(self) -> tuple[int, int, dict[str, float]]:
        """Requests, errors, and the percentiles in milliseconds."""
        document = self.says()
        recent = document["performance"]["last_15_minutes"]
        total = document["performance"]["total_requests"]
        return total, recent["errors"], {name: recent[f"{name}_ms"] for name in ("p50", "p95", "p99")}

    def history(self) -> str:
        """What the System page says of the store, "" when it keeps up."""
        _, body = self._running.get(self._address, "/dashboard/api/panels/own")
        facts = {fact["name"]: fact["value"] for fact in json.loads(body)["panel"]["facts"]}
        return str(facts.get("History", ""))


@pytest.fixture
def hosts(command: Command, folder: Path, redis_server: RedisServer) -> list[Host]:
    """Two instances of the service `shop`."""
    (folder / "shop.py").write_text(APPLICATION)
    words = ("run", "shop:app", "--port", "0", "--no-access-log", "--store", redis_server.url)
    started = [command(*words) for _ in range(2)]
    return [Host(running) for running in started]


def serve(hosts: list[Host], requests: int) -> None:
    """That many requests on each host, at once."""
    threads = [threading.Thread(target=host.serve, args=(requests,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ends(totals: dict[str, Frame], instance: str) -> int:
    """Up to when an instance's totals count; what came after them is in its seconds."""
    return totals[instance].end if instance in totals else 0


def merged(server: RedisServer) -> tuple[int, int, dict[str, float]]:
    """What one histogram of both instances says, merged here from what each wrote of itself."""
    store, cell = RedisStore(server.url), Cell()
    totals = {instance: Frame.decode(blob) for instance, blob in store.totals("shop").items()}
    seconds = [each for each in store.frames("shop", 1, 0) if each.bucket >= ends(totals, each.instance)]
    store.close()
    for frame in (*totals.values(), *(Frame.decode(each.data, each.series) for each in seconds)):
        cell.add(frame.totals.get("requests", Cell()))
    quantiles = cell.quantiles((0.5, 0.95, 0.99))
    return cell.count, cell.errors, dict(zip(("p50", "p95", "p99"), map(milliseconds, quantiles), strict=True))


def agree(hosts: list[Host], server: RedisServer, total: int) -> Callable[[], bool]:
    """Whether both hosts say the same, exactly what one merged histogram says."""

    def check() -> bool:
        told = [host.figures() for host in hosts]
        return told[0] == told[1] and told[0][0] == total and merged(server) == told[0]

    return check


def test_two_hosts_tell_one_truth_whatever_happens_to_redis(
    hosts: list[Host], redis_server: RedisServer, eventually: Wait
) -> None:
    """X-2: totals are exact and percentiles those of one merged histogram, from either host: before Redis is killed,
    after it came back with its data, and after it came back empty."""
    serve(hosts, 500)
    eventually(agree(hosts, redis_server, 1_000))
    redis_server.kill()
    serve(hosts, 100)
    redis_server.start()
    eventually(agree(hosts, redis_server, 1_200))
    redis_server.send("FLUSHALL")
    eventually(agree(hosts, redis_server, 1_200))
    serve(hosts, 100)
    eventually(agree(hosts, redis_server, 1_400))
    assert {status for host in hosts for status in host.statuses} == {200, 500}


def test_the_analytics_are_computed_once_for_all(
    hosts: list[Host], redis_server: RedisServer, eventually: Wait
) -> None:
    """OBS-4: however often both hosts are asked within 30 s, one computes and both say the same; lookups count."""
    serve(hosts, 20)
    eventually(agree(hosts, redis_server, 40))
    told = [host.stats()["analytics"] for _ in range(5) for host in hosts]
    assert all(each == told[0] for each in told)
    assert told[0]["requests"]["count"] == 40
    assert 0 < redis_server.send("TTL", "fanlight:{shop}:analytics_snapshot_cache") <= 30
    assert json.loads(redis_server.send("GET", "fanlight:{shop}:analytics_snapshot_cache"))["value"]["figures"]
    eventually(lambda: all(host.stats()["cache_hits_total"] >= 9 for host in hosts))
    assert [host.stats()["cache_misses_total"] for host in hosts] == [1, 1]


def behind(host: Host) -> bool:
    """Whether it says since when its history is behind, and why."""
    said = host.history()
    return said.startswith("behind for ") and said.endswith("gave no answer within 2 s; see whether it hangs")


def test_a_redis_that_hangs_is_nobodys_trouble(hosts: list[Host], redis_server: RedisServer, eventually: Wait) -> None:
    """X-3: while Redis hangs every request and the dashboard are answered, the System page says since when history is
    behind and why; when Redis goes on, both hosts catch up and nothing is lost."""
    serve(hosts, 100)
    eventually(agree(hosts, redis_server, 200))
    redis_server.hang()
    serve(hosts, 100)
    for host in hosts:
        eventually(lambda host=host: behind(host))  # type: ignore[misc]  # the linter wants the host bound
        assert host.says()["performance"]["total_requests"] >= 200
    redis_server.resume()
    eventually(agree(hosts, redis_server, 400))
    eventually(lambda: not any(host.history() for host in hosts))
    assert len(hosts[0].statuses) == 200


def test_a_redis_that_is_not_there_yet(
    command: Command, folder: Path, redis_server: RedisServer, eventually: Wait
) -> None:
    """X-3: a service starts and serves without its Redis, says what it lacks, and writes what waited when it comes."""
    redis_server.kill()
    (folder / "shop.py").write_text(APPLICATION)
    host = Host(command("run", "shop:app", "--port", "0", "--no-access-log", "--store", redis_server.url))
    host.serve(50)
    eventually(lambda: "cannot be reached" in host.history())
    assert f"redis://127.0.0.1:{redis_server.port}/0" in host.history()
    redis_server.start()
    eventually(agree([host, host], redis_server, 50))
    eventually(lambda: host.history() == "")
