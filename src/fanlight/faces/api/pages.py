"""Pages as documents, each made once per tick however many look."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Final, NamedTuple

import msgspec

from fanlight.faces.context import FaceContext
from fanlight.faces.tui.compose import newest_lines, page_document
from fanlight.faces.tui.document import PageDocument
from fanlight.panels import Panel, View

VIEWS: Final = 64
"""Views whose last document is kept; the one not asked for longest goes first."""

SLOW_SECONDS: Final = 0.9
"""How long a stream shows a slow panel (a table, a chart) before it is made anew: once a second, with room for ticks
that come early."""


class Made(NamedTuple):
    """A document without its lines, and when (monotonic seconds) each of its panels was made."""

    document: PageDocument
    panels: Mapping[str, float]


class Pages:
    """Makes the documents of one dashboard's pages; thread-safe, takes milliseconds: call on a thread."""

    def __init__(self, context: FaceContext) -> None:
        self._context = context
        self._made: OrderedDict[View, Made] = OrderedDict()
        self._lock = Lock()

    def document(self, view: View, *, role: str, after: float, streamed: bool = False) -> PageDocument:
        """The page of a view for a role, with the log lines from shortly before `after` (Unix seconds) on.

        Streamed ones keep their slow panels for a second. Raises NotFound, naming the pages there are.
        """
        snapshot = self._context.query.snapshot(view)
        with self._lock:  # whoever asks for the same meanwhile gets what the first one has made
            made = self._present(view, snapshot.version, streamed)
        lines = newest_lines(snapshot, after)
        return msgspec.structs.replace(made.document, role=role, lines=lines)

    def _present(self, view: View, version: int, streamed: bool) -> Made:
        now = self._context.clock.monotonic_ns() / 1e9
        known = self._made.get(view)
        if known is None or known.document.version != version or not (streamed or _of_one_moment(known)):
            known = self._make(view, _kept(known, now) if streamed and known else {}, known, now)
        self._made[view] = known
        self._made.move_to_end(view)
        while len(self._made) > VIEWS:
            self._made.popitem(last=False)
        return known

    def _make(self, view: View, kept: Mapping[str, Panel], before: Made | None, now: float) -> Made:
        document = page_document(self._context, view, after=self._context.now() + 3600, known=kept)
        times = before.panels if before else {}
        return Made(document, {slot.name: times[slot.name] if slot.name in kept else now for slot in document.slots})


def _of_one_moment(made: Made) -> bool:
    return len(set(made.panels.values())) < 2


def _kept(made: Made, now: float) -> Mapping[str, Panel]:
    """The panels that are not due: the still ones, and slow ones made less than a second ago."""
    return {
        slot.name: slot.panel
        for slot in made.document.slots
        if slot.pace == "still" or (slot.pace == "slow" and now - made.panels[slot.name] < SLOW_SECONDS)
    }
