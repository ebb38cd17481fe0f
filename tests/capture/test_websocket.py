"""WebSocket connections: their events, the counts by group and user, and that all of it is bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket
from tests.capture.conftest import PATIENCE, ListRecorder, capture, drive, header, http_scope, serving
from websockets.sync.client import connect

from fanlight.capture.install import install
from fanlight.capture.websocket import NAME_LIMIT, OTHER, SHOWN_LIMIT, Tally, named, websocket
from fanlight.core.context import correlation_id

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}
CLOSED = {"type": "websocket.disconnect", "code": 1001}


def socket_scope(path: str = "/ws", **changes: Any) -> dict[str, Any]:
    return http_scope(path) | {"type": "websocket", "subprotocols": []} | changes


def script(*messages: dict[str, Any], then: BaseException | None = None, receives: int = 0) -> Any:
    """An application that sends and receives so much, then perhaps raises."""

    async def app(scope: Any, receive: Any, send: Any) -> str:
        for message in messages:
            await send(message)
        for _ in range(receives):
            await receive()
        if then is not None:
            raise then
        return "result"

    return app


def ends(recorder: ListRecorder) -> list[tuple[str, int]]:
    return [(fact["event"], fact["close_code"]) for fact in recorder.sockets()]


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (script(ACCEPT), [("connected", 0), ("disconnected", 1000)]),
        (script(ACCEPT, {"type": "websocket.close", "code": 4401}), [("connected", 0), ("disconnected", 4401)]),
        (script(ACCEPT, {"type": "websocket.close"}), [("connected", 0), ("disconnected", 1000)]),
        (script(ACCEPT, receives=1), [("connected", 0), ("disconnected", 1001)]),
        (script({"type": "websocket.close", "code": 1008}), [("refused", 403)]),
        (script({"type": "websocket.close"}), [("refused", 403)]),
        (script(), [("refused", 500)]),
        (script(receives=1), [("refused", 499)]),
        (
            script(
                {"type": "websocket.http.response.start", "status": 429, "headers": []},
                {"type": "websocket.http.response.body", "body": b"a", "more_body": True},
                {"type": "websocket.http.response.body", "body": b"b"},
            ),
            [("refused", 429)],
        ),
    ],
)
def test_ends(app: Any, expected: list[tuple[str, int]], recorder: ListRecorder) -> None:
    """API-4: every connection is connected and disconnected, or refused, once, with the code that tells why."""
    wrapped = capture(app, recorder)
    assert asyncio.run(wrapped(socket_scope(), receiver(CLOSED), swallow)) == "result"
    assert ends(recorder) == expected
    assert recorder.samples()["websocket.connections", ""] == 0


@pytest.mark.parametrize(
    ("messages", "error", "code"),
    [
        ([], ValueError(), 500),
        ([ACCEPT], ValueError(), 1011),
        ([ACCEPT], asyncio.CancelledError(), 1001),
        ([], asyncio.CancelledError(), 499),
        ([ACCEPT, {"type": "websocket.close", "code": 4000}], ValueError(), 4000),
    ],
)
def test_exceptions(messages: list[dict[str, Any]], error: BaseException, code: int, recorder: ListRecorder) -> None:
    """TTY-5: an exception or a cancellation ends the connection's count too, and passes on unchanged."""
    wrapped = capture(script(*messages, then=error), recorder)
    with pytest.raises(type(error)) as caught:
        wrapped(socket_scope(), receiver(), swallow).send(None)
    assert caught.value is error
    assert ends(recorder)[-1][1] == code
    assert recorder.samples()["websocket.connections", ""] == 0


def receiver(*messages: dict[str, Any]) -> Any:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    return receive


async def swallow(message: Any) -> None:
    """Send to nobody."""


