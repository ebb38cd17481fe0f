"""functools.lru_cache, watched from outside."""

from __future__ import annotations

import functools

from fanlight.capture import lru
from fanlight.services.cache import Cache


class Counts(dict[str, int]):
    """What a counter was told, by name."""

    def __call__(self, name: str, amount: int) -> None:
        self[name.split(".")[1]] = self.get(name.split(".")[1], 0) + amount


def test_a_function_is_counted_by_its_own_figures() -> None:
    """HUB-4: hits, misses and entries of lru_cache, without touching the function."""
    counts = Counts()
    cache = Cache("squares", counts, adapters=(lru.watch,))

    @functools.lru_cache(maxsize=2)
    def square(number: int) -> int:
        return number * number

    assert cache.watch(square) is square
    for number in (1, 1, 2, 3):
        square(number)
    cache.refresh()
    cache.refresh()
    assert (counts, cache.entries) == ({"hits": 1, "misses": 3}, 2)


def test_clearing_begins_its_figures_again_and_loses_no_count() -> None:
    """HUB-4: after a clear the function counts from nought, the dashboard goes on."""
    counts = Counts()
    cache = Cache("squares", counts, adapters=(lru.watch,))

    @cache.watch
    @functools.lru_cache
    def square(number: int) -> int:
        return number * number

    square(1)
    square(1)
    cache.refresh()
    assert cache.clear is not None
    cache.clear()
    square(1)
    cache.refresh()
    assert (counts, cache.entries) == ({"hits": 1, "misses": 2}, 1)


def test_anything_else_is_not_its_own() -> None:
    """HUB-4: what has no figures is left to others."""
    assert lru.watch(Cache("x", Counts()), dict, "") is None
