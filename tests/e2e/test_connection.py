"""Whatever happens to the connection, the page says so and comes back to live by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.relay import Relay, relay
from tests.e2e.service import Shop, shop

pytestmark = pytest.mark.browser

STATES = """() => {
  window.states = [];
  window.sameDocument = true;
  document.addEventListener("fanlight:state", (event) => window.states.push(event.detail));
}"""
TRIES = """() => {
  window.tries = 0;
  document.addEventListener("htmx:finally:request", () => { window.tries += 1; });
}"""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => hidden ? "hidden" : "visible" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def line(service: Shop) -> Iterator[Relay]:
    """A line to the service that can be disturbed."""
    with relay(service.port) as made:
        yield made


def at(made: Relay) -> str:
    """The dashboard's address at the near end of a line."""
    return f"http://127.0.0.1:{made.port}/dashboard"


def brings(page: Page, service: Shop, name: str) -> None:
    """Assert that what happens now still arrives, in the same document."""
    service.ask(f"/items/{name}")
    expect(page.locator("#panel-activity tbody tr").filter(has_text=name).first).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_cut_connection_comes_back(line: Relay, service: Shop, visit: Visit) -> None:
    """ORC-6: the stream's TCP connection is reset: the indicator says "reconnecting", then "live", by itself."""
    visitor = visit(at(line), tolerant=True)
    page = visitor.go()
    page.evaluate(STATES)
    line.cut()
    visitor.until("window.states.includes('reconnecting') && window.states.at(-1) === 'live'")
    brings(page, service, "after-the-cut")


def test_half_open_connection_is_noticed(line: Relay, service: Shop, visit: Visit) -> None:
    """ORC-6: a connection that stays open and says nothing is given up after some silence, and replaced."""
    visitor = visit(at(line))
    page = visitor.go()
    page.evaluate(STATES)
    page.clock.install()
    line.silence()
    page.clock.fast_forward(30_000)
    visitor.until("window.states.includes('reconnecting')")
    page.clock.fast_forward(5_000)
    visitor.until("window.states.at(-1) === 'live'")
    brings(page, service, "after-the-silence")


def test_refused_first_connection_is_tried_again(line: Relay, service: Shop, visit: Visit) -> None:
    """ORC-6: the very first stream answered with 503 puts nothing of the answer on the page, and is tried again."""
    line.refuse = 1
    visitor = visit(at(line), tolerant=True)
    page = visitor.go(live=False)
    page.evaluate("window.sameDocument = true")
    visitor.state("live")
    assert line.refused == 1
    expect(page.locator("body")).not_to_contain_text("refused")
    brings(page, service, "after-the-refusal")


def test_restarted_server_is_found_again(visit: Visit, stage: ExitStack) -> None:
    """ORC-6, X-3: open streams do not keep the server from ending; a new one on the same port is found by itself."""
    first = stage.enter_context(shop())
    visitor = visit(first.page, tolerant=True)
    page = visitor.go()
    page.evaluate(STATES)
    first.stop()
    visitor.until("window.states.includes('reconnecting')")
    second = stage.enter_context(shop(first.port))
    visitor.until("window.states.at(-1) === 'live'")
    brings(page, second, "after-the-restart")


def test_server_that_was_away_for_long_is_live_with_its_first_answer(visit: Visit, stage: ExitStack) -> None:
    """ORC-6: a page that went "offline" says as of when it is, in grey, and is live with the server's first answer."""
    first = stage.enter_context(shop())
    visitor = visit(first.page, tolerant=True)
    page = visitor.go()
    page.evaluate(STATES)
    page.clock.install()
    first.stop()
    for _ in range(20):
        page.clock.fast_forward(3_000)
        if page.evaluate("window.states.includes('offline')"):
            break
    visitor.state("offline")
    expect(page.locator("[data-next]")).to_have_text(f"· as of {page.locator('[data-updated]').inner_text()}")
    expect(page.locator("#main")).to_have_css("filter", "grayscale(1)")
    second = stage.enter_context(shop(first.port))
    page.clock.fast_forward(6_000)  # the next poll, not yet the next try to be live
    visitor.state("live")
    expect(page.locator("#main")).to_have_css("filter", "none")
    brings(page, second, "after-the-absence")


def test_viewers_beyond_the_limit_poll_and_come_back(visit: Visit, stage: ExitStack) -> None:
    """X-9, ORC-6: beyond `max_viewers` a page polls and says "polling", still shows what happens, and later is live."""
    service = stage.enter_context(shop(max_viewers=1))
    first = visit(service.page)
    first.go()
    second = visit(service.page, tolerant=True)
    second.page.clock.install()
    page = second.go(live=False)
    page.evaluate(STATES)
    page.evaluate(TRIES)
    second.state("reconnecting")
    for tries in (1, 2, 3):  # each wait is over at once, the tries are real
        page.clock.fast_forward(12_000)
        second.until("window.tries >= argument", tries)
    second.state("polling")
    service.ask("/items/seen-by-polling")
    service.shows("/activity-partial", "seen-by-polling")
    page.clock.fast_forward(6_000)
    brings(page, service, "seen-by-polling")
    first.context.close()
    service.shows("/api/stats", '"viewers":0')  # or the only try of the next half minute is refused, too
    page.clock.fast_forward(31_000)
    second.state("live")
    brings(page, service, "seen-live-again")


def test_hidden_tab_lets_go_and_comes_back(service: Shop, visit: Visit) -> None:
    """X-9, ORC-6: a tab hidden for a while closes its stream; shown again it is live at once and has caught up."""
    visitor = visit(service.page)
    page = visitor.go()
    page.evaluate(STATES)
    page.clock.install()
    page.evaluate(HIDE, True)
    page.clock.fast_forward(11_000)
    expect(page.locator("#stream")).to_have_count(0)
    service.ask("/items/while-hidden")
    page.evaluate(HIDE, False)
    visitor.state("live")
    expect(page.locator("#stream")).to_have_count(1)
    expect(page.locator("#panel-activity tbody tr").filter(has_text="while-hidden")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_sleeping_computer_comes_back(line: Relay, service: Shop, visit: Visit) -> None:
    """ORC-6: after hours asleep, with the connection long gone unseen, the page comes back to live by itself."""
    visitor = visit(at(line))
    page = visitor.go()
    page.evaluate(STATES)
    page.clock.install()
    line.silence()
    page.clock.fast_forward("08:00:00")
    visitor.until("window.states.includes('reconnecting')")
    page.clock.fast_forward(15_000)
    visitor.state("live")
    brings(page, service, "after-the-night")
