"""Values that the workers of a service share in its Redis for a short time."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from fanlight.stores.redis import RedisStore

EARLY_SECONDS: Final = 0.5
"""How much sooner a published copy expires, so that the next one finds its place free."""


class RedisCache:
    """Values under the keys of one service, each with its expiry. Thread-safe; blocks; raises StoreError.

    Those whose keys are `published` other programs find under the bare key too, a copy that nobody here reads and that
    never takes the place of what is there: another service's, or something of the application's own.
    """

    def __init__(self, store: RedisStore, service: str, published: Set[str]) -> None:
        self._store = store
        self._service = service
        self._published = published

    def get(self, key: str) -> bytes | None:
        """The value, None when there is none or its time is over."""
        value: bytes | None = self._store.call(self._service, "GET", key)
        return value

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep the value for so long, and let go of the claim to compute it."""
        if key in self._published:
            self._store.call(None, "SET", key, value, "NX", "PX", max(1, round((seconds - EARLY_SECONDS) * 1e3)))
        self._store.call(self._service, "SET", key, value, "EX", max(1, round(seconds)))
        self._store.call(self._service, "DEL", f"{key}:claim")

    def claim(self, key: str, seconds: float) -> bool:
        """Whether this caller may compute it; nobody else may for so long."""
        return bool(self._store.call(self._service, "SET", f"{key}:claim", b"1", "NX", "PX", int(seconds * 1e3)))
