"""Addresses of views: what a viewer chose, written as a query, always relative to the dashboard's root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from fanlight.panels import View

DEFAULTS: Final = View()

_PATHS: Final[Mapping[str, str]] = {"overview": "", "request": "requests", "service": "services"}
"""Where a page is when its name is not its path."""


def pairs(view: View, *, leave: frozenset[str] = frozenset()) -> tuple[tuple[str, str], ...]:
    """What a view chose beyond the defaults as (parameter, value), without those named in `leave`."""
    chosen: list[tuple[str, str]] = []
    if view.scope != DEFAULTS.scope:
        chosen.append(("scope", view.scope))
    if view.start is not None and view.end is not None:
        chosen += [("from", _epoch(view.start)), ("to", _epoch(view.end))]
    elif view.range != DEFAULTS.range:
        chosen.append(("range", view.range))
    if view.sort:
        chosen.append(("sort", view.sort))
    chosen += [(name, value) for name, value in view.filters if value]
    return tuple((name, value) for name, value in chosen if name not in leave)


def query(view: View) -> str:
    """A view's choices as "?range=1h&...", "" when it is all defaults."""
    chosen = pairs(view)
    return "?" + urlencode(chosen) if chosen else ""


def page_path(view: View) -> str:
    """The path of a view's page below the root: "./" for the overview, "requests/4f2a" for one request."""
    page = _PATHS.get(view.page, view.page)
    return "/".join((page, *(quote(value, safe="") for _, value in view.path))) or "./"


def page_href(view: View, **changes: object) -> str:
    """The address of a view's page after `changes` to the view."""
    changed = msgspec.structs.replace(view, **changes) if changes else view
    return page_path(changed) + query(changed)


def sort_href(view: View, column: str, *, applied: str, descending_first: bool) -> str:
    """Where a column's header leads: sorted by it, or the other way round when it already is."""
    first, second = (f"-{column}", column) if descending_first else (column, f"-{column}")
    return page_href(view, sort=second if applied == first else first)


def _epoch(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
