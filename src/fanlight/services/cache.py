"""Cache: counts what one cache of the application does, and clears it where it can be cleared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

from fanlight.core.records import text
from fanlight.errors import FanlightError

T = TypeVar("T")


class Reading(Protocol):
    """A watched cache: `read` brings the counter up to date, once a second; `clear` empties it."""

    def read(self) -> None: ...

    def clear(self) -> Any: ...


Adapter = Callable[["Cache", Any], Reading | None]
"""Watches an object for a counter; None when it is of another kind."""


class Cache:
    """Counts what one cache of the application does; every method costs one append. Thread-safe."""

    def __init__(
        self,
        name: str,
        count: Callable[[str, int], None],
        clear: Callable[[], Any] | None = None,
        adapters: Sequence[Adapter] = (),
        on_clear: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.entries: int | None = None
        self._count = count
        self._hits, self._misses = f"cache.hits.{name}", f"cache.misses.{name}"
        self._evictions = f"cache.evictions.{name}"
        self._adapters = adapters
        self._on_clear = on_clear
        self._watched: Reading | None = None
        self._clear = clear

    @property
    def clear(self) -> Callable[[], Any] | None:
        """What empties it, None when nobody handed that over."""
        return self._clear

    @clear.setter
    def clear(self, clear: Callable[[], Any] | None) -> None:
        self._clear = clear
        if clear is not None:
            self._on_clear()

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

    def watch(self, target: T) -> T:
        """Count what a cache does by itself: a function under `functools.lru_cache`, or a `cachetools` cache.

        Returns it as it was given, so that it is a decorator, too. What empties it becomes `clear`, unless there is
        one. Raises FanlightError for anything else.
        """
        for adapter in self._adapters:
            watched = adapter(self, target)
            if watched is not None:
                self._watched = watched
                self.clear = self.clear or watched.clear
                return target
        raise FanlightError(
            f"the cache {self.name} cannot watch {text(target, 80)}; expected a function under functools.lru_cache or "
            "a cachetools cache; count anything else with hit(), miss() and size()"
        )

    def refresh(self) -> None:
        """Bring it up to date with what it watches."""
        if self._watched is not None:
            self._watched.read()


def clearable(caches: Collection[Cache]) -> list[Cache]:
    """The caches that can be cleared."""
    return [cache for cache in caches if cache.clear is not None]
