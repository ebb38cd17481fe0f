"""The hub of a running gateway, used in a real browser."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.browsing import Visit, expect
from tests.gateway.test_hub import hub_in

pytestmark = pytest.mark.browser


def test_the_hub_is_used(stage: ExitStack, visit: Visit, tmp_path: Path) -> None:
    """HUB-1, HUB-6, HUB-7: the hub opens at the dashboard's root; a request appears; a restart asks before and says the
    new pid; a pipeline asks for its input, and its run is on its page."""
    hub = stage.enter_context(hub_in(tmp_path))
    visitor = visit(f"{hub.address}/dashboard")
    page = visitor.go()
    for title in ("Health", "Circuit breakers", "Enhancement", "Quick actions", "Recent activity"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert hub.post("/ollama/enhance", {"prompt": "hello"})[0] == 200
    expect(page.locator("#panel-activity tbody tr").filter(has_text="/ollama/enhance")).to_be_visible()
    page.get_by_role("button", name="Restart old").click()
    expect(page.locator("#confirm-text")).to_have_text("Restart old?")
    page.locator("#confirm-yes").click()
    expect(page.locator("#panel-actions")).to_contain_text(re.compile(r"old was restarted and is ready, pid \d+"))
    visitor.go("/pages/pipelines")
    page.get_by_role("button", name="Run report").click()
    zone = page.locator("#confirm-fields input[name=zone]")
    expect(zone).to_have_value("UTC")
    zone.fill("Europe/Berlin")
    page.locator("#confirm-yes").click()
    row = page.locator("#panel-pipelines-runs tbody tr").first
    expect(row).to_contain_text("success")
    expect(page.locator("#panel-pipelines-result")).to_contain_text("Europe/Berlin")
