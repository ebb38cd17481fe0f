"""Visits with the official client of MCP, of either era."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import mcp

from .visits import Company

ERAS: Final = ("auto", "2026-07-28", "legacy")
ZONES: Final = ("UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Mars/Olympus_Mons")
"""The last of them is none, and so the tool fails."""
REVISIONS: Final = ("HEAD", "HEAD~1", "HEAD~2", "no-such-branch")


@asynccontextmanager
async def client(address: str) -> AsyncIterator[str]:
    """Each visit makes a client of its own, as an agent does for a task."""
    yield address


async def time(address: str, random: Random) -> None:
    """Ask for the time in some places."""
    async with _connected(f"{address}/mcp/time", random) as server:
        await server.list_tools()
        for _ in range(random.randint(1, 3)):
            await server.call_tool("get_current_time", {"timezone": _mostly(random, ZONES)})
        places = {"source_timezone": "UTC", "time": "12:00", "target_timezone": _mostly(random, ZONES)}
        await server.call_tool("convert_time", places)


async def git(address: str, random: Random) -> None:
    """Look at the history of a repository; the server knows which."""
    async with _connected(f"{address}/mcp", random) as servers:
        tools = {tool.name: tool for tool in (await servers.list_tools()).tools}
        for name, arguments in (
            ("git_log", {"max_count": 3}), ("git_show", {"revision": _mostly(random, REVISIONS)}), ("git_status", {}),
        ):  # fmt: skip
            if f"git__{name}" in tools:
                await servers.call_tool(f"git__{name}", {"repo_path": ".", **arguments})


def _connected(url: str, random: Random) -> Any:
    era: Any = random.choice(ERAS)
    return mcp.Client(url, mode=era)


def _mostly(random: Random, choices: tuple[str, ...]) -> str:
    """One of the choices; the last, which is wrong, seldom."""
    return choices[-1] if random.random() < 0.06 else random.choice(choices[:-1])


COMPANY = Company(client, ((3, time), (2, git)))
