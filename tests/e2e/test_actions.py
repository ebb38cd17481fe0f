"""Actions as an operator meets them: asked, filled in, done, followed, and told."""

from __future__ import annotations

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.service import TOKEN, VIEWER_TOKEN, Shop, shop

pytestmark = pytest.mark.browser

SIZES = ((1440, 900), (768, 1024), (390, 844))


@pytest.mark.parametrize("size", SIZES, ids=[str(width) for width, _ in SIZES])
def test_fields_are_asked_for_and_sent(service: Shop, visit: Visit, size: tuple[int, int]) -> None:
    """HUB-7, ORC-6: typed fields with their defaults, on any width; what came of it is said and stays on the panel."""
    page = visit(service.page, viewport={"width": size[0], "height": size[1]}).go()
    page.get_by_role("button", name="Re-price").click()
    dialog = page.locator("#confirm")
    expect(dialog.get_by_label("Price")).to_have_value("1.5")
    expect(dialog.get_by_label("Currency")).to_have_value("EUR")
    dialog.get_by_role("button", name="Re-price").click()
    expect(dialog).to_be_visible()  # the name is required
    dialog.get_by_label("Name").fill(f"pear {size[0]}")
    dialog.get_by_label("Currency").select_option("USD")
    dialog.get_by_label("Sale").check()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dialog.get_by_role("button", name="Re-price").click()
    message = f"Re-price: done: pear {size[0]} is 1.5 USD, on sale"
    expect(page.locator("#toasts")).to_contain_text(f"success: {message}")
    expect(page.locator("#panel-actions .outcome")).to_contain_text([message])
    assert service.cached[f"pear {size[0]}"] == "1.5 USD"


def test_a_wrong_value_is_told(service: Shop, visit: Visit) -> None:
    """HUB-7: the server's own check, for what a browser lets through; the form comes back with what was typed."""
    visitor = visit(service.page, tolerant=True)
    page = visitor.go()
    page.get_by_role("button", name="Re-price").click()
    dialog = page.locator("#confirm")
    dialog.get_by_label("Name").fill("x" * 2001)
    dialog.get_by_label("Price").fill("2.5")
    dialog.get_by_label("Currency").select_option("USD")
    dialog.get_by_label("Sale").check()
    page.locator("#confirm-yes").click()
    expect(page.locator("#confirm-error")).to_contain_text("expected text")
    expect(dialog.get_by_label("Name")).to_have_value("x" * 2001)
    expect(dialog.get_by_label("Price")).to_have_value("2.5")
    expect(dialog.get_by_label("Currency")).to_have_value("USD")
    expect(dialog.get_by_label("Sale")).to_be_checked()
    dialog.get_by_label("Name").fill("a fig")
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts")).to_contain_text("success: Re-price: done: a fig is 2.5 USD, on sale")
    page.get_by_role("button", name="Re-price").click()
    expect(page.locator("#confirm-error")).to_be_hidden()
    expect(dialog.get_by_label("Price")).to_have_value("1.5")


def test_a_long_action_is_followed_to_its_end(service: Shop, visit: Visit) -> None:
    """HUB-7: running, how far, and then the truth: that it failed, and why."""
    page = visit(service.page).go()
    press(page, "Count the stock")
    toast = page.locator(".toast", has_text="shelves")
    expect(toast).to_contain_text("running: Count the stock")
    expect(page.locator(".toast.error")).to_have_count(1)  # the notice of the same run is not said again
    expect(page.locator(".toast.error")).to_contain_text("a shelf fell over")


def test_pressed_by_two_it_runs_once(service: Shop, visit: Visit) -> None:
    """HUB-7: who presses second is told that it runs already."""
    first, second = visit(service.page).go(), visit(service.page).go()
    press(first, "Count the stock")
    expect(first.locator(".toast", has_text="running")).to_be_visible()
    press(second, "Count the stock")
    expect(second.locator(".toast.error", has_text="running already")).to_be_visible()
    expect(first.locator(".toast.error", has_text="a shelf fell over")).to_be_visible()


def test_viewers_run_what_is_theirs_and_nothing_else(visit: Visit) -> None:
    """HUB-7, X-6: a viewer can press an action that is declared for viewers; the others say who can."""
    with shop(token=TOKEN, viewer_token=VIEWER_TOKEN) as running:
        page = visit(running.page).go(f"/login?token={VIEWER_TOKEN}")
        page.get_by_role("button", name="Re-price").click()
        expect(page.locator("#toasts")).to_contain_text("only operators")
        press(page, "Count the stock")
        expect(page.locator(".toast.error", has_text="shelf")).to_contain_text("a shelf fell over")


def press(page: Page, name: str) -> None:
    page.locator("#panel-actions").get_by_role("button", name=name).click()
    page.locator("#confirm").get_by_role("button", name=name).click()
