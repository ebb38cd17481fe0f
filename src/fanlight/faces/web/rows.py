"""Rows: a table's rows as HTML, each made once while it looks the same; of fifty rows few are new at a refresh."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Final

from jinja2 import Template
from markupsafe import Markup

from fanlight.core.pacer import unpaced
from fanlight.panels import Row

LIMIT: Final = 4_096
"""Rows remembered; the one not used longest goes first."""


class Rows:
    """Renders rows through the macro `row` of a template. Thread-safe.

    A row looks the same while its data and its table's shape (columns, peaks of bars, places of link and mark) do.
    """

    def __init__(self, template: Template, breathe: Callable[[], None] = unpaced) -> None:
        self._make: Callable[[Any, Row], str] = template.module.row  # type: ignore[attr-defined]  # its macro
        self._breathe = breathe
        self._lock = Lock()
        self._known: OrderedDict[Hashable, Markup] = OrderedDict()
        self._shapes: OrderedDict[Hashable, object] = OrderedDict()

    def shape_of(self, view: Any) -> object:
        """What all rows of a table have in common, as one object that is cheap to compare."""
        grid = view.drawing
        shape = (view.name, grid.heads, grid.link, grid.mark, grid.detailed)
        with self._lock:
            known = self._shapes.setdefault(shape, object())
            self._shapes.move_to_end(shape)
            while len(self._shapes) > LIMIT:
                self._shapes.popitem(last=False)
        return known

    def remembered(self, shape: object, view: Any, row: Row) -> Markup:
        """The row's HTML, made now if it is not known."""
        key = (shape, row)
        self._breathe()
        try:
            with self._lock:
                known = self._known.get(key)
                if known is not None:
                    self._known.move_to_end(key)
                    return known
        except TypeError:  # a value without a hash
            return Markup(self._make(view, row))  # noqa: S704  # a template made it, escaping everything
        made = Markup(self._make(view, row))  # noqa: S704  # a template made it, escaping everything
        with self._lock:
            self._known[key] = made
            while len(self._known) > LIMIT:
                self._known.popitem(last=False)
        return made
