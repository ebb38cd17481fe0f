"""Panels: what functions of the application return, as panels that every face can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, get_args

import msgspec

from fanlight.clock import Clock
from fanlight.core import loose
from fanlight.core.records import text
from fanlight.core.snapshot import Snapshot
from fanlight.errors import FanlightError
from fanlight.panels import Fact, Page, Panel, PanelBase, Slot, Stat, Table, Text, Unit, View
from fanlight.services.supplier import LoopCaller, Supplier

CONTENT_LIMIT: Final = 500
"""Members of one panel that are shown: items, bars, lines of a log."""

POINT_LIMIT: Final = 5_000
"""Points of one line of a chart."""

TEXT_LIMIT: Final = 20_000
"""Characters of a panel's text."""

FACT_LIMIT: Final = 100
"""Values of a dict that are shown."""

PANEL_LIMIT: Final = 50
"""Panels of one declared page."""

DEPTH: Final = 3
"""Levels of dicts in a dict that are shown, their names joined."""

EXPECTED: Final = "a panel, a list of rows, a dict, a text or a number"

_CONTENTS: Final = ("items", "bars", "slices", "meters", "spans", "facts", "buttons", "phrases")


class Source:
    """A panel made by a function of the application, at most every so often and only while somebody looks."""

    def __init__(
        self, title: str, function: Callable[[], Any], caller: LoopCaller, clock: Clock, every: float, timeout: float
    ) -> None:
        self.title = title
        self.supplier = Supplier(caller, clock, every, timeout, accept=lambda given: panel_of(given, title))
        self.supplier.declare(function)

    def build(self, snapshot: Snapshot, view: View) -> Panel:
        """The panel as it was made last, or why it could not be."""
        supplied = self.supplier.latest()
        if supplied.error:
            return Text(title=self.title, error=supplied.error)
        if not supplied.at:
            return Text(title=self.title, empty="Being made.")
        panel: Panel = supplied.data
        return panel


class PageSource:
    """A page made by a function of the application that returns its panels."""

    def __init__(
        self,
        name: str,
        title: str,
        function: Callable[[], Any],
        caller: LoopCaller,
        clock: Clock,
        every: float,
        timeout: float,
    ) -> None:
        self.name = name
        self.title = title
        self.supplier = Supplier(caller, clock, every, timeout, accept=self._slots)
        self.supplier.declare(function)

    def _slots(self, given: Any) -> tuple[Slot, ...]:
        if not isinstance(given, list | tuple):
            raise FanlightError(f"returned {type(given).__name__}; expected a list of panels")
        return tuple(self._slot(number, each) for number, each in enumerate(given[:PANEL_LIMIT]))

    def _slot(self, number: int, given: Any) -> Slot:
        if isinstance(given, Slot):
            return given
        panel = panel_of(given, "")
        return Slot(name=f"{self.name}-{number + 1}", build=lambda snapshot, view: panel, span=_span(panel))

    def slots(self) -> tuple[Slot, ...]:
        """The page's panels as they were made last, or what stands in their place."""
        supplied = self.supplier.latest()
        if supplied.error:
            panel = Text(title=self.title, error=supplied.error)
            return (Slot(name=self.name, build=lambda snapshot, view: panel),)
        if not supplied.at:
            return (Slot(name=self.name, build=lambda snapshot, view: Text(title=self.title, empty="Being made.")),)
        slots: tuple[Slot, ...] = supplied.data
        return slots

    def build(self, snapshot: Snapshot, view: View) -> Page:
        """The page."""
        return Page(name=f"pages/{self.name}", title=self.title, slots=self.slots())


def _span(panel: Panel) -> int:
    return {"stat": 3, "gauge": 4, "donut": 4, "text": 6, "bars": 6, "timeseries": 6}.get(
        str(type(panel).__struct_config__.tag), 12
    )


def panel_of(given: Any, title: str) -> Panel:
    """What a function returned as a panel, bounded; raises FanlightError for what is none."""
    if isinstance(given, get_args(Panel)):
        return _bounded(given, title)
    if isinstance(given, Mapping):
        return Text(title=title, facts=tuple(islice(_facts(given), FACT_LIMIT)))
    if isinstance(given, str):
        return Text(title=title, text=text(given, TEXT_LIMIT))
    if given is None:
        return Text(title=title)
    if isinstance(given, list | tuple):
        return _table(given, title)
    if isinstance(given, int | float):
        return Stat(title=title, value=loose.value(given), unit=_unit(given))
    raise FanlightError(f"returned {type(given).__name__}; expected {EXPECTED}")


def _table(rows: Sequence[Any], title: str) -> Table:
    dicts = [row for row in rows[:10] if isinstance(row, Mapping)]
    if dicts:
        return Table(title=title, columns=loose.names_of(dicts), rows=rows)
    widest = max((len(row) for row in rows[:10] if isinstance(row, list | tuple)), default=1)
    names = [str(number + 1) for number in range(min(widest, loose.COLUMN_LIMIT))] if widest > 1 else ["value"]
    return Table(title=title, columns=names, rows=rows)


def _facts(given: Mapping[Any, Any], prefix: str = "", depth: int = DEPTH) -> Iterator[Fact]:
    for name, value in given.items():
        if isinstance(value, Mapping) and depth:
            yield from _facts(value, f"{prefix}{text(name, 100)} ", depth - 1)
        else:
            yield Fact(name=loose.title(f"{prefix}{text(name, 100)}"), value=loose.value(value), unit=_unit(value))


def _unit(value: Any) -> Unit:
    unit: Unit = loose.unit(value)  # type: ignore[assignment]  # one of them
    return unit


def _bounded(panel: PanelBase, title: str) -> Panel:
    changes: dict[str, Any] = {} if panel.title else {"title": title}
    for name in _CONTENTS:
        members = getattr(panel, name, ())
        if not isinstance(members, tuple) or len(members) > CONTENT_LIMIT:
            changes[name] = tuple(islice(members, CONTENT_LIMIT))
    for name in ("text", "code", "note", "empty", "error"):
        said = getattr(panel, name, "")
        if not isinstance(said, str) or len(said) > TEXT_LIMIT:
            changes[name] = text(said, TEXT_LIMIT)
    changes |= {"lines": _lines(panel)} if hasattr(panel, "lines") else {}
    made: Panel = msgspec.structs.replace(panel, **changes)  # type: ignore[assignment]  # of the kind it was
    return made


def _lines(panel: Any) -> tuple[Any, ...]:
    """Lines of a chart or of a log."""
    lines = tuple(islice(panel.lines, CONTENT_LIMIT))
    points = [len(getattr(line, "values", ())) for line in lines]
    if max(points, default=0) > POINT_LIMIT:
        raise FanlightError(f"returned a chart of {max(points)} points; expected at most {POINT_LIMIT} in a line")
    return lines
