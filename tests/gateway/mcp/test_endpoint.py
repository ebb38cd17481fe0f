"""MCP through the gateway: the official client in both eras, plain HTTP, all servers as one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import mcp
import pytest
from tests.gateway.mcp.servers import ASK, OLD_ERA, TIME, gateway, until

from fanlight.core.sections import Service
from fanlight.gateway.app import Gateway
from fanlight.gateway.mcp import joined
from fanlight.panels import View

MODES = ("auto", "2026-07-28", "legacy")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway before a server of each era."""
    path = Path(tmp_path_factory.mktemp("hub")) / "hub.toml"
    with gateway(path, TIME + OLD_ERA) as (address, _):
        yield address


def asked(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """The status and the JSON of an answer."""

    async def ask() -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body, headers=headers) as reply,
        ):
            return reply.status, await reply.json(content_type=None)

    return asyncio.run(ask())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", ["time", "old"])
def test_official_client(address: str, server: str, mode: Any) -> None:
    """HUB-9, X-7: the official client of either era lists and calls tools of a server of either era."""
    tool = "get_current_time" if server == "time" else "echo"

    async def use() -> None:
        async with mcp.Client(f"{address}/mcp/{server}", mode=mode) as client:
            listed = await client.list_tools()
            assert tool in {each.name for each in listed.tools}
            result = await client.call_tool(tool, {"timezone": "UTC"})
            assert not result.is_error
            assert "UTC" in result.content[0].text  # type: ignore[union-attr]  # it is text

    asyncio.run(use())


@pytest.mark.parametrize("mode", MODES)
def test_all_servers_are_one(address: str, mode: Any) -> None:
    """HUB-9: below /mcp every server's tools have its name before theirs."""

    async def use() -> None:
        async with mcp.Client(f"{address}/mcp", mode=mode) as client:
            names = {each.name for each in (await client.list_tools()).tools}
            assert {"time__get_current_time", "old__echo"} <= names
            result = await client.call_tool("old__echo", {"word": "fan"})
            assert "fan" in result.content[0].text  # type: ignore[union-attr]  # it is text

    asyncio.run(use())


@pytest.mark.parametrize("mode", MODES)
def test_progress_reaches_the_client(address: str, mode: Any) -> None:
    """HUB-9: what a server tells of its progress reaches the client that asked, under the client's own token."""
    told: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async def use() -> None:
        async with mcp.Client(f"{address}/mcp/old", mode=mode) as client:
            await client.call_tool("steps", {}, progress_callback=heard)

    asyncio.run(use())
    assert told == [0, 1, 2]


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_its_client_leaves(tmp_path: Path, mode: Any) -> None:
    """HUB-9, TTY-5: a cancelled call ends nothing but itself: the client goes on; in the new era, where leaving is
    cancelling, the server is told and nothing stays in flight."""

    async def use(address: str) -> None:
        async with mcp.Client(f"{address}/mcp/old", mode=mode) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.call_tool("hang", {}), 0.3)
            assert not (await client.call_tool("echo", {})).is_error

    with gateway(tmp_path / "hub.toml", OLD_ERA) as (address, made):
        asyncio.run(use(address))
        if mode != "legacy":
            until(lambda: made.runtime.in_flight == 0)
            until(lambda: "was told notifications/cancelled" in str(asked("GET", f"{address}/dashboard/api/logs")))
            until(lambda: "hang" in recorded(made))


def test_plain_http(address: str) -> None:
    """HUB-9: tools are listed and called by plain HTTP; what is wrong is said with a status of its own."""
    for path in ("tools", "tools/list"):
        status, listed = asked("GET", f"{address}/mcp/time/{path}")
        assert (status, [tool["name"] for tool in listed["tools"]]) == (200, ["get_current_time", "convert_time"])
    status, result = asked("POST", f"{address}/mcp/time/tools/call", ASK)
    assert (status, result["isError"]) == (200, False)
    assert "UTC" in json.dumps(result)
    for method, path, body, expected in [
        ("POST", "time/tools/call", {"arguments": {}}, 400),
        ("POST", "none/tools/call", ASK, 404),
        ("GET", "time/tools/call", None, 405),
        ("POST", "time/tools", ASK, 405),
        ("GET", "time/else", None, 404),
    ]:
        status, said = asked(method, f"{address}/mcp/{path}", body)
        assert (status, set(said["error"])) == (expected, {"code", "message", "detail"})


def modern(method: str, params: dict[str, Any], version: str = "2026-07-28") -> dict[str, Any]:
    meta = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}


HEADERS = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (modern("tools/call", {"name": "echo"}), HEADERS | {"mcp-protocol-version": "2025-11-25"}, 400, -32020),
        (modern("tools/call", {"name": "echo"}), HEADERS | {"mcp-method": "tools/list"}, 400, -32020),
        (modern("tools/call", {"name": "echo"}), HEADERS | {"mcp-name": "hang"}, 400, -32020),
        (modern("tools/call", {"name": "echo"}, "2030-01-01"), HEADERS | {"mcp-protocol-version": "2030-01-01"}, 400,
         -32022),
        (modern("no/such", {}), HEADERS | {"mcp-method": "no/such"}, 404, -32601),
        (modern("initialize", {}), HEADERS | {"mcp-method": "initialize"}, 404, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "no/such"}, {}, 200, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {}}, {}, 200, -32602),
        ([1], {}, 400, -32600),
        ({"jsonrpc": "2.0", "id": [], "method": "ping"}, {}, 400, -32600),
    ],
)  # fmt: skip
def test_refusals(address: str, body: Any, headers: dict[str, str], status: int, code: int) -> None:
    """HUB-9: what the protocol forbids is refused with the status and the code it says."""
    found, said = asked("POST", f"{address}/mcp/old", body, headers)
    assert (found, said["error"]["code"]) == (status, code)


