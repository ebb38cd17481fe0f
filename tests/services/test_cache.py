"""Caches: counted, and cleared by their own function."""

from __future__ import annotations

from fanlight.services.cache import Cache, clearable


def test_a_cache_counts_what_it_is_told() -> None:
    """OBS-2: hits and misses are counted by cache."""
    counted: list[tuple[str, int]] = []
    cache = Cache("prompts", lambda name, amount: counted.append((name, amount)))
    cache.hit()
    cache.miss(2)
    cache.evict()
    cache.size(41)
    assert counted == [("cache.hits.prompts", 1), ("cache.misses.prompts", 2), ("cache.evictions.prompts", 1)]
    assert cache.entries == 41


def test_only_caches_that_hand_over_clear_can_be_cleared() -> None:
    """HUB-4: clearing is the cache's own function."""
    one, two = Cache("a", lambda *_: None), Cache("b", lambda *_: None, clear=dict)
    assert clearable([one, two]) == [two]
