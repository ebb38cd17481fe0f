"""faces.live: the live API, with a real WebSocket client against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from starlette.types import Message
from tests.faces.service import ScriptedService, busy_service
from tests.faces.serving import ManualTicks, Served, context_of, dashboard
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fanlight.clock import SystemClock
from fanlight.faces import live
from fanlight.faces.live import LiveApi, Subscription, Wrong, incoming, subscription
from fanlight.faces.web.live import Hub
from fanlight.faces.web.rendering import Rendering

SOON = 10.0
TOKEN = "operator-token-0123456789"


class Socket:
    """A client that reads messages by their event."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, event: str, data: Any = None) -> None:
        self.connection.send(json.dumps({"event": event, "data": data}))

    def until(self, event: str) -> Any:
        """The data of the next message of an event."""
        while True:
            message = json.loads(self.connection.recv(timeout=SOON))
            if message["event"] == event:
                return message["data"]

    def closed(self) -> int:
        """The code it is closed with, whatever comes before."""
        with suppress(ConnectionClosed):
            while True:
                self.connection.recv(timeout=SOON)
        return self.connection.protocol.close_code or 0


@contextmanager
def opened(served: Served, **options: Any) -> Iterator[Socket]:
    with connect(f"ws://127.0.0.1:{served.port}/dashboard/api/live", open_timeout=SOON, **options) as connection:
        yield Socket(connection)


@pytest.fixture
def service() -> ScriptedService:
    return busy_service()


@pytest.fixture
def served(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(live, "BROADCAST_SECONDS", 0.05)
    with dashboard(service, clock=SystemClock()) as running:
        yield running


def test_a_client_is_greeted_and_told(served: Served) -> None:
    """ORC-4: connect says who it is; the service's figures come to everybody without asking."""
    with opened(served) as socket:
        hello = socket.until("connect")
        assert (hello["service"], hello["wrappers"]) == ("chat-api", ["openai", "postgres", "routellm"])
        stats = socket.until("metrics_broadcast")
        assert stats["total_requests"] == socket.until("metrics_broadcast")["total_requests"] > 0


def test_a_subscription_is_answered_at_once_and_again(served: Served, service: ScriptedService) -> None:
    """ORC-4: metrics_update for the wrappers asked for, at the interval asked for; unknown names are said."""
    with opened(served) as socket:
        socket.send("subscribe_metrics", {"wrappers": ["postgres", "nobody"], "interval": 0.25})
        first = socket.until("metrics_update")
        assert (first["interval"], first["unknown"], list(first["wrappers"])) == (0.25, ["nobody"], ["postgres"])
        postgres = first["wrappers"]["postgres"]
        (insert,) = postgres["operations"]
        assert (postgres["calls"], postgres["errors"], insert["operation"], insert["calls"]) == (1, 1, "insert", 1)
        assert (postgres["kind"], postgres["status"] in ("healthy", "degraded", "down")) == ("database", True)
        service.call("postgres", "insert", 0.1)
        service.tick()
        assert socket.until("metrics_update")["wrappers"]["postgres"]["calls"] == 2


def test_without_names_all_wrappers_are_told(served: Served) -> None:
    """ORC-4: no list means all of them; a second subscription takes the first one's place, unsubscribing ends it."""
    with opened(served) as socket:
        socket.send("subscribe_metrics", {"interval": 60})
        assert set(socket.until("metrics_update")["wrappers"]) == {"openai", "postgres", "routellm"}
        socket.send("subscribe_metrics", {"wrappers": ["openai"], "interval": 60})
        assert set(socket.until("metrics_update")["wrappers"]) == {"openai"}
        socket.send("unsubscribe_metrics")
        socket.send("ping")
        socket.until("pong")


def test_wrong_messages_are_told_and_end_nothing(served: Served) -> None:
    """ORC-4, X-6: what cannot be understood is an error in the one format."""
    with opened(served) as socket:
        for text in ("{", "[]", '{"event": 3}', '{"event": "dance"}', '{"event": "subscribe_metrics", "data": [1]}'):
            socket.connection.send(text)
            assert set(socket.until("error")) == {"code", "message", "detail"}
        socket.connection.send(b"\xff\x00")
        assert socket.until("error")["code"] == "invalid_message"
        socket.send("ping")
        assert socket.until("pong")["at"].endswith("Z")


@pytest.mark.parametrize(("text", "code"), [("x" * (live.MESSAGE_LIMIT + 1), 1009), ('{"event": "ping"}', 1008)])
def test_too_large_and_too_many_end_the_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, text: str, code: int
) -> None:
    """ORC-4, X-6: floods are told so and closed."""
    monkeypatch.setattr(live, "RATE", (20, 0.0))
    with opened(served) as socket:
        with suppress(ConnectionClosed):
            for _ in range(30):
                socket.connection.send(text)
        assert socket.closed() == code


def test_a_client_can_say_goodbye(served: Served) -> None:
    """ORC-4: disconnect is answered by closing, as the protocol has it."""
    with opened(served) as socket:
        socket.send("disconnect")
        assert socket.closed() == 1000


