"""What an application declares, used as a viewer does: over HTTP, against the whole dashboard."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.test_dashboard import ask

import fanlight
from fanlight import Fanlight, FanlightError, declared
from fanlight.panels import Slot, Stat, Table, Text, View


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


def test_a_panel_is_in_every_face(dashboard: Fanlight) -> None:
    """X-5, OBS-3: the design's example, on the overview, as both fragments and as data."""

    @dashboard.panel("Recent uploads", every=10)
    def recent_uploads() -> Table:
        return Table(columns=["name", "size"], rows=[["<b>report</b>.pdf", 48_213]])

    client = Client(dashboard)
    escaped = "&lt;b&gt;report&lt;/b&gt;.pdf"
    overview = client.ask("")[1]
    assert overview.index("Of the application") < overview.index('id="panel-recent-uploads"')
    assert escaped in overview
    assert escaped in client.ask("/recent-uploads-partial")[1]
    assert escaped in client.ask("/api/recent-uploads-html")[1]
    panel = client.ask("/api/panels/recent-uploads")[1]["panel"]
    assert (panel["panel"], panel["rows"][0]["values"]) == ("table", ["<b>report</b>.pdf", 48_213])


def test_a_panel_stands_on_the_page_it_names(dashboard: Fanlight) -> None:
    """X-5: another page, or none."""
    dashboard.panel("Queue", page="data", name="queue")(dict)
    dashboard.panel("Hidden", page=None, name="hidden")(dict)
    client = Client(dashboard)
    assert 'id="panel-queue"' in client.ask("/data")[1]
    assert 'id="panel-queue"' not in client.ask("")[1]
    assert client.ask("/hidden-partial")[0] == 200


def test_a_page_is_in_the_menu_and_its_panels_in_the_api(dashboard: Fanlight) -> None:
    """X-5: a page of its own, at pages/{name}."""

    @dashboard.page("Uploads")
    async def all_uploads() -> list[Any]:
        return [{"count": 7}, "prose"]

    client = Client(dashboard)
    assert '<a href="pages/all-uploads"' in client.ask("")[1]
    status, html = client.ask("/pages/all-uploads")
    assert status == 200
    assert 'id="panel-all-uploads-2"' in html
    assert client.ask("/api/panels/all-uploads-1")[1]["panel"]["facts"][0]["value"] == 7
    assert client.ask("/api/pages/pages/all-uploads")[1]["title"] == "Uploads"
    assert client.ask("/pages/nope")[0] == 404
    assert client.ask("/api/panels/all-uploads-9")[0] == 404


def test_a_page_of_the_application_is_the_overview(dashboard: Fanlight) -> None:
    """HUB-1, ORC-9, X-5: a page of the application stands at P, made of its own panels and of built-in ones, each as
    wide as it says; its panels answer under their names, and what others put on the overview stays."""

    @dashboard.panel("Queue")
    def queue() -> str:
        return "of another module"

    @dashboard.page("Hub", replaces="overview")
    def hub() -> list[Any]:
        stats = Slot(name="stats", build=lambda snapshot, view: Text(title="Prompts", text="seven"))
        return [dashboard.slot("health", span=6), stats, dashboard.slot("queue"), Stat(title="Open", value=3)]

    client = Client(dashboard)
    html = client.ask("")[1]
    assert '<a href="./" aria-current="page"' in html
    assert [name for name in ("health", "stats", "queue", "overview-4", "routes") if f'id="panel-{name}"' in html] == [
        "health", "stats", "queue", "overview-4",
    ]  # fmt: skip
    assert html.count("of another module") == 1
    assert "seven" in client.ask("/stats-partial")[1]
    assert client.ask("/api/pages/overview")[1]["title"] == "Hub"
    assert client.ask("/api/panels/overview-4")[1]["panel"]["value"] == 3


def test_pages_and_places_without_sense_are_refused(dashboard: Fanlight) -> None:
    """X-5: a page that replaces none, one built-in page replaced twice, and a panel there is not."""
    with pytest.raises(FanlightError, match="replaces='home'; expected one of overview"):
        dashboard.page("Hub", replaces="home")(list)
    dashboard.page("Hub", replaces="overview")(list)
    with pytest.raises(FanlightError, match="there is a page overview already"):
        dashboard.page("Hub", replaces="overview")(list)
    with pytest.raises(FanlightError, match="no panel 'nope' to put on a page; there is actions, "):
        dashboard.slot("nope")


