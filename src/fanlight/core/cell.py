"""Cell: how many, how many failed, how much in all, and a histogram; the unit every number is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any, Final, TypeVar

import msgspec

from fanlight.core.histogram import SPARSE, Buckets, Dense, counted, index, merged, quantiles, shared
from fanlight.core.lanes import Stored, columns, stored

K = TypeVar("K")

Report = Callable[[str, BaseException], None]
"""Who is told of what failed: (where, error); a recorder's `failed`."""

OUTCOME_LIMIT: Final = 32
"""Distinct outcomes one cell records; the rest count as "other"."""

_LARGEST: Final = 2**63 - 1

_RECORDED: Final = 128  # amounts recorded between two breaths: under 0.05 ms


def wire(number: int) -> int | str:
    """A number as MessagePack can carry it: as text beyond 64 bits, which the nanoseconds of many WebSockets reach."""
    return number if number <= _LARGEST else str(number)


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class Head(msgspec.Struct, array_like=True, gc=False):
    """A packed cell without its histogram, which is read over."""

    count: int
    errors: int
    total: int | str
    minimum: int
    maximum: int

    @classmethod
    def of(cls, packed: bytes) -> Head:
        """The head of a packed cell."""
        return _unpack_head(packed)


_unpack_head = msgspec.msgpack.Decoder(Head).decode

CellRow = tuple[int, int, int | str, int, int, float, Stored, dict[str, int]]
"""A cell as plain data, its fields in the order of `Cell.to_row`."""


class Cell:
    """Counts and a histogram of integer amounts (nanoseconds, tokens, bytes).

    Integers make merging exact, associative and commutative. `outcomes` counts by result code. The histogram is indexed
    on `amount * unit` (nanoseconds: 1e-9, so that its bounds are seconds). Not thread-safe: one owner writes.
    """

    __slots__ = ("buckets", "count", "errors", "maximum", "minimum", "outcomes", "total", "unit")

    def __init__(self, unit: float = 1e-9) -> None:
        self.unit = unit
        self.count = 0
        self.errors = 0
        self.total = 0
        self.minimum = 0
        self.maximum = 0
        self.buckets: Buckets = {}
        self.outcomes: dict[str, int] = {}

    def record(self, amount: int, outcome: str = "", failed: bool = False) -> None:
        """Count one thing of this amount (0 or more); all of it or, when it cannot be counted, nothing."""
        bucket = shared(index(amount * self.unit)) if amount else None
        if amount > self.maximum:
            self.maximum = amount
        if amount < self.minimum or not self.count:
            self.minimum = amount
        self.count += 1
        self.total += amount
        if failed:
            self.errors += 1
        if bucket is not None:
            buckets = self.buckets
            if isinstance(buckets, Dense):
                buckets.add({bucket: 1})
            else:
                buckets[bucket] = buckets.get(bucket, 0) + 1
        if outcome:
            outcomes = self.outcomes
            if outcome in outcomes:
                outcomes[outcome] += 1
            else:
                name = outcome if len(outcomes) < OUTCOME_LIMIT else "other"
                outcomes[name] = outcomes.get(name, 0) + 1

    def record_all(self, amounts: Sequence[int], outcome: str, failed: bool) -> None:
        """Record each of these; all of them or, when one cannot be counted, nothing."""
        ordered = sorted(amounts)
        low, high, total = ordered[0], ordered[-1], sum(ordered)
        found = counted(ordered if low else [amount for amount in ordered if amount], self.unit)
        if low < self.minimum or not self.count:
            self.minimum = low
        if high > self.maximum:
            self.maximum = high
        self.count += len(amounts)
        self.total += total
        self.errors += len(amounts) if failed else 0
        buckets, outcomes = self.buckets, self.outcomes
        if isinstance(buckets, Dense):
            buckets.add(found)
        else:
            for bucket, count in found.items():
                buckets[bucket] = buckets.get(bucket, 0) + count
        if outcome:
            name = outcome if outcome in outcomes or len(outcomes) < OUTCOME_LIMIT else "other"
            outcomes[name] = outcomes.get(name, 0) + len(amounts)

    def add(self, other: Cell) -> None:
        """Merge another cell into this one; an empty one takes the unit of what comes."""
        if not other.count:
            return
        if not self.count:
            self.unit = other.unit
        if other.minimum < self.minimum or not self.count:
            self.minimum = other.minimum
        if other.maximum > self.maximum:
            self.maximum = other.maximum
        self.count += other.count
        self.errors += other.errors
        self.total += other.total
        buckets = self.buckets
        if isinstance(buckets, Dense):
            buckets.add(other.buckets)
        else:
            self.buckets = merged(buckets, other.buckets)
        outcomes = self.outcomes
        for outcome, count in other.outcomes.items():  # unlimited here, or merging would depend on its order
            outcomes[outcome] = outcomes.get(outcome, 0) + count

    def subtract(self, other: Cell) -> None:
        """Take out a cell that was added before; `minimum` and `maximum` are left for the owner to restore."""
        self.count -= other.count
        self.errors -= other.errors
        self.total -= other.total
        if isinstance(self.buckets, Dense):
            self.buckets.subtract(other.buckets)
        else:
            _subtract_counts(self.buckets, other.buckets.items())
        _subtract_counts(self.outcomes, other.outcomes.items())

    def shrink(self) -> None:
        """Give back the room of what came and went: a dictionary full of gaps grows to twice its size."""
        if isinstance(self.buckets, Dense):
            self.buckets.shrink()
        else:
            self.buckets = dict(self.buckets)

    def copy(self) -> Cell:
        """A cell of its own with the same content."""
        twin = Cell(self.unit)
        twin.count, twin.errors, twin.total = self.count, self.errors, self.total
        twin.minimum, twin.maximum = self.minimum, self.maximum
        twin.buckets, twin.outcomes = self.buckets.copy(), self.outcomes.copy()
        return twin

    @property
    def mean(self) -> float:
        """The mean in the cell's unit (seconds for durations); 0 when empty."""
        return self.total * self.unit / self.count if self.count else 0.0

    def quantiles(self, fractions: Iterable[float]) -> list[float]:
        """Values at fractions, in the cell's unit, never outside what was recorded."""
        low, high = self.minimum * self.unit, self.maximum * self.unit
        values = quantiles(self.buckets, self.count, fractions)
        return [low if value < low else high if value > high else value for value in values]

    def pack(self) -> bytes:
        """A compact copy, for the many that are kept and seldom read."""
        return _pack(self.to_row())

    @classmethod
    def unpack(cls, packed: bytes) -> Cell:
        """The cell that was packed."""
        return cls.from_row(_unpack(packed))

    def to_row(self) -> list[Any]:
        """The cell as plain data: what frames carry between processes."""
        return [
            self.count,
            self.errors,
            wire(self.total),
            self.minimum,
            self.maximum,
            self.unit,
            stored(self.buckets),
            self.outcomes,
        ]

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Cell:
        """The cell a row was made from; raises ValueError when it is none."""
        cell = cls(row[5])
        cell.count, cell.errors, cell.total, cell.minimum, cell.maximum = (
            row[0],
            row[1],
            int(row[2]),
            row[3],
            row[4],
        )
        found = _opened(row[6])
        cell.buckets = found if len(found) <= SPARSE else Dense(found)
        cell.outcomes = dict(row[7])
        return cell

    def add_row(self, row: Sequence[Any]) -> None:
        """Merge the cell a row was made from, without making it."""
        count, errors, total, minimum, maximum, _, buckets, outcomes = row
        if not count:
            return
        if minimum < self.minimum or not self.count:
            self.minimum = minimum
        if maximum > self.maximum:
            self.maximum = maximum
        self.count += count
        self.errors += errors
        self.total += int(total)
        self.buckets = merged(self.buckets, _opened(buckets))
        for outcome, amount in outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + amount

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cell):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # cells change

    def __repr__(self) -> str:
        return f"Cell(count={self.count}, errors={self.errors}, mean={self.mean:.6g})"


