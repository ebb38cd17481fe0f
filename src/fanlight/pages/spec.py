"""PageSpec: a page as the menu has it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fanlight.core.snapshot import Snapshot
from fanlight.panels import PageFunction


def _no_badge(snapshot: Snapshot) -> int:
    return 0


class PageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A page in the menu: `badge` counts what wants attention there."""

    name: str
    title: str
    build: PageFunction
    badge: Callable[[Snapshot], int] = _no_badge
    in_menu: bool = True
