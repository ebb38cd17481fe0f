"""What a simulated model says and how fast: decided from the seed, the model and the prompt before the first byte."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

CHARACTERS_PER_TOKEN: Final = 4
CACHE_FROM: Final = 1_024
"""Tokens of a prompt from which on part of it counts as cached, in steps of 128, as OpenAI does."""

MOST_TOKENS: Final = 4_096
SENTENCES: Final = (
    "The window over the door lets the light in before anybody knocks.",
    "A number is only as good as the count behind it.",
    "First look at the chart, then at the request, then at its calls.",
    "What is cheap to measure is measured always; what is dear, when somebody asks.",
    "Most slow answers wait for one slow thing.",
    "If two dashboards disagree, neither of them is believed.",
    "Retry before the first byte, never after it.",
    "An error that names its cause is half mended.",
    "The ninety-ninth percentile is somebody's ordinary day.",
    "Nothing was dropped that was not counted.",
)


class Tool(msgspec.Struct, frozen=True):
    """A tool the model is offered: its name and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


class Wish(msgspec.Struct, frozen=True):
    """What a request of any protocol comes down to."""

    model: str
    prompt: str
    most: int | None = None
    tools: tuple[Tool, ...] = ()
    answered: bool = False
    schema: Mapping[str, Any] | None = None
    reasons: bool = False


class Script(msgspec.Struct, frozen=True):
    """An answer: its pieces (about a token each), how long each takes (seconds), and what it counts."""

    pieces: tuple[str, ...]
    tool: Tool | None
    arguments: Mapping[str, Any]
    cut_short: bool
    first_seconds: float
    piece_seconds: float
    input_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    id: str

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        """Everything that was generated, reasoning among it."""
        return len(self.pieces) + self.reasoning_tokens

    @property
    def finish_reason(self) -> str:
        """Why it ends, in OpenAI's words."""
        return "tool_calls" if self.tool else "length" if self.cut_short else "stop"

    @property
    def seconds(self) -> float:
        """How long the whole answer takes."""
        return self.first_seconds + self.piece_seconds * max(len(self.pieces) - 1, 0)


def write(wish: Wish, seed: int) -> Script:
    """The answer to a wish: the same for the same seed, model and prompt."""
    chance = random.Random(zlib.crc32(f"{seed}|{wish.model}|{wish.prompt}".encode("utf-8", "replace")))  # noqa: S311 - a play, no secret
    tool = wish.tools[0] if wish.tools and not wish.answered else None
    arguments = _sample(tool.schema, chance) if tool else {}
    pieces = tuple(_pieces(wish, tool, arguments, chance))
    most = min(wish.most or MOST_TOKENS, MOST_TOKENS)
    counted = tokens(wish.prompt)
    return Script(
        pieces=pieces[:most],
        tool=tool,
        arguments=arguments if isinstance(arguments, dict) else {},
        cut_short=len(pieces) > most,
        first_seconds=chance.lognormvariate(math.log(0.18), 0.45),
        piece_seconds=1 / chance.uniform(45, 110),
        input_tokens=counted,
        cached_tokens=counted // 128 * 128 if counted >= CACHE_FROM else 0,
        reasoning_tokens=chance.randrange(64, 512) if wish.reasons else 0,
        id=f"{chance.getrandbits(96):024x}",
    )


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    return max(1, math.ceil(len(text) / CHARACTERS_PER_TOKEN))


def _pieces(wish: Wish, tool: Tool | None, arguments: Any, chance: random.Random) -> Iterator[str]:
    if tool is not None:
        text = msgspec.json.encode(arguments).decode()
    elif wish.schema is not None:
        text = msgspec.json.encode(_sample(wish.schema, chance)).decode()
    else:
        text = " ".join(chance.sample(SENTENCES, chance.randrange(2, 7)))
    words = text.split(" ")
    yield from (word if number == 0 else f" {word}" for number, word in enumerate(words))


def _sample(schema: Any, chance: random.Random, depth: int = 0) -> Any:
    """A value that fits a JSON schema of the ordinary kind; deeper than five levels, null."""
    if not isinstance(schema, Mapping) or depth > 5:
        return None
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {name: _sample(each, chance, depth + 1) for name, each in list(properties.items())[:50]}
    if kind == "array":
        return [_sample(schema.get("items", {"type": "string"}), chance, depth + 1)]
    simple = {"integer": chance.randrange(1, 9), "number": 1.5, "boolean": True, "null": None}
    return simple.get(kind, "sample") if isinstance(kind, str) else "sample"


def vector(text: str, dimensions: int, seed: int) -> list[float]:
    """An embedding of length one: the same text has the same."""
    chance = random.Random(zlib.crc32(f"{seed}|{text}".encode("utf-8", "replace")))  # noqa: S311 - a play, no secret
    values = [chance.gauss(0, 1) for _ in range(dimensions)]
    norm = math.sqrt(sum(value * value for value in values)) or 1.0
    return [value / norm for value in values]
