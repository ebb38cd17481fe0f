"""Section A of the requirements, row by row, on a running gateway: simulated models and real MCP servers."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mcp
import pytest
from tests.gateway.conftest import provided
from tests.gateway.mcp.servers import ASK, OLD_ERA, PATIENCE, QUICK, TIME, is_gone, until
from tests.gateway.serving import served

from fanlight import Fanlight
from fanlight.cli.serving import Front
from fanlight.gateway.app import Gateway

TEXT = (
    provided({"sim": 'kind = "simulated"\nspeed = 1000', "ollama": 'kind = "ollama"\nbase_url = "http://127.0.0.1:9"'})
    + TIME
    + OLD_ERA
    + """
[mcp.absent]
command = "/nonexistent/server"
[enhancement]
model = "llama-sim"
[pipelines.report]
confirm = "Make the report now?"
input = { zone = "UTC" }
steps = [{ tool = "time/get_current_time", arguments = { timezone = "{zone}" } }]
"""
)
JSON = {"Content-Type": "application/json"}
CHAT = {"model": "gpt-sim", "messages": [{"role": "user", "content": "hello"}]}


class Hub(NamedTuple):
    """A gateway as its command serves it."""

    address: str
    gateway: Gateway

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and text of an answer."""
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), JSON)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        status, text = self.ask("GET", path)
        return status, json.loads(text)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        status, text = self.ask("POST", path, body)
        return status, json.loads(text)

    def text(self, path: str) -> str:
        """The text of a page or a fragment, its tags taken out."""
        status, html = self.ask("GET", path)
        assert status == 200, path
        return " ".join(re.sub(r"<[^>]*>", " ", html.replace("<wbr>", "")).split())

    def panel(self, name: str) -> Any:
        return self.get(f"/dashboard/api/panels/{name}")[1]["panel"]

    def rows(self, name: str) -> dict[str, dict[str, Any]]:
        """The rows of a table by their first value."""
        panel = self.panel(name)
        names = [column["name"] for column in panel["columns"]]
        return {row["values"][0]: dict(zip(names, row["values"], strict=True)) for row in panel["rows"]}

    def facts(self, name: str) -> dict[str, Any]:
        return {fact["name"]: fact["value"] for fact in self.panel(name)["facts"]}


@contextmanager
def hub_in(folder: Path) -> Iterator[Hub]:
    (folder / "hub.toml").write_text(TEXT)
    dashboard = Fanlight("gateway", local_role="operator", store=f"sqlite:///{folder}/f.db")
    made = Gateway(dashboard, folder / "hub.toml", environ={"PATH": "/usr/bin:/bin"}, policy=QUICK)
    with served(Front(dashboard.asgi(made), dashboard.face, "/dashboard", api=True)) as address:
        yield Hub(address, made)
    dashboard.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub_in(tmp_path_factory.mktemp("hub")) as made:
        until(lambda: made.gateway.servers.tools.status("time").state == "ready")
        yield made


def test_hub_1_the_dashboard_is_the_hub(hub: Hub) -> None:
    """HUB-1: P loads with services, breakers, enhancement, activity and actions, and needs nothing from elsewhere."""
    said = hub.text("/dashboard")
    for title in ("Health", "Circuit breakers", "Enhancement", "Recent activity", "Quick actions", "Model usage"):
        assert title in said
    html = hub.ask("GET", "/dashboard")[1]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)
    assert hub.get("/dashboard/api/pages/overview")[1]["title"] == "Hub"


def test_the_feed_says_what_comes_there(hub: Hub) -> None:
    """HUB-1, X-5: nothing on the hub tells its operator to write code."""
    for path in ("/dashboard/api/panels/events", "/dashboard/api/events-html", "/dashboard"):
        status, text = hub.ask("GET", path)
        assert status == 200
        assert "dashboard.event(" not in text, path
    assert "breakers that open" in hub.ask("GET", "/dashboard/api/panels/events")[1]


def test_hub_2_health_of_all(hub: Hub) -> None:
    """HUB-2: every MCP server, every provider and the router itself say how they are; what is not there is down."""

    def states() -> dict[str, str]:
        return {item["name"]: item["state"] for item in hub.panel("health")["items"]}

    expected = {"time": "ok", "old": "ok", "sim": "ok", "absent": "error", "ollama": "error"}
    until(lambda: expected.items() <= states().items())
    assert "gateway" in states()
    assert "cannot be started" in hub.text("/dashboard/services/absent")


