"""The files a browser loads: hashed names, known names only, small enough."""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib.resources import files

import pytest

from fanlight.faces.web import assets

STATIC = files("fanlight.faces.web") / "static"


def _hashed_names() -> list[str]:
    return [assets.asset_url(name).removeprefix("static/") for name in assets.BUNDLES]


def test_names_carry_the_hash_of_their_content() -> None:
    """Issue item 5: an asset's name is its content's, so it may be cached for ever."""
    for name in _hashed_names():
        asset = assets.lookup(name)
        assert asset is not None
        digest = hashlib.sha256(asset.content).hexdigest()[:8]
        assert re.fullmatch(rf"[a-z]+\.{digest}\.(css|js|svg)", name)
        assert asset.etag == f'"{digest}"'


def test_cache_control_is_immutable_for_a_year() -> None:
    """Issue item 5: browsers never ask again for a hashed name."""
    assert assets.CACHE_CONTROL == "public, max-age=31536000, immutable"


def test_gzipped_content_is_the_content() -> None:
    """Issue item 5: what is sent compressed is what is named."""
    for name in _hashed_names():
        asset = assets.lookup(name)
        assert asset is not None
        assert gzip.decompress(asset.gzipped) == asset.content


@pytest.mark.parametrize(
    "name",
    [
        "app.css",
        "app.00000000.css",
        "../render.py",
        "js/live.js",
        "vendor/htmx.min.js",
        "/etc/passwd",
        "..%2frender.py",
        "",
    ],
)
def test_only_hashed_names_are_found(name: str) -> None:
    """Item 7: names are keys, so no path leads out of the assets."""
    assert assets.lookup(name) is None


def test_an_unknown_asset_is_refused_by_name() -> None:
    """A template that asks for an asset that does not exist is told which there are."""
    with pytest.raises(assets.UnknownAsset, match=r"no asset 'nope\.js'.*app\.css"):
        assets.asset_url("nope.js")


def test_content_types_are_said_with_their_charset() -> None:
    """Item 7: with nosniff a script is only run under its own type."""
    types = {name: assets.lookup(assets.asset_url(name).removeprefix("static/")) for name in assets.BUNDLES}
    assert {name: asset.content_type for name, asset in types.items() if asset} == {
        "app.css": "text/css; charset=utf-8",
        "theme.js": "text/javascript; charset=utf-8",
        "app.js": "text/javascript; charset=utf-8",
        "vendor.js": "text/javascript; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }


def test_every_file_of_the_package_is_served_or_a_licence() -> None:
    """Nothing is shipped that no page loads."""
    served = {part for parts in assets.BUNDLES.values() for part in parts}
    present = {f"{folder}/{path.name}" for folder in ("css", "js", "vendor") for path in (STATIC / folder).iterdir()}
    beside = {"vendor/README.md", "vendor/htmx-LICENSE", "vendor/uPlot-LICENSE"}
    assert present - served == beside
    assert served - present == {"icon.svg"}


def test_vendored_files_are_the_ones_the_readme_names() -> None:
    """Issue item 5: vendored files say where they come from, with the hash of the package."""
    readme = (STATIC / "vendor" / "README.md").read_text()
    for part in assets.BUNDLES["vendor.js"]:
        assert f"`{part.removeprefix('vendor/')}`" in readme
    assert readme.count("sha512-") == 2


def test_scripts_are_small_and_touch_nothing_from_outside() -> None:
    """Style and item 5: one small script per behaviour; no eval, no inline markup, no address outside the dashboard."""
    for path in (STATIC / "js").iterdir():
        source = path.read_text()
        assert len(source.splitlines()) <= 140, path.name
        for banned in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "http:",
            "https:",
        ):
            assert banned not in source, f"{banned} in {path.name}"


def test_style_sheet_loads_nothing_from_outside() -> None:
    """Issue item 5: works offline: no import, no font, no image from elsewhere."""
    for path in (STATIC / "css").iterdir():
        source = path.read_text()
        assert "url(" not in source
        assert "@import" not in source