def record_pieces(
    cell: Cell, amounts: Sequence[int], outcome: str, failed: bool, breathe: Callable[[], None], report: Report,
) -> None:  # fmt: skip
    """Record each of these, with breaths between; one that cannot be counted is reported and costs only itself."""
    for start in range(0, len(amounts), _RECORDED):
        piece = amounts[start : start + _RECORDED]
        try:
            cell.record_all(piece, outcome, failed)
        except Exception:
            for amount in piece:
                try:
                    cell.record(amount, outcome, failed)
                except Exception as error:
                    report("fold", error)
        breathe()


def increase(counts: dict[K, int], name: K, amount: int) -> None:
    """Count up by name."""
    counts[name] = counts.get(name, 0) + amount


def add_cell(cells: dict[K, Cell], key: K, cell: Cell) -> None:
    """Merge `cell` into `cells[key]`, never sharing the cell given."""
    known = cells.get(key)
    if known is not None:
        known.add(cell)
    else:
        cells[key] = cell.copy()


def _opened(given: Stored) -> dict[int, int]:
    """The buckets that were stored and count something."""
    order, counts = columns(given)
    return dict(compress(zip(map(shared, order), counts, strict=True), counts))


def add_row(cells: dict[K, Cell], key: K, row: CellRow) -> None:
    """Merge the cell a row was made from into `cells[key]`."""
    known = cells.get(key)
    if known is not None:
        known.add_row(row)
    else:
        cells[key] = Cell.from_row(row)


def _subtract_counts(counts: dict[Any, int], taken: Iterable[tuple[Any, int]]) -> None:
    for key, count in taken:
        left = counts.get(key, 0) - count
        if left > 0:
            counts[key] = left
        else:
            counts.pop(key, None)
