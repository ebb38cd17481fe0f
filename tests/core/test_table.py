"""Tables made of what an application has: names and lists, dicts, rows; bounded."""

from __future__ import annotations

import msgspec

from fanlight.core.loose import ROW_LIMIT
from fanlight.panels import Column, Row, Table


def test_columns_by_name_and_rows_as_lists() -> None:
    """X-5: the design's example: columns are names, rows are lists; units follow from the values."""
    table = Table(columns=["name", "size_bytes", "ratio"], rows=[["a.pdf", 3, 0.5], ("b.pdf", None)])
    assert [(column.name, column.title, column.unit) for column in table.columns] == [
        ("name", "Name", "text"),
        ("size_bytes", "Size bytes", "integer"),
        ("ratio", "Ratio", "number"),
    ]
    assert [row.values for row in table.rows] == [("a.pdf", 3, 0.5), ("b.pdf", None, None)]


def test_columns_with_units_and_rows_as_dicts() -> None:
    """X-5: a column may say its unit, and a dict's keys find their columns."""
    table = Table(columns=[Column(name="size", unit="bytes"), "name"], rows=[{"name": "a", "size": 7, "left": 1}])
    assert [column.unit for column in table.columns] == ["bytes", "text"]
    assert table.rows[0].values == (7, "a")


def test_whole_rows_stay_as_they_are() -> None:
    """X-5: rows with a state and a link are taken as they are."""
    row = Row(key="a", values=(1,), state="warn", href="requests")
    assert Table(columns=(Column(name="n"),), rows=[row]).rows == (row,)


def test_too_many_rows_are_counted_not_kept() -> None:
    """X-5: 100,000 rows show the first ones and how many are left out, from an iterator, too."""
    for rows in ([[n] for n in range(100_000)], ([n] for n in range(100_000))):
        table = Table(columns=["n"], rows=rows)
        assert (len(table.rows), table.more) == (ROW_LIMIT, 100_000 - ROW_LIMIT)


def test_a_capped_table_crosses_a_process_unchanged() -> None:
    """X-1: decoding what was encoded does not cap or count again."""
    table = Table(columns=["n"], rows=[[n] for n in range(ROW_LIMIT + 3)])
    assert msgspec.json.decode(msgspec.json.encode(table), type=Table) == table
