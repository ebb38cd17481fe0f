"""From an event to the screen, and what the browser loads: measured in a real Chromium.

The clock starts before the request is sent and stops when a MutationObserver sees its row in the page. Between two
events a random pause, so that every phase of the pulse is met. Budgets: p95 300 ms in the serving process, 1.5 s from
another worker, 80 KB compressed for everything a page loads.
"""

from __future__ import annotations

import argparse
import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from service import Service, quantile, row, running

ARGUMENTS: Final = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run")
PAGES: Final = (
    "", "requests", "services", "models", "connections", "data", "system", "logs", "observability", "alerts",
)  # fmt: skip
KEEP_ALIVE_SECONDS: Final = 7.0
"""After this long only the live stream's connection is still open."""

WATCH: Final = """() => {
  window.seen = {};
  new MutationObserver(() => {
    const now = performance.timeOrigin + performance.now();
    for (const [mark] of document.getElementById("panel-activity").textContent.matchAll(/mark-\\d+/g)) {
      window.seen[mark] ??= now;
    }
  }).observe(document.getElementById("main"), { childList: true, subtree: true, characterData: true });
}"""
SEEN: Final = """(mark) => new Promise((done) => {
  const look = () => window.seen[mark] ? done(window.seen[mark]) : setTimeout(look, 5);
  look();
})"""


def opened(browser: Browser, service: Service) -> Page:
    """The overview, live."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(service.page)
    page.wait_for_selector("#live[data-state=live]")
    page.evaluate(WATCH)
    return page


def latencies(page: Page, service: Service, events: int, seed: int) -> list[tuple[int, float]]:
    """(process that served it, seconds until its row was there) of so many events."""
    chance = random.Random(seed)
    found = []
    for number in range(events):
        time.sleep(chance.uniform(0.15, 1.15))
        sent = time.time()
        pid = service.ask(f"/mark-{seed}{number:04}")
        seen: float = page.evaluate(SEEN, f"mark-{seed}{number:04}")
        found.append((pid, seen / 1e3 - sent))
    return found


def viewing(service: Service, pids: set[int]) -> int:
    """The process that holds the live stream: the one with a connection left when the others have timed out."""
    time.sleep(KEEP_ALIVE_SECONDS)
    for pid in pids:
        for connection in psutil.Process(pid).net_connections("tcp"):
            if connection.status == "ESTABLISHED" and connection.laddr.port == service.port:
                return pid
    raise RuntimeError("no worker holds the live stream")


@contextmanager
def busy(service: Service, rate: float) -> Iterator[None]:
    """Other requests at a rate, meanwhile; few enough that a mark stays among the last 50."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(1 / rate):
            service.ask("/other")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()


def report(name: str, budget: float, found: list[float]) -> None:
    """One row: p50, p95 and the worst, in milliseconds."""
    p50, p95, worst = (1e3 * quantile(found, share) for share in (0.5, 0.95, 1))
    verdict = "met" if p95 <= budget else "MISSED"
    print(row(name, len(found), f"{p50:.0f}", f"{p95:.0f}", f"{worst:.0f}", f"{budget:.0f}", verdict), flush=True)


def one_worker(browser: Browser, events: int) -> None:
    """The serving process shows its own events, in quiet and among others."""
    with running() as service:
        page = opened(browser, service)
        report("serving process, quiet", 300, [taken for _, taken in latencies(page, service, events, 1)])
        with busy(service, 20):
            report("serving process, 20 req/s", 300, [taken for _, taken in latencies(page, service, events, 2)])
        page.close()


def two_workers(browser: Browser, events: int) -> None:
    """One worker shows the other's events."""
    with running(workers=2) as service:
        page = opened(browser, service)
        pids = {service.ask("/which") for _ in range(40)}
        own = viewing(service, pids)
        found = latencies(page, service, 2 * events, 3)
        page.close()
    for name, budget, mine in (("two workers, the viewer's own", 300, True), ("two workers, the other", 1500, False)):
        chosen = [taken for pid, taken in found if (pid == own) is mine]
        if chosen:
            report(name, budget, chosen)


def weight(browser: Browser, service: Service, path: str) -> tuple[int, dict[str, int]]:
    """Bytes over the wire for a page opened for the first time, headers included, and by kind; the stream apart."""
    context = browser.new_context()
    page = context.new_page()
    tools: Any = context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}
    tools.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    tools.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    tools.send("Network.enable")
    page.goto(f"{service.page}/{path}")
    page.wait_for_selector("#live[data-state=live]")
    page.wait_for_load_state("load")
    by_kind: dict[str, int] = {}
    for request, size in sizes.items():
        by_kind[kinds[request]] = by_kind.get(kinds[request], 0) + int(size)
    context.close()
    return sum(by_kind.values()), by_kind


def weights(browser: Browser) -> None:
    """What each page loads, with its tables filled."""
    print("\n" + row("page", "document", "scripts", "styles", "other", "in all, KB", "budget", ""))
    print(row(*["---"] * 8))
    with running() as service:
        for number in range(60):
            service.ask(f"/items/{number}")
        for path in PAGES:
            total, kinds = weight(browser, service, path)
            known = [kinds.pop(kind, 0) for kind in ("Document", "Script", "Stylesheet")]
            cells = [f"{size / 1000:.1f}" for size in (*known, sum(kinds.values()), total)]
            print(row(path or "overview", *cells, "80", "met" if total <= 80_000 else "MISSED"), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=80)
    parser.add_argument("--only", choices=("one", "two", "weight"))
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        print(row("event to screen", "events", "p50 ms", "p95 ms", "worst ms", "budget p95", ""))
        print(row(*["---"] * 7))
        if given.only in (None, "one"):
            one_worker(browser, given.events)
        if given.only in (None, "two"):
            two_workers(browser, given.events)
        if given.only in (None, "weight"):
            weights(browser)
        browser.close()


if __name__ == "__main__":
    main()
