"""Notices: what happened is told on every page, and by the browser when the viewer allows it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import Route
from tests.e2e.browsing import Visit, expect
from tests.e2e.service import Shop

pytestmark = pytest.mark.browser

STUB = """
window.told = [];
window.away = false;
Object.defineProperty(document, "hidden", { get: () => window.away });
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (window.Notification.permission = window.answer || "granted"); }
  constructor(title, options) { window.told.push(`${title} | ${options.body}`); }
};
"""
"""The browser's notifications, which a headless one does not show."""


def error(service: Shop, text: str) -> None:
    assert service.ask(f"/say?text={quote(text)}&level=error") == 200


def test_an_error_is_told_on_every_page(service: Shop, visit: Visit) -> None:
    """ORC-6: a polite word at the corner, once, and nothing on the page moves."""
    page = visit(service.page).go("/data")
    box = page.locator("#panel-caches").bounding_box()
    error(service, "shelf-on-fire")
    toast = page.locator("#toasts .toast.error")
    expect(toast).to_contain_text("shelf-on-fire")
    expect(page.locator("#toasts")).to_have_attribute("aria-live", "polite")
    assert page.locator("#panel-caches").bounding_box() == box
    expect(toast).to_have_count(1)


def test_old_news_is_no_news(service: Shop, visit: Visit) -> None:
    """ORC-6: who opens the page now is not told what happened before."""
    error(service, "before-you-came")
    service.shows("/events-partial", "before-you-came")
    visitor, held = visit(service.page), list[Route]()
    visitor.page.route("**/live?*", lambda route: held.append(route))
    page = visitor.go("/data", live=False)
    for _ in range(1_000):
        if held:
            break
        page.wait_for_timeout(20)
    error(service, "after-you-came")  # while the page stands, and does not listen yet
    service.shows("/events-partial", "after-you-came")
    for route in held:
        route.continue_()
    page.unroute_all()
    expect(page.locator("#toasts")).to_contain_text("after-you-came")
    expect(page.locator("#toasts")).not_to_contain_text("before-you-came")


def test_the_browser_notifies_who_asked_for_it(service: Shop, visit: Visit) -> None:
    """ORC-6: off until a viewer switches it on and allows it; then also while another window is looked at."""
    visitor = visit(service.page)
    visitor.context.add_init_script(STUB)
    page = visitor.go("/data")
    page.locator("#settings-button").click()
    box = page.get_by_label("errors and actions")
    expect(box).not_to_be_checked()
    error(service, "not-asked")
    expect(page.locator("#toasts")).to_contain_text("not-asked")
    box.check()
    expect(box).to_be_checked()
    page.evaluate("window.away = true")
    error(service, "shelf-fell")
    visitor.until("window.told.length")
    (told,) = page.evaluate("window.told")
    assert told.endswith("shelf-fell | said shelf-fell")


def test_a_refusal_of_the_browser_is_said(service: Shop, visit: Visit) -> None:
    """ORC-6: blocked is blocked, and the switch says so."""
    visitor = visit(service.page)
    visitor.context.add_init_script(STUB + "window.answer = 'denied';")
    page = visitor.go("/data")
    page.locator("#settings-button").click()
    page.get_by_label("errors and actions").click()
    expect(page.locator("#notify-why")).to_have_text("blocked by the browser")
    expect(page.get_by_label("errors and actions")).not_to_be_checked()
