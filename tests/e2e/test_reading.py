"""From a table to one request: sorting, filtering, opening; and text that stays text."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.service import TIMEOUT, Shop
from websockets.sync.client import connect

pytestmark = pytest.mark.browser

LIST = "#panel-request-list tbody tr"


def test_header_sorts_and_the_address_says_so(service: Shop, visit: Visit) -> None:
    """API-6: a click on a column's header sorts by it, a second one the other way round; the stream keeps the order."""
    visitor = visit(service.page)
    page = visitor.go("/requests")
    counts = page.locator("#panel-all-routes tbody td:nth-child(3)")
    with page.expect_request(lambda request: "/live?" in request.url and "sort=" in request.url):
        page.locator("#panel-all-routes th").get_by_role("link", name="Requests").click()
    expect(page).to_have_url(re.compile(r"[?&]sort=-?count"))
    visitor.state("live")
    first, before = numbers(counts.all_inner_texts()), page.url
    assert first == sorted(first, reverse="sort=-" in before)
    page.locator("#panel-all-routes th").get_by_role("link", name="Requests").click()
    expect(page).not_to_have_url(before)
    expect(page.locator("#panel-all-routes th[aria-sort]")).to_have_count(1)
    visitor.state("live")
    assert ("sort=-" in page.url) != ("sort=-" in before)
    then = numbers(counts.all_inner_texts())  # others still ask
    assert then == sorted(then, reverse="sort=-" in page.url)


def numbers(texts: list[str]) -> list[float]:
    """Counts as they are shown, "12.3 k" among them."""
    scale = {"": 1.0, "k": 1e3, "M": 1e6}
    parts = [re.fullmatch(r"([\d.,]+)\s*([kM]?)", text.strip()) for text in texts]
    return [float(part[1].replace(",", "")) * scale[part[2]] for part in parts if part]


def test_filter_by_status_and_text_is_in_the_address(service: Shop, visit: Visit) -> None:
    """HUB-6, X-4: status and text narrow the list, at first paint and live, and the address can be handed on."""
    service.ask("/nowhere/among-the-failed")
    service.ask("/items/among-the-good")
    service.shows("/activity-partial", "among-the-good")
    visitor = visit(service.page)
    page = visitor.go("/requests")
    page.get_by_role("combobox", name="Status").select_option("4xx")
    expect(page).to_have_url(re.compile(r"status=4xx"))
    visitor.state("live")
    expect(page.locator(LIST).filter(has_text="among-the-failed")).to_be_visible()
    expect(page.locator(LIST).filter(has_text="among-the-good")).to_have_count(0)
    page.get_by_role("searchbox", name="Path or ID").fill("among-the")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"status=4xx&q=among-the|q=among-the&status=4xx"))
    visitor.state("live")
    expect(page.locator(LIST)).to_have_count(1)
    service.ask("/nowhere/among-the-later")
    page.mouse.move(2, 2)
    page.locator("#main").focus()
    expect(page.locator(LIST)).to_have_count(2)


def test_request_opens_by_its_id_with_its_logs(service: Shop, visit: Visit) -> None:
    """X-4, API-3: a click on a request opens it by its own id, with its correlation ID and its log lines."""
    service.ask("/items/traced", X_Correlation_ID="trace-by-id-1")
    visitor = visit(service.page)
    page = visitor.go()
    page.locator("#panel-activity tbody tr").filter(has_text="/items/traced").get_by_role("link").click()
    expect(page.locator("#panel-request")).to_contain_text("trace-by-id-1")
    expect(page.locator("#panel-request")).to_contain_text("/items/{item}")
    expect(page.locator("#panel-request-logs")).to_contain_text("item traced looked at")
    visitor.state("live")