def test_correlation_id(recorder: ListRecorder) -> None:
    """API-3: a handshake's ID is in the context, in the answer to it, and on its events."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(correlation_id.get())
        await send(ACCEPT | {"subprotocol": "chat"})

    sent = asyncio.run(drive(capture(app, recorder), socket_scope(headers=[(b"x-request-id", b"mine")])))
    assert sent[0] == ACCEPT | {"subprotocol": "chat", "headers": [(b"x-correlation-id", b"mine")]}
    assert header(sent[0], b"x-correlation-id") == b"mine"
    assert seen == [fact["correlation_id"] for fact in recorder.sockets()][:1] == ["mine"]


def test_groups_over_real_sockets(recorder: ListRecorder) -> None:
    """API-4: connections now in all, by group and by user, from path parameters and from what handlers say."""

    async def room(ws: WebSocket) -> None:
        websocket(user=ws.query_params.get("user"))
        await ws.accept()
        async for text in ws.iter_text():
            websocket(group=text)
            await ws.send_text("moved")

    app = Starlette(routes=[Mount("/api/{group}", routes=[WebSocketRoute("/ws/{client_id:int}", room)])])
    install(app, lambda inner: capture(inner, recorder))
    with serving(app) as port:
        url = f"ws://127.0.0.1:{port}/api"
        with connect(f"{url}/red/ws/1?user=ann") as ann, connect(f"{url}/red/ws/2", open_timeout=PATIENCE):
            assert recorder.sockets(2)[-1]["connections"] == 2
            ann.send("blue")
            assert ann.recv(PATIENCE) == "moved"
            samples = recorder.samples()
        facts = recorder.sockets(4)
    assert samples == samples | {
        ("websocket.connections", ""): 2,
        ("websocket.connections", "red"): 1,
        ("websocket.connections", "blue"): 1,
        ("websocket.users", "ann"): 1,
        ("websocket.users", "2"): 1,
    }
    by_user = {fact["user"]: fact for fact in facts if fact["event"] == "disconnected"}
    assert (by_user["ann"]["group"], by_user["2"]["group"]) == ("blue", "red")
    assert by_user["ann"]["template"] == "/api/{group}/ws/{client_id}"
    assert by_user["ann"]["duration_ns"] == 0
    assert recorder.samples()["websocket.connections", ""] == 0


def test_named_parameters(recorder: ListRecorder) -> None:
    """API-4: which path parameters name the group and the user can be set; the first one found wins."""
    wrapped = capture(
        script(ACCEPT), recorder, websocket_group_params=("team", "room"), websocket_user_params=("login",)
    )
    params = {"room": "r", "team": 7, "login": "x" * 500, "user": "unused"}
    asyncio.run(wrapped(socket_scope(path_params=params), receiver(), swallow))
    [connected, _] = recorder.sockets()
    assert (connected["group"], connected["user"], connected["connections"]) == ("7", "x" * 128, 1)


def test_outside_of_a_connection() -> None:
    """TTY-6: naming a group outside of a WebSocket does nothing."""
    websocket(group="nobody")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), ("", None), (7, "7"), ("a\nb", "'a\\nb'"), ("x" * 999, "x" * 128)]
)
def test_names_are_bounded_text(value: object, expected: str | None) -> None:
    """TTY-6: a group's or user's name is short and printable, whatever a client put into it."""
    assert named(value) == expected


def test_tally_is_bounded() -> None:
    """API-4, TTY-6: beyond its limit of names, connections count under "other"; leaving empties it again."""
    tally = Tally()
    entered = [tally.enter(f"group {number}") for number in range(NAME_LIMIT + 10)]
    assert entered.count(OTHER) == 10
    assert tally.get(OTHER) == 10
    shown = tally.top()
    assert len(shown) == SHOWN_LIMIT + 1
    assert sum(shown.values()) == NAME_LIMIT + 10
    for name in entered:
        tally.leave(name)
    assert set(tally.top().values()) == {0}
    assert tally.top() == {}


def test_tally_shows_the_largest() -> None:
    """API-4: the largest groups are named; one that has emptied is said to be 0 once, then not at all."""
    tally = Tally()
    for number in range(SHOWN_LIMIT + 5):
        tally.enter(f"{number:03}")
    for _ in range(3):
        tally.enter("100")
    assert next(iter(tally.top().items())) == ("100", 3)
    for _ in range(3):
        tally.leave("100")
    assert tally.top()["100"] == 0
    assert "100" not in tally.top()


def test_own_failures_stay_inside() -> None:
    """TTY-6: when recording a connection fails, the connection does not."""

    class Broken(ListRecorder):
        def append(self, fact: Any) -> None:
            raise MemoryError("no room")

    recorder = Broken()
    wrapped = capture(script(ACCEPT), recorder)
    assert asyncio.run(wrapped(socket_scope(), receiver(), swallow)) == "result"
    assert [where for where, _ in recorder.failures] == ["capture", "capture"]
    assert recorder.samples()["websocket.connections", ""] == 0
