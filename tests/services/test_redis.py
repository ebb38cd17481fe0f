"""RedisMonitor: how a Redis does, on real servers, and nothing hurt by one that does not answer."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as library
from redis import asyncio as async_library
from tests.e2e.service import Shop, shop
from tests.redis_server import RedisServer

from fanlight.clock import ManualClock
from fanlight.errors import FanlightError, StoreError
from fanlight.services.redis import GAUGES, IDLE_SECONDS, STALE_SECONDS, WATCHED_SECONDS, RedisMonitor, figures
from fanlight.stores import redis_client
from fanlight.stores.opening import locate_redis, open_redis


class Scripted:
    """A server that answers as told, and counts the readings."""

    def __init__(self) -> None:
        self.readings = 0
        self.error: Exception | None = None
        self.closed = False

    def call(self, *words: Any) -> Any:
        if self.error is not None:
            raise self.error
        self.readings += words == ("PING",)
        return {"INFO": {"used_memory": 1_000, "redis_version": "7.0"}, "DBSIZE": 3, "PING": True}[words[0]]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def eventually(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, f"never came true: {check}"
        time.sleep(0.02)


def test_a_real_server_is_read_with_indexed_commands_only(shared_redis: RedisServer, clock: ManualClock) -> None:
    """OBS-1, OBS-5: memory, keys, clients, hits and the time of a PING, by INFO, DBSIZE and PING and nothing else."""
    shared_redis.send("FLUSHALL")
    shared_redis.send("MSET", "a", "1", "b", "2")
    shared_redis.send("CONFIG", "RESETSTAT")
    shared_redis.send("MGET", "a", "b", "none", "none too")
    monitor = RedisMonitor(open_redis(locate_redis(shared_redis.url)), clock, lambda: True)
    monitor.turn()
    latest = monitor.latest()
    monitor.close()
    assert latest.error == ""
    assert 0 < latest.data["latency_seconds"] < 10
    assert latest.data["memory_bytes"] > 100_000
    assert latest.data["clients"] >= 1
    assert (latest.data["keys"], latest.data["hits"], latest.data["misses"]) == (2, 2, 2)
    assert latest.data["hit_percent"] == 50
    assert latest.data["version"].count(".") == 2
    sent = {name.removeprefix("cmdstat_").split("|")[0] for name in shared_redis.send("INFO", "commandstats")}
    assert (
        {"info", "dbsize", "ping"} <= sent <= {"info", "dbsize", "ping", "mget", "config", "client", "hello", "select"}
    )


def test_it_is_read_more_often_while_somebody_looks(clock: ManualClock) -> None:
    """OBS-1: every 5 s while watched, every 15 otherwise; a clock set back stops nothing."""
    server, watched = Scripted(), [False]
    monitor = RedisMonitor(server, clock, lambda: watched[0])

    def readings(seconds: int) -> int:
        before = server.readings
        for _ in range(seconds):
            monitor.turn()
            clock.advance(1.0)
        return server.readings - before

    assert readings(60) == 60 / IDLE_SECONDS
    watched[0] = True
    assert readings(60) == 60 / WATCHED_SECONDS
    monitor._read_at += 3_600.0
    assert readings(1) == 1


def test_levels_are_there_while_it_answers(clock: ManualClock) -> None:
    """OBS-1: an answer gives gauges that all workers share; no answer gives none, and a reason; so does an old one."""
    server = Scripted()
    monitor = RedisMonitor(server, clock, lambda: True)
    monitor.turn()
    samples = {sample.name: sample for sample in monitor.samples()}
    assert set(samples) == set(GAUGES)
    assert (samples["redis.memory.bytes"].value, samples["redis.keys"].value) == (1_000, 3)
    assert {sample.source for sample in samples.values()} == {"shared"}
    clock.advance(STALE_SECONDS + 1)
    assert list(monitor.samples()) == []
    assert monitor.latest().error == "no answer for 31 s"
    server.error = FanlightError("the Redis at redis://x gave no answer")
    monitor.turn()
    assert list(monitor.samples()) == []
    assert monitor.latest().error == "the Redis at redis://x gave no answer"
    server.error = RuntimeError("what no library should raise")
    clock.advance(WATCHED_SECONDS)
    monitor.turn()
    assert monitor.latest().error == "RuntimeError: what no library should raise"


@pytest.mark.parametrize("info", [{}, {"used_memory": "much", "redis_version": "9" * 500, "keyspace_hits": None}])
def test_a_server_that_says_odd_things(info: dict[str, Any]) -> None:
    """X-6: what is missing or no number is not shown, and a text is cut."""
    told = figures(info, "many", 0.001)
    assert told["memory_bytes"] is None
    assert told["keys"] is None
    assert told["hit_percent"] is None
    assert len(told["version"]) <= 40


def test_its_thread_ends_with_it(clock: ManualClock) -> None:
    """OBS-1: the thread ends when the monitor is closed, and when it is only dropped."""
    closed, dropped = Scripted(), Scripted()
    monitor, other = RedisMonitor(closed, clock, lambda: True), RedisMonitor(dropped, clock, lambda: True)
    for each in (monitor, monitor, other):
        each.start()
    eventually(lambda: closed.readings == dropped.readings == 1)
    threads = [thread for thread in threading.enumerate() if thread.name == "fanlight-redis"]
    assert len(threads) == 2
    monitor.close()
    assert closed.closed
    del other, each
    gc.collect()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_client_tells_where_it_is_connected(redis_server: RedisServer, clock: ManualClock) -> None:
    """OBS-1: a client, sync or async, over TCP or a local socket, is enough; its password is used and not shown."""
    redis_server.send("CONFIG", "SET", "requirepass", "hunter2")
    options: dict[str, Any] = {"port": redis_server.port, "password": "hunter2", "db": 1}
    for client in (library.Redis(**options), async_library.Redis(**options)):
        address = locate_redis(client)
        assert address.url == f"redis://localhost:{redis_server.port}/1"
        monitor = RedisMonitor(open_redis(address), clock, lambda: True)
        monitor.turn()
        assert monitor.latest().error == ""
        monitor.close()
    assert locate_redis(library.Redis(unix_socket_path="/run/redis.sock")).url == "unix:///run/redis.sock"
    secured = locate_redis(library.Redis(ssl=True, ssl_ca_certs="/ca.pem"))
    assert secured.url.startswith("rediss://")
    assert secured.tls is not None
    assert secured.tls["ssl_ca_certs"] == "/ca.pem"


def test_over_a_local_socket(tmp_path_factory: pytest.TempPathFactory, clock: ManualClock) -> None:
    """OBS-1: a server that listens on a socket file only is read through it."""
    folder = tmp_path_factory.mktemp("socket")
    server = RedisServer(folder, "--unixsocket", str(folder / "s"))
    server.start()
    monitor = RedisMonitor(
        open_redis(locate_redis(library.Redis(unix_socket_path=str(folder / "s")))), clock, lambda: True
    )
    monitor.turn()
    assert monitor.latest().data["clients"] >= 1
    monitor.close()
    server.kill()


@pytest.mark.parametrize("thing", [None, 7, object(), "http://localhost", "localhost:6379"])
def test_what_is_no_redis_is_refused(thing: Any) -> None:
    """OBS-1: anything that names no Redis is told what to give."""
    with pytest.raises(StoreError, match=r"give its redis:// or rediss:// URL|this is not the URL of a Redis"):
        locate_redis(thing)


@pytest.fixture
def watching(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A real service that watches a Redis of its own, read every 0.2 s."""
    monkeypatch.setattr(redis_client, "COMMAND_SECONDS", 0.2)
    for name in ("WATCHED_SECONDS", "IDLE_SECONDS", "TURN_SECONDS"):
        monkeypatch.setattr(f"fanlight.services.redis.{name}", 0.2)
    with shop() as served:
        served.shows("/redis-partial", "No Redis is watched")
        served.dashboard.redis(redis_server.url)
        yield served


