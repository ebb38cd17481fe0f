"""What MongoDB (a fake that speaks its protocol, through the real pymongo) and SQLAlchemy's pools tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from tests.mongo_server import MongoServer

from fanlight import Fanlight, FanlightError
from fanlight.clock import ManualClock
from fanlight.pages import PANELS
from fanlight.panels import Table, Text, View
from fanlight.services.databases import MongoStatistics, pool_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def mongo() -> Iterator[MongoServer]:
    """A MongoDB with three messages, one of them old."""
    server = MongoServer()
    times = {"a": [NOW - timedelta(hours=1), NOW - timedelta(days=2)], "b": [NOW - timedelta(hours=2)]}
    made = [{"group": group, "created_at": at.replace(tzinfo=None)} for group, all in times.items() for at in all]
    server.collections["messages"] = made  # as BSON has dates: without a zone
    yield server
    server.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW.timestamp())


def _client(mongo: MongoServer) -> pymongo.MongoClient[dict[str, Any]]:
    return pymongo.MongoClient(mongo.url)


EXPECTED = {
    "documents": 3,
    "last_24_h": 2,
    "server": {"version": "7.0.0", "uptime_seconds": 60.0, "connections": 3, "connections_left": 97},
    "top_groups": [{"group": "a", "documents": 2}, {"group": "b", "documents": 1}],
}


def test_a_collection_tells_its_counts_and_largest_groups(mongo: MongoServer, clock: ManualClock) -> None:
    """API-5: documents, the last 24 hours, the largest groups by one aggregation, the server's status."""
    with _client(mongo) as client:
        function = MongoStatistics(client.chat.messages, "created_at", "group", clock).function()
        assert function() == EXPECTED
        bare = MongoStatistics(client.chat.messages, "", "", clock).function()
        assert set(bare()) == {"documents", "server"}


def test_an_async_collection_tells_the_same(mongo: MongoServer, clock: ManualClock) -> None:
    """API-5: pymongo's asyncio client, too."""

    async def act() -> Any:
        made: pymongo.AsyncMongoClient[dict[str, Any]] = pymongo.AsyncMongoClient(mongo.url)
        async with made as client:
            return await MongoStatistics(client.chat.messages, "created_at", "group", clock).function()()

    assert asyncio.run(act()) == EXPECTED


def test_a_user_who_may_not_ask_the_server_sees_the_rest(
    mongo: MongoServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API-5: serverStatus needs a right of its own; without it only that is missing. Any other error is raised."""
    refusal = {"ok": 0.0, "errmsg": "not authorized", "code": 13, "codeName": "Unauthorized"}
    monkeypatch.setattr(mongo, "_serverStatus", lambda command: refusal)
    with _client(mongo) as client:
        function = MongoStatistics(client.chat.messages, "", "", clock).function()
        assert function() == {"documents": 3, "server": "this user may not ask for serverStatus"}
        refusal["code"] = 8000
        with pytest.raises(pymongo.errors.OperationFailure):
            function()


def _until(found: Callable[[], bool], clock: ManualClock) -> None:
    for _ in range(400):
        if found():
            return
        clock.advance(0.1)
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_a_database_that_hangs_never_hangs_the_page(mongo: MongoServer, clock: ManualClock) -> None:
    """API-5: it is shown once it answered; while it hangs the page says so and is built at once."""
    dashboard = Fanlight("chat", clock=clock, store="memory://")
    dashboard.watch("pymongo")
    with _client(mongo) as client:
        dashboard.mongo(client.chat.messages, group="group")

        _until(lambda: dashboard.engine.database().data.get("documents") == 3, clock)
        snapshot = dashboard.query.snapshot(View())
        facts = PANELS["database"].build(snapshot, View())
        assert isinstance(facts, Text)
        shown = {fact.name: fact.value for fact in facts.facts}
        assert (shown["Status"], shown["Documents"], shown["Server version"]) == ("connected", 3, "7.0.0")
        table = PANELS["database-rows"].build(snapshot, View())
        assert isinstance(table, Table)
        assert [tuple(row.values) for row in table.rows] == [("a", 2), ("b", 1)]
        mongo.hangs = True
        clock.advance(11.0)
        _until(lambda: dashboard.engine.database().error == "no answer within 5 s", clock)
        assert dashboard.engine.database().data["documents"] == 3
        assert not dashboard.query.snapshot(View()).operations  # what the dashboard asks is not the application's
    dashboard.close()


def test_what_is_no_database_is_refused() -> None:
    """API-5: the error says what was given and what is wanted."""
    dashboard = Fanlight("chat", store="memory://")
    with pytest.raises(FanlightError, match=r"mongo\(\) got a str; expected a collection of pymongo"):
        dashboard.mongo("mongodb://localhost")
    with pytest.raises(FanlightError, match=r"sql\(\) got a str; expected an engine of SQLAlchemy"):
        dashboard.sql("sqlite://")


def test_a_pool_tells_its_connections(tmp_path: Path) -> None:
    """API-5: size, in use, idle, beyond its size; of sync and async engines."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db", pool_size=2)
    ask = pool_of(engine)
    with engine.connect(), engine.connect(), engine.connect():
        told = ask()
    engine.dispose()
    assert (told["system"], told["database"], told["pool"]) == ("sqlite", "shop.db", "QueuePool")
    assert (told["size"], told["in use"], told["idle"], told["beyond its size"]) == (2, 3, 0, 1)
    later = create_async_engine("sqlite+aiosqlite://")
    assert pool_of(later)()["pool"] == type(later.pool).__name__


def test_statements_show_where_databases_are_called(clock: ManualClock) -> None:
    """API-5: the operations of databases by p95, and their slow calls; those of other services are not among them."""
    dashboard = Fanlight("shop", clock=clock, store="memory://")
    for service, operation, kind, seconds in (
        ("shop.db", "SELECT users", "database", 0.01),
        ("shop.db", "UPDATE users", "database", 3.0),
        ("search", "index", "wrapper", 4.0),
    ):
        with dashboard.call(service, operation, kind=kind):
            clock.advance(seconds)
    dashboard.engine.tick(second_closed=True)
    clock.advance(1.0)
    dashboard.engine.tick(second_closed=True)
    snapshot = dashboard.query.snapshot(View())
    for name, shown in (("statements", ["UPDATE users", "SELECT users"]), ("slow-statements", ["UPDATE users"])):
        table = PANELS[name].build(snapshot, View())
        assert isinstance(table, Table)
        said = [str(row.values) for row in table.rows]
        assert len(said) == len(shown)
        assert all(operation in row for operation, row in zip(shown, said, strict=True))
    dashboard.close()
