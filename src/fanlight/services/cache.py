"""Cache: counts what one cache of the application does, and clears it where it handed over how."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any


class Cache:
    """Counts what one cache of the application does; every method costs one append. Thread-safe."""

    def __init__(
        self,
        name: str,
        count: Callable[[str, int], None],
        clear: Callable[[], Any] | None = None,
    ) -> None:
        self.name = name
        self.clear = clear
        self.entries: int | None = None
        self._count = count
        self._hits, self._misses = f"cache.hits.{name}", f"cache.misses.{name}"
        self._evictions = f"cache.evictions.{name}"

    def hit(self, times: int = 1) -> None:
        """It had what was asked for."""
        self._count(self._hits, times)

    def miss(self, times: int = 1) -> None:
        """It had not."""
        self._count(self._misses, times)

    def evict(self, times: int = 1) -> None:
        """It let entries go."""
        self._count(self._evictions, times)

    def size(self, entries: int) -> None:
        """It holds this many entries now."""
        self.entries = entries


def clearable(caches: Collection[Cache]) -> list[Cache]:
    """The caches that can be cleared."""
    return [cache for cache in caches if cache.clear is not None]
