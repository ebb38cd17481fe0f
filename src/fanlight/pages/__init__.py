"""The built-in pages, and every panel by its fragment's name. Floor 2: pure functions of (Snapshot, View)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fanlight.core.snapshot import Snapshot
from fanlight.pages import (
    alerts,
    connections,
    data,
    logs,
    models,
    observability,
    overview,
    report,
    request,
    requests,
    services,
    system,
)
from fanlight.pages.spec import PageSpec as PageSpec
from fanlight.panels import Slot


def _error_lines(snapshot: Snapshot) -> int:
    counters = snapshot.view.counters
    return counters.get("log.lines.error", 0) + counters.get("log.lines.critical", 0)


PAGES: Final[Mapping[str, PageSpec]] = {
    spec.name: spec
    for spec in (
        PageSpec(name="overview", title="Overview", build=overview.page),
        PageSpec(name="requests", title="Requests", build=requests.page),
        PageSpec(name="request", title="Request", build=request.page, in_menu=False),
        PageSpec(name="services", title="Services", build=services.page, badge=services.badge),
        PageSpec(name="models", title="Models", build=models.page),
        PageSpec(name="connections", title="Connections", build=connections.page),
        PageSpec(name="data", title="Data", build=data.page),
        PageSpec(name="system", title="System", build=system.page),
        PageSpec(name="logs", title="Logs", build=logs.page, badge=_error_lines),
        PageSpec(name="observability", title="Observability", build=observability.page),
        PageSpec(name="report", title="Report", build=report.page, in_menu=False),
        PageSpec(name="alerts", title="Alerts", build=alerts.page, badge=alerts.raised),
    )
}
"""Pages by name, in menu order."""


PANELS: Final[Mapping[str, Slot]] = {
    slot.name: slot
    for module in (
        request,
        requests,
        services,
        models,
        connections,
        data,
        system,
        logs,
        observability,
        alerts,
        overview,
    )
    for slot in module.SLOTS
}
"""Every panel of the built-in pages by its fragment's name."""
