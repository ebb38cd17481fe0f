"""What surrounds a page's panels, worked out from the snapshot: menu, ranges, scopes, who and how many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

from fanlight import formats
from fanlight.core.snapshot import Snapshot
from fanlight.faces.context import FaceContext, PageSpec, Visit
from fanlight.faces.web import views
from fanlight.faces.web.chrome import Chrome, NavItem, range_choices, scope_choices
from fanlight.panels import View
from fanlight.version import VERSION

BADGE_LIMIT: Final = 999
"""The largest number a badge shows."""


def chrome(context: FaceContext, snapshot: Snapshot, view: View, visit: Visit) -> Chrome:
    """Everything base.html shows."""
    settings = context.settings
    cost = snapshot.own.cpu_percent
    return Chrome(
        service=snapshot.service,
        base=f"{visit.base}/",
        stream=stream_address(view),
        at=snapshot.at,
        instances=len(snapshot.live_instances),
        release=snapshot.release,
        uptime_seconds=snapshot.uptime,
        nav=tuple(menu(context, snapshot, view.page)),
        ranges=range_choices(view),
        scopes=scope_choices(view, len(snapshot.live_instances), _own(snapshot)),
        theme=settings.theme,
        role=visit.role,
        version=VERSION,
        cost="" if cost is None else f"{formats.phrase(cost, 'percent')} of a core",
    )


def _own(snapshot: Snapshot) -> str:
    """The scope of the instance that serves, "" where the dashboard is a process apart."""
    return "this" if any(instance.this for instance in snapshot.instances) else ""


def stream_address(view: View) -> str:
    """The live stream of a view, relative to the root."""
    chosen = views.to_query(view)
    return f"live?{urlencode({'page': view.page})}" + (f"&{chosen}" if chosen else "")


def menu(context: FaceContext, snapshot: Snapshot, current: str) -> Iterator[NavItem]:
    """The pages of the menu; each gets a key of its own out of the letters of its title."""
    taken: set[str] = set()
    counts = badges(context, snapshot)
    for name, spec in tuple(context.pages.items()):
        if spec.in_menu:
            href = page_address(name)
            key = next((letter for letter in spec.title.lower() if letter.isalpha() and letter not in taken), "")
            taken.add(key)
            yield NavItem(title=spec.title, href=href, current=name == current, badge=counts[href], key=key)


def badges(context: FaceContext, snapshot: Snapshot) -> Mapping[str, int]:
    """What wants attention on each page of the menu, by the page's address."""
    specs = [(name, spec) for name, spec in tuple(context.pages.items()) if spec.in_menu]
    return {page_address(name): _badge(context, spec, snapshot) for name, spec in specs}


def page_address(name: str) -> str:
    """Where a page of the menu is, relative to the root."""
    return "./" if name == "overview" else name


def _badge(context: FaceContext, spec: PageSpec, snapshot: Snapshot) -> int:
    try:
        return min(max(int(spec.badge(snapshot)), 0), BADGE_LIMIT)
    except Exception as error:  # a badge is the application's code: it may fail without taking the page along
        context.recorder.failed(f"badge of page {spec.name}", error)
        return 0
