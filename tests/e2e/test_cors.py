"""A page of another origin that shows the service's numbers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.e2e.service import shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

READ = """async (address) => {
  try { return (await (await fetch(address)).json()).timestamp ? "read" : "empty"; }
  catch (error) { return error.name; }
}"""


def test_a_browser_lets_named_origins_read(browser: Browser, stage: ExitStack) -> None:
    """ORC-8: in a real browser a page of a named origin reads the numbers, one of another origin is refused."""
    named, unnamed = stage.enter_context(shop()), stage.enter_context(shop())
    origin = f"http://127.0.0.1:{named.port}"
    watched = stage.enter_context(shop(cors_origins=[origin]))
    address = f"http://127.0.0.1:{watched.port}/dashboard/api/data"
    outcomes = []
    for board in (named, unnamed):
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{board.port}/items/1")
        outcomes.append(page.evaluate(READ, address))
        page.close()
    assert outcomes == ["read", "TypeError"]