def test_broken_panels_hurt_nothing_else(dashboard: Fanlight) -> None:
    """X-5: one that raises, one that hangs, one of 100,000 rows, one that cannot be drawn, and the page is whole."""
    release = threading.Event()
    dashboard.panel("Raises", name="raises")(lambda: 1 / 0)
    dashboard.panel("Hangs", name="hangs")(release.wait)
    dashboard.panel("Long", name="long")(lambda: [[number] for number in range(100_000)])
    dashboard.panel("Odd", name="odd")(lambda: Stat(value="many"))  # type: ignore[arg-type]  # the point
    client = Client(dashboard)
    status, html = client.ask("")
    release.set()
    assert status == 200
    assert "ZeroDivisionError: division by zero" in html
    assert "Being made." in html
    assert "99\u202f500 more not shown" in html
    assert 'id="panel-odd"' in html
    assert 'id="panel-routes"' in html
    status, body = asyncio.run(ask(client.app, "/dashboard/api/panels/long"))
    assert (status, len(json.loads(body)["panel"]["rows"])) == (200, 500)


def test_panels_are_asked_only_while_somebody_looks(dashboard: Fanlight) -> None:
    """X-5: nobody looks, nothing is asked; a page without the panel asks nothing either."""
    calls: list[int] = []
    dashboard.panel("Queue", name="queue")(lambda: calls.append(1))
    client = Client(dashboard)
    dashboard.pulse.tick()
    client.ask("/system")
    assert calls == []
    client.ask("")
    assert calls == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "routes"}, "there is a panel routes already"),
        ({"name": "taken"}, "there is a panel taken already"),
        ({"page": "nowhere"}, "expected None or one of overview"),
        ({"every": 0.1}, "every=0.1; expected seconds, 1 to 86400"),
        ({"timeout": 600}, "timeout=600; expected seconds, at most 60"),
        ({"span": 13}, "span=13; expected 1 to 12 columns"),
    ],
)
def test_a_panel_without_sense_is_refused(dashboard: Fanlight, options: dict[str, Any], message: str) -> None:
    """X-5: a name of a built-in panel or of another's, and numbers out of their ranges, are errors when declared."""
    dashboard.panel("Taken", name="taken")(dict)
    with pytest.raises(FanlightError, match=re.escape(message)):
        dashboard.panel("Queue", **{"name": "queue", **options})(dict)


def test_a_page_declared_twice_is_refused(dashboard: Fanlight) -> None:
    """X-5: one name, one page; their number is bounded."""
    dashboard.page("Uploads", name="uploads")(list)
    with pytest.raises(FanlightError, match="there is a page uploads already"):
        dashboard.page("Uploads", name="uploads")(list)
    for number in range(declared.PANEL_LIMIT - 1):
        dashboard.page("More", name=f"more-{number}")(list)
    with pytest.raises(FanlightError, match="one too many"):
        dashboard.page("More", name="more")(list)


def test_names_with_slashes_are_reached(dashboard: Fanlight) -> None:
    """HUB-3, HUB-8, ORC-3: a service `org/model` has its page, its health, its figures, its restart and its breaker."""
    restarted: list[str] = []
    dashboard.service("org/model", kind="llm", breaker=True, restart=lambda: restarted.append("org/model"))
    client = Client(dashboard)
    dashboard.start()
    with dashboard.call("org/model", "chat", kind="llm"):
        pass
    eventually(lambda: client.ask("/health/org/model")[0] == 200)
    assert client.ask("/health/org/model")[1]["name"] == "org/model"
    assert client.ask("/api/wrappers/org/model/metrics")[0] == 200
    assert client.ask("/api/pages/services")[0] == 200
    assert 'href="services/org%2Fmodel"' in client.ask("/services")[1]
    assert "actions/breakers/org%2Fmodel/trip" in client.ask("/services/org/model")[1]
    assert client.post("/actions/restart/org/model")["status"] == "success"
    assert restarted == ["org/model"]
    assert client.post("/actions/breakers/org/model/trip")["status"] == "success"
    eventually(lambda: client.ask("/health/org/model")[1]["breaker"]["state"] == "open")
    assert client.post("/actions/breakers/org/model/reset")["status"] == "success"
    assert client.ask("/health/org/none")[0] == 404
    assert client.ask("/actions/restart/org/none", "POST")[0] == 404
