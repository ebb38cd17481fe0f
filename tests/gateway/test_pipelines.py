"""Pipelines of real steps: a tool, an enhancement, a completion, each fed by those before."""

from __future__ import annotations

from pathlib import Path

from tests.gateway.conftest import provided
from tests.gateway.mcp.servers import OLD_ERA, gateway, until
from tests.gateway.mcp.test_endpoint import asked

from fanlight.gateway.pipelines import filled

TEXT = provided({"sim": 'kind = "simulated"\nspeed = 1000'}) + OLD_ERA
STEPS = """
[pipelines.Nightly_Report]
confirm = "Run it?"
steps = [
    { name = "shorter", enhance = "say something", model = "llama-sim" },
    { complete = "About {shorter}", model = "gpt-sim" },
    { tool = "old/echo", arguments = { said = ["{shorter}", "{2}"], kept = "{none}" } },
]
[pipelines.failing]
steps = [{ name = "bad", tool = "old/fail" }, { complete = "never", model = "gpt-sim" }]
"""
OFTEN = """
[pipelines.often]
every_seconds = 1
steps = [{ tool = "old/echo" }]
"""


def test_run_from_the_dashboard(tmp_path: Path) -> None:
    """HUB-7: the button runs every step, later ones with what earlier ones gave, and tells how it ended; a step that
    fails ends the run and is named."""
    with gateway(tmp_path / "hub.toml", TEXT + STEPS) as (address, _):
        assert asked("GET", f"{address}/mcp/old/tools")[0] == 200
        status, said = asked("POST", f"{address}/dashboard/actions/pipelines/nightly-report")
        assert (status, said["status"]) == (200, "success")
        assert "ran 3 steps" in said["message"]
        assert '{"given": {"said": ["' in said["message"]
        assert "{shorter}" not in said["message"]
        _, said = asked("POST", f"{address}/dashboard/actions/pipelines/failing")
        assert said["status"] == "error"
        assert "step bad of failing failed" in said["message"]
        assert asked("POST", f"{address}/dashboard/actions/pipelines/none")[0] == 404


def test_schedule(tmp_path: Path) -> None:
    """HUB-7: a pipeline with `every_seconds` runs by itself."""
    with gateway(tmp_path / "hub.toml", TEXT + OFTEN) as (_, made):
        until(lambda: bool(made.dashboard.get_wrapper_metrics("old", 0)))


def test_blanks() -> None:
    """HUB-7: results fill the blanks of texts, lists and tables, once: what a result says is filled no further."""
    results = {"a": "{b}", "b": "2"}
    assert filled({"x": ["{a} {b} {c}", 3], "y": "{a}"}, results) == {"x": ["{b} 2 {c}", 3], "y": "{b}"}
