"""Connections: figures beside their chart."""

from __future__ import annotations

from tests.faces.service import ScriptedService

from fanlight.pages.connections import SLOTS, refused
from fanlight.panels import View


def test_what_was_refused_has_its_past() -> None:
    """HUB-6, LOOK: a figure has its last 15 minutes under it, also one that is nought but once."""
    service = ScriptedService()
    service.socket("disconnected", 1011)
    service.tick(10.0)
    for _ in range(3):
        service.tick(10.0)
    stat = refused(service.snapshot(), View())
    assert (stat.value, stat.state) == (1, "warn")
    assert max(value or 0.0 for value in stat.spark) > 0
    assert stat.spark[-2] == 0


def test_the_figures_stand_beside_the_chart_one_over_the_other() -> None:
    """LOOK: the chart takes the height of both, and they have none to fill."""
    chart, *figures = SLOTS[:3]
    assert chart.rows == len(figures) == 2
    assert {chart.span + figure.span for figure in figures} == {12}
