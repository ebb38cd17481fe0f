"""The chat service over real sockets: every route, every status, and what it tells the dashboard."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chat_api.auth import issue
from chat_api.behaviour import CALM, Behaviour, Episode
from chat_api.service import create_app

Serve = Callable[..., AbstractContextManager[str]]
ADA, ALAN, GUEST = issue("ada"), issue("alan"), issue("guest-1")
MESSAGES = "/api/chat/groups/general/messages"


class Meter:
    """Counts what a cache did."""

    def __init__(self, clear: Callable[[], Any]) -> None:
        self.clear = clear
        self.hits = self.misses = self.entries = 0

    def hit(self) -> None:
        self.hits += 1

    def miss(self) -> None:
        self.misses += 1

    def size(self, entries: int, /) -> None:
        self.entries = entries


class Watcher:
    """Keeps what the service tells its dashboard."""

    def __init__(self) -> None:
        self.installed: list[Any] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.sockets: list[tuple[str, str]] = []
        self.meters: dict[str, Meter] = {}
        self.supply: Callable[[], Awaitable[dict[str, Any]]] | None = None

    def install(self, app: Any, /) -> None:
        self.installed.append(app)

    def event(self, type: str, /, **fields: Any) -> None:
        self.events.append((type, fields))

    def websocket(self, *, group: str, user: str) -> None:
        self.sockets.append((group, user))

    def cache(self, name: str, /, *, clear: Callable[[], Any]) -> Meter:
        self.meters[name] = Meter(clear)
        return self.meters[name]

    def database(self, supply: Callable[[], Awaitable[dict[str, Any]]], /) -> None:
        self.supply = supply

    def section(self) -> dict[str, Any]:
        """The `database` section as the dashboard would get it now."""

        async def ask() -> dict[str, Any]:
            assert self.supply is not None
            return await self.supply()

        return asyncio.run(ask())


class Client:
    """Asks a served application; each call has a session of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
        """Status and JSON (or text) of one request."""
        status, _, body = self.whole(method, path, token, **options)
        return status, body

    def whole(self, method: str, path: str, token: str = "", **options: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON (or text) of one request."""

        async def ask() -> tuple[int, dict[str, str], Any]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with (
                aiohttp.ClientSession(self.url) as session,
                session.request(method, path, headers=headers, **options) as response,
            ):
                json_ = response.content_type == "application/json"
                body = await response.json() if json_ else await response.text()
                return response.status, dict(response.headers), body

        return asyncio.run(ask())

    def send(self, text: str, token: str = ADA) -> int:
        """Send a message to the group `general`; its id."""
        status, message = self.ask("POST", MESSAGES, token, json={"text": text})
        assert status == 201
        return int(message["message_id"])


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def client(serve: Serve, watcher: Watcher) -> Iterator[Client]:
    with serve(create_app(watcher, behaviour=CALM)) as url:
        yield Client(url)


def test_it_runs_alone(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service needs no dashboard, and `CHAT_CALM=1` switches its made-up trouble off."""
    monkeypatch.setenv("CHAT_CALM", "1")
    app = create_app()
    assert app.state.chat.simulation.behaviour is CALM
    with serve(app) as url:
        assert Client(url).ask("GET", "/healthz") == (200, {"status": "ok"})
        assert Client(url).ask("GET", "/")[1]["groups"] == "/api/chat/groups"
        assert Client(url).ask("GET", "/openapi.json")[0] == 200


def test_it_tells_the_dashboard_to_install(client: Client, watcher: Watcher) -> None:
    """API-1: one line, `dashboard.install(app)`, is all that recording needs."""
    assert len(watcher.installed) == 1


def test_groups_are_made_listed_and_viewed(client: Client) -> None:
    """Groups: 201 with a readable id, 409 for a taken one, 422 for a bad name, 404 for one that is not there."""
    status, group = client.ask("POST", "/api/chat/groups", ADA, json={"name": " Büro & Küche "})
    assert (status, group["group_id"], group["name"], group["owner"]) == (201, "büro-küche", "Büro & Küche", "ada")
    assert client.ask("POST", "/api/chat/groups", ALAN, json={"name": "büro küche"})[0] == 409
    assert client.ask("POST", "/api/chat/groups", ADA, json={"name": "   "})[0] == 422
    assert client.ask("POST", "/api/chat/groups", ADA, json={"name": "x" * 61})[0] == 422
    status, newest = client.ask("GET", "/api/chat/groups?limit=1")
    assert (status, newest) == (200, [group])
    assert client.ask("GET", "/api/chat/groups?offset=-1")[0] == 422
    status, seen = client.ask("GET", "/api/chat/groups/büro-küche")
    assert (status, seen["message_count"], seen["online"]) == (200, 0, 0)
    assert client.ask("GET", "/api/chat/groups/nobody")[0] == 404
    assert client.ask("GET", "/api/chat/nothing")[0] == 404
    assert client.ask("PUT", "/api/chat/groups")[0] == 405


@pytest.mark.parametrize("token", ["", "ada", "ada.0123", f"alan{ADA[3:]}", ".", "é.é"])
def test_writing_needs_a_valid_token(client: Client, token: str) -> None:
    """Writing without a token, or with one made up, is 401 and says how to do it."""
    for method, path in (("POST", MESSAGES), ("POST", "/api/chat/groups"), ("DELETE", "/api/chat/messages/1")):
        status, headers, _ = client.whole(method, path, token, json={"text": "x", "name": "x"})
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")


def test_signing_in_gives_a_token_that_works(client: Client) -> None:
    """A session's token writes; a guest's is refused with 403; a bad name is 422."""
    status, session = client.ask("POST", "/api/chat/sessions", json={"user": "grace"})
    assert (status, session["may_write"]) == (201, True)
    assert client.ask("POST", MESSAGES, session["token"], json={"text": "hi"})[0] == 201
    status, session = client.ask("POST", "/api/chat/sessions", json={"user": "guest-9"})
    assert (status, session["may_write"]) == (201, False)
    assert client.ask("POST", MESSAGES, session["token"], json={"text": "hi"})[0] == 403
    assert client.ask("POST", "/api/chat/sessions", json={"user": "No Body"})[0] == 422


def test_messages_come_in_pages(client: Client) -> None:
    """Pages go from the newest message to the oldest without a gap or a repeat."""
    sent = [client.send(f"page {number}") for number in range(5)]
    seen: list[int] = []
    before = ""
    while len(seen) < 6:
        status, page = client.ask("GET", f"{MESSAGES}?limit=2{before}")
        assert status == 200
        seen += [message["message_id"] for message in page["items"]]
        before = f"&before={page['next_before']}"
    assert seen[:5] == sent[::-1]
    assert client.ask("GET", f"{MESSAGES}?before=1")[1] == {"items": [], "next_before": None}
    assert client.ask("GET", f"{MESSAGES}?limit=101")[0] == 422
    assert client.ask("GET", "/api/chat/groups/nobody/messages")[0] == 404


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": " "}, {"text": "x" * 2001}, {"text": 5}])
def test_a_bad_message_is_refused(client: Client, body: dict[str, Any]) -> None:
    """A message without a proper text is 422; for a group that is not there it is 404."""
    assert client.ask("POST", MESSAGES, ADA, json=body)[0] == 422
    assert client.ask("POST", "/api/chat/groups/nobody/messages", ADA, json={"text": "x"})[0] == 404


def test_deleting_is_soft(client: Client, watcher: Watcher) -> None:
    """API-5: a deleted message is gone for every reader and still counted as deleted; only its author may do it."""
    message = client.send("a rather unusual sentence")
    was = watcher.section()
    assert client.ask("DELETE", f"/api/chat/messages/{message}", ALAN)[0] == 403
    assert client.ask("DELETE", f"/api/chat/messages/{message}", GUEST)[0] == 403
    assert client.ask("DELETE", f"/api/chat/messages/{message}", ADA) == (204, "")
    assert client.ask("DELETE", f"/api/chat/messages/{message}", ADA)[0] == 404
    assert client.ask("DELETE", f"/api/chat/messages/{2**70}", ADA)[0] == 404
    assert client.ask("DELETE", "/api/chat/messages/one", ADA)[0] == 422
    assert client.ask("GET", "/api/chat/search?q=rather unusual")[1] == []
    now = watcher.section()
    assert now["total_messages"] == was["total_messages"]
    assert now["deleted_messages"] == was["deleted_messages"] + 1
    assert now["active_messages"] == was["active_messages"] - 1


def test_search_finds_text_and_nothing_else(client: Client) -> None:
    """Search is by the text as written: wildcards of SQL mean themselves; too short a text is 422."""
    message = client.send("we are at 100 % of_it")
    client.send("we are at 100 pc of it")
    status, found = client.ask("GET", "/api/chat/search", params={"q": "100 % OF_IT"})
    assert (status, [each["message_id"] for each in found]) == (200, [message])
    assert client.ask("GET", "/api/chat/search?q=x")[0] == 422
    assert client.ask("GET", "/api/chat/search")[0] == 422


def test_export_streams_every_message(client: Client, watcher: Watcher) -> None:
    """The export is NDJSON with one line per message that is not deleted, in the order they were sent."""
    status, headers, body = client.whole("GET", "/api/chat/export")
    lines = [json.loads(line) for line in body.splitlines()]
    ids = [line["message_id"] for line in lines]
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "application/x-ndjson")
    assert ids == sorted(set(ids))
    assert len(ids) == watcher.section()["active_messages"]
    assert len(client.ask("GET", "/api/chat/export?limit=300")[1].splitlines()) == 300


