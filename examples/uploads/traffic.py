"""Clients of the upload service: `python -m uploads.traffic http://127.0.0.1:8002`."""

from __future__ import annotations

import asyncio
import sys
from random import Random
from typing import Final

import aiohttp

from clients import keep_busy, until_told

REQUESTS_PER_SECOND: Final = 10.0
CLIENTS: Final = 8
WORDS: Final = (
    "report", "invoice", "window", "release", "latency", "customer", "figures", "quarter", "photo", "draft", "notes",
)  # fmt: skip
DECK: Final = {"upload": 30, "recent": 25, "show": 20, "words": 22, "unknown": 2, "too_large": 1}


async def drive(base_url: str, rate: float, stop: asyncio.Event, seed: int) -> None:
    """Drive an upload service until told to stop; `rate` multiplies the usual ten requests a second."""
    visitor = Visitor()
    think = CLIENTS / (REQUESTS_PER_SECOND * rate)
    await keep_busy(base_url, visitor.step, stop, clients=CLIENTS, think=think, seed=seed)


class Visitor:
    """Whoever uploads and looks; what was uploaded last is remembered."""

    def __init__(self) -> None:
        self.known: list[str] = []

    async def step(self, session: aiohttp.ClientSession, random: Random) -> None:
        """One thing of the deck."""
        kind = random.choices(list(DECK), list(DECK.values()))[0]
        if kind in ("upload", "too_large"):
            await self._upload(session, random, too_large=kind == "too_large")
            return
        id = random.choice(self.known[-40:]) if self.known and kind != "unknown" else "nothing"
        path = {"recent": "/uploads?limit=10", "words": f"/uploads/{id}/words"}.get(kind, f"/uploads/{id}")
        async with session.get(path) as response:
            await response.read()

    async def _upload(self, session: aiohttp.ClientSession, random: Random, *, too_large: bool) -> None:
        name, content = ("video.mp4", bytes(300_000)) if too_large else file(random)
        async with session.post("/uploads", params={"name": name}, data=content) as response:
            if response.status == 201:
                self.known = [*self.known[-100:], (await response.json())["id"]]
            await response.read()


def file(random: Random) -> tuple[str, bytes]:
    """A name and a content: mostly texts, some pictures and PDFs, now and then one that is refused."""
    word, number = random.choice(WORDS), random.randrange(1000)
    kind = random.choices(("text", "image", "pdf", "virus", "odd"), (70, 14, 11, 2, 3))[0]
    body = " ".join(random.choices(WORDS, k=random.randint(20, 4_000))).encode()
    if kind == "text":
        return f"{word}-{number}.txt", body
    if kind == "image":
        return f"{word}-{number}.png", b"\x89PNG\r\n" + random.randbytes(random.randint(1_000, 90_000))
    if kind == "pdf":
        return f"{word}-{number}.pdf", b"%PDF-1.7 " + body
    return (
        (f"{word}-{number}.exe", b"X5O!P%@AP" + body) if kind == "virus" else (f"{word}-{number}.bin", b"\x00" + body)
    )


if __name__ == "__main__":
    until_told(drive, sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8002")
