"""A Redis used as a cache, on a real server, by the clients an application has."""

from __future__ import annotations

import asyncio
import functools
import gc
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import redis as library
from redis import asyncio as async_library
from tests.capture.test_lru import Counts
from tests.redis_server import RedisCluster, RedisServer

from fanlight import Fanlight
from fanlight.capture import lru, redis_cache
from fanlight.clock import ManualClock
from fanlight.errors import FanlightError
from fanlight.panels import View
from fanlight.services.cache import Cache


@pytest.fixture
def client(shared_redis: RedisServer) -> Iterator[Any]:
    """A plain client of an empty Redis, with two keys of one cache and one of another."""
    made = library.Redis(port=shared_redis.port)
    made.flushall()
    made.mset({"page:1": "one", "page:2": "two", "other:1": "x"})
    made.hset("page:h", "title", "a title")
    yield made
    made.close()


def watched(client: Any, prefix: str = "") -> tuple[Cache, Counts]:
    counts = Counts()
    cache = Cache("pages", counts, adapters=(lru.watch, redis_cache.watch))
    assert cache.watch(client, prefix=prefix) is client
    return cache, counts


def test_look_ups_are_hits_or_misses_by_what_is_answered(client: Any) -> None:
    """HUB-4: single ones, several at once and fields of hashes; what only writes counts as neither."""
    _, counts = watched(client)
    assert client.get("page:1") == b"one"
    assert client.get("page:9") is None
    assert client.mget("page:1", "page:9", "page:2") == [b"one", None, b"two"]
    assert client.hget("page:h", "title") == b"a title"
    assert client.hmget("page:h", "title", "none") == [b"a title", None]
    assert client.hgetall("nothing") == {}
    client.set("page:3", "three")
    client.delete("page:3")
    client.exists("page:1")
    assert counts == {"hits": 5, "misses": 4}


def test_a_prefix_chooses_whose_keys_they_are(client: Any) -> None:
    """HUB-4: one Redis holds several caches; keys may be bytes, too."""
    _, counts = watched(client, "page:")
    client.get("other:1")
    client.mget("other:1", "page:1", b"page:9")
    client.get(b"page:2")
    client.get(7)
    assert counts == {"hits": 2, "misses": 1}


def test_two_caches_watch_one_client(client: Any) -> None:
    """HUB-4: each counts its own."""
    _, pages = watched(client, "page:")
    _, others = watched(client, "other:")
    client.mget("page:1", "other:1", "other:2")
    with client.pipeline() as pipe:
        pipe.get("page:1").get("other:2").execute()
    assert (pages, others) == ({"hits": 2}, {"hits": 1, "misses": 2})


def test_pipelines_count_when_they_are_executed(client: Any) -> None:
    """HUB-4: by their answers, errors among them."""
    _, counts = watched(client, "page:")
    pipe = client.pipeline(transaction=False)
    pipe.get("page:1").get("page:9").set("page:4", 4).hget("page:1", "field").get("other:1")
    answers = pipe.execute(raise_on_error=False)
    assert [type(answer).__name__ for answer in answers] == ["bytes", "NoneType", "bool", "ResponseError", "bytes"]
    assert counts == {"hits": 1, "misses": 1}


def test_a_pipeline_gives_its_connection_back_as_before(client: Any) -> None:
    """HUB-4: who lets go of one need not wait for the collector."""
    watched(client)
    pipe = client.pipeline()
    pipe.get("page:1").execute()
    gone = weakref.ref(pipe)
    gc.disable()
    try:
        del pipe
        assert gone() is None
    finally:
        gc.enable()


def test_errors_pass_and_count_nothing(client: Any) -> None:
    """HUB-4: what the server refuses is the application's to see."""
    _, counts = watched(client)
    with pytest.raises(library.ResponseError):
        client.hget("page:1", "field")
    with pytest.raises(library.ResponseError):
        client.execute_command("NOSUCH")
    assert client.execute_command("get", "page:1") == b"one"
    assert counts == {"hits": 1}


def test_clients_for_asyncio_are_counted_alike(shared_redis: RedisServer, client: Any) -> None:
    """HUB-4: commands and pipelines of redis.asyncio; `ask` is a coroutine function of its loop."""

    async def scene() -> tuple[Counts, int | None]:
        async with async_library.Redis(port=shared_redis.port) as later:
            cache, counts = watched(later)
            assert await later.get("page:1") == b"one"
            assert await later.mget("page:2", "page:9") == [b"two", None]
            async with later.pipeline() as pipe:
                pipe.get("page:8")
                assert await pipe.execute() == [None]
            assert cache.ask is not None
            await cache.ask()
            return counts, cache.entries

    assert asyncio.run(scene()) == ({"hits": 2, "misses": 2}, 4)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    nodes = RedisCluster(tmp_path_factory.mktemp("cluster"))
    nodes.start()
    yield nodes
    nodes.kill()


