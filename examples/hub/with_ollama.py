"""Visits with Ollama's client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from ollama import AsyncClient

from .visits import Company, question

MODEL = "llama-sim"


@asynccontextmanager
async def client(address: str) -> AsyncIterator[AsyncClient]:
    """A client of the gateway, closed after this: the library's own way is not public."""
    made = AsyncClient(host=address, timeout=30)
    try:
        yield made
    finally:
        await made._client.aclose()


async def chat(llama: AsyncClient, random: Random) -> None:
    """One answer as it comes, or whole."""
    messages = [{"role": "user", "content": question(random)}]
    if random.random() < 0.3:
        await llama.chat(model=MODEL, messages=messages)
        return
    async for _ in await llama.chat(model=MODEL, messages=messages, stream=True):
        continue


async def leave(llama: AsyncClient, random: Random) -> None:
    """Leave in the middle of an answer."""
    parts: Any = await llama.generate(model=MODEL, prompt=question(random), stream=True)
    most = random.randint(2, 12)
    async for _ in parts:
        most -= 1
        if not most:
            break
    await parts.aclose()


async def generate(llama: AsyncClient, random: Random) -> None:
    """Go on with a text for a few tokens."""
    await llama.generate(model=MODEL, prompt=question(random), options={"num_predict": random.randint(5, 40)})


async def look(llama: AsyncClient, random: Random) -> None:
    """Which models there are, and which are loaded."""
    await llama.list()
    await llama.ps()


async def embed(llama: AsyncClient, random: Random) -> None:
    """A text as numbers."""
    await llama.embed(model=MODEL, input=question(random))


COMPANY = Company(client, ((3, chat), (1, leave), (2, generate), (1, look), (1, embed)))
