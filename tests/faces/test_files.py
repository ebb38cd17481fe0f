"""faces.web.files: charts to take away, and the report."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader
from tests.faces.service import ScriptedService
from tests.faces.serving import dashboard


def busy() -> ScriptedService:
    """A service with a few requests behind it."""
    service = ScriptedService()
    for number in range(20):
        service.request(path=f"/items/{number}", status=500 if number % 5 == 0 else 200)
    service.tick()
    service.tick(10)
    return service


@pytest.mark.parametrize("panel", ["throughput", "percentiles", "errors-by-type", "cache-donut", "cpu-chart"])
def test_every_chart_comes_as_a_file(panel: str) -> None:
    """ORC-5, OBS-1: SVG and PDF of each chart, to be saved under its name."""
    with dashboard(busy()) as served:
        drawing = served.ask(f"/dashboard/charts/{panel}.svg?page=observability&range=15m")
        paper = served.ask(f"/dashboard/charts/{panel}.pdf")
    assert (drawing.status, drawing.headers["content-type"]) == (200, "image/svg+xml")
    assert drawing.headers["content-disposition"] == f'attachment; filename="chat-api-{panel}.svg"'
    assert drawing.text.startswith("<svg")
    assert (paper.status, paper.headers["content-type"]) == (200, "application/pdf")
    assert len(PdfReader(io.BytesIO(paper.body)).pages) == 1


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("charts/throughput.png", 404, "svg or pdf"),
        ("charts/nothing.svg", 404, "nothing"),
        ("charts/all-routes.svg", 404, "time series, bars and doughnuts are"),
        ("charts/throughput.svg?range=1y", 422, "15m or 1h"),
    ],
)
def test_what_is_no_file_is_refused(path: str, status: int, said: str) -> None:
    """ORC-3, ORC-5: an unknown chart, kind or range is refused in the one error format, naming what there is."""
    with dashboard(busy()) as served:
        answer = served.ask(f"/dashboard/{path}")
    assert answer.status == status
    assert said in str(answer.json["error"])


def test_the_report_is_one_page_without_scripts() -> None:
    """Issue 3: the report holds figures, charts and tables as they are, and runs nothing."""
    with dashboard(busy()) as served:
        report = served.ask("/dashboard/report")
        odd = served.ask("/dashboard/report?range=1y")
    assert report.status == 200
    assert "<script" not in report.text
    assert report.text.count("<svg xmlns") >= 2
    assert "/items/{id}" in report.text
    assert "popovertarget" not in report.text
    assert "The defaults are shown" in odd.text


def test_files_are_for_those_let_in() -> None:
    """X-6: who may not see the page may not take its charts."""
    service = ScriptedService(token="operator-token-0123456789")
    with dashboard(service) as served:
        assert served.ask("/dashboard/charts/throughput.svg").status == 401
        assert served.ask("/dashboard/report").status == 401
