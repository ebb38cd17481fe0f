"""Calls of language models fold into tokens, first token, speed and cost by service and model."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_calls import Calls

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame, Key


def test_a_model_call_folds_its_tokens_speed_and_cost() -> None:
    """X-7, TTY-3: duration, first token, tokens by type, tokens per second after the first, cost in nano-dollars."""
    bench = Calls()
    said: dict[str, Any] = {
        "model": "small",
        "input_tokens": 100,
        "output_tokens": 30,
        "cached_tokens": 60,
        "reasoning_tokens": 5,
    }
    bench.call("openai", "chat", 2.0, kind="llm", **said, time_to_first_token=0.5, cost=0.0000123, stream=True)
    bench.call("openai", "chat", 1.0, kind="llm", model="small", usage="estimated", output_tokens=0)
    bench.call("openai", "chat", 1.0, kind="llm", outcome="rate_limit", model="small")
    frame = bench.take()
    key = ("openai", "small")
    assert (frame.series["models"][key].count, frame.series["models"][key].errors) == (3, 1)
    assert frame.series["model_first_tokens"][key].total == 500_000_000
    assert frame.series["model_speeds"][key].total == 20_000
    assert frame.series["model_costs"][key].total == 12_300
    tokens = {kind: (cell.count, cell.total) for (_, _, kind), cell in frame.series["model_tokens"].items()}
    assert tokens == {"input": (1, 100), "output": (2, 30), "cached": (1, 60), "reasoning": (1, 5)}
    assert frame.totals["model_tokens"].unit == 1.0
    assert frame.counters["gen_ai.tokens.output"] == 30
    usages = {name: count for name, count in frame.counters.items() if name.startswith("gen_ai.usage.")}
    assert usages == {"gen_ai.usage.exact": 1, "gen_ai.usage.estimated": 1, "gen_ai.usage.unknown": 1}


odd = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.just(10**400), st.text(max_size=5), st.just([1])
)


@given(st.fixed_dictionaries(dict.fromkeys(("input_tokens", "output_tokens", "cost", "model", "usage"), odd)), odd)
def test_no_attribute_hurts_folding(attributes: dict[str, Any], first: Any) -> None:
    """X-7: whatever the application says of a model's call, the call is counted and nothing fails."""
    bench = Calls()
    bench.call("llm", "chat", kind="llm", **attributes, time_to_first_token=first)
    frame = bench.take()
    assert frame.totals["models"].count == 1
    assert "fanlight.failures" not in frame.counters
    assert Frame.decode(frame.encode()) == frame


def test_many_calls_fold_as_each_alone() -> None:
    """X-7: what is gathered in a tick comes to the same cells as call by call, for every outcome and amount."""
    together, alone, summed = Calls(), Calls(), Frame(0, 0)
    for number in range(300):
        for bench in (together, alone):
            outcome = ("", "", "", "rate_limit", "cancelled")[number % 5]
            said: dict[str, Any] = {"model": "ab"[number % 2], "output_tokens": number, "cost": number / 1e6}
            bench.call("openai", "chat", 0.5 + number / 100, kind="llm", outcome=outcome, **said)
        summed.add(alone.take(0.0))
    frame = together.take()
    for family in ("models", "model_tokens", "model_costs", "model_speeds"):
        assert frame.series[family] == summed.series[family]
    assert frame.counters["gen_ai.tokens.output"] == summed.counters["gen_ai.tokens.output"] == sum(range(300))
    assert frame.series["models"]["openai", "a"].outcomes.keys() == {"ok", "rate_limit", "cancelled"}


def test_a_model_that_cannot_be_settled_costs_only_itself() -> None:
    """X-8: a failure of ours at the end of a tick is counted; the other models, and the rest of the tick, stay."""
    bench = Calls()
    fold = bench.recorder.fold._calls._models
    cell = fold._cell

    def failing(family: str, key: Key, frame: Frame, unit: float) -> Cell:
        if key[1] == "bad":
            raise LookupError("no cell")
        return cell(family, key, frame, unit)

    fold._cell = failing
    for model in ("bad", "good"):
        bench.call("llm", "chat", kind="llm", model=model, output_tokens=3)
    bench.call("db", "get")
    frame = bench.take()
    assert bench.recorder.last_failure == "fold: LookupError: no cell"
    assert (frame.totals["calls"].count, list(frame.series["models"])) == (3, [("llm", "good")])
    assert bench.take().counters == {"fanlight.failures": 1}


def test_a_model_is_told_by_its_text() -> None:
    """X-3: whatever an application names a model by is a label like any other, unhashable and empty names too."""
    bench = Calls()
    for name in ("m" * 999, ["a"], "", None, "caf\u00e9"):
        bench.call("llm", "chat", kind="llm", model=name)
    cells: dict[Any, Cell] = bench.take().series["models"]
    assert {model: cell.count for (_, model), cell in cells.items()} == {
        "m" * 300: 1,
        "['a']": 1,
        "unknown": 2,
        "caf\u00e9": 1,
    }
