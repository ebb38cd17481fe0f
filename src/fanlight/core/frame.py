"""Frame: what one instance saw in a span of time; the only thing that crosses a process or the network.

Merging frames is associative and commutative, so seconds merge into minutes and workers into a fleet by `Frame.add`
alone.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from fanlight.core.cell import Cell, CellRow, add_cell, add_row, wire
from fanlight.core.gauge import Gauge, GaugeRow
from fanlight.core.pacer import unpaced
from fanlight.errors import FanlightError

SCHEMA: Final = 3
"""Version of the encoded frame; a reader refuses one it does not know."""

READ: Final = (2, SCHEMA)
"""The versions that are read; in the second all histograms are lists."""

Key = tuple[str, ...]
"""The labels of a series inside its family, in the family's order, e.g. ("GET", "/items/{id}")."""

T = TypeVar("T")

OTHER: Final = "other"
"""The label of the series that takes what no longer fits."""

KEPT_LIMITS: Final[Mapping[str, int]] = {
    "recent": 50,
    "slow": 100,
    "failed": 100,
    "logs": 1000,
    "sockets": 100,
    "events": 200,
    "audit": 100,
    "starts": 100,
    "calls": 200,
    "traces": 200,
    "slow_calls": 50,
    "failed_calls": 100,
}
"""How many kept facts of each kind a frame holds: the newest ones."""

GAUGE_LIMIT: Final = 1024
"""Distinct gauges a recorder puts into a frame; more are counted as dropped."""

READING_LIMIT: Final = 4096
"""Readings (name, label, source) a merged frame holds: the newest ones."""


