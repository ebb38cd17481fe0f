"""What the browser tests share: a real Chromium, a service to look at, and visitors that allow no trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.service import Shop, shop

if TYPE_CHECKING:  # Playwright is imported by what uses it, so that its absence skips and does not break
    from playwright.sync_api import Browser
    from tests.e2e.browsing import Visit, Visitor


# Of the package, not of the session: Playwright's event loop stays current in this thread until it ends, while other
# tests run loops of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A real Chromium; without it the tests that need it are skipped, visibly."""
    from playwright.sync_api import Error, sync_playwright
    from tests.e2e.browsing import ARGUMENTS, chromium_path

    path = chromium_path()
    if path is None:
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        except Error as error:
            pytest.skip(f"chromium does not start: {str(error).splitlines()[0]}")
        with started:
            yield started


@pytest.fixture(scope="package")
def service() -> Iterator[Shop]:
    """A service with a filled quarter of an hour behind it, whose local visitors are operators."""
    with shop(sample_data=True, local_role="operator") as running:
        yield running


@pytest.fixture
def stage() -> Iterator[ExitStack]:
    """Holds what must outlive the visitors: `stage.enter_context(shop(...))`."""
    with ExitStack() as held:
        yield held


@pytest.fixture
def visit(browser: Browser, stage: ExitStack) -> Iterator[Visit]:
    """`visit(root)` makes a visitor; at the end none of them may have seen trouble, unless it was told to bear it."""
    from tests.e2e.browsing import visitor

    visitors: list[Visitor] = []

    def make(root: str, **options: Any) -> Visitor:
        visitors.append(visitor(browser, root, **options))
        return visitors[-1]

    yield make
    for each in visitors:
        each.context.close()
    assert [trouble for each in visitors for trouble in each.troubles] == []
