"""What tests of several kinds share: tools that are not Python packages."""

from __future__ import annotations

import shutil

import pytest

from fanlight.core.context import correlation_id


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool, which `make test` installs; without it the tests that need it are skipped, visibly."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    return found


@pytest.fixture(autouse=True)
def outside_a_request() -> None:
    """Each test begins outside of any request: after an exception a correlation ID stays set in its context."""
    correlation_id.set("")
