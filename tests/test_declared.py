"""What an application declares, used as a viewer does: over HTTP, against the whole dashboard."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.test_dashboard import ask

import fanlight
from fanlight import Fanlight, FanlightError, declared
from fanlight.panels import View


@pytest.fixture
def dashboard() -> Iterator[Fanlight]:
    made = Fanlight("shop", local_role="operator")
    yield made
    made.close()


def nothing() -> None:
    """What the application declares where it does not matter what."""


class Client:
    """Asks an application with the dashboard around it."""

    def __init__(self, dashboard: Fanlight) -> None:
        self.dashboard = dashboard
        self.app = Starlette()
        dashboard.install(self.app)

    def ask(self, path: str, method: str = "GET") -> tuple[int, Any]:
        status, body = asyncio.run(ask(self.app, f"/dashboard{path}", method))
        return status, json.loads(body) if body.startswith(b"{") else body.decode()

    def post(self, path: str) -> Any:
        return self.ask(path, "POST")[1]


def eventually(check: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if check():
            return
        pause.wait(0.01)
    raise AssertionError("never came true")


def test_an_action_is_done_when_it_is_told(dashboard: Fanlight) -> None:
    """HUB-7, X-5: one decorator, and the action is run over HTTP, reported after it happened, in feed and audit."""
    done: list[str] = []

    @dashboard.action("Re-index", confirm="All of it?")
    def re_index() -> str:
        done.append("now")
        return "12 documents"

    client = Client(dashboard)
    answer = client.post("/actions/re-index")
    assert (answer["status"], answer["message"]) == ("success", "Re-index: done: 12 documents")
    assert done == ["now"]
    assert client.ask(f"/api/runs/{answer['run']}")[1]["status"] == "success"
    dashboard.pulse.tick()
    snapshot = dashboard.query.snapshot(View())
    (event,) = snapshot.events
    assert event.data["type"] == "action"
    assert event.data["fields"]["message"] == "Re-index: done: 12 documents"
    outcomes = [record.data["fields"]["outcome"] for record in snapshot.audit]
    assert outcomes == ["success: Re-index: done: 12 documents", "allowed"]


def test_an_action_is_a_button_in_every_face(dashboard: Fanlight) -> None:
    """X-5: the panel of actions shows it with its fields, as HTML and as data, and what became of it last."""

    @dashboard.action("Re-index", name="index")
    async def anything(limit: int = 3) -> None:
        raise OSError("disk full")

    client = Client(dashboard)
    assert client.post("/actions/index")["message"].endswith("OSError: disk full")
    dashboard.pulse.tick()
    (button,) = client.ask("/api/panels/actions")[1]["panel"]["buttons"]
    assert (button["action"], button["fields"][0]["name"], button["state"]) == ("actions/index", "limit", "error")
    html = client.ask("/actions-partial")[1]
    assert 'data-action="actions/index"' in html
    assert "OSError: disk full" in html


def test_a_long_action_answers_running_and_can_be_followed(
    dashboard: Fanlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HUB-7: after a while the answer is "running" with a run to follow; success comes when it happened."""
    monkeypatch.setattr(declared, "ANSWER_SECONDS", 0.05)
    release = threading.Event()

    @dashboard.action("Re-index")
    def reindex() -> None:
        fanlight.progress(1, 2)
        release.wait()

    client = Client(dashboard)
    status, answer = client.ask("/actions/reindex", "POST")
    assert (status, answer["status"]) == (202, "running")
    assert client.ask(f"/api/runs/{answer['run']}")[1]["status"] == "running"
    release.set()
    eventually(lambda: client.ask(f"/api/runs/{answer['run']}")[1]["status"] == "success")


def test_names_that_clash_are_refused(dashboard: Fanlight) -> None:
    """X-5: two actions of one name are an error when declared, as is one without a title."""
    dashboard.action("One")(nothing)
    with pytest.raises(FanlightError, match="declared twice"):
        dashboard.action("Two")(nothing)
    with pytest.raises(FanlightError, match="expected its title"):
        dashboard.action(nothing)  # type: ignore[arg-type]  # the point


def test_a_disabled_dashboard_takes_declarations() -> None:
    """X-5: FANLIGHT_ENABLED=0 leaves the application's functions as they are."""
    made = Fanlight("off", enabled=False)

    @made.action("Re-index")
    def reindex() -> int:
        return 3

    assert reindex() == 3
    assert "engine" not in vars(made)
