"""Pipelines of real steps: a tool, an enhancement, a completion, each fed by those before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.conftest import provided
from tests.gateway.mcp.servers import OLD_ERA, gateway, until
from tests.gateway.mcp.test_endpoint import asked
from tests.gateway.serving import served

from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from fanlight.gateway.config import ConfigError, load
from fanlight.gateway.pipeline_routes import template
from fanlight.gateway.pipelines import filled
from fanlight.gateway.runbook import Run, Runbook

TEXT = provided({"sim": 'kind = "simulated"\nspeed = 1000'}) + OLD_ERA
STEPS = """
[pipelines.Nightly_Report]
confirm = "Run it?"
input = { topic = "windows", reader = "" }
steps = [
    { name = "shorter", enhance = "say {topic}", model = "llama-sim" },
    { complete = "About {shorter}", model = "gpt-sim" },
    { tool = "old/echo", arguments = { of = "{topic}", to = "{reader}", none = "{x}", said = ["{shorter}", "{2}"] } },
]
[pipelines.failing]
steps = [{ name = "bad", tool = "old/fail" }, { complete = "never", model = "gpt-sim" }]
[pipelines.hanging]
steps = [{ name = "first", tool = "old/echo" }, { name = "second", tool = "old/hang" }]
"""
OFTEN = """
[pipelines.often]
every_seconds = 1
steps = [{ tool = "old/echo" }]
"""


def panel(address: str, name: str) -> Any:
    return asked("GET", f"{address}/dashboard/api/panels/{name}")[1]["panel"]


def runs(address: str, name: str) -> list[Any]:
    found: list[Any] = asked("GET", f"{address}/pipelines/{name}/runs")[1]["runs"]
    return found


def test_run_from_the_dashboard(tmp_path: Path) -> None:
    """HUB-7: the button asks for the input, runs every step, later ones with what earlier ones gave, and tells how it
    ended; a step that fails ends the run and is named."""
    with gateway(tmp_path / "hub.toml", TEXT + STEPS) as (address, _):
        assert asked("GET", f"{address}/mcp/old/tools")[0] == 200
        until(lambda: bool(panel(address, "pipelines-run").get("buttons")))
        buttons = {button["action"]: button for button in panel(address, "pipelines-run")["buttons"]}
        fields = buttons["actions/pipelines/nightly-report"]["fields"]
        assert [(field["name"], field["required"], field["default"]) for field in fields] == [
            ("topic", False, "windows"), ("reader", True, None),
        ]  # fmt: skip
        act = f"{address}/dashboard/actions/pipelines"
        assert asked("POST", f"{act}/nightly-report")[0] == 422
        status, said = asked("POST", f"{act}/nightly-report", {"reader": "you"})
        assert (status, said["status"]) == (200, "success")
        assert "ran 3 steps" in said["message"]
        assert '{"given": {"of": "windows", "to": "you", "none": "{x}", "said": ["' in said["message"]
        assert "{shorter}" not in said["message"]
        _, said = asked("POST", f"{act}/failing")
        assert said["status"] == "error"
        assert "step bad of failing failed" in said["message"]
        assert asked("POST", f"{act}/none")[0] == 404


def test_run_by_a_request(tmp_path: Path) -> None:
    """HUB-7: a program lists pipelines, runs one with its input and follows its runs; what is wrong is told, and one
    that runs does not begin again."""
    with gateway(tmp_path / "hub.toml", TEXT + STEPS) as (address, _):
        root = f"{address}/pipelines"
        listed = {each["name"]: each for each in asked("GET", root)[1]["pipelines"]}
        assert list(listed) == ["Nightly_Report", "failing", "hanging"]
        assert listed["Nightly_Report"]["steps"] == ["enhance llama-sim", "complete gpt-sim", "tool old/echo"]
        assert listed["Nightly_Report"]["input"] == {"topic": "windows", "reader": ""}
        status, run = asked("POST", f"{root}/Nightly_Report", {"reader": "you"})
        assert (status, run["status"], run["cause"]) == (200, "success", "api")
        assert [step["status"] for step in run["steps"]] == ["success"] * 3
        assert all(step["seconds"] >= 0 and step["said"] for step in run["steps"])
        assert runs(address, "Nightly_Report") == [run]
        assert asked("GET", f"{root}/Nightly_Report/runs/{run['run']}")[1] == run
        assert asked("GET", f"{root}/Nightly_Report")[1]["last_run"] == run
        status, hanging = asked("POST", f"{root}/hanging")
        assert (status, hanging["status"]) == (202, "running")
        assert asked("POST", f"{root}/hanging")[0] == 409
        assert asked("POST", f"{address}/dashboard/actions/pipelines/hanging")[1]["status"] == "error"
        until(lambda: runs(address, "hanging")[0]["steps"][1]["status"] == "running")
        row = next(row for row in panel(address, "pipelines-runs")["rows"] if row["values"][1] == "hanging")
        assert row["values"][2:4] == ["running", "api"]
        assert row["values"][5] == "1 of 2, at second"
        assert [span["name"] for span in panel(address, "pipelines-steps")["spans"]] == [
            "first: tool old/echo", "second: tool old/hang",
        ]  # fmt: skip
        assert asked("POST", f"{address}/dashboard/actions/restart/old")[1]["status"] == "success"
        until(lambda: runs(address, "hanging")[0]["status"] == "error")
        assert "step second of hanging failed" in runs(address, "hanging")[0]["result"]
        for method, path, body, expected in (
            ("GET", f"{root}/none", None, 404), ("POST", f"{root}/none", None, 404), ("PUT", root, None, 405),
            ("DELETE", f"{root}/failing", None, 405), ("GET", f"{root}/failing/runs/none", None, 404),
            ("GET", f"{root}/failing/other", None, 404), ("POST", f"{root}/failing", [1], 400),
            ("POST", f"{root}/failing", {"x": "y"}, 422), ("POST", f"{root}/Nightly_Report", {}, 422),
            ("POST", f"{root}/Nightly_Report", {"reader": "x" * 3_000}, 422),
            ("POST", f"{root}/Nightly_Report", {"reader": "x" * 70_000}, 413),
        ):  # fmt: skip
            status, said = asked(method, path, body)
            assert (status, bool(said["error"]["message"])) == (expected, True), (method, path)
        until(lambda: "result error" in str(panel(address, "events")))


def test_who_may_run(tmp_path: Path) -> None:
    """X-6, HUB-7: with keys, every key may look and only operators may run."""
    (tmp_path / "hub.toml").write_text(
        TEXT + STEPS + '[keys.a]\nkey_env = "A"\nrole = "operator"\n[keys.b]\nkey_env = "B"\n'
    )
    keys = {"A": "a" * 20, "B": "b" * 20}
    dashboard = Fanlight("gateway")
    made = Gateway(dashboard, tmp_path / "hub.toml", environ={**keys, "PATH": "/usr/bin:/bin"})
    with served(dashboard.asgi(made)) as address:

        def status(method: str, key: str, path: str = "/pipelines") -> int:
            headers = {"authorization": f"Bearer {keys[key]}"} if key else {}
            return asked(method, f"{address}{path}", None, headers)[0]

        assert (status("GET", ""), status("GET", "B"), status("GET", "A")) == (401, 200, 200)
        assert (status("POST", "B", "/pipelines/failing"), status("POST", "A", "/pipelines/failing")) == (403, 200)
    dashboard.close()


def test_schedule(tmp_path: Path) -> None:
    """HUB-7: a pipeline with `every_seconds` runs by itself, its next run is told, and a run the schedule missed while
    the gateway was down is made up for once."""
    with gateway(tmp_path / "hub.toml", TEXT + OFTEN) as (address, _):

        def ended() -> list[Any]:
            return [run for run in runs(address, "often") if run["status"] != "running"]

        until(lambda: len(ended()) >= 2)
        first, second = ended()[:2]
        assert (first["cause"], first["status"]) == ("schedule", "success")
        assert first["began"] - second["began"] >= 1
        assert asked("GET", f"{address}/pipelines/often")[1]["next_run"] >= first["began"] + 1
        until(lambda: panel(address, "pipelines")["rows"][0]["values"][3:4] == [1.0])


def test_a_reload_changes_them(tmp_path: Path) -> None:
    """HUB-7, HUB-9: after the configuration was read again there are the buttons of the new one, with its input."""
    hub = tmp_path / "hub.toml"
    with gateway(hub, TEXT + STEPS) as (address, _):
        hub.write_text(TEXT + OFTEN + '[pipelines.failing]\ninput = { word = "x" }\nsteps = [{ tool = "old/echo" }]\n')
        assert asked("POST", f"{address}/dashboard/actions/reload")[1]["status"] == "success"

        def fields() -> dict[str, int]:
            buttons = panel(address, "actions")["buttons"]
            return {b["action"]: len(b["fields"]) for b in buttons if "/pipelines/" in b["action"]}

        until(lambda: fields() == {"actions/pipelines/often": 0, "actions/pipelines/failing": 1})
        assert asked("POST", f"{address}/dashboard/actions/pipelines/nightly-report")[0] == 404
        assert asked("POST", f"{address}/dashboard/actions/pipelines/failing")[1]["status"] == "success"


def test_what_a_dashboard_shows_of_a_stopped_gateway(tmp_path: Path) -> None:
    """HUB-7: a gateway that stops ends its runs, and says so in their book."""
    hub = tmp_path / "hub.toml"
    hub.write_text(TEXT + STEPS)

    async def stopped() -> Run | None:
        dashboard = Fanlight("gateway", store=f"sqlite:///{tmp_path}/f.db")
        made = Gateway(dashboard, hub, environ={"PATH": "/usr/bin:/bin"})
        await made.servers.apply()
        await made.pipelines.begin()
        task = await made.pipelines.start("hanging", {}, "api")
        book = made.pipelines.book
        await asyncio.to_thread(until, lambda: book.recent("hanging")[0].steps[1].status == "running")
        await made.pipelines.close()
        await made.servers.close()
        await made.runtime.retire()
        dashboard.close()
        book = Runbook(tmp_path / "f.db.runs", lambda: 0.0)
        try:
            return book.find("hanging", task.get_name())
        finally:
            book.close()

    run = asyncio.run(stopped())
    assert run is not None
    assert (run.status, run.result, run.steps[1].status) == ("error", "it was stopped in the middle", "error")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[pipelines.a]\ninput = { Topic = "x" }\nsteps = [{ tool = "old/echo" }]', "expected small letters"),
        ('[pipelines.a]\ninput = { class = "x" }\nsteps = [{ tool = "old/echo" }]', "expected small letters"),
        (
            '[pipelines.a_b]\nsteps = [{ tool = "old/echo" }]\n[pipelines.A-B]\nsteps = [{ tool = "old/echo" }]',
            "is too like a_b; expected another: both are pipelines/a-b",
        ),
    ],
)
def test_a_pipeline_without_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """HUB-7, HUB-9: inputs that could be no field, and names that would share a button."""
    (tmp_path / "hub.toml").write_text(TEXT + text)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "hub.toml", {})
    assert message in str(refused.value)


def test_paths_are_counted_by_templates() -> None:
    """TTY-6: whatever is asked for below /pipelines, the routes counted are few."""
    assert [template(f"/pipelines{rest}") for rest in ("", "/a", "/a/runs", "/a/runs/1", "/a/x", "/a/x/y/z")] == [
        "/pipelines", "/pipelines/{pipeline}", "/pipelines/{pipeline}/runs", "/pipelines/{pipeline}/runs/{run}",
        "/pipelines/{pipeline}/{path}", "/pipelines/{pipeline}/{path}",
    ]  # fmt: skip


def test_blanks() -> None:
    """HUB-7: results fill the blanks of texts, lists and tables, once: what a result says is filled no further."""
    results = {"a": "{b}", "b": "2"}
    assert filled({"x": ["{a} {b} {c}", 3], "y": "{a}"}, results) == {"x": ["{b} 2 {c}", 3], "y": "{b}"}
