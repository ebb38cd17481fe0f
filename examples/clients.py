"""What the clients of the examples have in common: they step and think, and wait for a server that is away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

import aiohttp

AWAY: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""What a server that is gone, going or coming looks like from a client."""
ANSWER_SECONDS: Final = 30.0

Step = Callable[[aiohttp.ClientSession, Random], Awaitable[object]]
"""One thing a client does."""
Drive = Callable[[str, float, asyncio.Event, int], Awaitable[object]]
"""(address, rate, stop, seed): drive a service until told to stop."""


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not past the end."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def keep_busy(base_url: str, step: Step, stop: asyncio.Event, *, clients: int, think: float, seed: int) -> None:
    """So many clients, each of which steps and thinks about `think` seconds, over and over, until told to stop."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, connect=5)
    async with aiohttp.ClientSession(base_url, timeout=timeout) as session:
        crowd = [_client(session, step, stop, think, Random(seed + number)) for number in range(clients)]
        busy: asyncio.Future[Any] = asyncio.gather(*crowd)
        ended: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        await asyncio.wait([busy, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not busy.done():
            busy.cancel()
        with suppress(asyncio.CancelledError):
            await busy


async def _client(
    session: aiohttp.ClientSession, step: Step, stop: asyncio.Event, think: float, random: Random
) -> None:
    failures = 0
    while not stop.is_set():
        await rest(stop, max(random.expovariate(1 / think), 0.25 * 2**failures if failures else 0.0))
        try:
            await step(session, random)
            failures = 0
        except AWAY:
            failures = min(failures + 1, 5)


def until_told(drive: Drive, base_url: str, rate: float = 1.0, seed: int = 7) -> None:
    """Drive a service until SIGINT or SIGTERM."""

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await drive(base_url, rate, stop, seed)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # another one would find a loop that is half closed

    asyncio.run(run())
