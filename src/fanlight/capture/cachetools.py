"""cachetools: a cache object counts its own hits, misses and evictions.

The object gets a class of its own, which inherits from the one it had and behaves alike, so that whoever holds it
already (a decorator, say) is counted, too.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable
from typing import Any

from fanlight.capture.counting import Counter


def watch(counter: Counter, target: Any, prefix: str) -> CacheReading | None:
    """Watch a cachetools cache, all of it; None for anything else."""
    library = sys.modules.get("cachetools")
    if library is None or not isinstance(target, library.Cache):
        return None
    kind = type(target)
    target.__class__ = _counting(getattr(kind, "uncounted", kind), counter)
    return CacheReading(counter, target)


class CacheReading:
    """A cache object's size."""

    ask = None
    prefix = ""
    shared = False

    def __init__(self, counter: Counter, cache: Any) -> None:
        self._counter = counter
        self._cache = cache

    def read(self) -> None:
        """Tell the counter how many entries there are."""
        self._counter.size(len(self._cache))

    def clear(self) -> None:
        """Empty it."""
        self._cache.clear()


def _counting(kind: Any, counter: Counter) -> type:
    """A class like `kind` that counts. A cache calls its own methods: only the outermost call counts."""

    class Counting(kind):  # type: ignore[misc]  # whatever class it had
        uncounted = kind
        __doc__ = kind.__doc__

        def __getitem__(self, key: Any) -> Any:
            if self.__dict__.get("_fanlight_inside"):
                return kind.__getitem__(self, key)
            (counter.hit if key in self else counter.miss)()
            return kind.__getitem__(self, key)

        def get(self, key: Any, default: Any = None) -> Any:
            if key in self:
                return self[key]
            if not self.__dict__.get("_fanlight_inside"):
                counter.miss()
            return default

        def pop(self, key: Any, *default: Any) -> Any:
            return self._quietly(kind.pop, key, *default)

        def popitem(self) -> Any:
            item = self._quietly(kind.popitem)
            if not self.__dict__.get("_fanlight_inside"):
                counter.evict()
            return item

        def clear(self) -> None:
            self._quietly(kind.clear)

        def _quietly(self, method: Callable[..., Any], *arguments: Any) -> Any:
            before = self.__dict__.get("_fanlight_inside", False)
            self.__dict__["_fanlight_inside"] = True
            try:
                return method(self, *arguments)
            finally:
                self.__dict__["_fanlight_inside"] = before

        def __reduce_ex__(self, protocol: Any) -> Any:
            _, _, *state = kind.__reduce_ex__(self, protocol)
            return (copyreg._reconstructor, (kind, object, None), *state)  # type: ignore[attr-defined]  # pickle's own

    Counting.__name__, Counting.__qualname__, Counting.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Counting
