"""From the setting `store` to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fanlight.errors import StoreError
from fanlight.stores.base import Store
from fanlight.stores.memory import MemoryStore

if TYPE_CHECKING:
    from fanlight.stores.redis_cache import RedisCache
    from fanlight.stores.redis_client import Address, RedisClient

KNOWN: Final = (
    "memory:// (gone with the process), sqlite:///file.db or sqlite:////absolute/file.db (this machine), "
    "redis://host:port/database or rediss:// (many hosts)"
)
SHOWN: Final = 80
"""Characters of a wrong URL that are repeated."""


def open_store(url: str) -> Store:
    """The store that the URL names, open; raises StoreError when there is no such store or it cannot be used.

    What follows a scheme that is not ours, or that of a Redis, is never repeated: it may hold a password. A Redis that
    cannot be reached is no error here: it may come later.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise StoreError(f"{url[:SHOWN]!r} is not the URL of a store; expected {KNOWN}")
    if scheme == "memory":
        return _memory(rest)
    if scheme == "sqlite":
        return _sqlite(rest)
    if scheme in ("redis", "rediss"):
        return _redis(url)
    raise StoreError(f"no store is called '{scheme[:SHOWN]}://'; there are {KNOWN}")


def _memory(rest: str) -> Store:
    if rest:
        raise StoreError(f"'memory://{rest[:SHOWN]}' names something, and memory has no names; write memory://")
    return MemoryStore()


def _sqlite(rest: str) -> Store:
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path or path.endswith("/"):
        raise StoreError(f"'sqlite://{rest[:SHOWN]}' names no file; expected {KNOWN}")
    if path == ":memory:":
        raise StoreError("'sqlite:///:memory:' would be seen by one process only; write memory://")
    if "?" in path or "\0" in path:
        raise StoreError(f"'sqlite://{rest[:SHOWN]}' carries options, and a store has none; write the path alone")
    # Not before it is asked for: a Python built without SQLite still has the memory store.
    from fanlight.stores.sqlite import SqliteStore

    return SqliteStore(path)


def _redis(url: str) -> Store:
    from fanlight.stores.redis import RedisStore

    return RedisStore(url)


def locate_redis(client_or_url: Any) -> Address:
    """The Redis that a URL names or a client of the library redis is connected to; nothing is sent to it."""
    from fanlight.stores.redis_client import address_of, parse

    return parse(client_or_url) if isinstance(client_or_url, str) else address_of(client_or_url)


def open_redis(address: Address) -> RedisClient:
    """Connections of our own to a Redis; StoreError without the library for it."""
    from fanlight.stores.redis_client import RedisClient

    return RedisClient(address)


def open_shared(store: Store, service: str) -> RedisCache | None:
    """Where the workers of a service share short-lived values: in its Redis; other stores have no such place."""
    if not store.url.startswith("redis"):
        return None
    from fanlight.stores.redis import RedisStore
    from fanlight.stores.redis_cache import RedisCache

    return RedisCache(store, service) if isinstance(store, RedisStore) else None
