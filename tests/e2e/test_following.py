"""A wrapper of the orchestrator that fails, slows down, hangs and recovers, as somebody sees who looks at its page."""

from __future__ import annotations

import http.client
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.e2e.browsing import Page, Visit, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from tests.examples.conftest import served

from fanlight import Fanlight
from orchestrator.app import create_app

pytestmark = pytest.mark.browser

CLIENTS = 4
REST_SECONDS = 0.1


class Crowd:
    """Clients that run a pipeline over and over, and bear whatever becomes of it."""

    def __init__(self, url: str) -> None:
        self._place = url.removeprefix("http://")
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        while not self._ended.wait(REST_SECONDS):
            with suppress(OSError, http.client.HTTPException):
                self.ask("POST", "/pipelines/summarise", {"text": f"Why {number}?"})

    def ask(self, method: str, path: str, body: dict[str, str]) -> None:
        connection = http.client.HTTPConnection(self._place, timeout=30)
        try:
            connection.request(method, path, json.dumps(body))
            connection.getresponse().read()
        finally:
            connection.close()

    def turn(self, mood: str) -> None:
        """Have the wrapper behave so."""
        self.ask("PUT", "/knobs/routellm", {"mood": mood})

    def stop(self) -> None:
        self.turn("fine")
        self._ended.set()
        for thread in self._threads:
            thread.join(40)


@pytest.fixture
def crowd() -> Iterator[tuple[str, Crowd]]:
    """A running orchestrator that is in use."""
    dashboard = Fanlight("orchestrator", local_role="operator")
    with served(create_app(dashboard)) as url:
        made = Crowd(url)
        try:
            yield url, made
        finally:
            made.stop()
    dashboard.close()


def service(page: Page, *said: str) -> None:
    """Wait until the row of the wrapper says all of this."""
    for each in said:
        expect(page.locator('[id="service-list:routellm"]')).to_contain_text(each, timeout=40_000)


def used(page: Page) -> None:
    """Wait until a hundred calls say what is usual: of twenty, a slow minute would soon be the usual itself."""
    calls = page.locator('[id="service-list:routellm"] td.is-integer').first
    expect(calls).to_have_text(re.compile(r"^\d{3,}$"), timeout=40_000)


def breaker(page: Page, said: str) -> None:
    expect(page.locator('[id="breakers:routellm"]')).to_contain_text(said, timeout=40_000)


def test_a_wrapper_is_followed_through_trouble_and_back(crowd: tuple[str, Crowd], visit: Visit) -> None:
    """Issue 5, ORC-2, HUB-3: status, cause and breaker change on the open page with a wrapper that slows down, hangs,
    fails and recovers each time, and calm down again."""
    url, clients = crowd
    page = visit(f"{url}/dashboard").go("/services")
    page.evaluate("window.unloaded = false")
    service(page, "healthy")
    used(page)
    clients.turn("slow")
    service(page, "degraded", "latency")
    clients.turn("fine")
    service(page, "healthy")
    clients.turn("hang")
    service(page, "degraded", "a call waits")
    clients.turn("fine")
    service(page, "healthy")
    clients.turn("fail")
    service(page, "down")
    breaker(page, "failures in a row")
    expect(page.locator("#panel-breaker-actions")).to_contain_text("Reset routellm")
    clients.turn("fine")
    breaker(page, "closed")
    service(page, "healthy")
    expect(page.locator("#panel-breaker-actions")).to_contain_text("None is open.")
    assert page.evaluate("window.unloaded") is False