def test_hub_3_circuit_breakers(hub: Hub) -> None:
    """HUB-3: state, failures and last failure of each breaker, servers and providers alike; a tripped one is open."""
    hub.post("/v1/chat/completions", CHAT | {"model": "llama-sim-fail-503"})
    until(lambda: (hub.rows("breakers")["sim"]["failures"] or 0) >= 1)
    assert {"time", "old", "absent", "sim", "ollama"} <= set(hub.rows("breakers"))
    assert "503" in hub.rows("breakers")["sim"]["why"]
    assert hub.rows("breakers")["sim"]["last"]
    assert hub.post("/dashboard/actions/breakers/old/trip")[1]["status"] == "success"
    until(lambda: hub.rows("breakers")["old"]["state"] == "open")
    assert hub.post("/mcp/old/tools/call", {"name": "echo"})[0] == 503
    assert hub.post("/dashboard/actions/breakers/old/reset")[1]["status"] == "success"
    until(lambda: hub.rows("breakers")["old"]["state"] == "closed")
    assert hub.post("/mcp/old/tools/call", {"name": "echo"})[0] == 200


def test_hub_4_the_enhancement_cache(hub: Hub) -> None:
    """HUB-4: hits, misses, their rate and the true number of prompts cached, at `stats-partial`."""
    hub.post("/dashboard/actions/clear-cache")
    before = hub.facts("stats")
    for prompt in ("one", "one", "two"):
        assert hub.post("/ollama/enhance", {"prompt": prompt})[0] == 200
    until(lambda: hub.facts("stats")["Prompts cached"] == 2)
    after = hub.facts("stats")
    assert (after["Cache hits"] - before["Cache hits"], after["Cache misses"] - before["Cache misses"]) == (1, 2)
    assert after["Hit rate"] == after["Cache hits"] / (after["Cache hits"] + after["Cache misses"])
    assert "Prompts cached 2" in hub.text("/dashboard/stats-partial")


def test_hub_5_models_and_slowest_operations(hub: Hub) -> None:
    """HUB-5: calls and mean time of each model; the slowest operations, tools among them."""
    assert hub.post("/v1/chat/completions", CHAT)[0] == 200
    assert hub.post("/mcp/time/tools/call", ASK)[0] == 200
    until(lambda: "gpt-sim" in hub.rows("hub-models"))
    row = hub.rows("hub-models")["gpt-sim"]
    assert row["calls"] >= 1
    assert row["mean"] > 0
    assert row["output"] > 0
    until(lambda: {"sim chat", "time get_current_time"} <= set(hub.rows("slowest-operations")))


def test_hub_6_recent_activity(hub: Hub) -> None:
    """HUB-6: the last requests with time, method, path, status and duration, at most 50; errors stand out."""
    for _ in range(60):
        hub.get("/v1/models")
    assert hub.post("/v1/chat/completions", CHAT | {"model": "none"})[0] == 404
    until(lambda: any(row["values"][3] == 404 for row in hub.panel("activity")["rows"]))
    panel = hub.panel("activity")
    assert [column["name"] for column in panel["columns"]] == ["time", "method", "path", "status", "duration"]
    assert len(panel["rows"]) == 50
    states = {row["values"][3]: row["state"] for row in panel["rows"]}
    assert (states[200], states[404]) == ("ok", "warn")
    assert "/v1/models" in hub.text("/dashboard/activity-partial")


def test_hub_7_quick_actions(hub: Hub) -> None:
    """HUB-7: clear the cache, restart a server, run a pipeline: each asks before, is done when it says so, and its
    outcome stands on the page."""
    buttons = {button["action"]: button for button in hub.panel("actions")["buttons"]}
    assert buttons["actions/clear-cache"]["confirm"]
    assert buttons["actions/restart/time"]["confirm"] == "Restart time?"
    assert buttons["actions/pipelines/report"]["confirm"] == "Make the report now?"
    hub.post("/ollama/enhance", {"prompt": "one"})
    assert hub.post("/dashboard/actions/clear-cache")[1]["status"] == "success"
    until(lambda: hub.facts("stats")["Prompts cached"] == 0)
    status, said = hub.post("/dashboard/actions/pipelines/report")
    assert (status, said["status"]) == (200, "success")
    assert "datetime" in said["message"]
    until(lambda: "ran 1 step" in hub.text("/dashboard/actions-partial"))


def test_hub_8_routes(hub: Hub) -> None:
    """HUB-8: every route of the document answers as it says, and what does not exist is 404."""
    status, health = hub.get("/health")
    assert (status, health["status"]) == (200, "ok")
    assert set(health["services"]) >= {"time", "old", "absent", "sim", "ollama"}
    assert {"name": "time", "kind": "mcp"}.items() <= hub.get("/health/time")[1].items()
    assert hub.get("/health/none")[0] == 404
    assert "Hub" in hub.text("/dashboard")
    assert "time" in hub.text("/dashboard/health-partial")
    assert "Cache hits" in hub.text("/dashboard/stats-partial")
    assert "Recent activity" in hub.text("/dashboard/activity-partial")
    cleared = hub.post("/dashboard/actions/clear-cache")[1]
    assert (cleared["status"], cleared["message"]) == ("success", "Clear caches: done: enhancement")
    before = hub.gateway.servers.tools.status("old").pid
    status, said = hub.post("/dashboard/actions/restart/old")
    after = hub.gateway.servers.tools.status("old").pid
    assert (status, said["status"]) == (200, "success")
    assert f"pid {after}" in said["message"]
    assert after != before
    assert is_gone(before)
    assert hub.post("/dashboard/actions/restart/none")[0] == 404


