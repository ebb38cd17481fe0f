"""cachetools, the real library: its caches count themselves and behave as before."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import cachetools
import pytest

from fanlight.capture import cachetools as adapter
from fanlight.services.cache import Cache


class Counts(dict[str, int]):
    """What a counter was told, by name."""

    def __call__(self, name: str, amount: int) -> None:
        self[name.split(".")[1]] = self.get(name.split(".")[1], 0) + amount


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def counter(counts: Counts) -> Cache:
    return Cache("prompts", counts, adapters=(adapter.watch,))


KINDS: tuple[Callable[[], Any], ...] = (
    lambda: cachetools.LRUCache(2),
    lambda: cachetools.LFUCache(2),
    lambda: cachetools.FIFOCache(2),
    lambda: cachetools.RRCache(2),
    lambda: cachetools.TTLCache(2, 60),
)


@pytest.mark.parametrize("make", KINDS)
def test_every_kind_counts_hits_misses_and_evictions(make: Any, counter: Cache, counts: Counts) -> None:
    """HUB-4: lookups by [], get and in a decorator's way; what was pushed out; how many are in."""
    cache = make()
    assert counter.watch(cache) is cache
    with pytest.raises(KeyError):
        cache["a"]
    cache["a"] = 1
    assert (cache["a"], cache.get("a"), cache.get("b", 7)) == (1, 1, 7)
    cache["b"] = 2
    cache["c"] = 3
    counter.refresh()
    assert counts == {"hits": 2, "misses": 2, "evictions": 1}
    assert (len(cache), counter.entries) == (2, 2)


def test_a_decorated_function_is_counted(counter: Cache, counts: Counts) -> None:
    """HUB-4: the decorator holds the cache already when it is watched."""
    store: Any = cachetools.LRUCache(10)

    @cachetools.cached(store)
    def square(number: int) -> int:
        return number * number

    counter.watch(store)
    assert [square(number) for number in (2, 2, 3)] == [4, 4, 9]
    assert counts == {"hits": 1, "misses": 2}


def test_clearing_is_no_eviction(counter: Cache, counts: Counts) -> None:
    """HUB-4: emptied by hand, not pushed out; removing one by hand is neither a hit."""
    cache: Any = cachetools.LRUCache(10)
    counter.watch(cache)
    cache.update(a=1, b=2)
    assert cache.pop("a") == 1
    assert counter.clear is not None
    counter.clear()
    assert (len(cache), counts) == (0, {})


def test_it_is_still_the_cache_it_was(counter: Cache) -> None:
    """TTY-6: its class, copies and pickles behave as before."""
    cache: Any = cachetools.LRUCache(10)
    cache["a"] = 1
    counter.watch(cache)
    counter.watch(cache)
    assert isinstance(cache, cachetools.LRUCache)
    assert repr(cache).startswith("LRUCache({'a': 1}")
    assert type(pickle.loads(pickle.dumps(cache))) is cachetools.LRUCache
    assert copy.copy(cache)["a"] == 1
    assert type(cache).__mro__[1] is cachetools.LRUCache


def test_anything_else_is_refused_with_what_can_be_watched(counter: Cache) -> None:
    """HUB-4: got and expected."""
    with pytest.raises(Exception, match=r"cannot watch \{\}; expected a function under functools\.lru_cache, a"):
        counter.watch({})
