"""Addresses of views, and the switches of the header made of them."""

from __future__ import annotations

from fanlight.faces.web import links
from fanlight.faces.web.chrome import range_choices, scope_choices
from fanlight.panels import View


def test_views_are_written_as_short_addresses() -> None:
    """Design: the view lives in the URL, defaults left out."""
    assert links.query(View()) == ""
    assert links.page_href(View()) == "./"
    assert links.query(View(start=1.5, end=9.0, range="15m")) == "?from=1.5&to=9"
    assert links.page_path(View(page="request", path=(("id", "a/b"),))) == "requests/a%2Fb"
    assert links.page_href(View(page="logs"), scope="web1") == "logs?scope=web1"


def test_range_and_scope_switches_follow_the_view() -> None:
    """Item 5: every range can be chosen; one of the viewer's own and a foreign scope are shown as chosen."""
    ranges = range_choices(View(range="1h"))
    assert [(c.title, c.current, c.disabled) for c in ranges][1::2] == [("1 h", True, ""), ("7 d", False, "")]
    assert range_choices(View(start=1, end=2))[-1].title == "chosen"
    assert scope_choices(View(), 1, "a") == ()
    assert [c.title for c in scope_choices(View(scope="web2"), 2, "web1") if c.current] == ["web2"]
    assert [c.title for c in scope_choices(View(scope="this"), 1, "this")] == ["all", "this one"]
    assert [c.title for c in scope_choices(View(scope="web2"), 1, "")] == ["all", "web2"]
