"""Client libraries whose calls can be recorded with no change where they are used."""

from __future__ import annotations

from typing import Final

from fanlight.capture.clients.library import Library
from fanlight.errors import FanlightError

LIBRARIES: Final = {
    library.name: library
    for library in (
        Library("httpx"),
        Library("httpx2"),
        Library("aiohttp"),
        Library("requests"),
        Library("redis"),
        Library("pymongo", "mongo"),
        Library("sqlalchemy", "sql"),
        Library("openai"),
        Library("anthropic"),
    )
}
"""The libraries that can be watched, by the name they are imported by."""


def library(name: str) -> Library:
    """The library of that name; raises FanlightError, listing those there are, for another."""
    found = LIBRARIES.get(name) if isinstance(name, str) else None
    if found is None:
        raise FanlightError(f"watch() got {name!r}; expected one of {', '.join(sorted(LIBRARIES))}")
    return found
