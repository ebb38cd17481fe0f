"""What surrounds the panels of a page: the header, the navigation and the footer, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from fanlight.faces.web.assets import asset_url
from fanlight.faces.web.links import page_href
from fanlight.panels import State, View


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """A page in the navigation. `badge` counts what wants attention (0 shows none); `disabled` says why it cannot be
    opened; `key` opens it after g."""

    title: str
    href: str
    current: bool = False
    badge: int = 0
    badge_state: State = "error"
    disabled: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One position of a switch; `disabled` says why it cannot be chosen."""

    title: str
    href: str
    current: bool = False
    disabled: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chrome:
    """The template context of base.html: these names and no others.

    `base` is the address of the dashboard's root with a slash at its end (root path and prefix), which all links are
    relative to. `stream` is the live stream's address, relative, with the page and the view's query.
    `interval_seconds` is the pace of the stream unless the viewer chose one. `at` is the snapshot's time in Unix
    seconds. `cost` and `dropped` say what Fanlight itself costs ("0.4 % of a core") and how much it had to drop.
    `theme` is auto, dark, light or terminal.
    """

    service: str
    base: str
    stream: str
    at: float
    instances: int = 1
    release: str = ""
    uptime_seconds: float | None = None
    nav: tuple[NavItem, ...] = ()
    ranges: tuple[Choice, ...] = ()
    scopes: tuple[Choice, ...] = ()
    theme: str = "auto"
    role: str = "viewer"
    interval_seconds: float = 0.25
    version: str = ""
    cost: str = ""
    dropped: int = 0
    style_url: str = field(default_factory=partial(asset_url, "app.css"))
    theme_script_url: str = field(default_factory=partial(asset_url, "theme.js"))
    script_url: str = field(default_factory=partial(asset_url, "app.js"))
    vendor_script_url: str = field(default_factory=partial(asset_url, "vendor.js"))
    icon_url: str = field(default_factory=partial(asset_url, "icon.svg"))


RANGE_TITLES = {"15m": "15 min", "1h": "1 h", "24h": "24 h", "7d": "7 d"}


def range_choices(view: View) -> tuple[Choice, ...]:
    """The range switch of a view. A range of the viewer's own is a position of its own."""
    custom = view.start is not None and view.end is not None
    choices = tuple(
        Choice(
            title=title,
            href=page_href(view, range=name, start=None, end=None),
            current=not custom and view.range == name,
        )
        for name, title in RANGE_TITLES.items()
    )
    return (*choices, Choice(title="chosen", href=page_href(view), current=True)) if custom else choices


def scope_choices(view: View, instances: int, own: str) -> tuple[Choice, ...]:
    """The scope switch of a view: all instances, the serving one, and a chosen other one; empty with one instance.

    `own` is "" where none serves. Where one instance is looked at `instances` tells of that alone.
    """
    whole = view.scope == "all"
    if whole and (instances < 2 or not own):
        return ()
    title = f"all {instances}" if whole else "all"
    choices = [Choice(title=title, href=page_href(view, scope="all"), current=whole)]
    if own:
        choices.append(Choice(title="this one", href=page_href(view, scope=own), current=view.scope == own))
    if view.scope not in ("all", own):
        choices.append(Choice(title=view.scope, href=page_href(view), current=True))
    return tuple(choices)
