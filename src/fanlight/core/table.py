"""Table: what every panel has, and the panel of columns and rows, however loosely an application gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fanlight.core import loose

State = Literal["", "ok", "warn", "error", "idle"]
"""What a value means for the operator; "" is neutral, "idle" is unknown or not set up. Faces show it by shape and
word too."""

Unit = Literal[
    "text",
    "code",
    "integer",
    "number",
    "rate",
    "per_minute",
    "seconds",
    "bytes",
    "ratio",
    "percent",
    "time",
    "status",
    "method",
    "route",
    "state",
    "bar",
    "score",
    "boolean",
]
"""What a value is: `seconds` a duration, `time` Unix seconds, `ratio` a fraction of 1, `percent` already times 100,
`status` an HTTP status or close code, `rate` per second, `bar` a duration drawn as a bar against the column's largest,
`score` 0 to 100 drawn as a level, `state` one of State, `code` text in monospace."""


class PanelBase(msgspec.Struct, frozen=True, kw_only=True, tag_field="panel"):
    """What every panel has. `note` is a muted word on what it covers; `empty` is shown, with the line of code
    that fills it, when there is nothing."""

    title: str = ""
    note: str = ""
    href: str = ""
    empty: str = ""
    error: str = ""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column. `sort` False keeps its header from being a sort link; `wide` lets it take the room left."""

    name: str
    title: str = ""
    unit: Unit = "text"
    sort: bool = True
    wide: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row: one value per column, None a dash. `key` is unique in the table and stays the same between updates;
    `state` marks the row; `href` is where it leads; `detail` is said under or beside it."""

    key: str
    values: tuple[Any, ...]
    state: State = ""
    href: str = ""
    detail: str = ""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A field to filter by: free text when it has no `choices` (value, label)."""

    name: str
    title: str
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()


class Table(PanelBase, frozen=True, kw_only=True, tag="table"):
    """Rows in a fixed order. `sortable` tables take `sort=column` or `sort=-column` of the View; `sorted` says what
    is applied.
    `more` counts the rows left out; `filters` are the View's filter fields this table understands.

    Columns may be given by their names, rows as lists or dicts of values; `loose.ROW_LIMIT` rows are kept."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = ()
    sortable: bool = False
    sorted: str = ""
    more: int = 0
    filters: tuple[Filter, ...] = ()

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            columns: Iterable[Column | str] = ...,
            rows: Iterable[Row | Sequence[Any] | Mapping[str, Any]] = ...,
            sortable: bool = ...,
            sorted: str = ...,
            more: int = ...,
            filters: tuple[Filter, ...] = ...,
            title: str = ...,
            note: str = ...,
            href: str = ...,
            empty: str = ...,
            error: str = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        given = loose.rows_of(self.rows)
        if len(given) > loose.ROW_LIMIT:
            msgspec.structs.force_setattr(self, "more", self.more + len(given) - loose.ROW_LIMIT)
            given = given[: loose.ROW_LIMIT]
        columns = tuple(self.columns)
        if not all(isinstance(column, Column) for column in columns):
            units = loose.units([_named(column) for column in columns], given)
            columns = tuple(_column(column, unit) for column, unit in zip(columns, units, strict=True))
        names = [column.name for column in columns]
        made = tuple(
            row if isinstance(row, Row) else Row(key=str(place), values=loose.cells(names, row))
            for place, row in enumerate(given)
        )
        msgspec.structs.force_setattr(self, "columns", columns)
        msgspec.structs.force_setattr(self, "rows", made)


def _column(given: Any, unit: str) -> Column:
    if isinstance(given, Column):
        return given
    return Column(name=str(given), title=loose.title(given), unit=unit, sort=False)  # type: ignore[arg-type]  # a Unit


def _named(given: Column | str) -> str:
    return given.name if isinstance(given, Column) else str(given)
