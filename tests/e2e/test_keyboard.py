"""Everything without a mouse."""

from __future__ import annotations

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.service import Shop

pytestmark = pytest.mark.browser


def test_skip_link_comes_first_and_leads_to_the_panels(service: Shop, visit: Visit) -> None:
    """X-6: the first stop of the Tab key is a visible link past the menu, to the panels of this same page."""
    visitor = visit(service.page)
    page = visitor.go("/requests")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the panels")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    assert page.url == f"{service.page}/requests"
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#main').contains(document.activeElement)")


def test_tab_goes_through_the_header_in_reading_order(service: Shop, visit: Visit) -> None:
    """X-6: name, ranges, pause, settings, then the pages of the menu in their order; each stop is shown."""
    visitor = visit(service.page)
    page = visitor.go("/requests")
    stops = [stop(page)]
    while stops[-1] != "main":
        stops.append(stop(page))
        assert len(stops) < 40, stops
    assert list(dict.fromkeys(stops)) == ["skip", "top", "tabs", "main"], stops
    assert stops.count("tabs") == page.locator("nav.tabs a").count()


def stop(page: Page) -> str:
    """Press Tab; the part of the page that has the focus now, which shows it."""
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    where: str = page.evaluate("""() => {
      const part = document.activeElement.closest(".skip, header.top, nav.tabs, main");
      return part.id || part.className;
    }""")
    return where


def test_slash_focuses_the_filter(service: Shop, visit: Visit) -> None:
    """HUB-6, X-4: / goes to the filter, and keys typed there are text and nothing else."""
    visitor = visit(service.page)
    page = visitor.go("/logs")
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name="Text or ID")
    expect(field).to_be_focused()
    page.keyboard.type("pp?")
    expect(field).to_have_value("pp?")
    visitor.state("live")


def test_p_pauses_and_resumes(service: Shop, visit: Visit) -> None:
    """ORC-6: p pauses, p again resumes; the button says which."""
    visitor = visit(service.page)
    page = visitor.go("/data")
    page.keyboard.press("p")
    visitor.state("paused")
    expect(page.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("p")
    visitor.state("live")
    expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")


def test_question_mark_opens_the_keys(service: Shop, visit: Visit) -> None:
    """X-6: ? opens the list of keys, which keeps the focus inside, closes with Escape and gives the focus back."""
    visitor = visit(service.page)
    page = visitor.go("/data")
    page.locator("#pause").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    traps_focus(page, "#keys")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#pause")).to_be_focused()


def test_confirmation_keeps_the_focus_and_escape_cancels(service: Shop, visit: Visit) -> None:
    """HUB-7: the question before an action holds the focus; Escape answers no, and nothing is done."""
    visitor = visit(service.page)
    page = visitor.go()
    service.cached["kept"] = "by escape"
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Clear caches").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#confirm")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Clear every cache on every worker?")
    traps_focus(page, "#confirm")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Clear caches")).to_be_focused()
    assert posted == []
    assert service.cached["kept"] == "by escape"


def test_g_and_a_letter_go_to_a_page(service: Shop, visit: Visit) -> None:
    """OBS-6: g and a page's letter open it."""
    visitor = visit(service.page)
    page = visitor.go("/data")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(f"{service.page}/requests")
    visitor.state("live")


def traps_focus(page: Page, dialog: str) -> None:
    """Assert that Tab stays inside a dialog; the browser's own controls (the body in between) aside."""
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "(dialog) => document.activeElement === document.body || !!document.activeElement.closest(dialog)", dialog
        )
