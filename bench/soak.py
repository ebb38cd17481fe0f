"""Two hours of an open tab, on a clock that runs faster: does the page grow?

The dashboard gets a clock that is sped up, so that it ticks, folds, forgets and pushes that many times as fast; the
browser is an ordinary one. Printed are the heap after a forced collection, nodes, listeners and pushes that arrived.
"""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from playwright.sync_api import Page, sync_playwright

from fanlight import Fanlight
from screen import ARGUMENTS
from service import app, row

ROWS = 12
SHOWN = ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")


class FastClock:
    """The machine's clocks, running `speed` times as fast from now on."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._wall, self._monotonic = time.time_ns(), time.perf_counter_ns()

    def time_ns(self) -> int:
        return self._wall + self._passed()

    def monotonic_ns(self) -> int:
        return self._monotonic + self._passed()

    def _passed(self) -> int:
        return int((time.perf_counter_ns() - self._monotonic) * self._speed)


@contextmanager
def served(speed: float) -> Iterator[tuple[str, Fanlight]]:
    """A service whose dashboard lives faster, and that dashboard."""
    dashboard = Fanlight("soak", store="memory://", clock=FastClock(speed))
    config = uvicorn.Config(dashboard.asgi(app), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", dashboard
        finally:
            server.should_exit = True
            thread.join()


def traffic(dashboard: Fanlight, stop: threading.Event) -> None:
    """Things that happen all the time, as facts: requests by the hundred, events, cache questions."""
    chance = random.Random(7)
    prices = dashboard.cache("prices")
    while not stop.wait(0.02):
        dashboard.event(f"kind-{chance.randrange(8)}", number=chance.random())
        prices.hit(chance.randrange(9))
        prices.miss()


def measured(tools: Any) -> dict[str, float]:
    """The page's figures after everything unused was collected, twice: finalizers free more."""
    for _ in range(2):
        tools.send("HeapProfiler.collectGarbage")
    return {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}


def follow(page: Page, pushes: int, base: str, speed: float) -> None:
    """Print a row of figures each so many pushes."""
    tools: Any = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    page.evaluate(
        "document.addEventListener('htmx:sse:after:message', () => { window.pushes = (window.pushes ?? 0) + 1 })"
    )
    print(row("pushes", "minutes of the service", "heap MB", "nodes", "listeners", "documents"))
    print(row(*["---"] * 6))
    began = time.perf_counter()
    for part in range(ROWS + 1):
        while page.evaluate("window.pushes ?? 0") < pushes * part / ROWS:
            page.evaluate("(url) => fetch(url + '/items/' + Math.floor(Math.random() * 1000))", base)
        figures = measured(tools)
        minutes = (time.perf_counter() - began) * speed / 60
        counts = [int(figures[name]) for name in SHOWN[1:]]
        heap = f"{figures[SHOWN[0]] / 1e6:.2f}"
        print(row(page.evaluate("window.pushes ?? 0"), f"{minutes:.0f}", heap, *counts), flush=True)


def main() -> None:
    """Run it and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pushes", type=int, default=5_400)
    parser.add_argument("--speed", type=float, default=30.0)
    parser.add_argument("--page", default="", help="of the dashboard; the overview if not given")
    given = parser.parse_args()
    stop = threading.Event()
    with served(given.speed) as (base, dashboard), sync_playwright() as playwright:
        threading.Thread(target=traffic, args=(dashboard, stop), daemon=True).start()
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{base}/dashboard/{given.page}")
        page.wait_for_selector("#live[data-state=live]")
        follow(page, given.pushes, base, given.speed)
        browser.close()
        stop.set()


if __name__ == "__main__":
    main()
