"""The page of the MCP servers, from a real one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
from tests.gateway.mcp.servers import OLD_ERA, gateway, until
from tests.gateway.mcp.test_endpoint import asked


def test_page(tmp_path: Path) -> None:
    """HUB-2, HUB-5: the page shows each server's state, pid, restarts, tools and memory, and the slowest operations."""

    async def read(url: str) -> str:
        async with aiohttp.ClientSession() as client, client.get(url) as reply:
            return await reply.text()

    with gateway(tmp_path / "hub.toml", OLD_ERA) as (address, made):
        assert asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})[0] == 200
        pid = str(made.servers.tools.status("old").pid)

        def shown() -> bool:
            text = asyncio.run(read(f"{address}/dashboard/pages/mcp"))
            return all(word in text for word in ("ready", pid, "Slowest operations", "echo"))

        until(shown, 15)
