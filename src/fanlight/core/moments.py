"""Moments: the last minute of each service by the second, for its health; everything else needs only ten seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fanlight.core.cell import Cell
from fanlight.core.facts import BLAMELESS, CANCELLED
from fanlight.core.frame import Key
from fanlight.core.health import HOLD_SECONDS, MOST_SECONDS, Moment, Recent, calls_loss, judged
from fanlight.core.pacer import unpaced

KEPT_SECONDS: Final = MOST_SECONDS + HOLD_SECONDS

SERVICE_LIMIT: Final = 100
"""Services followed by the second; those beyond have no latency and no success in their score."""


class Pace:
    """One service by the second. For one thread at a time."""

    __slots__ = ("cells", "losses", "moments")

    def __init__(self) -> None:
        self.cells: dict[int, Cell] = {}
        self.moments: dict[int, Moment] = {}
        self.losses: dict[int, float] = {}

    def add(self, second: int, cell: Cell) -> None:
        """Take in what ended in a second, late or not."""
        known = self.cells.get(second)
        if known is None:
            self.cells[second] = cell.copy()
        else:
            known.add(cell)
        self.moments.pop(second, None)
        for later in [moment for moment in self.losses if moment >= second]:
            del self.losses[later]

    def copy(self) -> Pace:
        """A pace of its own with the same content."""
        twin = Pace()
        twin.cells = {second: cell.copy() for second, cell in self.cells.items()}
        twin.moments, twin.losses = dict(self.moments), dict(self.losses)
        return twin

    def expire(self, now: int) -> None:
        """Forget what is too old to matter."""
        for kept in (self.cells, self.moments, self.losses):
            for old in [second for second in kept if second <= now - KEPT_SECONDS]:
                del kept[old]

    def recent(self, now: int, normal: float, last: int, outcomes: Mapping[str, int], unusual: float = 0.0) -> Recent:
        """The last calls as they are judged at a second; `last` is about when the newest was, if longer ago."""
        moments = list(self._newest(now))
        ended = judged(moments, now, unusual)
        held = max(self._loss(moments, now - back, normal, unusual, settled=back > 1) for back in range(HOLD_SECONDS))
        return Recent(
            answered=ended.answered,
            faults=ended.faults,
            pace=ended.pace,
            normal=normal,
            seconds=ended.seconds,
            last=moments[0].second if moments else last,
            held=held,
            outcomes=dict(outcomes),
        )

    def _newest(self, now: int) -> Iterator[Moment]:
        for second in range(now, now - KEPT_SECONDS, -1):
            moment = self.moments.get(second)
            if moment is None and second in self.cells:
                moment = self.moments[second] = _moment(second, self.cells[second])
            if moment is not None:
                yield moment

    def _loss(self, moments: list[Moment], second: int, normal: float, unusual: float, settled: bool) -> float:
        known = self.losses.get(second)
        if known is None:
            known = calls_loss(moments, second, normal, unusual)
            if settled:
                self.losses[second] = known
        return known


class Paces:
    """Every service by the second."""

    def __init__(self) -> None:
        self._known: dict[Key, Pace] = {}

    def add(self, second: int, cells: Mapping[Key, Cell], breathe: Callable[[], None] = unpaced) -> None:
        """Take in the services of a frame."""
        for key, cell in cells.items():
            pace = self._known.get(key)
            if pace is None:
                if len(self._known) >= SERVICE_LIMIT:
                    continue
                pace = self._known[key] = Pace()
            pace.add(second, cell)
            pace.expire(second)
            breathe()

    def copy(self, breathe: Callable[[], None] = unpaced) -> Paces:
        """Paces of their own with the same content."""
        twin = Paces()
        for key, pace in self._known.items():
            twin._known[key] = pace.copy()
            breathe()
        return twin

    def get(self, key: Key) -> Pace | None:
        """One service's."""
        return self._known.get(key)

    def keep(self, keys: Mapping[Key, object]) -> None:
        """Forget the services that are no longer in the window."""
        for key in [key for key in self._known if key not in keys]:
            del self._known[key]


def _moment(second: int, cell: Cell) -> Moment:
    answered = cell.count - cell.outcomes.get(CANCELLED, 0)
    faults = cell.errors - sum(cell.outcomes.get(kind, 0) for kind in BLAMELESS)
    shortest, longest = cell.minimum * cell.unit, cell.maximum * cell.unit
    return Moment(second, answered, max(faults, 0), cell.quantiles((0.5,))[0], shortest, longest)
