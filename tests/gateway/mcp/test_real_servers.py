"""Servers that people run, of both eras, from PyPI and npm, through the gateway with the official client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mcp
import pytest
from tests.gateway.mcp import npm_servers
from tests.gateway.mcp.servers import ASK, PATIENCE, TIME, gateway, is_gone, until
from tests.gateway.mcp.test_endpoint import MODES, asked

from fanlight.core.breaker import Policy
from fanlight.gateway.app import Gateway

WHY_NOT = npm_servers.missing()
needs_npm = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

THOUGHT = {"thought": "First the door.", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "everything": ("echo", {"message": "over the door"}, "over the door"),
    "thinking": ("sequentialthinking", THOUGHT, "thoughtHistoryLength"),
    "context7": ("query-docs", {"libraryId": "/fan/light", "query": "hinges"}, "About hinges of /fan/light"),
}
ERAS = {"everything": "2025-11-25", "thinking": "2025-11-25", "context7": "2026-07-28", "time": "2026-07-28"}
LONG = {"name": "trigger-long-running-operation", "arguments": {"duration": 60, "steps": 2}}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Gateway]]:
    """A gateway before all of them."""
    path = Path(tmp_path_factory.mktemp("hub")) / "hub.toml"
    with npm_servers.library() as library:
        own = {"context7": {"CONTEXT7_API_URL": library}}
        text = TIME + "".join(npm_servers.configured(name, **own.get(name, {})) for name in npm_servers.PACKAGES)
        with gateway(path, text) as (address, made):
            until(lambda: all(each.state == "ready" for each in made.servers.board.statuses()))
            yield address, made


@needs_npm
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", CALLS)
def test_official_client(opened: tuple[str, Gateway], server: str, mode: Any) -> None:
    """HUB-9, X-7: the official client of either era begins, lists the tools and calls one, whichever era the server
    is of; below /mcp too, where the tool has the server's name before its own."""
    address, _ = opened
    tool, arguments, expected = CALLS[server]

    async def use(url: str, name: str) -> None:
        async with mcp.Client(url, mode=mode) as client:
            assert name in {each.name for each in (await client.list_tools()).tools}
            result = await client.call_tool(name, arguments)
            assert not result.is_error, result
            assert expected in str(result.content)

    asyncio.run(use(f"{address}/mcp/{server}", tool))
    asyncio.run(use(f"{address}/mcp", f"{server}__{tool}"))


@needs_npm
@pytest.mark.parametrize("server", CALLS)
def test_plain_http(opened: tuple[str, Gateway], server: str) -> None:
    """HUB-9: the tools of each are listed and called by plain HTTP; wrong arguments have their error."""
    address, _ = opened
    tool, arguments, expected = CALLS[server]
    status, listed = asked("GET", f"{address}/mcp/{server}/tools")
    assert (status, tool in {each["name"] for each in listed["tools"]}) == (200, True)
    status, result = asked("POST", f"{address}/mcp/{server}/tools/call", {"name": tool, "arguments": arguments})
    assert (status, result.get("isError", False), expected in json.dumps(result)) == (200, False, True)
    status, result = asked("POST", f"{address}/mcp/{server}/tools/call", {"name": tool, "arguments": {}})
    assert (status, result["isError"]) == (200, True) or (status, set(result)) == (400, {"error"})


@needs_npm
def test_each_is_spoken_to_in_its_own_era(opened: tuple[str, Gateway]) -> None:
    """HUB-9: two of them know the old era only, one knows both, mcp-server-time is taken at its newest word."""
    _, made = opened
    assert {each.name: each.version for each in made.servers.board.statuses()} == ERAS
    assert all(each.pid and len(each.tools) for each in made.servers.board.statuses())


@needs_npm
@pytest.mark.parametrize("mode", MODES)
def test_what_else_they_offer(opened: tuple[str, Gateway], mode: Any) -> None:
    """HUB-9: prompts, resources, structured results and progress come through; keys of the gateway do not reach it."""
    address, _ = opened
    told: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async def use() -> None:
        async with mcp.Client(f"{address}/mcp/everything", mode=mode) as client:
            prompts = (await client.list_prompts()).prompts
            assert "simple-prompt" in {each.name for each in prompts}
            assert (await client.get_prompt("simple-prompt")).messages
            resources = (await client.list_resources()).resources
            assert resources
            assert (await client.read_resource(str(resources[0].uri))).contents
            weather = await client.call_tool("get-structured-content", {"location": "New York"})
            assert weather.structured_content
            short = {"duration": 0.3, "steps": 3}
            await client.call_tool("trigger-long-running-operation", short, progress_callback=heard)
            environ = str((await client.call_tool("get-env", {})).content)
            assert "PATH" in environ
            assert "PYTEST_CURRENT_TEST" not in environ

    asyncio.run(use())
    assert told == [1, 2, 3]