def test_hub_9_the_router(hub: Hub) -> None:
    """HUB-9: tools by plain HTTP and by MCP, and enhancement, with real servers behind."""
    status, result = hub.post("/mcp/time/tools/call", ASK)
    assert status == 200
    assert "datetime" in result["content"][0]["text"]
    assert asyncio.run(_tools_by_mcp(f"{hub.address}/mcp/old")) >= {"echo", "fail"}
    assert hub.post("/ollama/enhance", {"prompt": "hello"})[1]["prompt"]


async def _tools_by_mcp(url: str) -> set[str]:
    async with mcp.Client(url) as client:
        return {tool.name for tool in (await client.list_tools()).tools}


def test_hub_10_survives_a_restart(tmp_path: Path) -> None:
    """HUB-10: activity and cache statistics are there again when the gateway is."""
    with hub_in(tmp_path) as first:
        for _ in range(2):
            assert first.post("/ollama/enhance", {"prompt": "one"})[0] == 200
        until(lambda: first.facts("stats")["Prompts cached"] == 1)
    with hub_in(tmp_path) as second:
        until(lambda: second.facts("stats")["Prompts cached"] == 1)
        facts = second.facts("stats")
        assert (facts["Cache hits"], facts["Cache misses"]) == (1, 1)
        assert "/ollama/enhance" in second.text("/dashboard/activity-partial")


def test_hub_11_never_blocked(hub: Hub) -> None:
    """HUB-2, HUB-4, HUB-6, HUB-11: while a tool hangs, the page answers and its stream brings what happens."""
    hang = json.dumps({"name": "hang"})
    with (
        _asking(hub, "POST", "/mcp/old/tools/call", hang),
        _asking(hub, "GET", "/dashboard/live?page=overview") as live,
    ):
        for name in ("panel-health", "panel-stats", "panel-activity"):
            _read_until(live, name)
        assert hub.post("/ollama/enhance", {"prompt": "watched"})[0] == 200
        _read_until(live, "enhance")
        assert "Hub" in hub.text("/dashboard")


@contextmanager
def _asking(hub: Hub, method: str, path: str, body: str = "") -> Iterator[http.client.HTTPResponse]:
    """A request that is open meanwhile; the lines of its answer can be read."""
    host, _, port = hub.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(f"{head}{body}".encode())
        with http.client.HTTPResponse(connection, method=method) as answer:
            yield answer


def _read_until(answer: http.client.HTTPResponse, text: str) -> None:
    if answer.closed or not answer.headers:
        answer.begin()
    while text.encode() not in (line := answer.readline()):
        assert line, f"the stream ended before {text}"


def test_tty_7_tokens_of_the_real_responses(hub: Hub) -> None:
    """TTY-7, X-7: chat completions and messages, whole and streamed, count the tokens that their responses told; so do
    their cost's page, the hub and the API."""

    def counted() -> dict[str, tuple[int, int]]:
        tokens = {row["name"]: row["tokens"] for row in hub.get("/api/models")[1]["models"]}
        none = {"total": 0}
        return {
            model: (kinds.get("input", none)["total"], kinds.get("output", none)["total"])
            for model, kinds in tokens.items()
        }

    before = counted()
    told: dict[str, list[tuple[int, int]]] = {"gpt-sim": [], "claude-sim": []}
    for stream in (False, True):
        chat = CHAT | {"stream": stream} | ({"stream_options": {"include_usage": True}} if stream else {})
        for usage in _usages(hub, "/v1/chat/completions", chat):
            told["gpt-sim"].append((usage["prompt_tokens"], usage["completion_tokens"]))
        message = CHAT | {"model": "claude-sim", "max_tokens": 200, "stream": stream}
        usages = _usages(hub, "/v1/messages", message)
        told["claude-sim"].append((usages[0]["input_tokens"], usages[-1]["output_tokens"]))
    assert [len(each) for each in told.values()] == [2, 2]
    expected = {
        model: tuple(before.get(model, (0, 0))[place] + sum(pair[place] for pair in pairs) for place in (0, 1))
        for model, pairs in told.items()
    }
    until(lambda: expected.items() <= counted().items())
    rows = hub.rows("hub-models")
    assert {model: (rows[model]["input"], rows[model]["output"]) for model in told} == expected


def _usages(hub: Hub, path: str, body: Any) -> list[dict[str, Any]]:
    """Every usage an answer told, streamed or not."""
    with _asking(hub, "POST", path, json.dumps(body)) as answer:
        answer.begin()
        text = answer.read().decode()
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")] or [text]
    documents = [json.loads(event) for event in events]
    found = [each.get("usage") or each.get("message", {}).get("usage") for each in documents]
    return [usage for usage in found if usage]