def test_it_ends_with_the_server(service: ScriptedService) -> None:
    """ORC-4, TTY-2: open sockets keep no server from stopping."""
    with dashboard(service) as running, opened(running) as socket:
        socket.until("connect")
        running.stop()
        assert socket.closed() in (1001, 1012)
        running.thread.join(SOON)
        assert not running.thread.is_alive()


def test_live_views_are_shared_with_the_streams() -> None:
    """ORC-4, TTY-6: `max_viewers` counts both kinds; who comes too late is told why, and there is room again later."""
    with dashboard(ScriptedService(max_viewers=1)) as running:
        with opened(running) as first:
            first.until("connect")
            refused = running.stream()
            assert refused.answer.status == 503
            refused.close()
            with opened(running) as second:
                assert "max_viewers" in second.until("error")["message"]
                assert second.closed() == 1013
        stream = running.stream()
        while stream.answer.status != 200:
            stream.close()
            stream = running.stream()
        with opened(running) as third:
            assert third.until("error")["code"] == "no_live_view"
        stream.close()


@pytest.mark.parametrize(
    ("headers", "origin", "status"),
    [
        ({}, None, 403),
        ({"Authorization": "Bearer wrong"}, None, 403),
        ({"Authorization": f"Bearer {TOKEN}"}, "http://evil.example", 403),
        ({"Authorization": f"Bearer {TOKEN}"}, None, 101),
    ],
)
def test_the_door_is_the_pages(headers: dict[str, str], origin: Any, status: int) -> None:
    """ORC-4, X-6: the same rule as for pages: a token, and no page of another origin."""
    with dashboard(ScriptedService(token=TOKEN)) as running:
        if status == 101:
            with opened(running, additional_headers=headers, origin=origin) as socket:
                socket.until("connect")
            return
        with pytest.raises(InvalidStatus) as refused, opened(running, additional_headers=headers, origin=origin):
            pass
        assert refused.value.response.status_code == status


def test_a_slow_consumer_gets_the_newest_and_no_queue() -> None:
    """ORC-4, TTY-6: while its socket is full nothing gathers; then comes the present state, not the past."""

    async def scene() -> tuple[int, int, int]:
        service = busy_service()
        context = context_of(service, ManualTicks())
        api = LiveApi(context, Hub(context, Rendering(context)))
        sent: list[Message] = []
        waiting = 0
        full, leave, news, drained = (asyncio.Event() for _ in range(4))
        drained.set()

        async def receive() -> Message:
            if not sent:
                sent.append({"type": "none"})
                return {"type": "websocket.connect"}
            await leave.wait()
            return {"type": "websocket.disconnect"}

        async def send(message: Message) -> None:
            nonlocal waiting
            waiting += 1
            if not drained.is_set():
                full.set()
            await drained.wait()
            waiting -= 1
            sent.append(message)
            news.set()

        def totals() -> list[int]:
            texts = [message["text"] for message in sent if message["type"] == "websocket.send"]
            told = [json.loads(text)["data"] for text in texts if "metrics_broadcast" in text[:40]]
            return [data["total_requests"] for data in told]

        async def until(many: int) -> None:
            async with asyncio.timeout(SOON):
                while len(totals()) < many:
                    news.clear()
                    await news.wait()

        serving = asyncio.create_task(api({"type": "websocket"}, receive, send))
        await until(1)
        drained.clear()
        service.tick()
        async with asyncio.timeout(SOON):
            await full.wait()
        most = 0
        for _ in range(5):
            service.request(path="/items/9")
            service.tick()
            await asyncio.sleep(0.01)
            most = max(most, waiting)
        drained.set()
        await until(3)  # the first, the one that was stuck, and one for all that has come since
        leave.set()
        await serving
        return most, len(totals()), service.snapshot().requests.total.count - totals()[-1]

    assert asyncio.run(scene()) == (1, 3, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no object"),
        ({"wrappers": "a"}, "no list of names"),
        ({"wrappers": [1]}, "no list of names"),
        ({"wrappers": ["x" * 201]}, "no list of names"),
        ({"wrappers": ["x"] * 101}, "101 names; expected at most 100"),
        ({"interval": "soon"}, "expected seconds"),
        ({"interval": True}, "expected seconds"),
    ],
)
def test_a_subscription_without_sense_is_refused(data: Any, message: str) -> None:
    """ORC-4: got and expected."""
    with pytest.raises(Wrong, match=message):
        subscription(data)


def test_a_subscription_is_clamped() -> None:
    """ORC-4: intervals as for the page's stream, each name once."""
    assert subscription({"wrappers": ["a", "a", "b"], "interval": 0.001}) == Subscription(("a", "b"), 0.25)
    assert subscription({"interval": 1e9}).interval == 60.0
    assert subscription(None) == Subscription()


def test_deep_json_is_no_message() -> None:
    """X-6: what would exhaust the reader is refused."""
    with pytest.raises(Wrong):
        incoming('{"event": "x", "data": ' + "[" * 100_000)
