"""System: the levels at a glance, on scales that can be compared."""

from __future__ import annotations

import pytest
from tests.faces.service import ScriptedService

from fanlight.core.recorder import Sample
from fanlight.pages.system import meters, process
from fanlight.panels import Meter, View


def shown(levels: dict[str, float]) -> dict[str, Meter]:
    """The meters by name, of a service with these levels."""
    service = ScriptedService()
    service.levels = [Sample(name, "", level, "sum", "instance") for name, level in levels.items()]
    service.tick(10.0)
    return {meter.name: meter for meter in meters(service.snapshot(), View()).meters}


@pytest.mark.parametrize(("seconds", "state"), [(0.08, "ok"), (0.12, "warn")])
def test_a_full_bar_of_lag_is_an_amber_one(seconds: float, state: str) -> None:
    """API-7: the bar of the event loop's lag is full where its state turns, not before."""
    lag = shown({"event_loop.lag.seconds": seconds})["Loop lag"]
    assert (lag.state, (lag.value or 0) > lag.maximum) == (state, state == "warn")


def test_what_fanlight_takes_is_measured_as_the_whole_process_is() -> None:
    """API-7: both in percent of a core, so that one bar can be held against the other."""
    found = shown({"process.cpu.percent": 12.0, "fanlight.cpu.percent": 6.0})
    assert found["CPU"].maximum == found["Fanlight"].maximum
    assert (found["CPU"].value, found["Fanlight"].value) == (12.0, 6.0)


def test_the_longest_collection_is_that_of_the_whole_window() -> None:
    """API-7: a pause that stopped everything is still said when the next moment has none."""
    service = ScriptedService()
    for pause in (0.02, 0.31, 0.0):
        service.levels = [Sample("gc.pause.seconds", "", pause, "max", "instance")]
        service.tick(10.0)
    facts = {fact.name: fact.value for fact in process(service.snapshot(), View()).facts}
    assert facts["Longest collection, 15 min"] == 0.31
    for _ in range(100):
        service.tick(10.0)
    facts = {fact.name: fact.value for fact in process(service.snapshot(), View()).facts}
    assert facts["Longest collection, 15 min"] == 0.0
