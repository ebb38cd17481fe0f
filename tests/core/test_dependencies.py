"""Breakers of all instances are put together into one truth."""

from __future__ import annotations

import pytest
from tests.services.test_breaker import Bench

from fanlight import BreakerOpen
from fanlight.core import dependencies
from fanlight.core.breaker import Policy
from fanlight.core.dependencies import Sources
from fanlight.core.frame import Frame
from fanlight.core.gauge import Gauge, Reading
from fanlight.core.recorder import Sample
from fanlight.core.window import Window


def sources_of(*benches: Bench) -> Sources:
    """What a window says of the gauges of several instances."""
    now = benches[0].clock.time_ns() / 1e9
    window = Window(now - 10)
    for bench in benches:
        frame = Frame(int(now), int(now) + 1)
        for sample in bench.dashboard._breakers.samples():
            _add(frame, sample, bench.dashboard.instance, now)
        window.add(frame)
    return window.view(now).sources


def _add(frame: Frame, sample: Sample, instance: str, now: float) -> None:
    assert sample.value is not None
    frame.gauges[sample.name, sample.label] = Gauge(sample.merge, {instance: Reading(now, sample.value)})


def test_a_breaker_is_as_bad_as_its_worst_instance() -> None:
    """HUB-3: state, failures, reason, since when, when it tries again, and on which instances."""
    fine, bad = Bench(), Bench()
    bad.clock.advance(3.0)
    bad.fail()
    bad.fail(TimeoutError("slow"))
    (row,) = dependencies.breakers(sources_of(fine, bad))
    now = bad.clock.time_ns() / 1e9
    assert (row.name, row.state, row.failures, row.instances) == ("ollama", "open", 2, 2)
    assert row.open_on == (bad.dashboard.instance,)
    assert row.reason == "2 failures in a row: TimeoutError: slow"
    assert row.last_failure == "TimeoutError: slow"
    assert row.opened_at == row.last_failure_at == now
    assert row.retry_at == now + 5.0
    assert not row.by_hand


def test_one_held_open_by_hand_has_no_deadline() -> None:
    """HUB-3: tripped by an operator, it says so and for how long: until it is reset."""
    bench = Bench()
    bench.breaker.change("trip", "operator")
    (row,) = dependencies.breakers(sources_of(bench))
    assert (row.state, row.by_hand, row.retry_at, row.reason) == ("open", True, None, "tripped by operator")


def test_a_closed_breaker_remembers_its_last_failure() -> None:
    """HUB-3: closed again, it has no reason and no deadline, but the last failure is still told."""
    bench = Bench()
    bench.fail()
    with bench.breaker:
        pass
    (row,) = dependencies.breakers(sources_of(bench))
    assert (row.state, row.reason, row.opened_at, row.retry_at) == ("closed", "", None, None)
    assert (row.failures, row.last_failure) == (0, "ConnectionError: refused")


def test_texts_of_any_kind_stay_with_their_breaker() -> None:
    """X-6: names and reasons with any characters are told apart, and cut."""
    bench = Bench()
    breaker = bench.dashboard.breaker("a\x1fb <i>", policy=Policy(failures=1))
    with pytest.raises(ConnectionError), breaker:
        raise ConnectionError("x" * 900)
    with pytest.raises(BreakerOpen):
        breaker.admit()
    names = {row.name: row for row in dependencies.breakers(sources_of(bench))}
    assert "ollama" in names
    assert all(len(row.reason) <= 300 for row in names.values())
