"""A tab that stays open does not grow. The long version is bench/soak.py."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from tests.e2e.browsing import Visit
from tests.e2e.service import Shop, shop

pytestmark = pytest.mark.browser

PUSHES = 24
GROWTH = 1.15
"""The most that two equal stretches of updates may differ."""

COUNT = """() => {
  window.pushes = 0;
  document.addEventListener("htmx:sse:after:message", () => { window.pushes += 1; });
}"""


def test_tab_does_not_grow_with_updates(visit: Visit, stage: ExitStack) -> None:
    """X-9, OBS-6: after as many updates again the heap, the nodes and the listeners of the page are what they were."""
    service = stage.enter_context(shop())
    visitor = visit(service.page)
    page = visitor.go()
    page.evaluate(COUNT)
    tools: Any = page.context.new_cdp_session(page)
    stretch(service, visitor, PUSHES)
    before = measured(tools)
    stretch(service, visitor, 2 * PUSHES)
    after = measured(tools)
    for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners"):
        assert after[name] <= before[name] * GROWTH, (name, before, after)


def stretch(service: Shop, visitor: Any, pushes: int) -> None:
    """Have things happen until this many updates have arrived in all."""
    while visitor.page.evaluate("window.pushes") < pushes:
        service.ask("/items/again")


def measured(tools: Any) -> dict[str, float]:
    """The page's figures after everything unused was collected."""
    tools.send("Performance.enable")
    tools.send("HeapProfiler.collectGarbage")
    figures = tools.send("Performance.getMetrics")["metrics"]
    return {figure["name"]: figure["value"] for figure in figures}
