"""The gateway of the demo and its clients: every visit of every library, over real sockets, before real MCP servers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.examples.conftest import ask, served, until

from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from hub import with_aiohttp, with_anthropic, with_mcp, with_ollama, with_openai
from hub.configuration import COMMITS, HUB, private_hub
from hub.traffic import SHARES, drive, tide
from hub.visits import Company

COMPANIES = (with_openai.COMPANY, with_anthropic.COMPANY, with_ollama.COMPANY, with_mcp.COMPANY, with_aiohttp.COMPANY)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The gateway of the demo, whose models hardly wait."""
    with private_hub() as path:
        path.write_text(path.read_text().replace('kind = "simulated"', 'kind = "simulated"\nspeed = 1000'))
        dashboard = Fanlight("gateway", local_role="operator")
        with served(dashboard.asgi(Gateway(dashboard, path))) as url:
            yield url
        dashboard.close()


def services(url: str) -> dict[str, Any]:
    """The services of the gateway by name, each with its calls and errors."""
    return {each["name"]: each for each in ask(url, "GET", "/dashboard/api/services").json["services"]}


async def _all_visits(company: Company, url: str) -> None:
    async with company.client(url) as client:
        for _, visit in company.visits:
            if visit.__name__ != "fail":
                await visit(client, Random(3))


def test_every_visit_of_every_library(url: str) -> None:
    """TTY-7, HUB-9, X-7: openai, anthropic, ollama and mcp do all their visits and raise nothing; each is recorded."""

    async def scene() -> None:
        for company in COMPANIES:
            await _all_visits(company, url)

    asyncio.run(scene())
    until(lambda: services(url).keys() >= {"sim", "time", "git"} and services(url)["git"]["calls"] >= 4)
    found = services(url)
    assert found["sim"]["calls"] > 15
    assert found["time"]["calls"] >= 5
    assert [found[name]["errors"] for name in ("time", "git")] == [0, 0]
    models = {each["name"]: each for each in ask(url, "GET", "/dashboard/api/models").json["models"]}
    assert models.keys() == {"gpt-sim", "claude-sim", "llama-sim", "embed-sim"}
    assert all(each["errors"] == 0 for each in models.values())


def test_the_clients_come_and_go(url: str) -> None:
    """TTY-7: driven at a rate they come with every library, some fail, and all leave at once when told to stop."""
    before = services(url).get("sim", {"calls": 0})["calls"]

    async def scene() -> None:
        stop = asyncio.Event()
        driving = asyncio.create_task(drive(url, 20.0, stop, seed=7))
        while await asyncio.to_thread(lambda: services(url)["sim"]["calls"]) < before + 100:
            assert not driving.done()
            await asyncio.sleep(0.1)
        stop.set()
        await asyncio.wait_for(driving, 20)

    asyncio.run(scene())
    until(lambda: services(url)["sim"]["errors"] > 0 and services(url)["time"]["calls"] > 0)


def test_more_and_fewer_come() -> None:
    """TTY-7: the rate goes up and down within three minutes, about an average of one."""
    rates = [tide(each) for each in range(180)]
    assert sum(rates) / len(rates) == pytest.approx(1)
    assert min(rates) == pytest.approx(0.3, abs=0.01)
    assert max(rates) == pytest.approx(1.7, abs=0.01)
    assert SHARES.keys() == {"openai", "anthropic", "ollama", "mcp", "aiohttp"}


def test_the_example_pipeline_runs(url: str) -> None:
    """HUB-7: the pipeline of hub.toml asks the time, has a prompt enhanced and answered, and says so at its end."""
    answer = ask(url, "POST", "/dashboard/actions/pipelines/greeting")
    assert (answer.status, answer.json["status"]) == (200, "success"), answer.text
    assert "ran 3 steps" in answer.json["message"]


def test_the_repository_is_its_own_and_gone_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HUB-9, X-6: the git server gets a repository made for it, whatever the user's Git is told; its tools read."""
    (tmp_path / ".gitconfig").write_text("[commit]\n\tgpgsign = true\n[init]\n\tdefaultBranch = other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    with private_hub() as path:
        found = tomllib.loads(path.read_text())["mcp"]["git"]
        monkeypatch.delenv("GIT_DIR")
        log = subprocess.run(
            ["git", "log", "--format=%s"], cwd=found["cwd"], capture_output=True, text=True, check=True
        )
        assert log.stdout.splitlines() == list(reversed(COMMITS))
        assert found["args"] == ["--repository", found["cwd"]]
        assert set(found["tools"]) == {"git_status", "git_log", "git_show", "git_branch"}
    assert not path.exists()
    assert not Path(found["cwd"]).exists()


def test_its_pipeline_runs_while_one_looks() -> None:
    """HUB-7: in the demo the schedule of hub.toml is a short one, and all else of the pipeline as it is."""
    with private_hub() as path:
        shown = tomllib.loads(path.read_text())["pipelines"]["greeting"]
    assert shown == tomllib.loads(HUB.read_text())["pipelines"]["greeting"] | {"every_seconds": 30}


def test_without_git_there_is_one_server_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-8: where there is no git the gateway runs with the servers of hub.toml."""
    monkeypatch.setattr("shutil.which", lambda program: None)
    with private_hub() as path:
        assert tomllib.loads(path.read_text())["mcp"] == tomllib.loads(HUB.read_text())["mcp"]
    assert os.path.isfile(HUB)
