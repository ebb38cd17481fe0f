"""What the terminal shows, as data: the JSON of one page, its panels, its surroundings and the newest log lines."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fanlight.panels import LogLine, Panel, Verdict

OVERLAP_SECONDS: Final = 5.0
"""How far before the asked time lines are sent again: other workers' may come that much later."""


class PageLink(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the menu; `badge` counts what wants attention there."""

    name: str
    title: str
    badge: int = 0


class RangeLink(msgspec.Struct, frozen=True, kw_only=True):
    """A range that can be chosen."""

    name: str
    title: str


class SlotDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A panel in its place: see `panels.Slot`."""

    name: str
    panel: Panel
    span: int = 12
    rows: int = 1
    pace: Literal["fast", "slow", "still"] = "slow"


class PageDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One page at one moment.

    `version` changes when anything may have changed; documents of one version are alike but for `lines`. `at` is the
    snapshot's time in Unix seconds, `uptime` in seconds. `lines` are log lines, the newest last, among them every kept
    one that is younger than was asked for: a reader tells those it has by their keys. `history` says what is wrong with
    the store, `cost` is Fanlight's own CPU in percent of a core.
    """

    version: int
    at: float
    service: str
    page: str
    title: str
    verdict: Verdict
    pages: tuple[PageLink, ...]
    slots: tuple[SlotDocument, ...]
    release: str = ""
    role: str = "viewer"
    instances: int = 1
    uptime: float | None = None
    ranges: tuple[RangeLink, ...] = ()
    viewers: int = 0
    cost: float | None = None
    history: str = ""
    dropped: int = 0
    lines: tuple[LogLine, ...] = ()
    lines_dropped: int = 0


class PageUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A page's next state as it is streamed: of a `whole` one the page's slots are all there are, in their order; of
    another only those whose panel has changed, and its lines are those that were not sent before."""

    whole: bool
    page: PageDocument
