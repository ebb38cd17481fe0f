"""Saving charts and printing, in a real browser."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from pypdf import PdfReader
from tests.e2e.service import Shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(("kind", "beginning"), [("PNG", PNG), ("SVG", b"<svg"), ("PDF", b"%PDF-")])
def test_a_chart_is_saved(browser: Browser, service: Shop, tmp_path: Path, kind: str, beginning: bytes) -> None:
    """ORC-5: the button of a chart offers its files, and each arrives with its content."""
    page = browser.new_page()
    page.goto(service.page)
    page.get_by_role("button", name="Save Throughput as a file").click()
    with page.expect_download() as saved:
        page.locator("#save-throughput").get_by_role("link", name=kind).click()
    path = tmp_path / "chart"
    saved.value.save_as(path)
    page.close()
    assert saved.value.suggested_filename.endswith(f"throughput.{kind.lower()}")
    assert path.read_bytes().startswith(beginning)
    assert path.stat().st_size > 1_000


@pytest.mark.parametrize("path", ["/report", "/observability", "/"])
def test_pages_print_whole(browser: Browser, service: Shop, path: str) -> None:
    """OBS-1, issue 3: printed by the browser, a page has its words on paper and no control that can only be clicked."""
    page = browser.new_page()
    page.goto(service.page.rstrip("/") + path)
    paper = page.pdf(format="A4", print_background=True)
    page.close()
    sheets = PdfReader(io.BytesIO(paper)).pages
    text = "\n".join(sheet.extract_text() for sheet in sheets)
    assert 1 <= len(sheets) <= 12
    assert "Throughput" in text
    assert "Pause" not in text


def test_charts_fit_on_paper(browser: Browser, service: Shop) -> None:
    """OBS-1, issue 3: one that was drawn for a wider screen is not cut when it is printed."""
    page = browser.new_page()
    page.goto(f"{service.page.rstrip('/')}/observability")
    page.locator("fan-chart canvas").first.wait_for()
    page.emulate_media(media="print")
    outside = page.evaluate(
        """() => [...document.querySelectorAll("fan-chart:has(canvas)")].filter((chart) => {
            for (const drawn of chart.querySelectorAll(".uplot, .u-wrap")) drawn.style.width = "3000px";
            const [inner, outer] = [chart.querySelector("canvas"), chart].map((each) => each.getBoundingClientRect());
            return inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
        }).length"""
    )
    page.close()
    assert outside == 0


@pytest.mark.parametrize(("media", "width"), [("screen", 390), ("screen", 768), ("screen", 1440), ("print", 703)])
def test_the_report_is_no_wider_than_its_paper(
    browser: Browser, service: Shop, media: Literal["screen", "print"], width: int
) -> None:
    """OBS-1, issue 3: on any screen, and between the margins of A4, no table of the report reaches beyond its panel."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.emulate_media(media=media)
    page.goto(service.page.rstrip("/") + "/report")
    wide = page.evaluate("""() => [document.documentElement, ...document.querySelectorAll(".panel")]
      .filter((each) => each.scrollWidth > each.clientWidth + 2).map((each) => each.id || each.tagName)""")
    page.close()
    assert wide == []
