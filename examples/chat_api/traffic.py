"""Believable traffic for the chat service: `python -m chat_api.traffic http://127.0.0.1:8001`.

About 30 requests a second and some 15 WebSockets by default, from one seed: users with think times, a slow wave,
a burst every two minutes, and a few who do everything wrong. A server that goes away is waited for.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from .samples import PEOPLE
from .visitors import Guest, Pause, Tally, Visitor, World

REQUESTS_PER_SECOND: Final = 30.0
USERS: Final = 24
GUESTS: Final = 16
FAREWELL_SECONDS: Final = 1.0
REPORT_SECONDS: Final = 10.0
AWAY: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""What a server that is gone, going or coming looks like from a client."""

DECK: Final[dict[str, int]] = {
    "read": 330, "read_back": 50, "send": 170, "list_groups": 140, "view_group": 110, "search": 70, "report": 26,
    "sign_in": 22, "healthz": 20, "delete_own": 16, "export": 3, "hang_up": 1, "listen": 2, "create_group": 1,
    "no_token": 3, "wrong_token": 2, "guest_writes": 2, "delete_foreign": 1, "conflict": 2, "bad_body": 4,
    "bad_page": 2, "unknown_path": 4, "unknown_group": 3,
}  # fmt: skip
"""How often each step of a `Visitor` comes in one round; about one in forty is wrong on purpose."""

VISITS: Final[dict[str, int]] = {"member": 44, "vanish": 3, "wrong_token": 2, "no_token": 1}
"""How often each visit of a `Guest` comes in one round."""


async def drive(
    base_url: str,
    rate: float = 1.0,
    stop: asyncio.Event | None = None,
    seed: int = 7,
    *,
    pause: Pause | None = None,
    tally: Tally | None = None,
    after_step: Callable[[Tally], object] = lambda tally: None,
) -> Tally:
    """Drive a chat service until `stop` is set or the task is cancelled; returns what was done.

    `rate` multiplies the default of about 30 requests a second. `pause` is how users wait. `after_step` is called
    after each step, also one that failed.
    """
    stop = stop or asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=30, connect=5)
    connector = aiohttp.TCPConnector(limit=512)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(base_url, connector=connector, timeout=timeout, cookie_jar=jar) as session:
        world = World(session, Random(seed), pause or _until(stop), stop, tally or Tally())
        crowd = Crowd(world, rate, after_step)
        await crowd.run()
    return world.tally


class Crowd:
    """All simulated users of one run."""

    def __init__(self, world: World, rate: float, after_step: Callable[[Tally], object]) -> None:
        self.world = world
        self.users = round(min(200.0, max(4.0, USERS * rate)))
        self.guests = round(min(64.0, max(2.0, GUESTS * math.sqrt(rate))))
        self._think = self.users / (REQUESTS_PER_SECOND * rate)
        self._after_step = after_step
        self._steps = deal(world.random, DECK)
        self._visits = deal(world.random, VISITS)
        self._started = time.monotonic()

    async def run(self) -> None:
        """Let everybody loose; when told to stop, let them finish for a second, then send them home."""
        visitors = [Visitor(self.world, PEOPLE[index % len(PEOPLE)]) for index in range(self.users)]
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self.world.stop.wait())]
        tasks += [asyncio.create_task(self._requests(visitor)) for visitor in visitors]
        tasks += [asyncio.create_task(self._sockets(Guest(self.world))) for _ in range(self.guests)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(tasks, timeout=FAREWELL_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):  # a mistake of ours, not of the server's
                raise end

    async def _requests(self, visitor: Visitor) -> None:
        await self.world.pause(self.world.random.uniform(0, self._think))
        await self._repeat(lambda: self._step(visitor), lambda: self.world.random.expovariate(1 / self._think))

    async def _sockets(self, guest: Guest) -> None:
        await self.world.pause(self.world.random.uniform(0, 8))
        await self._repeat(lambda: getattr(guest, next(self._visits))(), lambda: self.world.random.uniform(1, 8))

    async def _step(self, visitor: Visitor) -> None:
        kind = next(self._steps)
        await getattr(visitor, kind)()
        self.world.tally.steps[kind] += 1

    async def _repeat(self, step: Callable[[], Awaitable[None]], think: Callable[[], float]) -> None:
        """Step and think, over and over; while the server is away, more and more seldom, but every eight seconds."""
        failures = 0
        while not self.world.stop.is_set():
            try:
                await step()
                failures = 0
            except AWAY:
                self.world.tally.away += 1
                failures = min(failures + 1, 5)
            self._after_step(self.world.tally)
            seconds = think() / tide(time.monotonic() - self._started)
            await self.world.pause(max(seconds, backoff(failures, self.world.random)))


def deal(random: Random, cards: dict[str, int]) -> Iterator[str]:
    """Kinds without end: the cards, shuffled anew for each round, so that a round has each as often as told."""
    deck = [kind for kind, count in cards.items() for _ in range(count)]
    while True:
        random.shuffle(deck)
        yield from deck


def tide(elapsed: float) -> float:
    """How busy it is after so many seconds, about 1 in the mean: two waves, and a burst every two minutes or so."""
    waves = 1 + 0.3 * math.sin(elapsed * math.tau / 480) + 0.08 * math.sin(elapsed * math.tau / 77)
    return waves * (1.9 if elapsed % 130 > 122 else 1.0)


def backoff(failures: int, random: Random) -> float:
    """How long to wait after so many failures in a row: 0.5 s doubling to 8 s, a quarter more or less."""
    return 0.25 * 2**failures * random.uniform(0.75, 1.25) if failures else 0.0


def _until(stop: asyncio.Event) -> Pause:
    async def pause(seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)

    return pause


async def _report(tally: Tally) -> None:
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        print(tally, flush=True)


async def _run(url: str, rate: float, seed: int) -> None:
    stop, tally = asyncio.Event(), Tally()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    report = asyncio.create_task(_report(tally))
    try:
        await drive(url, rate, stop, seed, tally=tally)
    finally:
        report.cancel()
        print(tally, flush=True)


def _base_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/"):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected http://host:port")
    return text


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"got {text}, expected more than 0 and at most 100")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Drive a service from the command line until Ctrl+C."""
    parser = argparse.ArgumentParser("python -m chat_api.traffic", description="Believable traffic for a chat service.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8001", type=_base_url)
    parser.add_argument("--rate", default=1.0, type=_positive, help="times the usual 30 requests a second")
    parser.add_argument("--seed", default=7, type=int, help="the same seed gives the same users and steps")
    options = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(options.url, options.rate, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
