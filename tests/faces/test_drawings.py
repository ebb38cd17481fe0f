"""What the panel templates draw: paths, widths, chart data."""

from __future__ import annotations

import json

import pytest

from fanlight.faces.web.drawings import chart_pieces, draw, share, spark
from fanlight.faces.web.render import Renderer
from fanlight.panels import Bar, Donut, Line, TimeSeries, View

RENDERER = Renderer()
VIEW = View()


def test_sparks_keep_spikes_and_gaps() -> None:
    """TTY-3: a thinned line still shows the one high second; a gap stays a gap."""
    drawn = spark((1.0,) * 500 + (50.0,) + (1.0,) * 399)
    assert drawn is not None
    assert " 6L" in drawn.line
    gapped = spark((1.0, 2.0, None, 2.0, 1.0))
    assert gapped is not None
    assert gapped.line.count("M") == 2
    assert spark((None, 3.0)) is None
    assert spark((float("nan"), 1.0, float("inf"), 2.0)) is not None


def test_chart_data_is_compact_and_exact_enough() -> None:
    """Item 5: a chart's values keep four significant digits of their largest; gaps and what is not finite are null."""
    line = Line(name="p95", values=(0.0712345, None, float("nan"), 0.5))
    data = json.loads("".join(chart_pieces(TimeSeries(start=10.0, step=5.0, lines=(line, line), unit="seconds"))))
    assert len(data["lines"]) == 2
    assert data["lines"][0]["values"] == [0.0712, None, None, 0.5]
    assert (data["start"], data["step"], data["unit"], data["limit"]) == (10.0, 5.0, "seconds", None)


def test_a_donut_without_values_is_drawn() -> None:
    """OBS-1: a cache nobody asked yet shows an empty ring, not an error."""
    donut = Donut(title="Cache", slices=(Bar(name="hits", value=0), Bar(name="misses", value=0)))
    assert "hits" in RENDERER.panel("ring", donut, VIEW)
    drawn = draw(Donut(slices=(Bar(name="a", value=1), Bar(name="b", value=3))), VIEW, "ring")
    assert isinstance(drawn, tuple)
    assert [getattr(arc, "dash", "") for arc in drawn] == ["25 75", "75 25"]


@pytest.mark.parametrize(
    ("value", "whole", "width"),
    [(5, 10, "50%"), (None, 10, "0%"), (3, 0, "0%"), (30, 10, "100%"), (float("nan"), 1, "0%")],
)
def test_widths_stay_within_their_track(value: float | None, whole: float, width: str) -> None:
    """API-7: what cannot be read draws nothing, what is too large fills its track."""
    assert share(value, whole) == width
