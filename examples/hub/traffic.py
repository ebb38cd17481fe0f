"""Clients of the gateway, each with its official library: `python -m hub.traffic http://127.0.0.1:9090`."""

from __future__ import annotations

import asyncio
import math
import sys
from importlib import import_module
from importlib.util import find_spec
from random import Random
from typing import Any, Final

from clients import rest, until_told

from .visits import Company

SHARES: Final = {"openai": 1.2, "anthropic": 0.5, "ollama": 0.5, "mcp": 0.25, "aiohttp": 0.5}
"""Visits a second by library, on the average."""

TIDE_SECONDS: Final = 180.0
LONGEST_REST: Final = 5.0


async def drive(base_url: str, rate: float, stop: asyncio.Event, seed: int) -> None:
    """Drive a gateway until told to stop; `rate` multiplies the usual three visits a second.

    Clients whose library is not installed stay away.
    """
    names = [name for name in SHARES if find_spec(name) is not None]
    companies = await asyncio.to_thread(lambda: [import_module(f"hub.with_{name}").COMPANY for name in names])
    async with asyncio.TaskGroup() as group:
        for number, (name, company) in enumerate(zip(names, companies, strict=True)):
            group.create_task(_come(company, base_url, SHARES[name] * rate, stop, Random(seed + number)))


async def _come(company: Company, base_url: str, rate: float, stop: asyncio.Event, random: Random) -> None:
    """Visitors with one library come by chance, now more of them and now fewer; all leave when it ends."""
    loop, visitors = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    weights, visits = zip(*company.visits, strict=True)
    async with company.client(base_url) as client:
        while not stop.is_set():
            await rest(stop, min(random.expovariate(rate * tide(loop.time())), LONGEST_REST / rate))
            visitor = loop.create_task(_visit(random.choices(visits, weights)[0], client, random))
            visitors.add(visitor)
            visitor.add_done_callback(visitors.discard)
        for visitor in visitors:
            visitor.cancel()
        await asyncio.gather(*visitors, return_exceptions=True)


def tide(now: float) -> float:
    """How many come, times the average: up and down within three minutes."""
    return 1 + 0.7 * math.sin(2 * math.pi * now / TIDE_SECONDS)


async def _visit(visit: Any, client: Any, random: Random) -> None:
    try:
        await visit(client, random)
    except Exception:  # whatever its library raises for what was refused or broke off: the dashboard shows it
        return


if __name__ == "__main__":
    until_told(drive, sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:9090")
