"""Gauges: what each source said last, and how that combines."""

from __future__ import annotations

from fanlight.core.gauge import Gauge, Reading


def test_gauges_count_each_source_once() -> None:
    """X-2: the newest word of each source, combined as the gauge says; two workers of a host count once."""
    old, new = Reading(1.0, 40.0), Reading(2.0, 60.0)
    gauge = Gauge("sum", {"web1": old})
    gauge.add(Gauge("sum", {"web1": new, "web2": old}))
    assert gauge.value() == 100.0
    gauge.add(Gauge("sum", {"web1": old}))
    assert gauge.value() == 100.0
    values = {merge: Gauge(merge, {"web1": new, "web2": old}).value() for merge in ("max", "min", "last")}
    assert values == {"max": 60.0, "min": 40.0, "last": 60.0}
    assert Gauge("sum").value() is None
