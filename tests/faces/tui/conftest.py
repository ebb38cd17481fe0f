"""What the terminal's tests share: one watched service, and a terminal over it that is driven by keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

import pytest
from tests.faces.service import ScriptedService
from tests.faces.tui.documents import SampleSource, sampled

from fanlight.clock import ManualClock
from fanlight.faces.tui.app import TerminalDashboard

Driven = Callable[[TerminalDashboard, Any, ManualClock], Awaitable[None]]
"""What a test does with a terminal: (application, Textual's pilot, the terminal's clock)."""


@pytest.fixture(scope="session")
def watched() -> ScriptedService:
    """A service watched for fifteen minutes; tests that let time go on make one of their own."""
    return sampled()


@pytest.fixture
def source(watched: ScriptedService) -> SampleSource:
    return SampleSource(watched)


def drive(source: SampleSource, script: Driven, size: tuple[int, int] = (120, 40), **options: Any) -> TerminalDashboard:
    """Run a script against a terminal of a size; returns the ended application."""
    clock = ManualClock()
    app = TerminalDashboard(source, clock=clock, zone=UTC, **{"environ": {}, "toggles": True, **options})

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.desk.document is not None or bool(app.desk.lost))
            await script(app, pilot, clock)

    asyncio.run(run())
    return app


async def until(pilot: Any, true: Callable[[], bool]) -> None:
    """Wait until something is true and drawn; fails after five seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 5
    while not true():
        assert loop.time() < deadline, "it did not come true within five seconds"
        await pilot.pause(0.01)
    await pilot.pause()
