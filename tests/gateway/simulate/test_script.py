"""What a simulated model says: the same again, within limits, whatever it is asked."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as some

from fanlight.gateway.simulate.failure import KINDS, Failure, demanded
from fanlight.gateway.simulate.script import Tool, Wish, vector, write
from fanlight.gateway.simulate.wire import PROMPT_LIMIT, plain_text

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(some.text(), some.integers(1, 200))
def test_the_same_wish_has_the_same_answer(prompt: str, most: int) -> None:
    """X-7: seed, model and prompt decide everything; the limit of tokens is kept."""
    wish = Wish("m", prompt, most=most, reasons=True)
    script = write(wish, 7)
    assert script == write(wish, 7)
    assert len(script.pieces) <= most
    assert script.output_tokens == len(script.pieces) + script.reasoning_tokens
    assert script.seconds >= script.first_seconds > 0
    assert 0 <= script.cached_tokens <= script.input_tokens


def test_another_seed_has_another_answer() -> None:
    """X-7: the seed counts."""
    assert len({write(Wish("m", "hello"), seed).id for seed in range(20)}) == 20


@given(JSON)
def test_any_prompt_and_any_schema_can_be_read(given_json: object) -> None:
    """X-6: what comes from outside may have any shape."""
    assert len(plain_text(given_json)) <= PROMPT_LIMIT
    schema = {"type": "object", "properties": {"a": given_json}}
    assert "a" in write(Wish("m", "p", tools=(Tool("t", schema),)), 7).arguments


def test_long_prompts_are_partly_cached() -> None:
    """X-7: cached tokens appear as OpenAI counts them, in steps of 128 from 1,024 on."""
    assert write(Wish("m", "x" * 4_095), 7).cached_tokens == 1_024
    assert write(Wish("m", "x" * 4_000), 7).cached_tokens == 0


def test_embeddings_have_length_one() -> None:
    """X-7: the same text has the same vector, another one another."""
    one = vector("a", 64, 7)
    assert abs(sum(value * value for value in one) - 1) < 1e-9
    assert one == vector("a", 64, 7) != vector("b", 64, 7)


def test_failures_are_had_by_header_by_name_and_by_chance() -> None:
    """X-7: each kind can be asked for; by chance as many come as were wished for."""
    chance = random.Random(1)
    assert [demanded({"x-simulate": kind}, "m", 0, chance) for kind in KINDS] == [Failure(kind) for kind in KINDS]
    assert demanded({}, "m-fail-429", 0, chance) == Failure(status=429)
    assert demanded({}, "m-fail-often", 0, chance) == Failure()
    failed = sum(demanded({}, "m", 0.2, chance) != Failure() for _ in range(1_000))
    assert 150 < failed < 250
