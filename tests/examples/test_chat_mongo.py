"""The chat service on MongoDB: the real pymongo client, against a fake that speaks the server's protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from tests.examples.conftest import ask, until
from tests.mongo_server import MongoServer

from chat_api.auth import issue
from chat_api.behaviour import CALM
from chat_api.mongo import MongoStorage
from chat_api.service import create_app
from chat_api.storage import ConflictError, Storage
from fanlight import Fanlight

Serve = Callable[..., AbstractContextManager[str]]
NOW = 1_790_000_000.0


@pytest.fixture
def mongo() -> Iterator[MongoServer]:
    """An empty MongoDB."""
    server = MongoServer()
    yield server
    server.close()


def course(storage: Storage | MongoStorage) -> list[Any]:
    """What a storage answers to everything the service asks of one, in turn."""
    storage.open()
    try:
        made = storage.add_group("Night Shift", "ada")
        with pytest.raises(ConflictError, match="night-shift"):
            storage.add_group("night shift", "alan")
        said = [storage.add_message("night-shift", "ada", f"line {number} (of %_)") for number in range(3)]
        first = said[0].message_id
        return [
            made,
            said,
            storage.group("night-shift"),
            storage.group("nobody"),
            storage.groups(3, 1),
            storage.messages("night-shift", 2),
            storage.messages("night-shift", 5, before=first + 1),
            [storage.delete_message(first), storage.delete_message(first), storage.delete_message(999_999)],
            [storage.message(first), storage.message(first + 1)],
            storage.count_messages("night-shift"),
            storage.search("(OF %_)", 2),
            storage.batch(first, 9),
            {**storage.statistics(), "server": None},
        ]
    finally:
        storage.close()
        storage.close()


def test_both_storages_answer_alike(mongo: MongoServer) -> None:
    """API-5: groups, messages, searches and figures of MongoDB are those of SQLite; a second start seeds nothing."""
    expected = course(Storage(clock=lambda: NOW))
    assert expected[-1]["total_groups"] == 9
    assert course(MongoStorage(mongo.url, clock=lambda: NOW)) == expected
    again = MongoStorage(mongo.url, clock=lambda: NOW)
    again.open()
    assert again.statistics()["total_messages"] == 1_203
    assert again.statistics()["server"] == {"version": "7.0.0", "uptime_seconds": 60.0, "connections": 3}
    again.close()


def test_only_some_messages_are_kept(mongo: MongoServer) -> None:
    """API-5: the oldest messages go, as they do from SQLite."""
    storage = MongoStorage(mongo.url, keep=100)
    storage.open()
    last = 0
    while last < 1_500:
        last = storage.add_message("general", "ada", "x").message_id
    assert storage.statistics()["total_messages"] == 100
    assert storage.batch(0, 1)[0].message_id == last - 99
    storage.close()


def test_the_dashboard_shows_mongodb(mongo: MongoServer, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-5, X-4: CHAT_STORE has the figures come from MongoDB; a request's queries stand in its waterfall; a database
    that hangs is told in its place, and the page is there."""
    monkeypatch.setenv("CHAT_STORE", mongo.url)
    dashboard = Fanlight("chat-api", exclude=("/healthz",))
    dashboard.watch("pymongo")
    try:
        with serve(create_app(dashboard, behaviour=CALM)) as url:
            groups = ask(url, "GET", "/api/chat/groups", x_request_id="groups-1")
            assert (groups.status, "general" in groups.text) == (200, True)
            until(lambda: ask(url, "GET", "/dashboard/api/data").json["database"].get("total_messages") == 1_200)
            database = ask(url, "GET", "/dashboard/api/data").json["database"]
            assert database["top_active_groups"][0]["message_count"] > 100
            assert database["server"]["version"] == "7.0.0"
            until(lambda: "find groups" in ask(url, "GET", "/dashboard/requests/groups-1").text)
            assert "top_active_groups" in ask(url, "GET", "/dashboard/data").text.replace(" ", "_").lower()
            mongo.hangs = True
            headers = {"authorization": f"Bearer {issue('ada')}", "content_type": "application/json"}
            body = json.dumps({"text": "is anybody there?"})
            lost = ask(url, "POST", "/api/chat/groups/general/messages", body, **headers)
            assert (lost.status, lost.json) == (500, {"detail": "the storage failed; try again"})
            until(lambda: ask(url, "GET", "/dashboard/api/data").json["system"]["mongodb_healthy"] is False)
            assert ask(url, "GET", "/dashboard/data").status == 200
    finally:
        mongo.close()
        dashboard.close()


def test_a_store_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """API-5: what CHAT_STORE may be is said, what it is is not quoted whole."""
    monkeypatch.setenv("CHAT_STORE", "postgres://me:secret@db/chat")
    with pytest.raises(ValueError, match="expected mongodb://") as refusal:
        create_app()
    assert "secret" not in str(refusal.value)
    assert MongoStorage("mongodb://me:secret@db:1/chat?tls=true").path == "mongodb://db:1/chat"