def test_events_carry_new_messages(client: Client) -> None:
    """The event stream sends each new message of any group, and ends by itself."""

    async def follow() -> str:
        async with (
            aiohttp.ClientSession(client.url) as session,
            session.get("/api/chat/events?seconds=60") as response,
        ):
            assert response.content_type == "text/event-stream"
            assert await response.content.readuntil(b"\n\n") == b"retry: 1000\n\n"
            headers = {"Authorization": f"Bearer {ADA}"}
            async with session.post(MESSAGES, json={"text": "news"}, headers=headers) as sent:
                assert sent.status == 201
            return (await response.content.readuntil(b"\n\n")).decode()

    assert re.fullmatch(r'id: \d+\nevent: message\ndata: \{.*"text": "news".*\}\n\n', asyncio.run(follow()))
    assert client.ask("GET", "/api/chat/events?seconds=0.001") == (200, "retry: 1000\n\n")
    assert client.ask("GET", "/api/chat/events?seconds=61")[0] == 422


def test_reporting_asks_the_moderation_service(client: Client) -> None:
    """A reported message stays, unless the moderation service finds fault with it; then it is gone."""
    spam, fine = client.send("cheap SPAM"), client.send("good morning")
    assert client.ask("POST", f"/api/chat/messages/{fine}/report", ALAN)[1] == {"message_id": fine, "removed": False}
    assert client.ask("POST", f"/api/chat/messages/{spam}/report", ALAN)[1] == {"message_id": spam, "removed": True}
    assert client.ask("POST", f"/api/chat/messages/{spam}/report", ALAN)[0] == 404
    assert client.ask("POST", f"/api/chat/messages/{fine}/report")[0] == 401


