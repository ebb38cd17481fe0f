"""Watching: who gets a call, what is refused, and that a library is changed once and left as it was."""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

import httpx
import pytest
from tests.capture.clients.conftest import SETTINGS, Watched
from tests.capture.conftest import PATIENCE, serving

from fanlight import Fanlight, FanlightError
from fanlight.capture.clients import LIBRARIES, library
from fanlight.core.context import unwatched
from fanlight.panels import View


def test_an_unknown_library_is_refused_with_those_known(watched: Watched) -> None:
    """X-4: the error lists what there is to watch, and nothing of the call happens."""
    with pytest.raises(FanlightError, match=r"watch\(\) got 'curl'; expected one of aiohttp, .*httpx"):
        watched.watch("httpx", "curl")
    assert not LIBRARIES["httpx"].watchers


def test_an_absent_library_names_what_to_install(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-4: a library that is not installed is an error with the command that installs it."""
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(FanlightError, match=r"pip install 'fanlight\[requests\]'"):
        watched.watch("requests")
    assert not LIBRARIES["requests"].watchers


def test_two_dashboards_change_a_library_once(watched: Watched, server: int) -> None:
    """X-4: outside any request each of those that watch has the call; the last one to go restores the library."""
    second, original = Watched(), httpx.Client.send
    watched.watch("httpx")
    changed = httpx.Client.send
    second.watch("httpx", names={"127.0.0.1": "users"})
    assert httpx.Client.send is changed
    httpx.get(f"http://127.0.0.1:{server}/")
    assert watched.only()["operation"] == "GET /"
    assert second.only()["operation"] == "GET /"
    second.dashboard.close()
    assert httpx.Client.send is changed
    watched.dashboard.close()
    assert httpx.Client.send is original


def test_a_call_belongs_to_the_dashboard_whose_request_is_served(server: int) -> None:
    """X-4: of two services in one process each sees its own calls, with the correlation ID of the request."""
    dashboards = [Fanlight(name, **SETTINGS) for name in ("one", "two")]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with httpx.AsyncClient() as client:
            await client.get(f"http://127.0.0.1:{server}{scope['path']}")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    for dashboard in dashboards:
        dashboard.watch("httpx")
    with serving(dashboards[0].asgi(app)) as first, serving(dashboards[1].asgi(app)) as second:
        for port, path in ((first, "/a"), (second, "/b")):
            token = unwatched.set(True)
            httpx.get(f"http://127.0.0.1:{port}{path}")
            unwatched.reset(token)
        for dashboard, path in zip(dashboards, ("/a", "/b"), strict=True):
            assert _operations(dashboard) == {f"GET {path}"}
    for dashboard in dashboards:
        dashboard.close()


def _operations(dashboard: Fanlight) -> set[str]:
    """The operations called, as soon as there are any."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = {operation.operation for operation in dashboard.query.snapshot(View()).operations}
        if found:
            return found
        time.sleep(0.02)
    return set()


def test_what_an_adapter_cannot_read_is_counted_and_the_call_made(
    watched: Watched, server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-4: a failure of Fanlight's own never reaches the application."""
    watched.watch("httpx")
    monkeypatch.setattr("fanlight.capture.clients.exchanges.collapse", lambda path: 1 / 0)
    assert httpx.get(f"http://127.0.0.1:{server}/").status_code == 200
    assert "ZeroDivisionError" in watched.dashboard.recorder.last_failure


def test_a_dashboard_started_again_watches_again(watched: Watched, server: int) -> None:
    """X-4: `close` ends watching, `start` begins it again with the same names."""
    watched.watch("httpx", names={"127.0.0.1": "users"})
    watched.dashboard.close()
    watched.dashboard.start()
    assert len(LIBRARIES["httpx"].watchers) == 1
    watched.dashboard.close()
    assert not library("httpx").watchers


def test_a_dashboard_that_is_switched_off_changes_nothing(server: int) -> None:
    """X-4: FANLIGHT_ENABLED=0 makes `watch` a pass-through."""
    original = httpx.Client.send
    Fanlight("off", enabled=False).watch("httpx", "requests")
    assert httpx.Client.send is original


def test_a_dropped_dashboard_ceases_to_watch() -> None:
    """X-4: a dashboard nobody holds any more leaves the library as it was."""
    Fanlight("dropped", **SETTINGS).watch("httpx")
    gc.collect()
    assert not LIBRARIES["httpx"].watchers
