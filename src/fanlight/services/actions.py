"""Actions: what an operator can do, done on every instance it concerns, and reported only after it happened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

CLEAR_CACHE: Final = "clear-cache"


class Outcome(Protocol):
    """What became of a command, by instance."""

    @property
    def succeeded(self) -> Mapping[str, str]: ...
    @property
    def failed(self) -> Mapping[str, str]: ...
    @property
    def missing(self) -> Sequence[str]: ...


def told(outcome: Outcome, done: str) -> tuple[str, str]:
    """(status, message): success when every instance did it; otherwise which did not, and why."""
    if not outcome.failed and not outcome.missing:
        details = sorted(set(filter(None, outcome.succeeded.values())))
        where = "" if len(outcome.succeeded) == 1 else f" on {len(outcome.succeeded)} instances"
        return "success", f"{done}{where}" + (f": {'; '.join(details)}" if details else "")
    parts = [f"{name}: {reason}" for name, reason in outcome.failed.items()]
    parts += [f"{name}: no answer" for name in outcome.missing]
    return "error", f"{done} on {len(outcome.succeeded)} instances, but not on " + "; ".join(parts)


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
