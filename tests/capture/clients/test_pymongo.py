"""pymongo against a fake that speaks MongoDB's wire protocol: commands and collections, never documents."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo import monitoring
from tests.capture.clients.conftest import Watched
from tests.mongo_server import MongoServer


@pytest.fixture
def mongo() -> Iterator[MongoServer]:
    """A MongoDB that is a fake."""
    server = MongoServer()
    yield server
    server.close()


def _client(mongo: MongoServer) -> pymongo.MongoClient[dict[str, Any]]:
    return pymongo.MongoClient(mongo.url, serverSelectionTimeoutMS=5_000)


def test_commands_are_named_by_their_collection(watched: Watched, mongo: MongoServer) -> None:
    """API-5, X-4: command and collection, by database; documents and filters are not kept."""
    watched.watch("pymongo")
    with _client(mongo) as client:
        client.shop.orders.insert_one({"_id": 1, "email": "value-secret"})
        assert client.shop.orders.find_one({"email": "value-secret"}) == {"_id": 1, "email": "value-secret"}
        client.admin.command("ping")
    calls = watched.calls()
    assert [call["operation"] for call in calls] == ["insert orders", "find orders", "ping"]
    assert [call["service"] for call in calls] == ["shop", "shop", "admin"]
    assert {(call["kind"], call["outcome"]) for call in calls} == {("database", "ok")}
    assert "secret" not in str(calls)


def test_an_error_has_its_name_and_quotes_nothing(watched: Watched, mongo: MongoServer) -> None:
    """X-4: the server's name of an error; its message may hold a document, and is not kept."""
    watched.watch("pymongo", names={"shop": "shop database"})
    with _client(mongo) as client:
        client.shop.orders.insert_one({"_id": 1})
        with pytest.raises(pymongo.errors.PyMongoError):
            client.shop.orders.insert_one({"_id": 1})
    _, failed = watched.calls()
    assert (failed["service"], failed["error_type"]) == ("shop database", "DuplicateKey")
    assert "secret" not in str(failed)


def test_the_asyncio_client_is_watched_alike(watched: Watched, mongo: MongoServer) -> None:
    """X-4: its commands are children of the call around them."""
    watched.watch("pymongo")

    async def act() -> None:
        made: pymongo.AsyncMongoClient[dict[str, Any]] = pymongo.AsyncMongoClient(mongo.url)
        async with made as client:
            with watched.dashboard.call("orders", "count"):
                assert await client.shop.orders.estimated_document_count() == 0

    asyncio.run(act())
    inner, outer = sorted(watched.calls(), key=lambda call: call["service"] == "orders")
    assert (inner["operation"], inner["parent"]) == ("count orders", outer["call"])


def test_the_listener_goes_when_nobody_watches(watched: Watched, mongo: MongoServer) -> None:
    """X-4: pymongo is left as it was; a client that knows the listener already is told of no more."""
    before = list(monitoring._LISTENERS.command_listeners)
    watched.watch("pymongo")
    with _client(mongo) as client:
        client.admin.command("ping")
        watched.dashboard.close()
        client.admin.command("ping")
    assert len(watched.calls()) == 1
    assert monitoring._LISTENERS.command_listeners == before
