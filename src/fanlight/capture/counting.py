"""Counting: what an adapter of a cache tells."""

from __future__ import annotations

from typing import Protocol


class Counter(Protocol):
    """The counter of one cache."""

    def hit(self, times: int = 1) -> None: ...

    def miss(self, times: int = 1) -> None: ...

    def evict(self, times: int = 1) -> None: ...

    def size(self, entries: int | None, evicted: int | None = None) -> None: ...
