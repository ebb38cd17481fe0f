"""`fanlight demo`: the example service, driven by real clients, all of which end together."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.examples.conftest import ask

from fanlight.cli.demo import require
from fanlight.cli.neighbours import NEIGHBOURS, bound, examples, left_out, said
from fanlight.errors import FanlightError

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Running

ROOT = Path(__file__).resolve().parents[2]
MANY = 120.0
"""Seconds for ten processes that start at once, with the libraries of four providers to import."""

NEIGHBOUR = re.compile(r"fanlight: (hub|orchestrator|uploads) at (\S+)/dashboard ")


def requests_so_far(body: str) -> int:
    """The service's count of requests."""
    return int(json.loads(body)["performance"]["total_requests"])


def addresses(running: Running) -> dict[str, str]:
    """Where the services of the demo are, by name, once all is said."""
    running.until("Ctrl+C stops everything")
    return {match[1]: match[2] for match in map(NEIGHBOUR.match, running.lines) if match}


def calls(running: Running, address: str) -> dict[str, int]:
    """The calls that a gateway has made so far, by service."""
    return {each["name"]: each["calls"] for each in json.loads(running.get(address, "/api/services")[1])["services"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_is_driven_and_ends_whole(
    command: Command, eventually: Callable[[Callable[[], bool]], None], number: int
) -> None:
    """API-1: the clients' requests are recorded; Ctrl+C ends the service and the clients, with status 0."""
    running = command("demo", "--port", "0", "--alone")
    address = running.served()
    running.until("Ctrl+C stops everything")
    eventually(lambda: requests_so_far(running.get(address, "/dashboard/api/data")[1]) > 20)
    family = running.family()
    assert len(family) == 1, "the clients run in a process of their own"
    assert running.stop(number) == 0
    assert not any(process.is_running() for process in family)
    assert not any("Traceback" in line for line in running.lines), "\n".join(running.lines)


def test_the_examples_run_side_by_side(command: Command, eventually: Callable[..., None]) -> None:
    """ORC-7, OBS-1, API-1, HUB-9: four services are served, driven and listed, the gateway with its MCP servers;
    `kill -9` of the demo leaves none behind."""
    running = command("demo", "--port", "0", "--rate", "3")
    first = running.served()
    others = addresses(running)
    assert others.keys() == {"hub", "orchestrator", "uploads"}
    for address in (first, *others.values()):
        eventually(lambda: requests_so_far(running.get(address, "/dashboard/api/data")[1]) > 5, MANY)  # noqa: B023
    eventually(lambda: {"sim", "time", "git"} <= calls(running, others["hub"]).keys(), MANY)
    eventually(lambda: min(calls(running, others["hub"])[name] for name in ("sim", "time", "git")) > 3, MANY)
    assert any("mcp-server-git" in " ".join(process.cmdline()) for process in running.family())
    if shutil.which("redis-server"):
        latency = json.loads(running.get(others["uploads"], "/dashboard/api/stats")[1])["redis_latency_ms"]
        assert latency is None or latency > 0
        assert any("redis-server" in " ".join(process.cmdline()) for process in running.family())
    family = running.family()
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_what_the_service_prints_leads_to_the_request(command: Command) -> None:
    """API-3: a line of the application's own output carries the correlation ID of its request."""
    running = command("demo", "--port", "0", "--alone", "--no-traffic")
    address = running.served()
    origin = address.removesuffix("/dashboard")
    asked = {"content_type": "application/json", "x_correlation_id": "trace-me-43"}
    token = ask(origin, "POST", "/api/chat/sessions", '{"user": "mallory"}', **asked).json["token"]
    ask(origin, "DELETE", "/api/chat/messages/1", authorization=f"Bearer {token}", **asked)
    line = running.until("trace-me-43")
    assert re.search(r"^\S+ \S+ WARNING chat\.api trace-me-43 deletion refused ", line)


def test_the_demo_without_traffic_is_still(command: Command) -> None:
    """API-1: `--no-traffic` starts no clients."""
    running = command("demo", "--port", "0", "--no-traffic", "--alone")
    running.until("without traffic")
    assert running.family() == []
    assert running.stop() == 0


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """OBS-1, X-8: a line for each thing that is not here, without redis-server that uploads are kept in memory, and
    where each example is."""
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.delenv("UPLOADS_REDIS", raising=False)
    monkeypatch.delenv("CHAT_STORE", raising=False)
    places = {each.name: f"http://127.0.0.1:{each.port}" for each in NEIGHBOURS}
    lines = said(NEIGHBOURS, places, "/dashboard").splitlines()
    assert lines[0].startswith("fanlight: hub at http://127.0.0.1:9090/dashboard (")
    assert lines[1].startswith("fanlight: orchestrator at http://127.0.0.1:5000/dashboard (")
    assert lines[2].startswith("fanlight: uploads at http://127.0.0.1:8002/dashboard (")
    assert lines[3] == "fanlight: left out: mcp-server-git, as there is no git (Debian: apt install git)"
    assert lines[4].startswith("fanlight: left out: Redis; without redis-server")
    assert lines[5].startswith("fanlight: left out: MongoDB; with CHAT_STORE=mongodb://")
    monkeypatch.setenv("CHAT_STORE", "mongodb://db/chat")
    monkeypatch.setattr("shutil.which", lambda program: "/usr/bin/redis-server")
    assert "left out" not in said(NEIGHBOURS, places, "/dashboard")
    monkeypatch.setattr("fanlight.cli.neighbours.find_spec", lambda name: None if name == "ollama" else name)
    assert left_out(places) == ["clients with ollama; pip install 'fanlight[demo]' brings it"]


def test_a_port_that_is_taken_is_no_trouble() -> None:
    """ORC-7: an example takes another port when its own is taken, and listens before it serves."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        [mine] = bound("127.0.0.1", taken)
    with mine, socket.create_connection(mine.getsockname(), 5):
        assert mine.getsockname()[1] != taken


def test_a_missing_extra_is_named() -> None:
    """X-8: without the extra the demo says which install brings it."""
    with pytest.raises(FanlightError, match=r"needs nosuchlibrary, .* pip install 'fanlight\[demo\]'"):
        require("json", "nosuchlibrary")


def test_the_example_is_found() -> None:
    """API-1: the examples are found from the checkout as from an install, which packs every one of them."""
    assert (examples() / "chat_api" / "app.py").is_file()
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").iterdir() if path.name != "__pycache__"}
    assert ours == set(packed["force-include"])
