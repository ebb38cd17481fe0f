"""A service asked as fast as it answers, over real connections: nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fanlight.core.recorder import FACT_LIMIT

if TYPE_CHECKING:
    from tests.cli.conftest import Command

CONNECTIONS = 32
EACH = 2_200
"""Together more than wait at most to be counted (65,536): were they only counted afterwards, some would be lost."""
QUICK = """
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]}
BODY = {"type": "http.response.body", "body": b"x"}

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(START)
        await send(BODY)
"""


class Asker(asyncio.Protocol):
    """A connection that asks anew with each answer."""

    def __init__(self, number: int, done: asyncio.Future[int]) -> None:
        self._request = b"GET /items/%d HTTP/1.1\r\nhost: localhost\r\n\r\n" % number
        self._done = done
        self._got = b""
        self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._got.endswith(b"\r\n\r\nx"):
            return
        assert self._got.startswith(b"HTTP/1.1 200 ")
        self._got = b""
        self._answered += 1
        if self._answered < EACH:
            self._transport.write(self._request)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._done.set_result(self._answered)


async def asked(place: str) -> int:
    """How many requests were answered in all."""
    host, _, port = place.partition(":")
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[int]] = [loop.create_future() for _ in range(CONNECTIONS)]
    for number, end in enumerate(ends):
        await loop.create_connection(partial(Asker, number, end), host, int(port))
    return sum(await asyncio.gather(*ends))


def test_a_load_at_the_limit_loses_nothing(command: Command, folder: Path, eventually: Callable[..., None]) -> None:
    """X-1, X-8: after 70,400 requests by 32 connections, each asking as soon as it is answered, all are counted and
    nothing was dropped."""
    (folder / "quick.py").write_text(QUICK)
    running = command("run", "quick:app", "--port", "0", "--no-access-log", "--store", "memory://")
    address = running.served()
    sent = asyncio.run(asked(address.removeprefix("http://").partition("/")[0]))
    assert sent == CONNECTIONS * EACH > FACT_LIMIT

    def told() -> tuple[int, int, int]:
        stats = json.loads(running.get(address, "/dashboard/api/stats")[1])
        own = stats["fanlight"]
        return int(stats["total_requests"]), sum(own["dropped"].values()), int(own["failures"])

    eventually(lambda: sum(told()[:2]) >= sent)
    assert told() == (sent, 0, 0)
