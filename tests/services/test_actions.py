"""Actions: reported only after they happened, and with the instances where they did not."""

from __future__ import annotations

from fanlight.services.actions import Cache, clearable, told
from fanlight.stores.commands import Outcome


def test_success_names_how_many_did_it() -> None:
    """HUB-7: success means every instance concerned did it."""
    assert told(Outcome({"a": "x", "b": "x"}, {}, []), "Cleared") == ("success", "Cleared on 2 instances: x")


def test_one_instance_is_not_counted_aloud() -> None:
    """With one process nobody wants to read about instances."""
    assert told(Outcome({"a": ""}, {}, []), "Cleared") == ("success", "Cleared")


def test_partial_success_names_the_instances() -> None:
    """HUB-7: a partial result is an error that names who failed and who never answered."""
    status, message = told(Outcome({"a": ""}, {"b": "disk full"}, ["c"]), "Cleared")
    assert status == "error"
    assert message == "Cleared on 1 instances, but not on b: disk full; c: no answer"


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
