"""The report: what somebody who was not there wants to read, made to be printed."""

from __future__ import annotations

from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts, overview, requests, services, system
from fanlight.pages.caches import cache_donut
from fanlight.panels import Page, Slot, View

SLOTS = (
    Slot(name="verdict", build=overview.verdict, pace="still"),
    *overview.FIGURES,
    Slot(name="throughput", build=charts.throughput, span=6),
    Slot(name="percentiles", build=charts.percentiles, span=6),
    Slot(name="errors-by-type", build=overview.errors, span=6),
    Slot(name="cache-donut", build=cache_donut, span=6),
    Slot(name="health", build=services.health),
    Slot(name="all-routes", build=requests.all_routes),
    Slot(name="slow-list", build=requests.slow_list),
    Slot(name="error-list", build=requests.error_list),
    Slot(name="cpu-chart", build=charts.cpu, span=6),
    Slot(name="memory-chart", build=system.memory, span=6),
    Slot(name="instances", build=system.instances),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """The report."""
    return Page(name="report", title="Report", slots=SLOTS)
