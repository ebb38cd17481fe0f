"""Charts by series: the busiest of the range, a line each."""

from __future__ import annotations

from tests.faces.service import ScriptedService

from fanlight.core.timeline import LINES
from fanlight.pages import charts
from fanlight.panels import View


def test_the_busiest_services_have_a_line_each() -> None:
    """OBS-1, issue 3: calls per second of each service and kind; the busiest first, ten at most, colours in turn."""
    service = ScriptedService()
    for number in range(LINES + 2):
        for _ in range(10 * (number + 1)):
            service.call(f"s{number:02}", "ask", kind="http")
    service.tick()
    service.tick(15)
    drawn = charts.services(service.snapshot(), View())
    assert [line.name for line in drawn.lines] == [f"s{number:02} http" for number in range(LINES + 1, 1, -1)]
    assert sum(value for value in drawn.lines[0].values if value) * drawn.step == 10 * (LINES + 2)
    assert (drawn.lines[0].tone, drawn.lines[len(charts.LINE_TONES)].tone) == ("main", "main")
    assert drawn.unit == "rate"


def test_without_a_call_it_says_how_to_make_one() -> None:
    """OBS-1: an empty chart names the line of code that fills it."""
    drawn = charts.services(ScriptedService().snapshot(), View())
    assert drawn.lines == ()
    assert "dashboard.call(" in drawn.empty


def test_the_lines_of_a_route_that_streams_at_times_are_told_apart() -> None:
    """OBS-1: streams are counted apart, and the name of their line says which it is."""
    service = ScriptedService()
    for stream in (False, False, True):
        service.request("POST", "/v1/messages", 200, 0.2, path="/v1/messages", stream=stream)
    service.tick()
    service.tick(15)
    drawn = charts.routes(service.snapshot(), View())
    assert [line.name for line in drawn.lines] == ["POST /v1/messages", "POST /v1/messages stream"]
