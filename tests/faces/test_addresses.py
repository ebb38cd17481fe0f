"""faces.web.addresses: the dashboard's root at any mount and behind any proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanlight.faces.web.addresses import forwarded_prefix, path_below, root_of


@pytest.mark.parametrize(
    ("root_path", "forwarded", "root"),
    [
        ("", "", "/dashboard"),
        ("/svc", "", "/svc/dashboard"),
        ("/svc/", "", "/svc/dashboard"),
        ("", "/proxy", "/proxy/dashboard"),
        ("", "/proxy/", "/proxy/dashboard"),
        ("", "/outer, /inner/", "/outer/inner/dashboard"),
        ("/outer/inner", "/outer,/inner", "/outer/inner/dashboard"),
        ("/m/one", "/proxy", "/proxy/m/one/dashboard"),
        ("/proxy", "/proxy", "/proxy/dashboard"),
        ("/proxy/m", "/proxy", "/proxy/m/dashboard"),
        ("/m/ü <x>", "", "/m/%C3%BC%20%3Cx%3E/dashboard"),
        ("//evil.example", "", "/evil.example/dashboard"),
    ],
)
def test_the_root_is_the_browsers(root_path: str, forwarded: str, root: str) -> None:
    """HUB-1: what a proxy cut off comes first, then the mount, then the prefix; told twice it counts once,
    and proxies behind each other each add theirs."""
    assert root_of({"root_path": root_path}, {"x-forwarded-prefix": forwarded}, "/dashboard") == root


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "https://evil.example",
        "/a b",
        '/"><script>',
        "/a/../b",
        "/a, //b",
        "/a, b",
        "a",
        "/a?b",
        "/" * 9,
        "/x" * 200,
    ],
)
def test_a_forged_prefix_is_ignored(text: str) -> None:
    """X-6: only a plain path is taken from X-Forwarded-Prefix, so that no link leaves this origin."""
    assert forwarded_prefix(text) == ""


@given(st.text(), st.text())
def test_the_root_always_is_a_path_of_this_origin(root_path: str, forwarded: str) -> None:
    """X-6: one leading slash and nothing that ends an attribute, whatever the scope and the header say."""
    root = root_of({"root_path": root_path}, {"x-forwarded-prefix": forwarded}, "/dashboard")
    assert root.startswith("/")
    assert not root.startswith("//")
    assert not set(root) & set("\"'<> ?#\\\r\n")


@pytest.mark.parametrize(
    ("path", "root_path", "below"),
    [
        ("/dashboard", "", "/"),
        ("/dashboard/", "", "/"),
        ("/dashboard/logs/", "", "/logs"),
        ("/svc/dashboard/logs", "/svc", "/logs"),
        ("/dashboard/logs", "/svc", "/logs"),
        ("/svc/dashboard", "/svc/", "/"),
    ],
)
def test_paths_below_the_root(path: str, root_path: str, below: str) -> None:
    """HUB-1: the same path whether or not the server leaves root_path on it, with and without a slash at its end."""
    assert path_below({"path": path, "root_path": root_path}, "/dashboard") == below