class Record(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A fact kept whole. `at` is Unix seconds, `id` unique in the service; the two order and identify it.

    `kind` says what `data` holds; see `core.records`.
    """

    at: float
    id: str
    kind: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)

    def comes_before(self, other: Record) -> bool:
        """Whether this is the earlier one, by time and id."""
        return self.at < other.at or (self.at == other.at and self.id < other.id)


class Frame:
    """Everything seen from `start` to `end` (Unix seconds, whole). Not thread-safe: one owner writes.

    - `series[family][key]` are cells by labels, `totals[family]` their sum as a row of its own;
    - `counters[name]` went up by this much in the span;
    - `gauges[(name, label)]` are levels, as each source last said them: of a moment;
    - `levels[name]` is the highest that a gauge without a label came to in the span, its sources combined: of a past;
    - `sources[instance]` counts the seconds of an instance that are in it, where it is made of several;
    - `kept[kind]` are the newest facts worth keeping whole, oldest first.
    """

    __slots__ = ("counters", "end", "gauges", "kept", "levels", "series", "sources", "start", "totals")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.series: dict[str, dict[Key, Cell]] = {}
        self.totals: dict[str, Cell] = {}
        self.counters: dict[str, int] = {}
        self.gauges: dict[tuple[str, str], Gauge] = {}
        self.levels: dict[str, float] = {}
        self.sources: dict[str, int] = {}
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
        self._add_gauges(other.gauges.items(), breathe)
        self._add_levels(other.levels, other.sources)
        for kind, records in other.kept.items():
            self.keep(kind, records)
            breathe()

    def add_encoded(self, data: bytes, series: bytes = b"", breathe: Callable[[], None] = unpaced) -> None:
        """Merge a frame as it was encoded (see `decode`) cell by cell, never holding another whole frame.

        Raises FanlightError when it cannot be read; cells before one that cannot are then in.
        """
        with _Refusing(len(data) + len(series)):
            sent, rest = _wire(data, series, breathe)
            self.start, self.end = min(self.start, sent.start), max(self.end, sent.end)
            for family, raws in rest.series.items():
                mine = self.series.setdefault(family, {})
                for labels, row in _decoded(_decode_row, raws, breathe):
                    add_row(mine, labels, row)
            for family, row in sent.totals.items():
                add_row(self.totals, family, row)
            for name, amount in sent.counters.items():
                self.counters[name] = self.counters.get(name, 0) + int(amount)
            gauges = _decoded(_decode_gauge, sent.gauges, breathe)
            self._add_gauges((((name, label), Gauge(merge, found)) for name, label, merge, found in gauges), breathe)
            self._add_levels(sent.levels, sent.sources)
            for kind, raw in rest.kept.items():
                self.keep(kind, _decode_records(raw))
                breathe()

    def _add_gauges(self, gauges: Iterable[tuple[tuple[str, str], Gauge]], breathe: Callable[[], None]) -> None:
        for name_label, gauge in gauges:
            known = self.gauges.get(name_label)
            if known is not None:
                known.add(gauge)
            else:
                self.gauges[name_label] = gauge.copy()
            breathe()
        self._limit_readings()

    def _add_levels(self, levels: Mapping[str, float], sources: Mapping[str, int]) -> None:
        for name, level in levels.items():
            self.levels[name] = max(level, self.levels.get(name, level))
        for instance, seconds in sources.items():
            self.sources[instance] = self.sources.get(instance, 0) + seconds

    def keep(self, kind: str, records: Iterable[Record]) -> None:
        """Keep the newest of what is kept and what is given; the same record twice counts once."""
        limit = KEPT_LIMITS[kind]
        made = list(records)
        if any(not earlier.comes_before(later) for earlier, later in pairwise(made)):
            made = newest(limit, made)
        self.kept[kind] = appended(limit, self.kept.get(kind, []), made)

    def _limit_readings(self) -> None:
        """Leave the newest readings, so that sources that came and went do not add up; keeps merging associative."""
        if sum(len(gauge.sources) for gauge in self.gauges.values()) <= READING_LIMIT:
            return
        readings = (
            (reading.at, name_label, source)
            for name_label, gauge in self.gauges.items()
            for source, reading in gauge.sources.items()
        )
        kept = set(heapq.nlargest(READING_LIMIT, readings))
        for name_label, gauge in list(self.gauges.items()):
            sources = {s: reading for s, reading in gauge.sources.items() if (reading.at, name_label, s) in kept}
            if sources:
                gauge.sources = sources
            else:
                del self.gauges[name_label]

    def encode(self, breathe: Callable[[], None] = unpaced) -> bytes:
        """The frame as MessagePack, in one piece."""
        return _encode([*self._head(breathe), *self._rest(breathe)])

    def parts(self, breathe: Callable[[], None] = unpaced) -> tuple[bytes, bytes]:
        """The frame as MessagePack in two pieces: what a chart of totals needs, and the rest: series and records."""
        head = _encode(self._head(breathe))
        breathe()
        rest = _encode(self._rest(breathe)) if self.series or self.kept else b""
        breathe()
        return head, rest

    def _head(self, breathe: Callable[[], None]) -> list[Any]:
        return [
            SCHEMA,
            self.start,
            self.end,
            {family: _then(breathe, cell.to_row()) for family, cell in self.totals.items()},
            {name: wire(amount) for name, amount in self.counters.items()},
            self._gauge_rows(breathe),
            self.levels,
            self.sources,
        ]

    def _gauge_rows(self, breathe: Callable[[], None]) -> list[msgspec.Raw]:
        gauges = self.gauges.items()
        return [_then(breathe, _raw([name, label, gauge.merge, gauge.sources])) for (name, label), gauge in gauges]

    def _rest(self, breathe: Callable[[], None]) -> list[Any]:
        kept = {kind: _then(breathe, _raw(records)) for kind, records in self.kept.items()}
        return [{family: _rows(cells, breathe) for family, cells in self.series.items()}, kept]

    @classmethod
    def decode(cls, data: bytes, series: bytes = b"", breathe: Callable[[], None] = unpaced) -> Frame:
        """The frame that was encoded; of its two parts the second may be left out.

        Raises FanlightError when the bytes are no frame or of a schema this version does not know.
        """
        with _Refusing(len(data) + len(series)):
            return cls._read(*_wire(data, series, breathe), breathe)

    @classmethod
    def _read(cls, sent: _Wire, rest: _Wire | _Rest, breathe: Callable[[], None]) -> Frame:
        frame = cls(sent.start, sent.end)
        for family, raws in rest.series.items():
            cells = frame.series[family] = {}
            for key, row in _decoded(_decode_row, raws, breathe):
                cells[key] = Cell.from_row(row)
        frame.totals = {family: Cell.from_row(row) for family, row in sent.totals.items()}
        frame.counters = {name: int(amount) for name, amount in sent.counters.items()}
        for name, label, merge, sources in _decoded(_decode_gauge, sent.gauges, breathe):
            frame.gauges[(name, label)] = Gauge(merge, sources)
        frame.levels, frame.sources = sent.levels, sent.sources
        for kind, raw in rest.kept.items():
            frame.kept[kind] = _decode_records(raw)
            breathe()
        return frame

    def release(self, breathe: Callable[[], None]) -> None:
        """Let go of the series one by one: to free hundreds of histograms at once takes a millisecond."""
        for cells in self.series.values():
            while cells:
                cells.popitem()
                breathe()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # frames change


def newest(limit: int, *groups: Iterable[Record]) -> list[Record]:
    """The `limit` newest records of all groups, each once, oldest first."""
    unique = {(record.at, record.id): record for group in groups for record in group}
    return [unique[key] for key in sorted(unique)[-limit:]]


def appended(limit: int, kept: list[Record], made: Sequence[Record]) -> list[Record]:
    """As `newest`, of records that `newest` made; only those that are not older than `made` are put in order anew."""
    if kept and made and not kept[-1].comes_before(made[0]):
        first = bisect_left(kept, (made[0].at, made[0].id), key=attrgetter("at", "id"))
        made = newest(limit, kept[first:], made)
        kept = kept[:first]
    return [*kept[-limit:], *made][-limit:]


def _rows(cells: dict[Key, Cell], breathe: Callable[[], None]) -> list[msgspec.Raw]:
    return [_then(breathe, _raw([key, cell.to_row()])) for key, cell in cells.items()]


def _then(breathe: Callable[[], None], made: T) -> T:
    """What was made, after a breath."""
    breathe()
    return made


def _raw(value: Any) -> msgspec.Raw:
    """A part encoded for itself, so that encoding the whole only joins: half a megabyte at once takes milliseconds."""
    return msgspec.Raw(_encode(value))


class SentFrame(msgspec.Struct):
    """A frame as it is sent: its cells are still rows. For readers of many frames that need a few figures of each."""

    end: int
    totals: dict[str, CellRow]
    counters: dict[str, int | str]
    gauges: list[GaugeRow]
    levels: dict[str, float]
    series: dict[str, list[tuple[Key, CellRow]]]
    kept: dict[str, list[Record]]

    def release(self, breathe: Callable[[], None]) -> None:
        """As `Frame.release`."""
        for rows in self.series.values():
            while rows:
                rows.pop()
                breathe()


class _Wire(msgspec.Struct, array_like=True):
    """An encoded frame, its large parts still encoded: they are read piece by piece."""

    schema: int
    start: int
    end: int
    totals: dict[str, CellRow]
    counters: dict[str, int | str]
    gauges: list[msgspec.Raw]
    levels: dict[str, float]
    sources: dict[str, int]
    series: dict[str, list[msgspec.Raw]] = {}
    kept: dict[str, msgspec.Raw] = {}


class _Rest(msgspec.Struct, array_like=True):
    series: dict[str, list[msgspec.Raw]]
    kept: dict[str, msgspec.Raw]


class _Families(msgspec.Struct, array_like=True):
    series: dict[str, msgspec.Raw]


def decode_rows(data: bytes, series: bytes = b"", breathe: Callable[[], None] = unpaced) -> SentFrame:
    """The frame that was encoded, as it was sent; raises FanlightError as `Frame.decode` does."""
    with _Refusing(len(data) + len(series)):
        wire, rest = _wire(data, series, breathe)
        return SentFrame(
            end=wire.end,
            totals=wire.totals,
            counters=wire.counters,
            gauges=list(_decoded(_decode_gauge, wire.gauges, breathe)),
            levels=wire.levels,
            series={family: list(_decoded(_decode_row, raws, breathe)) for family, raws in rest.series.items()},
            kept={kind: _decode_records(raw) for kind, raw in rest.kept.items()},
        )


def _wire(data: bytes, series: bytes, breathe: Callable[[], None]) -> tuple[_Wire, _Wire | _Rest]:
    """What was encoded, and what holds its series and records."""
    _check_schema(data)
    wire = _then(breathe, _decode(data))
    rest = _then(breathe, _decode_rest(series)) if series else wire
    unknown = rest.kept.keys() - KEPT_LIMITS.keys()
    if unknown:
        raise ValueError(f"it keeps {sorted(unknown)[0][:40]!r}")
    return wire, rest


def _decoded(
    decode: Callable[[msgspec.Raw], T], raws: Iterable[msgspec.Raw], breathe: Callable[[], None]
) -> Iterator[T]:
    for raw in raws:
        yield decode(raw)
        breathe()


class _Refusing:
    """Whatever cannot be read of so many bytes is one error. A class: entered for each of thousands of frames."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (msgspec.MsgspecError, ValueError, RecursionError)):
            raise FanlightError(f"{self._size} bytes that are no frame of schema {SCHEMA}: {error}") from error


def decode_family(series: bytes, family: str) -> list[tuple[Key, CellRow]]:
    """One family's rows out of a frame's `series` part, reading over the others; raises as `decode_rows` does."""
    with _Refusing(len(series)):
        found = _decode_families(series).series.get(family) if series else None
        return _decode_family(found) if found is not None else []


def _check_schema(data: bytes) -> None:
    """A frame of another version is refused by its number, whatever else is different in it."""
    head = data[:2]
    if len(head) == 2 and 0x91 <= head[0] <= 0x9F and head[1] <= 0x7F and head[1] not in READ:  # a list, a small number
        raise FanlightError(f"a frame of schema {head[1]}; this Fanlight reads schema {SCHEMA}: upgrade the older one")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Wire).decode
_decode_rest = msgspec.msgpack.Decoder(_Rest).decode
_decode_row = msgspec.msgpack.Decoder(tuple[Key, CellRow]).decode
_decode_gauge = msgspec.msgpack.Decoder(GaugeRow).decode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode
_decode_families = msgspec.msgpack.Decoder(_Families).decode
_decode_family = msgspec.msgpack.Decoder(list[tuple[Key, CellRow]]).decode
