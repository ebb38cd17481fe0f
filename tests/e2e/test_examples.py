"""The dashboards of the examples in a real browser."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.browsing import Visit, expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from tests.examples.conftest import served

from chat_api.behaviour import CALM
from chat_api.service import create_app as create_chat
from fanlight import Fanlight
from orchestrator.app import create_app as create_orchestrator
from uploads.app import create_app as create_uploads

pytestmark = pytest.mark.browser

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
COLUMNS = """() => new Set([...document.querySelectorAll(".figure-cell")]
  .map((cell) => Math.round(cell.getBoundingClientRect().left))).size"""


def send(url: str, method: str, path: str, body: str | None = None) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request(method, path, body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def themed(page: Page, theme: str) -> None:
    page.evaluate("(theme) => document.querySelector(`#themes [value=${theme}]`).click()", theme)
    expect(page.locator("html")).to_have_attribute("data-theme", theme)


@pytest.fixture(scope="module")
def orchestrator() -> Iterator[str]:
    dashboard = Fanlight("orchestrator", local_role="operator")
    with served(create_orchestrator(dashboard)) as url:
        yield url
    dashboard.close()


@pytest.fixture(scope="module")
def uploads() -> Iterator[str]:
    dashboard = Fanlight("uploads", local_role="operator")
    with served(create_uploads(dashboard)) as url:
        yield url
    dashboard.close()


@pytest.fixture(scope="module")
def chat() -> Iterator[str]:
    dashboard = Fanlight("chat-api", local_role="operator")
    with served(create_chat(dashboard, behaviour=CALM)) as url:
        yield url
    dashboard.close()


def test_wrappers_are_watched_live(orchestrator: str, visit: Visit) -> None:
    """ORC-2, ORC-5, ORC-6: scores of wrappers stand as bars, follow without a reload, and fit a desk and a phone."""
    assert send(orchestrator, "POST", "/pipelines/explain", '{"text": "Why?"}') == 200
    visitor = visit(f"{orchestrator}/dashboard")
    page = visitor.go("/services")
    expect(page.locator("main")).to_contain_text("Health scores")
    expect(page.locator("main")).to_contain_text("routellm")
    send(orchestrator, "PUT", "/knobs/models", '{"mood": "fail"}')
    for number in range(30):
        send(orchestrator, "POST", "/pipelines/summarise", f'{{"text": "Why {number}?"}}')
    expect(page.locator("main")).to_contain_text("models is overloaded")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        visitor.until(f"{OVERFLOW} <= 0")
    for theme in ("light", "dark"):
        themed(page, theme)
    send(orchestrator, "PUT", "/knobs/models", '{"mood": "fine"}')


def test_uploads_appear_without_a_reload(uploads: str, visit: Visit) -> None:
    """OBS-3, OBS-6: a new upload is swapped into the table; columns follow the width; the tab of its page is there."""
    visitor = visit(f"{uploads}/dashboard")
    page = visitor.go()
    page.evaluate("window.unloaded = false")
    assert send(uploads, "POST", "/uploads?name=fresh-from-the-press.txt", "a text") == 201
    expect(page.locator("main")).to_contain_text("fresh-from-the-press.txt")
    assert page.evaluate("window.unloaded") is False
    columns = []
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        columns.append(page.evaluate(COLUMNS))
    assert columns == sorted(columns, reverse=True)
    assert (columns[0] >= 4, columns[-1] <= 2) == (True, True)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("link", name="Uploads", exact=True).click()
    expect(page.locator("main")).to_contain_text("Uploads finished")


def test_the_chat_in_its_terminal_theme(chat: str, visit: Visit) -> None:
    """API-8: the terminal theme is monospace on near black, the countdown in its bar, and fits a phone."""
    send(chat, "GET", "/api/chat/groups")
    visitor = visit(f"{chat}/dashboard")
    page = visitor.go()
    themed(page, "terminal")
    assert "mono" in page.evaluate("getComputedStyle(document.body).fontFamily").lower()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(10, 10, 10)"
    expect(page.locator("#live").locator("xpath=..")).to_contain_text("next in")
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.until(f"{OVERFLOW} <= 0")
