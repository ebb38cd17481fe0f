"""functools.lru_cache, and all that has its `cache_info` and `cache_clear`: read once a second, never wrapped."""

from __future__ import annotations

from typing import Any

from fanlight.capture.counting import Counter


def watch(counter: Counter, target: Any, prefix: str) -> LruReading | None:
    """Watch a function that caches, all of it; None for anything else."""
    if callable(getattr(target, "cache_info", None)) and callable(getattr(target, "cache_clear", None)):
        return LruReading(counter, target)
    return None


class LruReading:
    """A function's own figures, told as what was added since the last time. They begin again when it is cleared."""

    ask = None
    prefix = ""
    shared = False

    def __init__(self, counter: Counter, function: Any) -> None:
        self._counter = counter
        self._function = function
        self.clear = function.cache_clear
        self._hits = self._misses = 0

    def read(self) -> None:
        """Tell the counter what was added."""
        info = self._function.cache_info()
        if info.hits < self._hits or info.misses < self._misses:
            self._hits = self._misses = 0
        if info.hits > self._hits:
            self._counter.hit(info.hits - self._hits)
        if info.misses > self._misses:
            self._counter.miss(info.misses - self._misses)
        self._hits, self._misses = info.hits, info.misses
        self._counter.size(info.currsize)
