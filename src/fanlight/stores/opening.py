"""From the setting `store` to a store."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fanlight.errors import StoreError
from fanlight.settings import Settings
from fanlight.stores.aside import make_private
from fanlight.stores.base import Store
from fanlight.stores.memory import MemoryStore

if TYPE_CHECKING:
    from fanlight.stores.redis_cache import RedisCache
    from fanlight.stores.redis_client import Address, RedisClient

KNOWN: Final = (
    "memory:// (gone with the process), sqlite:///file.db or sqlite:////absolute/file.db (this machine), "
    "redis://host:port/database or rediss:// (many hosts)"
)
MEMORY: Final = "memory://"
FILES_READ: Final = 200
"""Default files that are looked into for the services of a folder."""
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


def default_path(service: str, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Path:
    """The SQLite file of a service that was told no store: in the user's state directory, one for each project folder.

    By the XDG base directory specification ($XDG_STATE_HOME, ~/.local/state), on macOS ~/Library/Application Support.
    Raises StoreError when there is no home.
    """
    environ = os.environ if environ is None else environ
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", service)[:60].strip("-.") or "service"
    project = hashlib.sha256(f"{service}\0{folder or Path.cwd()}".encode(errors="replace")).hexdigest()[:10]
    return state_directory(environ) / f"{name}-{project}.db"


def state_directory(environ: Mapping[str, str]) -> Path:
    """Where Fanlight keeps what it remembers for this user."""
    given = environ.get("XDG_STATE_HOME", "")
    if given and Path(given).is_absolute():
        return Path(given) / "fanlight"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise StoreError(f"there is no home directory ({error})") from error
    state = home / "Library" / "Application Support" if sys.platform == "darwin" else home / ".local" / "state"
    return state / "fanlight"


def can_be_made(directory: Path) -> bool:
    """Whether files can be made in a directory, which may not be there yet."""
    existing = next((place for place in (directory, *directory.parents) if place.exists()), directory)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def open_default(service: str) -> tuple[Store, str]:
    """The store of a service that was told none, and a warning when it had to be memory."""
    try:
        path = default_path(service)
        return open_store(f"sqlite:///{path}"), ""
    except StoreError as error:
        warning = f"history is kept in memory and ends with the process: {error}; or set store to memory://"
        return MemoryStore(), warning


def opened(settings: Settings) -> tuple[Store, str]:
    """The store that was told, or the default one, and a warning when that had to be memory.

    Made-up history is never put where real one is kept.
    """
    if settings.store or settings.sample_data:
        return open_store(settings.store or MEMORY), ""
    return open_default(settings.name)


def beside(settings: Settings, what: str) -> Path | None:
    """A private file for something else of this service: beside its SQLite file, or beside that it would have by
    default where it has a Redis. None where nothing shall outlive the process, or cannot.
    """
    scheme, _, rest = settings.store.partition("://")
    if scheme == "memory" or (settings.sample_data and not settings.store):
        return None
    try:
        path = Path(rest.removeprefix("/")) if scheme == "sqlite" else default_path(settings.name)
        found = path.absolute().with_name(f"{path.name}.{what}")
        make_private(found)
    except (OSError, StoreError):
        return None
    return found


def services_here() -> list[str]:
    """The services that were told no store and were run from this folder, by their default files."""
    found = []
    for path in sorted(state_directory(os.environ).glob("*.db"))[:FILES_READ]:
        try:
            store = open_store(f"sqlite:///{path}")
        except StoreError:  # another version's, or somebody else's
            continue
        found += [name for name in store.services() if default_path(name) == path]
        store.close()
    return sorted(found)


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


def open_shared(store: Store, service: str, *published: str) -> RedisCache | None:
    """Where the workers of a service share short-lived values: in its Redis; other stores have no such place.
    `published`: see `RedisCache`."""
    if not store.url.startswith("redis"):
        return None
    from fanlight.stores.redis import RedisStore
    from fanlight.stores.redis_cache import RedisCache

    return RedisCache(store, service, frozenset(published)) if isinstance(store, RedisStore) else None
