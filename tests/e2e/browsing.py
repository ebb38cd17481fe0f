"""Pages of a real Chromium that write down everything that should not happen on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright", reason="playwright is not installed (pip install 'fanlight[dev]')")
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

__all__ = ["ARGUMENTS", "Page", "Visit", "Visitor", "chromium_path", "expect", "visitor"]

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
PATIENCE: Final = 15_000
"""Milliseconds a condition may take; no test waits for one that holds already."""

expect.set_options(timeout=PATIENCE)


def chromium_path() -> str | None:
    """Where Chromium is, None where it is not."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Visitor:
    """One browser context with one page at a service; `troubles` is what its console and its network should not say."""

    context: BrowserContext
    page: Page
    root: str
    tolerant: bool = False
    troubles: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Write down console errors (CSP violations are among them), exceptions, and requests to other hosts."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"exception: {error}"))
        self.context.on("request", self._requested)

    def go(self, path: str = "", live: bool = True) -> Page:
        """Open a page of the dashboard, and wait until it is live."""
        self.page.goto(self.root + path)
        if live:
            self.state("live")
        return self.page

    def state(self, word: str) -> None:
        """Wait until the connection indicator says a word."""
        expect(self.page.locator("#live")).to_have_attribute("data-state", word)
        expect(self.page.locator("#live [data-word]")).to_have_text(word)

    def until(self, condition: str, argument: Any = None) -> None:
        """Wait until a JavaScript expression holds; by evaluation of its own, since the pages allow no `eval`."""
        script = f"""(argument) => new Promise((done, failed) => {{
          const end = performance.now() + {PATIENCE};
          const look = () => ({condition}) ? done()
            : performance.now() > end ? failed(new Error("never came")) : setTimeout(look, 20);
          look();
        }})"""
        self.page.evaluate(script, argument)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self.tolerant:
            self.troubles.append(f"console {message.type}: {message.text}")

    def _requested(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "data" and address.netloc != urlsplit(self.root).netloc:
            self.troubles.append(f"another host: {request.url}")


Visit = Callable[..., Visitor]


def visitor(browser: Browser, root: str, *, tolerant: bool = False, **options: Any) -> Visitor:
    """A new browser context, as a viewer who comes for the first time; options are the context's."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    made = Visitor(context, page, root, tolerant)
    made.watch()
    return made
