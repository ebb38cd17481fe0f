"""Visits with OpenAI's client."""

from __future__ import annotations

from random import Random
from typing import Any

from openai import AsyncOpenAI

from .visits import TOOL, Company, question, trouble

MODEL = "gpt-sim"


def client(address: str) -> AsyncOpenAI:
    """A client of the gateway."""
    return AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=30)


async def chat(gpt: AsyncOpenAI, random: Random) -> None:
    """One answer, whole."""
    await gpt.chat.completions.create(model=MODEL, messages=[_user(random)])


async def stream(gpt: AsyncOpenAI, random: Random) -> None:
    """One answer as it comes, with its usage or without."""
    told = random.random() < 0.5
    parts: Any = await gpt.chat.completions.create(
        model=MODEL, messages=[_user(random)], stream=True, stream_options={"include_usage": told}
    )
    async for _ in parts:
        continue


async def leave(gpt: AsyncOpenAI, random: Random) -> None:
    """Leave in the middle of an answer."""
    parts: Any = await gpt.chat.completions.create(model=MODEL, messages=[_user(random)], stream=True)
    most = random.randint(2, 12)
    async for _ in parts:
        most -= 1
        if not most:
            break
    await parts.close()


async def tools(gpt: AsyncOpenAI, random: Random) -> None:
    """Have a tool called, and tell its result."""
    tool: Any = {"type": "function", "function": {"name": "get_current_time", "parameters": TOOL}}
    asked: Any = _user(random)
    first = await gpt.chat.completions.create(model=MODEL, messages=[asked], tools=[tool])
    message: Any = first.choices[0].message
    results: list[Any] = [
        {"role": "tool", "tool_call_id": call.id, "content": "noon"} for call in message.tool_calls or ()
    ]
    await gpt.chat.completions.create(model=MODEL, messages=[asked, message, *results], tools=[tool])


async def response(gpt: AsyncOpenAI, random: Random) -> None:
    """One answer of the newer API, streamed."""
    async with gpt.responses.stream(model=MODEL, input=question(random)) as events:
        async for _ in events:
            continue


async def embed(gpt: AsyncOpenAI, random: Random) -> None:
    """A few texts as numbers."""
    await gpt.embeddings.create(model="embed-sim", input=[question(random) for _ in range(random.randint(1, 4))])


async def fail(gpt: AsyncOpenAI, random: Random) -> None:
    """Ask a model that fails, or one that is not there."""
    if random.random() < 0.2:
        await gpt.chat.completions.create(model="gpt-of-next-year", messages=[_user(random)])
    parts: Any = await gpt.chat.completions.create(
        model=MODEL, messages=[_user(random)], stream=random.random() < 0.5, extra_headers=trouble(random)
    )
    if hasattr(parts, "__aiter__"):
        async for _ in parts:
            continue


def _user(random: Random) -> Any:
    return {"role": "user", "content": question(random)}


COMPANY = Company(client, ((12, chat), (16, stream), (2, leave), (4, tools), (4, response), (6, embed), (1, fail)))
