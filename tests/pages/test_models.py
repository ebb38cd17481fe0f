"""The Models page says what the calls of language models said."""

from __future__ import annotations

from typing import Any

from tests.faces.service import ScriptedService, busy_service

from fanlight.pages import models
from fanlight.panels import Bars, Stat, Table, View


def rows(panel: Table) -> list[dict[str, Any]]:
    return [dict(zip([c.name for c in panel.columns], row.values, strict=True)) for row in panel.rows]


def test_models_show_calls_tokens_cost_and_speed() -> None:
    """X-7, HUB-5, TTY-3: per model: calls, errors, percentiles, first token, tokens per second, tokens in and out."""
    snapshot = busy_service().snapshot()
    row = rows(models.model_table(snapshot, View()))[0]
    assert (row["model"], row["calls"], row["ratio"], row["total"]) == ("small", 2, 0.5, 2)
    assert abs(row["first"] - 0.5) < 0.01
    assert abs(row["speed"] - 20.0) < 0.4
    tokens = rows(models.token_table(snapshot, View()))[0]
    assert (tokens["input"], tokens["output"], tokens["cached"], tokens["reasoning"]) == (900, 100, 300, 20)
    assert (tokens["input_mean"], tokens["output_mean"]) == (900, 100)
    assert abs(tokens["cost"] - 0.0012) < 1e-9
    assert models.cost(snapshot, View()).value == tokens["cost"]


def test_errors_usage_and_slowest_operations_are_listed() -> None:
    """X-7, HUB-5: errors by type, how well tokens are known, the slowest operations first."""
    snapshot = busy_service().snapshot()
    errors = models.model_errors(snapshot, View())
    assert isinstance(errors, Bars)
    assert [(bar.name, bar.value) for bar in errors.bars] == [("rate_limit", 1)]
    assert {bar.name: bar.value for bar in models.usage(snapshot, View()).bars}["exact"] == 1
    slowest = [row["operation"] for row in rows(models.slowest_operations(snapshot, View()))]
    assert slowest == ["openai chat", "routellm route", "postgres insert"]
    assert [row["operation"] for row in rows(models.slow_calls(snapshot, View()))] == ["chat", "route"]


def test_what_caches_spared_is_shown() -> None:
    """X-7: tokens read from a provider's cache and their share, and the hits of the application's own caches."""
    snapshot = busy_service().snapshot()
    facts = {fact.name: fact.value for fact in models.model_cache(snapshot, View()).facts}
    assert (facts["Tokens in from a cache"], facts["Share of tokens in"]) == (300, 300 / 900)
    total = snapshot.cache_total
    assert (facts["Cache hits"], facts["Cache misses"], facts["Hit rate"]) == (
        total.hits, total.misses, total.hit_ratio,
    )  # fmt: skip


def test_tokens_per_second_are_shown_in_and_out() -> None:
    """TTY-3: tokens in and out per second, in all and per call."""
    service = busy_service()
    service.tick(5.0)
    snapshot = service.snapshot()
    stats = {name: getattr(models, name)(snapshot, View()) for name in ("tokens_in", "tokens_out")}
    assert all(isinstance(stat, Stat) for stat in stats.values())
    assert stats["tokens_in"].detail == "900 in all, 900 per call"
    assert max(value or 0 for value in stats["tokens_in"].spark) == 900 / 5


def test_the_failed_share_of_calls_is_shown() -> None:
    """X-7: of the window, with what it is a share of; nothing is claimed before the first call."""
    snapshot = busy_service().snapshot()
    figures = snapshot.view.totals["models"]
    stat = models.error_rate(snapshot, View())
    assert stat.value == figures.errors / figures.count
    assert stat.detail == f"{figures.errors} of {figures.count} in 15 min"
    none = models.error_rate(ScriptedService().snapshot(), View())
    assert (none.value, none.detail) == (None, "no call yet")


def test_without_a_model_the_page_says_how() -> None:
    """X-7: an empty page tells the line that fills it."""
    page = models.page(ScriptedService().snapshot(), View(page="models"))
    panel = page.slots[0].build(ScriptedService().snapshot(), View())
    assert isinstance(panel, Table)
    assert 'kind="llm"' in panel.empty