def test_request_opens_by_its_correlation_id(service: Shop, visit: Visit) -> None:
    """API-3, X-4: a correlation ID opens what carried it, and lists all when there were several."""
    for number in (1, 2):
        service.ask(f"/items/twin-{number}", X_Correlation_ID="trace-of-two")
    service.shows("/activity-partial", "twin-2")
    visitor = visit(service.page)
    page = visitor.go("/requests/trace-of-two")
    expect(page.locator("#panel-siblings tbody tr")).to_have_count(2)
    expect(page.locator("#panel-request-logs")).to_contain_text("item twin-1 looked at")
    expect(page.locator("#panel-request-logs")).to_contain_text("item twin-2 looked at")


def test_unknown_request_says_what_is_kept(service: Shop, visit: Visit) -> None:
    """X-4: a request that is no longer kept is a page that says so, not an error."""
    visitor = visit(service.page)
    page = visitor.go("/requests/long-gone")
    expect(page.locator("#panel-request")).to_contain_text("No longer kept")


SLASHLESS = '"><img src=x onerror="window.__pwned=1">'
HOSTILE = f"{SLASHLESS}<script>window.__pwned=2</script>"


def harmless(page: Page) -> None:
    """Assert that nothing of a hostile text became an element or ran."""
    assert page.evaluate("window.__pwned") is None
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0


def test_markup_in_a_path_is_text(service: Shop, visit: Visit) -> None:
    """HUB-6: markup in a path and in a correlation ID shows as text on every page that shows requests."""
    visitor = visit(service.page)
    page = visitor.go()
    service.ask(f"/items/{quote(HOSTILE)}", X_Correlation_ID=HOSTILE, User_Agent=HOSTILE)
    service.ask(f"/nowhere/{quote(HOSTILE)}")
    expect(page.locator("#panel-activity tbody tr").filter(has_text="<script>").first).to_be_visible()
    harmless(page)
    visitor.go("/requests")
    expect(page.locator(LIST).filter(has_text="onerror").first).to_be_visible()
    harmless(page)
    page.locator(LIST).filter(has_text="onerror").first.get_by_role("link").click()
    expect(page.locator("#panel-request")).to_contain_text("<script>")
    harmless(page)


def test_markup_in_logs_and_events_is_text(service: Shop, visit: Visit) -> None:
    """API-9, TTY-3: markup in a log line, an event's type or its fields shows as text."""
    visitor = visit(service.page)
    page = visitor.go("/logs")
    service.ask(f"/say?text={quote(HOSTILE)}")
    expect(page.locator("#panel-logs .message").filter(has_text="<script>").first).to_be_visible()
    harmless(page)
    visitor.go("/observability")
    expect(page.locator("#panel-events")).to_contain_text("<script>")
    harmless(page)


def test_markup_in_groups_and_users_is_text(service: Shop, visit: Visit) -> None:
    """API-4: markup in a WebSocket's group and user shows as text while it is open and when it has closed."""
    visitor = visit(service.page)
    page = visitor.go("/connections")
    group, user = quote(f"group{SLASHLESS}"), quote(f"user{SLASHLESS}")
    with connect(f"ws://127.0.0.1:{service.port}/talk/{group}/{user}", open_timeout=TIMEOUT) as talk:
        expect(page.locator("#panel-groups")).to_contain_text("<img")
        expect(page.locator("#panel-users")).to_contain_text("<img")
        harmless(page)
        talk.send("bye")
    expect(page.locator("#panel-socket-events tbody tr").filter(has_text="disconnected").first).to_be_visible()
    harmless(page)


def test_markup_in_the_address_is_text(service: Shop, visit: Visit) -> None:
    """X-6: markup in a query, a request id or an unknown page comes back as text, if at all."""
    visitor = visit(service.page)
    page = visitor.go(f"/requests?q={quote(HOSTILE)}")
    expect(page.get_by_role("searchbox", name="Path or ID")).to_have_value(HOSTILE)
    harmless(page)
    visitor.go(f"/requests/{quote(SLASHLESS)}")
    harmless(page)
    visitor.tolerant = True  # the browser itself reports the 404
    visitor.go(f"/pages/{quote(SLASHLESS)}", live=False)
    harmless(page)
