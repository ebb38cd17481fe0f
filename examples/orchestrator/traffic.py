"""Clients of the orchestrator, and one who turns its knobs: `python -m orchestrator.traffic http://127.0.0.1:5000`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from random import Random
from typing import Final

import aiohttp

from clients import AWAY, keep_busy, rest, until_told

REQUESTS_PER_SECOND: Final = 12.0
CLIENTS: Final = 10
CALM_SECONDS: Final = (25.0, 45.0)
TROUBLE_SECONDS: Final = (12.0, 20.0)
TROUBLES: Final = (("routellm", "slow"), ("knowledge", "fail"), ("models", "slow"), ("knowledge", "hang"),
                   ("poml", "fail"), ("routellm", "fail"))  # fmt: skip
SENTENCES: Final = (
    "Why does the queue grow at noon?", "The cache is cold after each deploy.", "Retry storms make it worse.",
    "Compare the breaker with a plain timeout.", "Latency doubled since the last release.",
    "def handle(request): return retry(request)", "Is a queue of a thousand jobs a problem?",
    "Explain what a cache miss costs.", "Design a budget for retries.",
)  # fmt: skip


async def drive(base_url: str, rate: float, stop: asyncio.Event, seed: int) -> None:
    """Drive an orchestrator until told to stop; `rate` multiplies the usual twelve requests a second."""
    think = CLIENTS / (REQUESTS_PER_SECOND * rate)
    await asyncio.gather(
        keep_busy(base_url, step, stop, clients=CLIENTS, think=think, seed=seed), _trouble(base_url, stop, Random(seed))
    )


async def step(session: aiohttp.ClientSession, random: Random) -> None:
    """Have a pipeline run; now and then one that is not there, or without a text."""
    name = random.choices(("summarise", "explain", "review", "translate", ""), (40, 40, 20, 1, 6))[0]
    if not name:
        async with session.get(random.choice(("/", "/knobs"))) as response:
            await response.read()
        return
    text = " ".join(random.choices(SENTENCES, k=random.randint(1, 4))) if random.random() > 0.01 else ""
    async with session.post(f"/pipelines/{name}", json={"text": text}) as response:
        await response.read()


async def _trouble(base_url: str, stop: asyncio.Event, random: Random) -> None:
    """Turn a knob every now and then, and back."""
    async with aiohttp.ClientSession(base_url, timeout=aiohttp.ClientTimeout(total=5)) as session:
        number = 0
        while not stop.is_set():
            await rest(stop, random.uniform(*CALM_SECONDS))
            wrapper, mood = TROUBLES[number % len(TROUBLES)]
            for turned, seconds in ((mood, random.uniform(*TROUBLE_SECONDS)), ("fine", 0.0)):
                with suppress(*AWAY):
                    async with session.put(f"/knobs/{wrapper}", json={"mood": turned}) as response:
                        await response.read()
                await rest(stop, seconds)
            number += 1


if __name__ == "__main__":
    until_told(drive, sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5000")
