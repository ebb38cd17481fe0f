"""Cache: counts what one cache of the application does, and clears it where it can be cleared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar

from fanlight.core.records import text
from fanlight.errors import FanlightError

T = TypeVar("T")


class Reading(Protocol):
    """A watched cache: `read` brings the counter up to date, once a second.

    `clear` empties it; `ask`, a function or a coroutine function, is called every ten seconds and may take its time:
    never on the pulse. `shared` says that every instance sees the same one; `prefix`, which of its keys are watched.
    """

    @property
    def ask(self) -> Callable[[], Any] | None: ...

    @property
    def clear(self) -> Callable[[], Any] | None: ...

    @property
    def prefix(self) -> str: ...

    @property
    def shared(self) -> bool: ...

    def read(self) -> None: ...


Adapter = Callable[["Cache", Any, str], Reading | None]
"""Watches an object for a counter, perhaps only keys of a prefix; None when it is of another kind."""


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
        self.evicted: int | None = None
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

    def size(self, entries: int | None, evicted: int | None = None) -> None:
        """It holds this many entries now; None when that is not known any more.

        `evicted`: how many a server has let go of since it started, where it counts them itself.
        """
        self.entries, self.evicted = entries, evicted

    def watch(self, target: T, *, prefix: str = "") -> T:
        """Count what a cache does by itself: a function under `functools.lru_cache`, a `cachetools` cache, or a Redis
        by the client of redis-py that the application has, sync or async, of all its keys or of those with a `prefix`.

        Returns it as it was given, so that it is a decorator, too. What empties it becomes `clear`, unless there is
        one; a Redis is emptied only by what the application hands over. Raises FanlightError for anything else.
        """
        for adapter in self._adapters:
            watched = adapter(self, target, prefix)
            if watched is not None:
                if watched.prefix != prefix:
                    raise FanlightError(f"the cache {self.name} has prefix={prefix!r}; expected none but for a Redis")
                self._watched = watched
                self.clear = self.clear or watched.clear
                return target
        raise FanlightError(
            f"the cache {self.name} cannot watch {text(target, 80)}; expected a function under functools.lru_cache, "
            "a cachetools cache or a client of redis-py; count anything else with hit(), miss() and size()"
        )

    @property
    def ask(self) -> Callable[[], Any] | None:
        """What asks for the number of entries where that takes time."""
        return self._watched.ask if self._watched is not None else None

    @property
    def shared(self) -> bool:
        """Whether every instance sees the same cache, so that its entries count once."""
        return self._watched is not None and self._watched.shared

    def refresh(self) -> None:
        """Bring it up to date with what it watches."""
        if self._watched is not None:
            self._watched.read()


def clearable(caches: Collection[Cache]) -> list[Cache]:
    """The caches that can be cleared."""
    return [cache for cache in caches if cache.clear is not None]
