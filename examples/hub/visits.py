"""What the visits of all clients have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any, Final, NamedTuple

QUESTIONS: Final = (
    "What is a fanlight?", "Why is the ninety-ninth percentile higher at noon?", "Explain a circuit breaker.",
    "Which of these two queues is longer, and why?", "Write a haiku about latency.", "What does a cache miss cost?",
    "Summarise the incident of last night.", "How many workers do I need for 400 requests a second?",
)  # fmt: skip
FAILURES: Final = ("429", "500", "503", "cut", "error", "garbage", "slow")
"""What a simulated model is asked to do wrong, by the header `x-simulate`."""

TOOL: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"timezone": {"type": "string", "enum": ["Asia/Tokyo"]}},
    "required": ["timezone"],
}
"""The arguments of the tool that models are offered, as JSON schema."""

Visit = Callable[[Any, Random], Awaitable[object]]
"""One thing done with a client; it may raise what its library raises."""


class Company(NamedTuple):
    """Visitors with one library: how its client is made for an address, and their visits with their weights."""

    client: Callable[[str], AbstractAsyncContextManager[Any]]
    visits: tuple[tuple[int, Visit], ...]


def question(random: Random) -> str:
    """Something to ask."""
    return random.choice(QUESTIONS)


def trouble(random: Random) -> dict[str, str]:
    """Headers that have the simulated model fail."""
    return {"x-simulate": random.choice(FAILURES)}
