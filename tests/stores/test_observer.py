"""The observer: a dashboard that is none of the instances it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fanlight.clock import ManualClock
from fanlight.dashboard import Fanlight
from fanlight.declared import Declared
from fanlight.engine import Engine
from fanlight.panels import View
from fanlight.stores import open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def watcher(url: str) -> Iterator[Engine]:
    """An observer of the service `shop`, ticked by hand."""
    dashboard = Fanlight("shop", store=url, clock=ManualClock())
    engine = Engine(dashboard.settings, ManualClock(), dashboard.recorder, Declared(ManualClock()), observes=True)
    yield engine
    engine.close()


def test_it_leaves_no_trace_in_the_store(watcher: Engine, url: str) -> None:
    """X-8, X-2: ticking, following and closing, it writes no instance, no frame and no totals, and samples nothing."""
    watcher.recorder.event("audit", {"outcome": "refused"})
    watcher.tick(second_closed=True)
    watcher.query.snapshot(View())
    watcher.close()
    assert watcher.recorder.samplers == []
    store = open_store(url)
    assert (store.services(), store.totals("shop")) == ([], {})
    store.close()


def test_it_shows_the_service_and_its_own_audit(watcher: Engine, url: str) -> None:
    """X-8, X-6: the numbers are the workers', in every scope; whom it refused itself is shown there too."""
    clock = ManualClock()
    worker = Fanlight("shop", store=url, clock=clock)
    worker.event("upload", size=1)
    clock.advance(1.0)
    worker.engine.tick(second_closed=True)
    assert worker.engine._writer.flush()
    worker.close()
    watcher.recorder.event("audit", {"outcome": "refused"})
    watcher.tick(second_closed=True)
    for scope in ("all", "this"):
        snapshot = watcher.query.snapshot(View(scope=scope))
        assert [instance.id for instance in snapshot.instances if instance.this] == []
        assert [event.data["type"] for event in snapshot.events] == ["upload"]
        assert len(snapshot.audit) == 1
