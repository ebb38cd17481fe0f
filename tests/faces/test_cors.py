"""CORS: which pages of other origins may read the numbers from a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.faces.service import ScriptedService
from tests.faces.serving import Reply, Served, context_of, serving, under

from fanlight.faces import api
from fanlight.faces.web.app import WebFace

BOARD = "https://board.example"
OTHER = "https://evil.example"


@contextmanager
def dashboard(**settings: Any) -> Iterator[Served]:
    """A dashboard with its JSON routes, served."""
    context = context_of(ScriptedService(**settings))
    with serving(under(WebFace(context, api.routes(context)), context.settings.prefix)) as served:
        yield served


def test_off_by_default() -> None:
    """ORC-8: without the setting no origin is told that it may read anything."""
    with dashboard() as served:
        answer = served.ask("/dashboard/api/data", Origin=BOARD)
        preflight = served.ask("/dashboard/api/data", "OPTIONS", Origin=BOARD, Access_Control_Request_Method="GET")
    assert answer.status == 200
    assert not [name for reply in (answer, preflight) for name in reply.headers if name.startswith("access-control")]
    assert preflight.status == 405


@pytest.mark.parametrize("path", ["/api/data", "/metrics", "/health", "/api/nothing"])
def test_a_named_origin_may_read(path: str) -> None:
    """ORC-8: a page of a named origin may read JSON and metrics, errors too, without cookies; another's may not."""
    with dashboard(cors_origins=(BOARD,)) as served:
        named = served.ask(f"/dashboard{path}", Origin=BOARD)
        unnamed = served.ask(f"/dashboard{path}", Origin=OTHER)
    assert named.headers["access-control-allow-origin"] == BOARD
    assert named.headers["vary"]
    assert "access-control-allow-credentials" not in named.headers
    assert "access-control-allow-origin" not in unnamed.headers


def test_pages_and_actions_stay_closed() -> None:
    """ORC-8, X-6: what a person looks at and what changes something is never shared with another origin."""
    with dashboard(cors_origins=(BOARD,), local_role="operator") as served:
        page = served.ask("/dashboard", Origin=BOARD)
        action = served.ask(
            "/dashboard/actions/clear-cache", "OPTIONS", Origin=BOARD, Access_Control_Request_Method="POST"
        )
        post = served.ask("/dashboard/actions/clear-cache", "POST", Origin=BOARD)
    assert not [n for reply in (page, action, post) for n in reply.headers if n.startswith("access-control")]
    assert post.status == 403


def test_a_preflight_lets_reading_with_a_token_through_and_nothing_else() -> None:
    """ORC-8: the browser's question is answered for GET with a bearer token; for POST it is a no."""
    with dashboard(cors_origins=(BOARD,), token="operator-token-0123456789") as served:

        def preflight(method: str) -> Reply:
            wanted = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": "authorization"}
            return served.ask("/dashboard/api/data", "OPTIONS", None, Origin=BOARD, **wanted)

        read, write = preflight("GET"), preflight("POST")
        unread = served.ask("/dashboard/api/data", Origin=BOARD)
    assert (read.status, write.status, unread.status) == (200, 400, 401)
    assert read.headers["access-control-allow-methods"] == "GET"
    assert "authorization" in read.headers["access-control-allow-headers"].lower()
    assert unread.headers["access-control-allow-origin"] == BOARD
