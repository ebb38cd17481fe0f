"""How each kind of panel is drawn; one entry per kind, pure functions of a panel and its room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fanlight import panels
from fanlight.faces.tui.kinds import bars, chart, gauge, listing, prose, stat, status, table
from fanlight.faces.tui.kinds.base import LABEL, Kind, Label

KINDS: Final[Mapping[type, Kind]] = {
    panels.Stat: stat.KIND,
    panels.Gauge: gauge.KIND,
    panels.Status: status.KIND,
    panels.Table: table.KIND,
    panels.TimeSeries: chart.KIND,
    panels.Bars: bars.KIND,
    panels.Donut: bars.DONUT,
    panels.Feed: listing.FEED,
    panels.Log: listing.LOG,
    panels.Waterfall: listing.WATERFALL,
    panels.Text: prose.TEXT,
    panels.Verdict: prose.VERDICT,
    panels.Actions: prose.ACTIONS,
    panels.Section: prose.SECTION,
}
"""The drawing of every member of `panels.Panel`."""

__all__ = ["KINDS", "LABEL", "Kind", "Label"]
