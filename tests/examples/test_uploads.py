"""The upload service over real sockets and a real Redis: each requirement of its document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.examples.conftest import PATIENCE, ask, served, until
from tests.redis_server import RedisServer

from fanlight import Fanlight
from uploads.app import create_app
from uploads.storage import MemoryStorage, Stage, Upload
from uploads.traffic import file
from uploads.workflow import Workflow


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path_factory.mktemp("redis"))
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def url(redis_server: RedisServer) -> Iterator[str]:
    """A running service over a Redis."""
    dashboard = Fanlight("uploads", store=redis_server.url, local_role="operator")
    with served(create_app(dashboard, redis_server.url)) as url:
        yield url
    dashboard.close()


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    """A running service without a Redis."""
    dashboard = Fanlight("uploads", local_role="operator")
    with served(create_app(dashboard)) as url:
        yield url
    dashboard.close()


def upload(url: str, name: str, content: str | bytes) -> str:
    answer = ask(url, "POST", f"/uploads?name={name}", content)
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


@pytest.mark.parametrize("kept", ["url", "alone"])
def test_uploads_go_through_the_workflow(kept: str, request: pytest.FixtureRequest) -> None:
    """OBS-3, OBS-7: an upload is checked, read and indexed, or rejected with the reason, in Redis and in memory."""
    url = request.getfixturevalue(kept)
    fine, virus, odd = (
        upload(url, "a.txt", "the queue, the queue"), upload(url, "b.exe", "X5O!P%@AP[4"), upload(url, "c", b"\x00\x01")
    )  # fmt: skip
    for id, stage in ((fine, "indexed"), (virus, "rejected"), (odd, "rejected")):
        until(lambda: ask(url, "GET", f"/uploads/{id}").json["stage"] == stage)  # noqa: B023
    assert ask(url, "GET", f"/uploads/{fine}").json["words"] == 2
    assert "virus" in ask(url, "GET", f"/uploads/{virus}").json["note"]
    assert [each["id"] for each in ask(url, "GET", "/uploads?limit=3").json] == [odd, virus, fine]
    assert ask(url, "GET", f"/uploads/{fine}/words").json == [["the", 2], ["queue", 2]]
    assert ask(url, "GET", "/uploads/nothing").status == 404
    assert ask(url, "POST", "/uploads?name=x", "").status == 422
    assert ask(url, "POST", "/uploads?name=x", bytes(300_000)).status == 413
    workflow = until(lambda: "indexed" in (text := ask(url, "GET", "/dashboard/workflow-partial").text) and text)
    assert "rejected" in workflow


def test_the_pulse_is_that_of_the_redis(url: str) -> None:
    """OBS-1: uptime, requests, Redis latency and cache hit rate, as JSON and on the page with charts and metrics."""
    id = upload(url, "pulse.txt", "cold cache")
    for _ in range(3):
        ask(url, "GET", f"/uploads/{id}/words")
    stats = until(
        lambda: (found := ask(url, "GET", "/dashboard/api/stats").json)["redis_latency_ms"]
        and found["cache_hits_total"] and found
    )  # fmt: skip
    assert stats["redis_latency_ms"] > 0
    assert stats["uptime_seconds"] > 0
    assert stats["total_requests"] >= 4
    assert 0 < stats["cache_hit_rate"] < 100
    words = ("Uptime", "Redis latency", "Prometheus", "misses")
    until(lambda: all(word in ask(url, "GET", "/dashboard/observability").text for word in words))


def test_counters_are_in_json_and_prometheus(url: str) -> None:
    """OBS-2: refreshes, htmx requests, hits and misses are counted, and the same in both faces."""
    before = ask(url, "GET", "/dashboard/api/stats").json
    ask(url, "GET", "/dashboard/api/stats-html", hx_request="true")

    def counted() -> bool:
        now = ask(url, "GET", "/dashboard/api/stats").json
        return all(now[name] > before[name] for name in ("htmx_events_total", "dashboard_refresh_total"))

    until(counted)
    text = ask(url, "GET", "/dashboard/metrics").text
    for name in ("dashboard_refresh_total", "htmx_events_total", "cache_hits_total", "cache_misses_total"):
        assert f"\n{name} " in text
    assert "cache_hit_rate" in text


def test_fragments_are_there_without_a_page(url: str) -> None:
    """OBS-3: the statistics and the service's own table come as fragments, hostile names as text."""
    upload(url, "%3Cscript%3Ealert(1)%3C/script%3E", "hostile")
    table = until(lambda: "script" in (text := ask(url, "GET", "/dashboard/api/recent-uploads-html").text) and text)
    assert "<script>alert" not in table
    assert "&lt;script&gt;" in table
    pulse = ask(url, "GET", "/dashboard/api/stats-html").text
    assert "Uptime" in pulse
    assert "<html" not in pulse


def test_the_dear_snapshot_is_made_once(url: str, redis_server: RedisServer) -> None:
    """OBS-4: however often it is asked for, the snapshot is computed once and kept in Redis for half a minute."""
    until(lambda: ask(url, "GET", "/dashboard/api/stats").json["analytics"])
    assert 0 < redis_server.send("TTL", "analytics_snapshot_cache") <= 30
    assert json.loads(redis_server.send("GET", "analytics_snapshot_cache"))["service"] == "uploads"
    made = {ask(url, "GET", "/dashboard/api/stats").json["analytics"]["timestamp"] for _ in range(5)}
    assert len(made) <= 2  # its half minute may be over between two of them


