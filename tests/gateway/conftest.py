"""The simulated provider, behind a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.gateway.serving import served

from fanlight.gateway.simulate import SimulatedProvider, Simulator


@pytest.fixture(scope="session")
def simulated() -> Iterator[str]:
    """The address of a simulated provider that hardly waits."""
    with served(SimulatedProvider(Simulator(speed=1_000))) as address:
        yield address