def test_foreign_origin_and_host(address: str) -> None:
    """HUB-9: a page of another origin, and a foreign name of this machine, are refused; GET, DELETE are none."""
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        assert asked("POST", f"{address}/mcp/old", ping, headers)[0] == 403
        assert asked("POST", f"{address}/mcp/time/tools/call", ASK, headers)[0] == 403
    assert asked("GET", f"{address}/mcp/old")[0] == asked("DELETE", f"{address}/mcp/old")[0] == 405
    assert asked("POST", f"{address}/mcp/old", ping) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})


def test_only_allowed_tools(tmp_path: Path) -> None:
    """HUB-9: with `tools` in the configuration no other tool is listed or called, by whatever way."""
    with gateway(tmp_path / "hub.toml", OLD_ERA + 'tools = ["echo"]\n') as (address, _):
        assert [tool["name"] for tool in asked("GET", f"{address}/mcp/old/tools")[1]["tools"]] == ["echo"]
        status, said = asked("POST", f"{address}/mcp/old/tools/call", {"name": "fail"})
        assert (status, said["error"]["code"]) == (400, "mcp_refused")
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "old__fail"}}
        assert asked("POST", f"{address}/mcp", call)[1]["error"]["code"] == -32602
        assert asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})[0] == 200


def test_calls_are_recorded(tmp_path: Path) -> None:
    """X-7, HUB-5: each tool's calls and errors are counted under its name; invented names are one."""
    with gateway(tmp_path / "hub.toml", OLD_ERA) as (address, made):
        for name in ("echo", "fail", "invented-1"):
            asked("POST", f"{address}/mcp/old/tools/call", {"name": name, "arguments": {}})
        until(lambda: len(recorded(made)) == 3)
        assert recorded(made) == {"echo": (1, 0), "fail": (1, 1), "(unlisted)": (1, 0)}


def test_what_a_tool_or_its_caller_gets_wrong_says_nothing_against_the_server(tmp_path: Path) -> None:
    """HUB-2, HUB-3, HUB-5: it counts with the tool, and lowers neither score nor breaker; an end of the server does."""
    with gateway(tmp_path / "hub.toml", OLD_ERA) as (address, made):
        for name in ["fail"] * 12 + ["none"] * 12:
            assert asked("POST", f"{address}/mcp/old/tools/call", {"name": name})[0] == (200 if name == "fail" else 400)
        until(lambda: recorded(made) == {"fail": (12, 12), "(unlisted)": (12, 12)})
        until(lambda: service(made, "old").breaker is not None)  # levels are read once a second
        server = service(made, "old")
        assert server.errors_by_type == {"tool_error": 12, "validation": 12}
        assert (server.health.score, server.health.status, server.recent.faults) == (100.0, "healthy", 0)
        assert (server.breaker.state if server.breaker else "", server.figures.errors) == ("closed", 24)
        assert asked("POST", f"{address}/mcp/old/tools/call", {"name": "die"})[0] == 502
        until(lambda: service(made, "old").recent.faults == 1)
        until(lambda: (breaker := service(made, "old").breaker) is not None and breaker.failures == 1)
        assert service(made, "old").health.factors[0].lost > 0


def service(made: Gateway, name: str) -> Service:
    """A service as every face shows it."""
    return next(each for each in made.dashboard.query.snapshot(View()).services if each.name == name)


def recorded(made: Gateway) -> dict[str, tuple[int, int]]:
    """Calls and errors of each tool."""
    snapshot = made.dashboard.query.snapshot(View())
    return {each.operation: (each.total.count, each.total.errors) for each in snapshot.operations}


@pytest.mark.parametrize("mode", MODES)
def test_servers_at_an_address(address: str, tmp_path: Path, mode: Any) -> None:
    """HUB-9: a server with a url is asked over HTTP, here another gateway; progress comes through both."""
    text = f'[mcp.far]\nurl = "{address}/mcp/old"\n[mcp.new]\nurl = "{address}/mcp/time"\n'
    told: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async def use(near: str) -> None:
        async with mcp.Client(f"{near}/mcp", mode=mode) as client:
            result = await client.call_tool("far__steps", {}, progress_callback=heard)
            assert not result.is_error
            assert "UTC" in str(await client.call_tool("new__get_current_time", {"timezone": "UTC"}))

    with gateway(tmp_path / "hub.toml", text) as (near, made):
        asyncio.run(use(near))
        assert made.servers.tools.status("far").remote
    assert told == [0, 1, 2]


def test_a_server_that_does_not_answer_is_left_out_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-9: one that hangs while it starts does not keep the tools of the others from their clients; it is named."""
    monkeypatch.setattr(joined, "LIST_SECONDS", 0.5)
    hangs = f'[mcp.hangs]\ncommand = "{sys.executable}"\nargs = ["-c", "import time; time.sleep(900)"]\n'
    with gateway(tmp_path / "hub.toml", hangs + OLD_ERA) as (address, made):
        until(lambda: made.servers.tools.status("old").state == "ready")
        _, said = asked("POST", f"{address}/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert "old__echo" in {tool["name"] for tool in said["result"]["tools"]}
        left_out = said["result"]["_meta"]["fanlight/unavailable"]
        assert left_out == {"hangs": "hangs did not list its tools within 0.5 s"}
