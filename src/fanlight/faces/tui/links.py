"""Where rows of panels lead, and the views their addresses mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from fanlight.faces.web.views import ViewError, parse_view
from fanlight.panels import Bars, Donut, Feed, Panel, Status, Table, View

_DETAILS: Final[Mapping[str, tuple[str, str]]] = {"requests": ("request", "id"), "services": ("services", "name")}
"""Pages of one thing: its page and the name of its path value, by the page it is listed on."""

OWN: Final = "pages"
"""What the addresses of the application's own pages begin with; it is part of their names."""


def targets(panel: Panel) -> tuple[int, tuple[str, ...]]:
    """The line inside a box that a panel's first row is on, and where each row leads; "" for nowhere."""
    if isinstance(panel, Table):
        return 1, tuple(row.href for row in panel.rows)
    if isinstance(panel, Feed | Status):
        return 0, tuple(item.href for item in panel.items)
    if isinstance(panel, Bars):
        return 0, tuple(bar.href for bar in panel.bars)
    if isinstance(panel, Donut):
        return (1 if panel.text else 0), tuple(part.href for part in panel.slices)
    return 0, ()


def view_of(href: str, now: View) -> View | None:
    """The view an address relative to the root means, in the present scope and range unless it has its own; None for
    an address that is no page's."""
    parts = urlsplit(href)
    if parts.scheme or parts.netloc:
        return None
    page, _, rest = parts.path.removeprefix("./").strip("/").partition("/")
    path: dict[str, str] = {}
    if page == OWN and rest:
        page = f"{OWN}/{unquote(rest)}"
    elif rest:
        if page not in _DETAILS:
            return None
        page, name = _DETAILS[page]
        path = {name: unquote(rest)}
    query = {"scope": now.scope, "range": now.range} | dict(parse_qsl(parts.query))
    try:
        return parse_view(page or "overview", query, path)
    except ViewError:
        return None
