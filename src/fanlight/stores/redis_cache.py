"""Values that the workers of a service share in its Redis for a short time."""

from __future__ import annotations

from collections.abc import Mapping

from fanlight.stores.redis import RedisStore


class RedisCache:
    """Values under the keys of one service, each with its expiry. Thread-safe; blocks; raises StoreError.

    `exact` names the key of each value that is not behind the service's prefix.
    """

    def __init__(self, store: RedisStore, service: str, exact: Mapping[str, str]) -> None:
        self._store = store
        self._service = service
        self._exact = exact

    def get(self, key: str) -> bytes | None:
        """The value, None when there is none or its time is over."""
        value: bytes | None = self._store.call(*self._place("GET", key))
        return value

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keep the value for so long, and let go of the claim to compute it."""
        self._store.call(*self._place("SET", key), value, "EX", max(1, round(seconds)))
        self._store.call(self._service, "DEL", f"{key}:claim")

    def _place(self, command: str, key: str) -> tuple[str | None, str, str]:
        exact = self._exact.get(key)
        return (None, command, exact) if exact else (self._service, command, key)

    def claim(self, key: str, seconds: float) -> bool:
        """Whether this caller may compute it; nobody else may for so long."""
        return bool(self._store.call(self._service, "SET", f"{key}:claim", b"1", "NX", "PX", int(seconds * 1e3)))
