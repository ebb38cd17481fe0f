"""Visits without a library of the protocol: enhanced prompts, and tools by plain HTTP."""

from __future__ import annotations

from random import Random
from typing import Final

import aiohttp

from .visits import Company, question

STYLES: Final = ("clear", "short")


def client(address: str) -> aiohttp.ClientSession:
    """A client of the gateway."""
    return aiohttp.ClientSession(address, timeout=aiohttp.ClientTimeout(total=30))


async def enhance(session: aiohttp.ClientSession, random: Random) -> None:
    """Have a prompt rewritten; many ask for the same."""
    style = random.choices(STYLES, (4, 1))[0]
    await _posted(session, "/ollama/enhance", {"prompt": question(random), "style": style})


async def tool(session: aiohttp.ClientSession, random: Random) -> None:
    """Call a tool."""
    await _posted(
        session, "/mcp/time/tools/call", {"name": "get_current_time", "arguments": {"timezone": "Europe/Paris"}}
    )


async def look(session: aiohttp.ClientSession, random: Random) -> None:
    """What there is."""
    for path in ("/v1/models", "/mcp/time/tools"):
        async with session.get(path) as response:
            await response.read()


async def _posted(session: aiohttp.ClientSession, path: str, wish: object) -> None:
    async with session.post(path, json=wish) as response:
        await response.read()


COMPANY = Company(client, ((6, enhance), (4, tool), (1, look)))