def test_the_pages_show_it_and_never_wait_for_it(watching: Shop, redis_server: RedisServer) -> None:
    """OBS-1, OBS-5: Data shows the figures, Observability the latency; hung or gone it is N/A with the reason, and the
    pages and the service's own requests are answered; it comes back by itself."""
    for round in ("hung", "gone"):
        watching.shows("/redis-partial", "connected")
        eventually(lambda: stats(watching)["redis_latency_ms"] is not None and pulse_says(watching) is not None)
        (redis_server.hang if round == "hung" else redis_server.kill)()
        watching.shows("/redis-partial", "gave no answer within" if round == "hung" else "cannot be reached")
        eventually(lambda: stats(watching)["redis_latency_ms"] is None and pulse_says(watching) is None)
        assert watching.ask("/items/7") == 200
        assert watching.ask("/dashboard/observability") == 200
        (redis_server.resume if round == "hung" else redis_server.start)()


def pulse_says(served: Shop) -> float | None:
    """The Redis latency in the system pulse."""
    value: float | None = next(each["value"] for each in panel(served, "pulse")["facts"] if each["name"] == "Redis")
    return value


def stats(served: Shop) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(served._answer("/dashboard/api/stats", "GET", {})[1])
    return document


def test_the_latency_is_drawn_over_time(watching: Shop) -> None:
    """OBS-1: the Redis-latency chart has a line of the last readings."""
    eventually(lambda: any(panel(watching, "redis-latency")["lines"]))
    assert panel(watching, "redis-latency")["lines"][0]["name"] == "PING"
    assert "redis_latency_seconds" in watching._answer("/dashboard/metrics", "GET", {})[1]


def panel(served: Shop, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(served._answer(f"/dashboard/api/panels/{name}", "GET", {})[1])
    shown: dict[str, Any] = document["panel"]
    return shown
