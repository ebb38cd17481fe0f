"""Visits with Anthropic's client."""

from __future__ import annotations

from random import Random
from typing import Any

from anthropic import AsyncAnthropic

from .visits import TOOL, Company, question, trouble

MODEL = "claude-sim"
MOST = 900


def client(address: str) -> AsyncAnthropic:
    """A client of the gateway."""
    return AsyncAnthropic(base_url=address, api_key="none", max_retries=0, timeout=30)


async def message(claude: AsyncAnthropic, random: Random) -> None:
    """One answer, whole."""
    await claude.messages.create(model=MODEL, max_tokens=MOST, messages=[_user(random)])


async def stream(claude: AsyncAnthropic, random: Random) -> None:
    """One answer as it comes."""
    async with claude.messages.stream(model=MODEL, max_tokens=MOST, messages=[_user(random)]) as parts:
        async for _ in parts.text_stream:
            continue


async def leave(claude: AsyncAnthropic, random: Random) -> None:
    """Leave in the middle of an answer."""
    most = random.randint(2, 12)
    async with claude.messages.stream(model=MODEL, max_tokens=MOST, messages=[_user(random)]) as parts:
        async for _ in parts.text_stream:
            most -= 1
            if not most:
                return


async def tools(claude: AsyncAnthropic, random: Random) -> None:
    """Have a tool used."""
    tool: Any = {"name": "get_current_time", "input_schema": TOOL}
    await claude.messages.create(model=MODEL, max_tokens=MOST, messages=[_user(random)], tools=[tool])


async def fail(claude: AsyncAnthropic, random: Random) -> None:
    """Ask a model that fails."""
    await claude.messages.create(
        model=MODEL, max_tokens=MOST, messages=[_user(random)], extra_headers=trouble(random)
    )  # fmt: skip


def _user(random: Random) -> Any:
    return {"role": "user", "content": question(random)}


COMPANY = Company(client, ((9, message), (15, stream), (3, leave), (3, tools), (1, fail)))
