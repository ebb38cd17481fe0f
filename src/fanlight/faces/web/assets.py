"""The files a browser loads, bundled from the package under names that change with their content.

`static/css` and `static/js` hold one small file per concern; a browser loads four assets made of them. A name
carries the hash of its content, so answers may be kept for ever and a new release is seen at once.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from fanlight.errors import FanlightError

CACHE_CONTROL: Final = "public, max-age=31536000, immutable"
"""Sent with every asset: its name changes when its content does."""

BUNDLES: Final[Mapping[str, tuple[str, ...]]] = {
    "app.css": (
        "css/tokens.css",
        "css/base.css",
        "css/chrome.css",
        "css/panels.css",
        "css/tables.css",
        "css/charts.css",
        "vendor/uPlot.min.css",
        "css/print.css",
    ),
    # First of all and blocking: it sets the theme before anything is painted.
    "theme.js": ("js/theme.js",),
    # Before the vendored scripts: `live` sets the stream's address before htmx connects it.
    "app.js": (
        "js/time.js",
        "js/format.js",
        "js/order.js",
        "js/hold.js",
        "js/live.js",
        "js/status.js",
        "js/tabs.js",
        "js/settings.js",
        "js/keys.js",
        "js/toasts.js",
        "js/range.js",
        "js/notices.js",
        "js/actions.js",
        "js/chart-look.js",
        "js/chart-tip.js",
        "js/chart.js",
        "js/save.js",
    ),
    "vendor.js": ("vendor/htmx.min.js", "vendor/hx-sse.min.js", "vendor/uPlot.iife.min.js"),
    "icon.svg": ("icon.svg",),
}
"""What each asset is made of, in this order."""

_CONTENT_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class UnknownAsset(FanlightError):
    """A template asked for an asset that does not exist."""


class Asset(NamedTuple):
    """One file as it is served. `gzipped` is for clients that accept it; `etag` is quoted, ready for the header."""

    content: bytes
    content_type: str
    etag: str
    gzipped: bytes


def asset_url(name: str) -> str:
    """The address of an asset relative to the dashboard's root, such as "static/app.3f2a91c4.css"."""
    try:
        return f"static/{_hashed_names()[name]}"
    except KeyError:
        raise UnknownAsset(f"no asset {name!r}; there are {', '.join(sorted(BUNDLES))}") from None


def lookup(hashed_name: str) -> Asset | None:
    """The asset of a hashed name, None for any other name; names are keys, never paths."""
    return _assets().get(hashed_name)


@cache
def _assets() -> Mapping[str, Asset]:
    """All assets by hashed name, read once."""
    return {_hashed(name, content): _asset(name, content) for name, content in _contents().items()}


@cache
def _hashed_names() -> Mapping[str, str]:
    return {name: _hashed(name, content) for name, content in _contents().items()}


@cache
def _contents() -> Mapping[str, bytes]:
    static = files(__package__).joinpath("static")
    return {name: b"\n".join(static.joinpath(part).read_bytes() for part in parts) for name, parts in BUNDLES.items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _hashed(name: str, content: bytes) -> str:
    stem, suffix = name.rsplit(".", 1)
    return f"{stem}.{_digest(content)}.{suffix}"


def _asset(name: str, content: bytes) -> Asset:
    content_type = _CONTENT_TYPES[name.rsplit(".", 1)[1]]
    return Asset(content, content_type, f'"{_digest(content)}"', gzip.compress(content, 9, mtime=0))
