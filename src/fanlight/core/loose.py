"""Loose data of the application made into rows and values that every face can show, bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from fanlight.core.records import text

ROW_LIMIT: Final = 500
"""Rows of one table that are shown; the others are counted."""

COUNT_LIMIT: Final = 1_000_000
"""Rows that are looked at when an iterator brings them; what comes after them is not counted."""

CELL_LIMIT: Final = 300
"""Characters of one value."""

COLUMN_LIMIT: Final = 20
"""Columns that are made of the keys of dicts."""


def rows_of(rows: Iterable[Any]) -> Sequence[Any]:
    """Rows as a sequence."""
    return rows if isinstance(rows, list | tuple) else list(islice(rows, COUNT_LIMIT))


def names_of(rows: Sequence[Any]) -> list[str]:
    """The keys of the first few dicts, in their order."""
    found: dict[str, None] = {}
    for row in rows[:10]:
        found.update((str(name), None) for name in islice(row, COLUMN_LIMIT))
    return list(found)[:COLUMN_LIMIT]


def cells(names: Sequence[str], row: Any) -> tuple[Any, ...]:
    """A row's values, one for each column; None where it has none."""
    if isinstance(row, Mapping):
        return tuple(value(row.get(name)) for name in names)
    given = list(islice(row, len(names))) if isinstance(row, Sequence) and not isinstance(row, str) else [row]
    return tuple(value(cell) for cell in (*given, *(None,) * (len(names) - len(given))))


def value(given: Any) -> Any:
    """One value as plain data: numbers stay, times become Unix seconds, durations seconds, all else bounded text."""
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, int):
        return int(given) if -(2**63) <= given < 2**63 else text(given, CELL_LIMIT)
    if isinstance(given, float):
        return float(given) if math.isfinite(given) else None
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    return given.total_seconds() if isinstance(given, timedelta) else text(given, CELL_LIMIT)


def units(names: Sequence[str], rows: Sequence[Any]) -> list[str]:
    """What each column holds, by the first row that has a value there."""
    found: dict[int, str] = {}
    for row in rows[:50]:
        if isinstance(row, Mapping):
            given: Sequence[Any] = [row.get(name) for name in names]
        else:
            given = row if isinstance(row, list | tuple) else getattr(row, "values", ())
        for place, cell in enumerate(given[: len(names)]):
            if cell is not None and place not in found:
                found[place] = unit(cell)
    return [found.get(place, "text") for place in range(len(names))]


def unit(given: Any) -> str:
    """The unit a value has by its type."""
    if isinstance(given, bool):
        return "boolean"
    kinds = ((int, "integer"), (float, "number"), (datetime, "time"), (date, "text"), (timedelta, "seconds"))
    return next((name for kind, name in kinds if isinstance(given, kind)), "text")


def title(name: Any) -> str:
    """A name as a heading."""
    said = text(name, CELL_LIMIT).replace("_", " ").strip()
    return said[:1].upper() + said[1:]