def test_a_failing_upstream_is_502_503_or_504(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """When the moderation service fails, the caller gets 502, 503 or 504 and when to try again; it is logged."""
    broken = Behaviour(
        query_seconds=0,
        moderation_seconds=0,
        moderation_timeout=0,
        busy_rate=0,
        moderation_rate=1,
        outage=Episode(0, 0, 0),
    )
    with serve(create_app(behaviour=broken)) as url:
        client = Client(url)
        path = f"/api/chat/messages/{client.send('hm')}/report"
        answers = [client.whole("POST", path, ADA) for _ in range(40)]
    assert {status for status, _, _ in answers} == {502, 503, 504}
    assert all(headers["Retry-After"] == "2" for _, headers, _ in answers)
    assert [record.levelname for record in caplog.records if record.name == "chat.api"].count("ERROR") == 40


def test_a_failing_database_is_500(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """When a query fails the caller gets 500 without internals, over a WebSocket an error; both are logged."""
    busy = Behaviour(query_seconds=0, busy_rate=1)
    with serve(create_app(behaviour=busy)) as url:
        assert Client(url).ask("GET", "/api/chat/groups") == (500, {"detail": "the storage failed; try again"})
        answers = asyncio.run(_talk(url, ADA, [{"type": "message", "text": "hi"}]))
    assert answers == [{"type": "error", "detail": "the storage failed; try again"}]
    errors = [record.name for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["chat.storage", "chat.ws"]


async def _talk(url: str, token: str, frames: list[Any], group: str = "general") -> list[Any]:
    """Send frames over a WebSocket and read one answer to each; a close ends the list with its code."""
    answers: list[Any] = []
    async with (
        aiohttp.ClientSession(url) as session,
        session.ws_connect(f"/api/chat/ws/{group}", params={"token": token}) as socket,
    ):
        for frame in frames:
            await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
            answers.append(await socket.receive_json(timeout=10))
        if len(answers) == 5:
            await socket.receive(timeout=10)
            answers.append(socket.close_code)
    return answers


def test_a_message_reaches_its_group_and_no_other(client: Client, watcher: Watcher) -> None:
    """API-4, API-9: members of the group get it, its author too; the dashboard hears of all that."""

    async def scene() -> tuple[Any, Any, Any, int]:
        url = "/api/chat/ws/"
        async with (
            aiohttp.ClientSession(client.url) as session,
            session.ws_connect(f"{url}general", params={"token": ADA}) as ada,
            session.ws_connect(f"{url}general", params={"token": GUEST}) as guest,
            session.ws_connect(f"{url}random", params={"token": ALAN}) as alan,
        ):
            for socket in (ada, guest, alan):
                await socket.send_json({"type": "ping"})
                assert await socket.receive_json(timeout=10) == {"type": "pong"}
            async with session.get("/api/chat/groups/general") as response:
                online = (await response.json())["online"]
            await ada.send_json({"type": "message", "text": "lunch?"})
            first, second = await ada.receive_json(timeout=10), await guest.receive_json(timeout=10)
            await alan.send_json({"type": "ping"})
            return first, second, await alan.receive_json(timeout=10), online

    first, second, other, online = asyncio.run(scene())
    assert first == second
    assert (first["type"], first["message"]["author"], first["message"]["text"]) == ("message", "ada", "lunch?")
    assert (other, online) == ({"type": "pong"}, 2)
    assert sorted(watcher.sockets) == [("general", "ada"), ("general", "guest-1"), ("random", "alan")]
    assert watcher.events == [("message_broadcast", {"group": "general", "recipients": 2})]
    client.send("nobody is there")
    assert watcher.events[-1] == ("message_broadcast", {"group": "general", "recipients": 0})


def test_a_socket_without_a_token_is_refused_at_the_handshake(client: Client) -> None:
    """API-4: no token, or no such group, is a refused handshake: HTTP 403."""
    for path in ("/api/chat/ws/general", f"/api/chat/ws/nobody?token={ADA}"):

        async def knock(path: str = path) -> None:
            async with aiohttp.ClientSession(client.url) as session:
                await session.ws_connect(path)

        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            asyncio.run(knock())
        assert refused.value.status == 403


def test_a_socket_with_a_wrong_token_is_closed_with_4401(client: Client, watcher: Watcher) -> None:
    """API-4: a token that is not valid is answered with the close code 4401, which a browser can read."""

    async def knock() -> int | None:
        async with (
            aiohttp.ClientSession(client.url) as session,
            session.ws_connect("/api/chat/ws/general?token=ada.0123") as socket,
        ):
            await socket.receive(timeout=10)
            return socket.close_code

    assert asyncio.run(knock()) == 4401
    assert watcher.sockets == [("general", "unknown")]


def test_a_socket_says_what_is_wrong_and_gives_up_after_five(client: Client) -> None:
    """Frames that make no sense are answered with what was expected; the fifth closes the socket with 1008."""
    frames = ["{", "[]", {"type": "shout"}, {"type": "message", "text": " "}, '{"type": "message", "text": "\\ud800"}']
    *errors, code = asyncio.run(_talk(client.url, ADA, frames))
    assert [error["type"] for error in errors] == ["error"] * 5
    assert "ping" in errors[0]["detail"]
    assert "1 to 2000" in errors[3]["detail"]
    assert "UTF-8" in errors[4]["detail"]
    assert code == 1008


def test_guests_may_listen_only(client: Client) -> None:
    """A guest on a WebSocket gets an error for a message and an answer to a ping."""
    frames = [{"type": "message", "text": "may I?"}, {"type": "ping"}]
    error, pong = asyncio.run(_talk(client.url, GUEST, frames))
    assert (error["detail"], pong) == ("guest-1 may only read", {"type": "pong"})


def test_the_database_section_has_every_field(client: Client, watcher: Watcher) -> None:
    """API-2, API-5: the section has every field of the document, and its numbers are those of the file."""
    client.ask("POST", "/api/chat/groups", ADA, json={"name": "Brand new"})
    before = watcher.section()
    message = client.send("one more")
    section = watcher.section()
    assert set(section) == {
        "total_groups", "total_messages", "active_messages", "deleted_messages", "deletion_rate_percent",
        "avg_messages_per_group", "last_24h", "top_active_groups",
    }  # fmt: skip
    assert section["total_groups"] == 9
    assert section["total_messages"] == section["active_messages"] + section["deleted_messages"] == 1201
    assert section["deletion_rate_percent"] == round(100 * section["deleted_messages"] / 1201, 2) > 0
    assert section["avg_messages_per_group"] == round(1201 / 9, 2)
    assert section["last_24h"]["new_groups"] == 2
    assert section["last_24h"]["new_messages"] == before["last_24h"]["new_messages"] + 1
    top = section["top_active_groups"]
    assert set(top[0]) == {"group_id", "group_name", "message_count", "last_message"}
    assert (top[0]["group_id"], top[0]["group_name"]) == ("general", "General")
    counts = [group["message_count"] for group in top]
    assert counts == sorted(counts, reverse=True)
    newest = client.ask("GET", f"{MESSAGES}?limit=1")[1]["items"][0]
    assert (newest["message_id"], newest["created_at"]) == (message, top[0]["last_message"])


def test_the_group_cache_is_counted_and_cleared(client: Client, watcher: Watcher) -> None:
    """OBS-2: the cache reports hits, misses and its true size, and its `clear` empties it."""
    meter = watcher.meters["groups"]
    for _ in range(3):
        client.ask("GET", "/api/chat/groups/general")
    client.ask("GET", "/api/chat/groups/nobody")
    assert (meter.hits, meter.misses, meter.entries) == (2, 2, 1)
    meter.clear()
    assert meter.entries == 0
    client.ask("GET", "/api/chat/groups/general")
    assert (meter.hits, meter.misses, meter.entries) == (2, 3, 1)


def test_it_logs_what_happens(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """TTY-3: information and warnings go through the loggers chat.api and chat.ws."""
    with caplog.at_level(logging.INFO, "chat"):
        message = client.send("hello")
        client.ask("DELETE", f"/api/chat/messages/{message}", ALAN)
        asyncio.run(_talk(client.url, ADA, [{"type": "ping"}]))
    said = {(record.name, record.levelname, record.getMessage().split(" group=")[0]) for record in caplog.records}
    assert ("chat.api", "INFO", "message stored") in said
    assert ("chat.ws", "INFO", "joined") in said
    assert any(name == "chat.api" and level == "WARNING" and "deletion refused" in text for name, level, text in said)


def test_its_file_is_kept_when_it_was_named(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`CHAT_DB` names a file that outlives the service and is not filled twice."""
    monkeypatch.setenv("CHAT_DB", str(tmp_path / "chat.db"))
    for _ in range(2):
        with serve(create_app(behaviour=CALM)) as url:
            Client(url).send("kept")
    connection = sqlite3.connect(tmp_path / "chat.db")
    assert connection.execute("SELECT COUNT(*) FROM messages WHERE text = 'kept'").fetchone() == (2,)
    assert connection.execute("SELECT COUNT(*) FROM messages").fetchone() == (1202,)
    connection.close()