CALLS_AT_ONCE = Policy().failures - 1
"""Fewer than open the breaker: else what comes when the others have failed already is told of that instead."""


class Health:
    """Looks at what a server is said to be, over and over, and keeps every untruth."""

    def __init__(self, made: Gateway, server: str) -> None:
        self.lies: list[str] = []
        self.looks = 0
        self._made = made
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Health:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        """A server that is ready has a process; one whose process is gone is not ready a quarter of a second later."""
        gone: dict[int, float] = {}
        while not self._over.wait(0.005):
            status = self._made.servers.tools.status(self._server)
            self.looks += 1
            if status.state == "ready" and is_gone(status.pid):
                since = gone.setdefault(status.pid, time.monotonic())
                if time.monotonic() - since > 0.25:
                    self.lies.append(f"ready, though {status.pid} is gone")
            if (status.state == "ready") != bool(status.pid):
                self.lies.append(f"{status.state} with pid {status.pid}")


async def _during_calls(address: str, server: str, call: dict[str, Any], pid: int, seconds: float) -> list[Any]:
    """What some calls say that are under way when the process is killed."""
    url = f"{address}/mcp/{server}/tools/call"
    calls = [asyncio.ensure_future(asyncio.to_thread(asked, "POST", url, call)) for _ in range(CALLS_AT_ONCE)]
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)


def _killed(address: str, made: Gateway, server: str, call: dict[str, Any], times: int = 20, *, lasts: bool) -> None:
    """Kill a server over and over during calls. `lasts`: none of these calls can be answered before."""
    pids: set[int] = set()
    with Health(made, server) as health:
        for turn in range(times):
            until(lambda: made.servers.tools.status(server).state == "ready")
            pids.add(made.servers.tools.status(server).pid)
            pause = 0.15 if lasts else 0.01
            pid = made.servers.tools.status(server).pid
            for status, said in asyncio.run(_during_calls(address, server, call, pid, pause)):
                if status != 200 or lasts:
                    assert status in (502, 503), said
                    assert said["error"]["code"] in ("mcp_crashed", "mcp_unavailable"), said
                    assert server in said["error"]["message"]
            until(lambda: made.servers.tools.status(server).restarts == turn + 1)  # noqa: B023
            made.dashboard.breaker(server).change("reset", "the test")
    assert (health.lies, health.looks > 100) == ([], True)
    assert len(pids) == times
    until(lambda: all(map(is_gone, pids)))
    assert made.servers.tools.status(server).last_error == f"{server} was killed by signal 9"


def _probed(address: str, server: str) -> str:
    """What the health of a server says of its probe."""
    factors = asked("GET", f"{address}/dashboard/health/{server}")[1]["factors"]
    return next(str(each["said"]) for each in factors if each["name"] == "probe")


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.slow)])  # each of its starts is a second
def test_mcp_server_time_killed_over_and_over(tmp_path: Path, times: int) -> None:
    """HUB-2, HUB-9: mcp-server-time, killed 20 times in a row during calls: each is answered or told why not, what is
    said of it is true at every moment, and nothing stays behind."""
    with gateway(tmp_path / "hub.toml", TIME) as (address, made):
        _killed(address, made, "time", ASK, times, lasts=False)
        assert asked("POST", f"{address}/mcp/time/tools/call", ASK)[0] == 200
        assert _probed(address, "time") == "answers"


@pytest.mark.slow
@needs_npm
def test_server_everything_killed_twenty_times(tmp_path: Path) -> None:
    """HUB-2, HUB-9: server-everything, killed 20 times in a row during calls that last: each of them fails at once."""
    with gateway(tmp_path / "hub.toml", npm_servers.configured("everything")) as (address, made):
        _killed(address, made, "everything", LONG, lasts=True)
        said = {"name": "echo", "arguments": {"message": "still here"}}
        assert "still here" in str(asked("POST", f"{address}/mcp/everything/tools/call", said)[1])
