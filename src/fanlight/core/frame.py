"""Frame: what one instance saw in a span of time; the only thing that crosses a process or the network.

Merging frames is associative and commutative, so seconds merge into minutes and workers into a fleet by `Frame.add`
alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from fanlight.core.cell import Cell
from fanlight.core.pacer import unpaced
from fanlight.errors import FanlightError

SCHEMA: Final = 1
"""Version of the encoded frame; a reader refuses one it does not know."""

Key = tuple[str, ...]
"""The labels of a series inside its family, in the family's order, e.g. ("GET", "/items/{id}")."""

K = TypeVar("K")

OTHER: Final = "other"
"""The label of the series that takes what no longer fits."""

KEPT_LIMITS: Final[Mapping[str, int]] = {
    "recent": 100,
    "slow": 100,
    "failed": 100,
    "logs": 1000,
    "sockets": 100,
    "events": 200,
}
"""How many kept facts of each kind a frame holds: the newest ones."""

GAUGE_LIMIT: Final = 512
"""Distinct gauges a frame holds; more are counted as dropped."""


class Record(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A fact kept whole. `at` is Unix seconds, `id` unique in the service; the two order and identify it.

    `kind` says what `data` holds; see `core.records`.
    """

    at: float
    id: str
    kind: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """One source's last word on a gauge: when (Unix seconds) and how much."""

    at: float
    value: float


class Gauge:
    """A level, as said by each of its sources.

    `merge` is how sources combine: "sum", "max", "min" or "last". A source is an instance, a host or a shared thing
    (its
    id names it), so a value every worker of a host reports counts once.
    """

    __slots__ = ("merge", "sources")

    def __init__(self, merge: str, sources: dict[str, Reading] | None = None) -> None:
        self.merge = merge
        self.sources = {} if sources is None else sources

    def add(self, other: Gauge) -> None:
        """Take the newer word of every source; of two at the same instant the larger."""
        for source, reading in other.sources.items():
            mine = self.sources.get(source)
            if mine is None or (reading.at, reading.value) > (mine.at, mine.value):
                self.sources[source] = reading

    def value(self) -> float | None:
        """The sources combined; None when there is none."""
        if not self.sources:
            return None
        if self.merge == "last":
            newest = max(self.sources.values(), key=lambda reading: (reading.at, reading.value))
            return newest.value
        values = [reading.value for reading in self.sources.values()]
        return max(values) if self.merge == "max" else min(values) if self.merge == "min" else sum(values)

    def copy(self) -> Gauge:
        """A gauge of its own with the same content."""
        return Gauge(self.merge, dict(self.sources))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gauge) and (self.merge, self.sources) == (other.merge, other.sources)

    __hash__ = None  # type: ignore[assignment]  # gauges change


class Frame:
    """Everything seen from `start` to `end` (Unix seconds, whole). Not thread-safe: one owner writes.

    - `series[family][key]` are cells by labels, `totals[family]` their sum as a row of its own;
    - `counters[name]` went up by this much in the span;
    - `gauges[(name, label)]` are levels;
    - `kept[kind]` are the newest facts worth keeping whole, oldest first.
    """

    __slots__ = ("counters", "end", "gauges", "kept", "series", "start", "totals")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.series: dict[str, dict[Key, Cell]] = {}
        self.totals: dict[str, Cell] = {}
        self.counters: dict[str, int] = {}
        self.gauges: dict[tuple[str, str], Gauge] = {}
        self.kept: dict[str, list[Record]] = {}

    def add(self, other: Frame, breathe: Callable[[], None] = unpaced) -> None:
        """Merge another frame into this one; the span becomes what covers both."""
        self.start, self.end = min(self.start, other.start), max(self.end, other.end)
        for family, cells in other.series.items():
            mine = self.series.setdefault(family, {})
            for key, cell in cells.items():
                add_cell(mine, key, cell)
                breathe()
        for family, cell in other.totals.items():
            add_cell(self.totals, family, cell)
        for name, amount in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + amount
        for name_label, gauge in other.gauges.items():
            known = self.gauges.get(name_label)
            if known is not None:
                known.add(gauge)
            else:
                self.gauges[name_label] = gauge.copy()
        for kind, records in other.kept.items():
            self.keep(kind, records)
            breathe()

    def keep(self, kind: str, records: Iterable[Record]) -> None:
        """Keep the newest of what is kept and what is given; the same record twice counts once."""
        self.kept[kind] = newest(KEPT_LIMITS[kind], self.kept.get(kind, ()), records)

    def encode(self, breathe: Callable[[], None] = unpaced) -> bytes:
        """The frame as MessagePack."""
        return _encode(
            [
                SCHEMA,
                self.start,
                self.end,
                {family: _rows(cells, breathe) for family, cells in self.series.items()},
                {family: cell.to_row() for family, cell in self.totals.items()},
                self.counters,
                [[name, label, gauge.merge, gauge.sources] for (name, label), gauge in self.gauges.items()],
                self.kept,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Frame:
        """The frame that was encoded.

        Raises FanlightError when the bytes are no frame or of a schema this version does not know.
        """
        try:
            wire = _decode(data)
        except msgspec.MsgspecError as error:
            raise FanlightError(f"not a frame this version can read: {error}") from error
        if wire.schema != SCHEMA:
            raise FanlightError(f"a frame of schema {wire.schema}; this version of Fanlight reads {SCHEMA}")
        frame = cls(wire.start, wire.end)
        for family, rows in wire.series.items():
            frame.series[family] = {tuple(key): Cell.from_row(row) for key, row in rows}
        frame.totals = {family: Cell.from_row(row) for family, row in wire.totals.items()}
        frame.counters = wire.counters
        for name, label, merge, sources in wire.gauges:
            frame.gauges[(name, label)] = Gauge(merge, sources)
        frame.kept = wire.kept
        return frame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # frames change


def newest(limit: int, *groups: Iterable[Record]) -> list[Record]:
    """The `limit` newest records of all groups, each once, oldest first."""
    unique = {(record.at, record.id): record for group in groups for record in group}
    if len(unique) > limit:
        keys = heapq.nlargest(limit, unique)
        return [unique[key] for key in reversed(keys)]
    return [unique[key] for key in sorted(unique)]


def add_cell(cells: dict[K, Cell], key: K, cell: Cell) -> None:
    """Merge `cell` into `cells[key]`, never sharing the cell given."""
    known = cells.get(key)
    if known is not None:
        known.add(cell)
    else:
        cells[key] = cell.copy()


def _rows(cells: dict[Key, Cell], breathe: Callable[[], None]) -> list[Any]:
    rows = []
    for key, cell in cells.items():
        rows.append([key, cell.to_row()])
        breathe()
    return rows


class _Wire(msgspec.Struct, array_like=True):
    schema: int
    start: int
    end: int
    series: dict[str, list[tuple[list[str], list[Any]]]]
    totals: dict[str, list[Any]]
    counters: dict[str, int]
    gauges: list[tuple[str, str, str, dict[str, Reading]]]
    kept: dict[str, list[Record]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Wire).decode
