"""faces.plots: charts as drawings, SVG and PDF."""

from __future__ import annotations

import io
import math
import sys
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader

from fanlight.faces.plots.charts import LETTER, WIDTH, NotAChart, sheet
from fanlight.faces.plots.pdf import MissingLibrary, pdf
from fanlight.faces.plots.sheet import Sheet
from fanlight.faces.plots.svg import svg
from fanlight.panels import Bar, Bars, Donut, Line, Marker, Panel, Text, TimeSeries, Tone

HOSTILE = 'p95 <script>alert("x")</script> & \x00\x1b[31m ümlaut 漢字'


def latency(*values: float | None, name: str = "p95", **changes: Any) -> TimeSeries:
    made: dict[str, Any] = {
        "title": "Latency",
        "note": "p95",
        "start": 1_795_263_600.0,
        "step": 5.0,
        "unit": "seconds",
        "lines": (Line(name=name, values=values, tone="second"),),
    }
    return TimeSeries(**{**made, **changes})


CHARTS: dict[str, Panel] = {
    "line": latency(0.02, 0.04, None, 0.1, None, 0.08),
    "nothing": latency(),
    "gaps only": latency(None, None),
    "not finite": latency(math.inf, math.nan, 0.2),
    "zeros": latency(0.0, 0.0),
    "two axes": latency(
        0.1, 0.2, lines=(Line(name="ms", values=(0.1, 0.2)), Line(name="rate", values=(0.9, 1.0), unit="ratio"))
    ),
    "marked": latency(0.1, 0.2, markers=(Marker(at=1_795_263_605.0, text=HOSTILE),), limit=0.15),
    "hostile": latency(0.1, 0.3, name=HOSTILE, title=HOSTILE, note=HOSTILE),
    "bars": Bars(title="Errors", bars=(Bar(name=HOSTILE, value=3), Bar(name="none", value=0))),
    "no bars": Bars(title="Errors", bars=()),
    "donut": Donut(title="Cache", slices=(Bar(name="hits", value=7), Bar(name="misses", value=1)), text="88 %"),
    "empty donut": Donut(title="Cache", slices=(Bar(name="hits", value=0),)),
}


def places(drawing: Sheet) -> list[tuple[float, float]]:
    return [place for path in drawing.paths for place in path.places]


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_a_sound_svg_and_pdf(name: str) -> None:
    """ORC-5, OBS-1: whatever a chart holds, its SVG is well-formed without script or style, its PDF one page."""
    drawing = sheet(CHARTS[name])
    text = svg(drawing)
    root = ElementTree.fromstring(text)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {"svg", "title", "path", "text"}
    assert "style=" not in text
    [page] = PdfReader(io.BytesIO(pdf(drawing))).pages
    assert (float(page.mediabox.width), float(page.mediabox.height)) == (drawing.width, drawing.height)


@pytest.mark.parametrize("name", CHARTS)
def test_nothing_is_drawn_outside(name: str) -> None:
    """ORC-5: all lines lie on the sheet."""
    drawing = sheet(CHARTS[name])
    assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in places(drawing))


def test_larger_values_lie_higher_and_later_ones_further_right() -> None:
    """ORC-5: a line goes where its values are; a gap ends it."""
    [first, second] = [path for path in sheet(latency(0.1, 0.2, None, 0.4, 0.3)).paths if path.width == 1.5]
    assert first.places[0][1] > first.places[1][1] > second.places[0][1]
    assert first.places[1][0] < second.places[0][0] < second.places[1][0]


def test_each_unit_has_an_axis() -> None:
    """ORC-5: a line with a unit of its own is read from a second axis, on the right."""
    texts = {label.text: label.at[0] for label in sheet(CHARTS["two axes"]).labels}
    assert texts["100 ms"] < 100
    assert texts["100 %"] > 400


def test_the_pdf_holds_the_words() -> None:
    """ORC-5: title, legend and axis are text in the PDF, to be searched and copied."""
    text = PdfReader(io.BytesIO(pdf(sheet(CHARTS["line"])))).pages[0].extract_text()
    assert all(word in text for word in ("Latency", "p95", "100 ms"))


def test_what_is_no_chart_is_refused() -> None:
    """ORC-5: a panel that is no chart is refused with what would be one."""
    with pytest.raises(NotAChart, match="time series, bars and doughnuts"):
        sheet(Text(title="System pulse"))


def test_a_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """ORC-5: without fpdf2 the PDF is refused with the command that installs it; SVG needs nothing."""
    monkeypatch.setitem(sys.modules, "fpdf", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'fanlight\[pdf\]'"):
        pdf(sheet(CHARTS["line"]))
    assert svg(sheet(CHARTS["line"])).startswith("<svg")


def test_names_of_markers_never_lie_over_each_other() -> None:
    """ORC-5, OBS-1: of many starts the newest is named, and of the others those there is room for; all have a line."""
    markers = tuple(Marker(at=1_795_263_600.0 + place, text=f"{place} started") for place in range(0, 900, 15))
    drawing = sheet(latency(*[0.1] * 180, markers=markers))
    named = [label for label in drawing.labels if label.text.endswith("started")]
    assert named[0].text == "885 started"
    assert 3 <= len(named) < 20
    ends = [label.at[0] + LETTER * len(label.text) for label in named]
    assert all(end <= newer.at[0] for newer, end in zip(named, ends[1:], strict=False))
    assert ends[0] <= WIDTH
    assert sum(path.dash == 3 for path in drawing.paths) == len(markers)


def routes(count: int) -> TimeSeries:
    """A chart of many lines with long names."""
    tones: tuple[Tone, ...] = ("main", "second", "ok", "warn", "error", "muted")
    lines = tuple(
        Line(name=f"GET /api/chat/groups/{{group_id}}/{place}", values=(1.0, 2.0), tone=tones[place % len(tones)])
        for place in range(count)
    )
    return latency(lines=lines, note="the busiest, requests per second")


@pytest.mark.parametrize("count", [1, 2, 10])
def test_every_line_is_named_on_the_sheet(count: int) -> None:
    """ORC-5: names that do not fit beside the note stand in rows under the chart; none is cut off or over another."""
    drawing = sheet(routes(count))
    named = [label for label in drawing.labels if label.text.startswith(("GET", "the busiest"))]
    assert len(named) == count + 1
    assert drawing.height >= max(label.at[1] for label in named)
    boxes = sorted((label.at[1], label.at[0], label.at[0] + 5.8 * len(label.text)) for label in named)
    assert all(left > 0 and right <= WIDTH for _, left, right in boxes)
    assert all(row != below or right < left for (row, _, right), (below, left, _) in pairwise(boxes))


def test_lines_of_the_same_colour_are_told_apart() -> None:
    """ORC-5: a line is dashed where an earlier one has its colour, and so is its sign in the legend."""
    drawing = sheet(routes(8))
    assert [path.dash > 0 for path in drawing.paths if path.width == 1.5] == [False] * 6 + [True] * 2
    assert [path.dash > 0 for path in drawing.paths if path.width == 2] == [False] * 6 + [True] * 2
