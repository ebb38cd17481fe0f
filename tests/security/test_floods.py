"""Requests made to be expensive: none keeps the service behind the dashboard waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.security.wire import PARSERS, Parser, Wire, dashboard, served

from fanlight.faces.web.app import HEAD_LIMIT, header_texts

LOCAL = "Host: localhost"


@pytest.fixture(scope="module", params=PARSERS)
def door(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """A dashboard with a token."""
    parser: Parser = request.param
    with served(dashboard(token="operator-token-0123456789")[0], parser) as wire:
        yield wire


@pytest.mark.parametrize(
    "header", ["a: b\r\n" * 20_000, f"Cookie: {'a=b;' * 40_000}\r\n", f"Host: {'a.' * 60_000}\r\n",
               f"Via: {'x,' * 60_000}\r\n", f"Authorization: Bearer {'a' * 120_000}\r\n",
               f"X-Forwarded-Prefix: {'/a' * 60_000}\r\n"],
)  # fmt: skip
def test_a_huge_head_is_turned_away_unread(door: Wire, header: str) -> None:
    """X-6: servers differ in how much of a head they take; of more than 64 KiB nothing is looked at."""
    answer = door.send(f"GET /dashboard HTTP/1.1\r\n{header}Connection: close\r\n\r\n".encode())
    assert answer.status in (0, 400, 431)


def test_a_head_within_the_limit_is_read() -> None:
    """X-6: what ordinary proxies let through is answered."""
    with served(dashboard()[0], "httptools") as wire:
        assert wire.ask("GET /dashboard/health", LOCAL, f"X-Long: {'a' * (HEAD_LIMIT // 2)}").status == 200


def test_repeated_headers_are_joined_once_each() -> None:
    """X-6: joining is linear in what came; each value is copied once, in order."""
    headers = [(b"X-A", b"1"), (b"x-a", b"2"), (b"Cookie", b"a=1"), (b"cookie", b"b=2")] * 2
    assert header_texts({"headers": headers}) == {"x-a": "1, 2, 1, 2", "cookie": "a=1; b=2; a=1; b=2"}


@pytest.mark.parametrize(
    "body", [b"a=b&" * 1_000, b"&" * 4_000 + b"token=x", b"token=" + b"%ff" * 1_000, b"a" * 100_000]
)
def test_a_login_form_of_any_shape_is_answered(door: Wire, body: bytes) -> None:
    """X-6: forms with too many fields or bytes are refused, and never a failure of ours."""
    assert door.ask("POST /dashboard/login", LOCAL, body=body).status in (401, 413, 429)


def test_refused_forms_are_no_failures_of_the_dashboard() -> None:
    """X-6: a stranger cannot fill the list of Fanlight's own failures."""
    face, service = dashboard(token="operator-token-0123456789")
    with served(face) as wire:
        assert wire.ask("POST /dashboard/login", "Host: chat.example", body=b"a=b&" * 1_000).status == 413
    assert service.recorder.last_failure == ""


def test_a_query_of_very_many_parameters_is_answered() -> None:
    """X-6: ten thousand parameters are either refused by their size or read as the defaults."""
    query = "&".join(f"p{number}={number}" for number in range(10_000))
    with served(dashboard()[0], "h11", h11_max_incomplete_event_size=1_000_000) as wire:
        assert wire.ask(f"GET /dashboard/?{query}", LOCAL).status == 431
        assert wire.ask(f"GET /dashboard/?{query[:20_000]}", LOCAL).status == 200


def test_a_web_socket_with_a_huge_head_is_closed() -> None:
    """X-6: a handshake is measured like a request."""
    face, _ = dashboard()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "websocket", "path": "/dashboard/live", "headers": [(b"a", b"b" * HEAD_LIMIT)]}
    asyncio.run(face(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]
