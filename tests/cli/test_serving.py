"""What stands between the server and the application."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fanlight.capture.exchange import UNOWNED
from fanlight.cli.serving import Answer, Front


def answering(status: int, body: bytes, seen: list[Any]) -> Any:
    """An application that answers the same to everything and notes the scopes it got."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"."})

    return app


def asked(status: int, **scope: Any) -> tuple[int, bytes, list[Any]]:
    """Status and body a client gets from an application of this status, and the scopes the dashboard got."""
    sent: list[Any] = []
    reached: list[Any] = []
    front = Front(answering(status, b"own", []), answering(200, b"dashboard", reached), "/glass")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    asyncio.run(front({"type": "http", "method": "GET", "path": "/health", **scope}, receive, send))
    return sent[0]["status"], b"".join(each["body"] for each in sent[1:]), reached


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_a_missing_route_is_the_dashboards(method: str, path: str) -> None:
    """API-10: where the application answers 404 the dashboard's own route answers, and nothing of the 404 is left."""
    status, body, reached = asked(404, method=method, path=path)
    assert (status, body) == (200, b"dashboard.")
    assert (reached[0]["path"], reached[0]["raw_path"]) == (f"/glass{path}", f"/glass{path}".encode())


@pytest.mark.parametrize(
    ("status", "scope"),
    [
        (200, {}),
        (503, {}),
        (404, {"method": "POST"}),
        (404, {"path": "/healthy"}),
        (404, {"path": "/x/health"}),
    ],
)
def test_what_the_application_answers_stays(status: int, scope: dict[str, Any]) -> None:
    """X-8: any other answer, path and method are the application's, unchanged."""
    assert asked(status, **scope) == (status, b"own.", [])


def test_behind_a_sub_path_the_dashboard_gets_it_too() -> None:
    """API-10: with a root path the route is found inside it, and the dashboard's path has it in front."""
    _, body, reached = asked(404, path="/proxy/health", root_path="/proxy")
    assert body == b"dashboard."
    assert reached[0]["path"] == "/proxy/glass/health"


def test_the_capture_is_told_that_a_404_may_not_be_seen() -> None:
    """API-10: the scope is marked, and the server's own scope is not."""
    seen: list[Any] = []
    scope = {"type": "http", "method": "GET", "path": "/health"}

    async def send(message: Any) -> None:
        return None

    asyncio.run(Front(answering(200, b"own", seen), answering(200, b"", []), "/glass")(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    assert seen[0][UNOWNED] is True
    assert UNOWNED not in scope


def test_other_protocols_pass() -> None:
    """X-8: WebSockets and the lifespan go to the application as they are."""
    seen: list[Any] = []
    scope = {"type": "websocket", "path": "/health"}

    async def send(message: Any) -> None:
        return None

    asyncio.run(Front(answering(404, b"", seen), answering(200, b"", []), "/glass")(scope, None, send))  # type: ignore[arg-type]  # nothing is received
    assert seen == [scope]
    assert seen[0] is scope


def test_an_answer_is_passed_on_as_it_comes() -> None:
    """TTY-6: nothing is held back of an answer that is not a 404."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    answer = Answer(send)
    asyncio.run(answer({"type": "http.response.start", "status": 200}))
    assert len(sent) == 1
    assert not answer.unowned