def test_clients_of_a_cluster_are_counted_alike(cluster: RedisCluster) -> None:
    """HUB-4: a pipeline over several nodes, and the keys of all nodes."""
    client: Any = library.RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port)
    cache, counts = watched(client)
    for name in ("a", "b", "c"):
        client.set(name, name)
    assert client.get("a") == b"a"
    pipe = client.pipeline()
    for name in ("b", "c", "none"):
        pipe.get(name)
    assert pipe.execute() == [b"b", b"c", None]
    assert cache.ask is not None
    cache.ask()
    client.close()
    assert (dict(counts), cache.entries) == ({"hits": 3, "misses": 1}, 3)


def test_clients_of_a_cluster_for_asyncio_are_counted_alike(cluster: RedisCluster) -> None:
    """HUB-4: as the plain ones."""

    async def scene() -> tuple[dict[str, int], int | None]:
        client: Any = async_library.RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port)
        _, counts = watched(client, "k")
        await client.set("k1", 1)
        assert await client.get("k1") == b"1"
        pipe = client.pipeline()
        pipe.get("k1").get("k2").get("other")
        assert await pipe.execute() == [b"1", None, None]
        whole, _ = watched(client)
        assert whole.ask is not None
        await whole.ask()
        await client.aclose()
        return dict(counts), whole.entries

    counts, entries = asyncio.run(scene())
    assert counts == {"hits": 2, "misses": 1}
    assert entries is not None
    assert entries >= 1


def test_a_prefix_is_for_a_redis_alone() -> None:
    """HUB-4: what cannot be done is said, not passed over."""
    cache = Cache("squares", Counts(), adapters=(lru.watch, redis_cache.watch))
    with pytest.raises(FanlightError, match=r"prefix='a:'; expected none but for a Redis"):
        cache.watch(functools.lru_cache(int), prefix="a:")
    with pytest.raises(FanlightError, match=r"a client of redis-py"):
        cache.watch(object())


def test_entries_are_asked_of_the_server_and_count_once(shared_redis: RedisServer, client: Any) -> None:
    """HUB-4: however many instances see one Redis, it has so many keys; how many of a prefix, nobody knows."""
    clock = ManualClock()
    dashboard = Fanlight("shop", store="memory://", clock=clock)
    dashboard.cache("all").watch(client)
    dashboard.cache("pages").watch(library.Redis(port=shared_redis.port), prefix="page:")
    deadline = time.monotonic() + 20
    sizes: dict[str, int | None] = {}
    while not sizes.get("all") and time.monotonic() < deadline:
        clock.advance(1.0)
        dashboard.pulse.tick()
        sizes = {row.name: row.size for row in dashboard.query.snapshot(View()).caches}
    samples = list(dashboard._declared.sample_caches())
    dashboard.close()
    assert sizes["all"] == 4
    assert [(each.name, each.label, each.merge, each.source) for each in samples] == [
        ("cache.size", "all", "max", "shared"),
        ("cache.evicted", "all", "max", "shared"),
    ]


def test_what_the_server_lets_go_of_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """HUB-4: a Redis that is full lets keys go, which nobody's client sees."""
    full = RedisServer(tmp_path_factory.mktemp("full"), "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random")
    full.start()
    client: Any = library.Redis(port=full.port)
    clock = ManualClock()
    dashboard = Fanlight("shop", store="memory://", clock=clock)
    cache = dashboard.cache("all").watch(client) and dashboard.cache("all")
    for number in range(60):
        client.set(f"page:{number}", "x" * 50_000)
    assert cache.ask is not None
    before = client.info("stats")["evicted_keys"]
    cache.ask()
    clock.advance(1.0)
    dashboard.pulse.tick()
    (row,) = dashboard.query.snapshot(View()).caches
    after = client.info("stats")["evicted_keys"]  # a full server may go on letting go of keys while it is asked
    dashboard.close()
    client.close()
    full.kill()
    assert 0 < before <= row.evictions <= after
    assert row.size is not None
    assert 60 - after <= row.size <= 60 - before


def test_a_redis_that_does_not_answer_has_no_size(tmp_path_factory: pytest.TempPathFactory) -> None:
    """HUB-4: what was said before is not said of a server that is gone."""
    server = RedisServer(tmp_path_factory.mktemp("gone"))
    server.start()
    client = library.Redis(port=server.port, socket_timeout=1)
    cache, counts = watched(client)
    assert cache.ask is not None
    cache.ask()
    assert cache.entries == 0
    server.kill()
    with pytest.raises(library.ConnectionError):
        cache.ask()
    with pytest.raises(library.ConnectionError):
        client.get("page:1")
    client.close()
    assert cache.entries is None
    assert not counts
