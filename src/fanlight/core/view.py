"""View: what a viewer chose. The ranges there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

RANGES: Final[Mapping[str, int]] = {"15m": 900, "1h": 3_600, "24h": 86_400, "7d": 604_800}
"""Ranges by name, in seconds."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a viewer chose; it lives in the URL and equal views render alike.

    `scope` is "all" or an instance id; `start` and `end` (Unix seconds) are set instead of `range` by a zoom or a
    custom
    range; `sort` is a column, with "-" in front for descending; `filters` are (name, value) pairs in
    name order; `path` holds path values such as the request id.
    """

    page: str = "overview"
    scope: str = "all"
    range: str = "15m"
    start: float | None = None
    end: float | None = None
    sort: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    path: tuple[tuple[str, str], ...] = ()

    def filter(self, name: str) -> str:
        """The value of a filter, "" when it is not set."""
        return dict(self.filters).get(name, "")