def test_no_key_is_looked_for(url: str, redis_server: RedisServer) -> None:
    """OBS-5: neither the service nor its dashboard sends SCAN or KEYS, whatever is asked."""
    upload(url, "indexed.txt", "sorted sets by time")
    for path in ("/dashboard", "/dashboard/data", "/dashboard/observability", "/dashboard/pages/uploads", "/uploads"):
        assert ask(url, "GET", path).status == 200
    until(lambda: "uploads" in ask(url, "GET", "/dashboard/api/data").text)
    sent = {name.removeprefix("cmdstat_").split("|")[0] for name in redis_server.send("INFO", "commandstats")}
    assert {"zadd", "zcard", "zrevrange", "hset", "brpop"} <= sent
    assert not sent & {"scan", "keys", "sscan", "hscan", "zscan", "smembers"}


def test_the_workflow_has_a_chart(url: str) -> None:
    """OBS-7: finished uploads over time are a chart of the service's own page, which the menu names."""
    id = upload(url, "chart.txt", "one more")
    until(lambda: ask(url, "GET", f"/uploads/{id}").json["stage"] == "indexed")
    page = until(lambda: "Uploads finished" in (text := ask(url, "GET", "/dashboard/pages/uploads").text) and text)
    assert all(title in page for title in ("Kinds", "Workflow", "Recent uploads"))
    assert "pages/uploads" in ask(url, "GET", "/dashboard").text


def test_what_is_left_out_is_said(alone: str) -> None:
    """OBS-1: without a Redis the panels say that uploads are in memory, and the latency is unknown."""
    upload(alone, "m.txt", "memory")
    until(lambda: "in memory" in ask(alone, "GET", "/dashboard/api/recent-uploads-html").text)
    assert ask(alone, "GET", "/dashboard/api/stats").json["redis_latency_ms"] is None


def test_a_lost_redis_is_seen_and_survived(tmp_path: Path) -> None:
    """OBS-1, ORC-2: a Redis that goes away is no longer healthy; back again, uploads go on."""
    server = RedisServer(tmp_path)
    server.start()
    dashboard = Fanlight("uploads", store="memory://")
    try:
        with served(create_app(dashboard, server.url)) as url:
            upload(url, "before.txt", "before")
            until(lambda: ask(url, "GET", "/dashboard/health/redis").json["status"] == "healthy")
            server.kill()
            until(lambda: ask(url, "GET", "/dashboard/health/redis").json["status"] != "healthy")
            server.start()
            until(lambda: ask(url, "POST", "/uploads?name=after.txt", "after").status == 201)
            until(lambda: '"stage":"indexed"' in ask(url, "GET", "/uploads?limit=1").text)
    finally:
        dashboard.close()
        server.kill()


class LosingOnce(MemoryStorage):
    """A storage whose connection breaks when the first upload is looked at; says when one is indexed."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self.indexed = asyncio.Event()

    async def get(self, id: str) -> Upload | None:
        if not self.lost:
            self.lost += 1
            raise ConnectionError("closed by the server")
        return await super().get(id)

    async def save(self, upload: Upload, was: Stage) -> None:
        await super().save(upload, was)
        if upload.stage == "indexed":
            self.indexed.set()


def test_what_was_taken_when_the_connection_broke_is_not_lost() -> None:
    """OBS-3: an upload that left the queue is taken through its stages, whatever comes between."""

    async def scene() -> None:
        storage = LosingOnce()
        dashboard = Fanlight("uploads", store="memory://")
        workflow = Workflow(dashboard, storage, chance=Random(1))
        await storage.add(Upload("1", "a.txt", 1, 1.0), b"a")
        workflow.start()
        await asyncio.wait_for(storage.indexed.wait(), PATIENCE)
        await workflow.stop()
        dashboard.close()

    asyncio.run(scene())


def test_the_clients_upload_what_they_should() -> None:
    """OBS-3: the simulated files are mostly texts, within the limit, and the same from the same seed."""
    files = [file(Random(seed)) for seed in range(200)]
    assert files == [file(Random(seed)) for seed in range(200)]
    assert sum(name.endswith(".txt") for name, _ in files) > 100
    assert max(len(content) for _, content in files) < 256 * 1024


class Deaf(MemoryStorage):
    """A storage that takes the first cancellation of each worker for a failure, as redis-py does while it connects."""

    async def take(self) -> str | None:
        try:
            await asyncio.sleep(3600.0)
        except asyncio.CancelledError:
            if not self.lost:
                self.lost = True
                raise ConnectionError("Connection closed by server.") from None
            raise
        return None

    lost = False


def test_the_workflow_ends_although_a_cancellation_is_lost() -> None:
    """OBS-7: a service that is stopped ends, whatever its workers were waiting for."""

    async def lived() -> list[asyncio.Task[None]]:
        storage = Deaf()
        workflow = Workflow(Fanlight("uploads", enabled=False), storage, chance=Random(1))
        workflow.start()
        await asyncio.sleep(0)
        await asyncio.wait_for(workflow.stop(), 30.0)
        assert storage.lost
        return workflow._tasks

    assert all(task.cancelled() for task in asyncio.run(lived()))
