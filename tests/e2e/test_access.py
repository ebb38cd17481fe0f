"""Who gets in, and what they may do there."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.service import TOKEN, VIEWER_TOKEN, Shop, shop

pytestmark = pytest.mark.browser

OUTSIDE = {"X-Forwarded-For": "203.0.113.7"}
"""A sign of a proxy, with which nobody is local."""


def test_action_asks_acts_and_then_says_so(service: Shop, visit: Visit) -> None:
    """HUB-7: clearing a cache asks first; success is said only when every worker has done it, and then it is true."""
    service.cached["pear"] = "green"
    visitor = visit(service.page)
    page = visitor.go()
    seen: list[bool] = []
    page.expose_function("look", lambda: seen.append("pear" in service.cached))
    page.evaluate("""() => new MutationObserver(() => window.look())
      .observe(document.getElementById("toasts"), { childList: true })""")
    page.get_by_role("button", name="Clear caches").click()
    assert "pear" in service.cached
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts .toast.ok")).to_contain_text("success: Clear caches: done")
    assert seen == [False]


def test_failing_action_says_what_happened(visit: Visit, stage: ExitStack) -> None:
    """HUB-7: an action that raises is reported as an error with its reason, never as success."""

    def broken() -> None:
        raise RuntimeError("the cache is on fire")

    service = stage.enter_context(shop(local_role="operator"))
    service.dashboard.cache("prices", clear=broken)
    visitor = visit(service.page)
    page = visitor.go()
    page.get_by_role("button", name="Clear caches").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#toasts .toast.error")).to_contain_text("the cache is on fire")
    expect(page.locator("#toasts")).not_to_contain_text("success")


def test_viewer_cannot_act_and_is_told_why(visit: Visit, stage: ExitStack) -> None:
    """X-6: a viewer's buttons do nothing and say that only operators can; the server refuses one that tries anyway."""
    service = stage.enter_context(shop())
    visitor = visit(service.page, tolerant=True)
    page = visitor.go()
    expect(page.locator("#panel-actions .operators")).to_be_visible()
    expect(page.locator("#panel-actions .operators")).to_contain_text("Only operators")
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Clear caches").dispatch_event("click")
    expect(page.locator("#toasts .toast.error")).to_contain_text("only operators")
    assert posted == []
    status = page.evaluate("fetch('actions/clear-cache', { method: 'POST' }).then((answer) => answer.status)")
    assert status == 403
    assert service.cached == {"apple": "red"}


def test_login_by_the_form(visit: Visit, stage: ExitStack) -> None:
    """X-6: without a token a page says who was seen and asks for one; it becomes a cookie that no script can read."""
    service = stage.enter_context(shop(token=TOKEN, viewer_token=VIEWER_TOKEN))
    visitor = visit(service.page, tolerant=True, extra_http_headers=OUTSIDE)
    page = visitor.go(live=False)
    expect(page.locator("main.refusal")).to_contain_text("127.0.0.1")
    page.get_by_label("Token").fill("not-the-token-at-all")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("main.refusal h1")).to_contain_text("opens nothing")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    visitor.state("live")
    logged_in(page, service, TOKEN)
    expect(page.locator("body")).to_have_attribute("data-role", "operator")


def test_login_by_the_link(visit: Visit, stage: ExitStack) -> None:
    """X-6: the link printed at start logs in and leaves no token in the address; a viewer's token makes a viewer."""
    service = stage.enter_context(shop(token=TOKEN, viewer_token=VIEWER_TOKEN))
    visitor = visit(service.page, extra_http_headers=OUTSIDE)
    page = visitor.go(f"/login?token={VIEWER_TOKEN}")
    logged_in(page, service, VIEWER_TOKEN)
    expect(page.locator("body")).to_have_attribute("data-role", "viewer")


def logged_in(page: Page, service: Shop, token: str) -> None:
    """Assert that a login left a cookie, and the token nowhere."""
    expect(page).to_have_url(f"{service.page}/")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/dashboard"
    assert token not in cookie["value"]
    assert page.evaluate("document.cookie") == ""
    assert token not in page.content()
