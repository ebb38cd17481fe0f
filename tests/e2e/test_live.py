"""What a viewer sees happen on a page that stays open."""

from __future__ import annotations

import re
from contextlib import ExitStack
from itertools import pairwise

import pytest
from tests.e2e.browsing import Page, Visit, expect
from tests.e2e.service import Shop, shop

from fanlight.panels import Stat

pytestmark = pytest.mark.browser

ROWS = "#panel-activity tbody tr"


def counted(page: Page) -> None:
    """Have the page count its loads and its swaps."""
    page.evaluate("""() => {
      window.sameDocument = true;
      window.swaps = 0;
      document.addEventListener("htmx:after:swap", () => { window.swaps += 1; });
    }""")


def test_request_appears_without_a_reload(service: Shop, visit: Visit) -> None:
    """HUB-6, HUB-11, OBS-3, ORC-4: a request over a real socket shows in the overview that is open, on its own."""
    visitor = visit(service.page)
    page = visitor.go()
    counted(page)
    assert service.ask("/items/teapot-4711") == 200
    expect(page.locator(ROWS).filter(has_text="/items/teapot-4711")).to_be_visible()
    assert page.evaluate("window.sameDocument")


def test_error_stands_out(service: Shop, visit: Visit) -> None:
    """HUB-6: a request that failed shows with its status, its state by shape and word, and its type."""
    visitor = visit(service.page)
    page = visitor.go()
    assert service.ask("/fail") == 500
    row = page.locator(f"{ROWS}.error").filter(has_text="/fail").first
    expect(row.locator(".http.error")).to_contain_text("500")
    expect(row.locator(".mark.error")).to_have_count(1)
    expect(row).to_contain_text("internal")


def test_pause_stops_swaps_and_resume_catches_up(service: Shop, visit: Visit) -> None:
    """ORC-6, HUB-11: while paused the stream is closed and nothing is swapped; resumed, what was missed is there."""
    visitor = visit(service.page)
    page = visitor.go()
    counted(page)
    page.get_by_role("button", name="Pause").click()
    visitor.state("paused")
    service.ask("/items/missed-while-paused")
    service.shows("/activity-partial", "missed-while-paused")
    swaps = page.evaluate("window.swaps")
    expect(page.locator("#stream")).to_have_count(0)
    expect(page.locator(ROWS).filter(has_text="missed-while-paused")).to_have_count(0)
    assert page.evaluate("window.swaps") == swaps
    page.get_by_role("button", name="Resume").click()
    visitor.state("live")
    expect(page.locator(ROWS).filter(has_text="missed-while-paused")).to_be_visible()


def test_interval_is_chosen_and_remembered(service: Shop, visit: Visit) -> None:
    """ORC-6, API-8: the interval a viewer chooses is asked of the stream at once, and again after a reload."""
    visitor = visit(service.page)
    page = visitor.go("/data")
    page.get_by_role("button", name="Refresh interval and theme").click()
    with page.expect_request(lambda request: "interval=5" in request.url and "/live?" in request.url):
        page.get_by_role("combobox", name="Refresh interval").select_option("5")
    visitor.state("live")
    with page.expect_request(lambda request: "interval=5" in request.url and "/live?" in request.url):
        page.reload()
    visitor.state("live")
    expect(page.locator("[data-next]")).to_contain_text("next in")
    assert page.locator("#interval").input_value() == "5"


def test_countdown_and_last_update_move(service: Shop, visit: Visit) -> None:
    """API-8: the page says in how long it refreshes next, and when it did last."""
    visitor = visit(service.page)
    page = visitor.go()
    expect(page.locator("[data-next]")).to_contain_text("next in")
    first = page.locator("[data-updated]").get_attribute("datetime")
    assert first is not None
    expect(page.locator("[data-updated]")).not_to_have_attribute("datetime", first)


def test_table_under_the_pointer_holds_still(service: Shop, visit: Visit) -> None:
    """HUB-11, OBS-6: rows do not move while they are read, the panel says so, and what waited comes on leaving."""
    visitor = visit(service.page)
    page = visitor.go()
    page.locator("#panel-activity").scroll_into_view_if_needed()
    page.locator(ROWS).first.hover()
    held = page.locator("#panel-activity tbody").inner_text()
    service.ask("/items/arrives-while-read")
    expect(page.locator("#panel-activity .held")).to_be_visible()
    service.shows("/activity-partial", "arrives-while-read")
    assert page.locator("#panel-activity tbody").inner_text() == held
    page.mouse.move(2, 2)
    expect(page.locator(ROWS).filter(has_text="arrives-while-read")).to_be_visible()
    expect(page.locator("#panel-activity .held")).to_be_hidden()


CHART = "#chart-throughput"


def test_chart_keeps_its_canvas_through_updates(service: Shop, visit: Visit) -> None:
    """ORC-5, HUB-11: an update gives a chart new data; the canvas, and with it the cursor and the zoom, stay."""
    visitor = visit(service.page)
    page = visitor.go()
    page.wait_for_selector(f"{CHART} canvas")
    page.evaluate(f"window.canvas = document.querySelector('{CHART} canvas')")
    before = page.evaluate(f"document.querySelector('{CHART}').getAttribute('data')")
    service.ask("/items/on-the-chart")
    visitor.until(f"document.querySelector('{CHART}').getAttribute('data') !== argument", before)
    assert page.evaluate(f"window.canvas.isConnected && window.canvas === document.querySelector('{CHART} canvas')")
    assert page.evaluate(f"document.querySelectorAll('{CHART} canvas').length") == 1


def test_chart_zooms_by_dragging_and_resets(service: Shop, visit: Visit) -> None:
    """ORC-5, X-4: dragging over one chart zooms all, offers the requests inside, and survives updates until reset."""
    visitor = visit(service.page)
    page = visitor.go()
    page.wait_for_selector(f"{CHART} canvas")
    whole = span(page, CHART)
    drag(page, CHART)
    expect(page.locator(f"{CHART} .zoom a")).to_have_attribute("href", re.compile(r"^requests\?from=[\d.]+&to=[\d.]+$"))
    assert span(page, CHART) < whole / 2
    assert span(page, "#chart-percentiles") == pytest.approx(span(page, CHART))
    before = page.evaluate(f"document.querySelector('{CHART}').getAttribute('data')")
    service.ask("/items/while-zoomed")
    visitor.until(f"document.querySelector('{CHART}').getAttribute('data') !== argument", before)
    assert span(page, CHART) < whole / 2
    page.keyboard.press("0")
    expect(page.locator(f"{CHART} .zoom")).to_have_count(0)
    assert span(page, CHART) == pytest.approx(whole, rel=0.1)


def test_span_of_a_zoom_opens_its_requests(service: Shop, visit: Visit) -> None:
    """X-4: from a stretch of a chart to the requests inside it in one click, and the stream follows that view."""
    visitor = visit(service.page)
    page = visitor.go()
    page.wait_for_selector(f"{CHART} canvas")
    drag(page, CHART)
    with page.expect_request(lambda request: "/live?" in request.url and "from=" in request.url):
        page.locator(f"{CHART} .zoom a").click()
    expect(page).to_have_url(re.compile(r"/requests\?from=[\d.]+&to=[\d.]+$"))
    expect(page.locator("#panel-request-list")).to_be_visible()


def test_names_of_markers_never_lie_over_each_other(service: Shop, visit: Visit) -> None:
    """OBS-1: of many starts the newest is named, and of the others those there is room for; each has its line."""
    page = visit(service.page).go()
    page.wait_for_selector(f"{CHART} canvas")
    edge, written = page.evaluate(
        """(chart) => {
          const { plot } = document.querySelector(chart), { ctx, bbox } = plot, texts = [];
          const { min, max } = plot.scales.x;
          ctx.fillText = (text, x) => texts.push({ text, x, end: x + ctx.measureText(text).width });
          const at = (n) => min + (n + 1) * (max - min) / 61;
          const markers = Array.from({ length: 60 }, (_, n) => ({ at: at(n), text: `${n} started` }));
          fanlight.look.marks(plot, { markers, limit: null });
          delete ctx.fillText;
          return [bbox.left + bbox.width, texts];
        }""",
        CHART,
    )
    assert written[0]["text"] == "59 started"
    assert written[0]["end"] <= edge
    assert 3 <= len(written) < 30
    assert all(older["end"] <= newer["x"] for newer, older in pairwise(written))


@pytest.mark.parametrize(
    ("unit", "top", "days", "values", "times"),
    [
        ("bytes", 150e6, 1, ["0 B", "64 MB", "128 MB"], {"00:00", "12:00"}),
        ("integer", 11, 7, ["0", "5", "10"], {"Nov 15", "12:00", "Nov 18", "Nov 21"}),
        ("integer", 1, 35, ["0", "1"], {"Nov 18", "Dec 9"}),
    ],
)
def test_axes_are_marked_where_their_unit_is_round(
    unit: str, top: float, days: int, values: list[str], times: set[str], service: Shop, visit: Visit
) -> None:
    """OBS-1: bytes in powers of two, what is counted in whole numbers, and no day twice on an axis of a week."""
    page = visit(service.page).go()
    page.wait_for_selector(f"{CHART} canvas")
    marked_times, marked = page.evaluate(
        """async ({ unit, top, days }) => {
          const start = new Date(2026, 10, 14, 18).getTime() / 1000;
          const data = [[start, start + days * 86400], [0, top]];
          const parts = fanlight.look.parts({ lines: [{ name: "x", tone: "main" }], unit });
          const plot = new uPlot({ width: 1300, height: 160, ...parts }, data, document.body);
          await new Promise(requestAnimationFrame);
          const said = plot.axes.map((axis) => axis._values);
          plot.destroy();
          return said;
        }""",
        {"unit": unit, "top": top, "days": days},
    )
    assert marked == values
    assert times <= set(marked_times)
    assert all(before != after for before, after in pairwise(marked_times))


def test_cursor_is_shared_by_the_charts(service: Shop, visit: Visit) -> None:
    """ORC-5: pointing at a moment on one chart points at it on the others, and a tip says its values."""
    visitor = visit(service.page)
    page = visitor.go()
    page.wait_for_selector("#chart-percentiles canvas")
    page.locator(f"{CHART} .u-over").hover()
    expect(page.locator(f"{CHART} .tip")).to_be_visible()
    expect(page.locator(f"{CHART} .tip")).to_contain_text("requests")
    visitor.until("document.querySelector('#chart-percentiles').plot.cursor.left > 0")
    indices = "['throughput', 'percentiles'].map((name) => document.querySelector(`#chart-${name}`).plot.cursor.idx)"
    first, second = page.evaluate(indices)
    assert abs(first - second) <= 1


def test_chart_is_redrawn_in_the_new_theme(service: Shop, visit: Visit) -> None:
    """ORC-6: a change of theme redraws the charts in its colours."""
    visitor = visit(service.page, color_scheme="dark")
    page = visitor.go()
    page.wait_for_selector(f"{CHART} canvas")
    stroke = f"document.querySelector('{CHART}').plot.series[1].stroke(null, 1)"
    before = page.evaluate(stroke)
    page.keyboard.press("t")  # auto to dark: the same colours on a dark system
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    visitor.until(f"{stroke} !== argument", before)


def span(page: Page, chart: str) -> float:
    """The seconds a chart shows."""
    scale = page.evaluate(f"(({{min, max}}) => max - min)(document.querySelector('{chart}').plot.scales.x)")
    return float(scale)


def drag(page: Page, chart: str) -> None:
    """Drag over the second quarter of a chart."""
    page.locator(chart).scroll_into_view_if_needed()
    box = page.locator(f"{chart} .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.25, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    page.mouse.up()


def test_a_zoom_is_in_the_address_until_it_is_reset(service: Shop, visit: Visit) -> None:
    """ORC-5: what was dragged over is `from` and `to` of the page, so that it can be reloaded and passed on."""
    page = visit(service.page).go()
    page.wait_for_selector(f"{CHART} canvas")
    drag(page, CHART)
    expect(page).to_have_url(re.compile(r"\?from=[\d.]+&to=[\d.]+$"))
    page.keyboard.press("0")
    expect(page).to_have_url(re.compile(r"^[^?]+$"))


def test_a_zoom_into_stored_history_asks_for_finer_points(service: Shop, visit: Visit) -> None:
    """OBS-1: over stored history dragging reads the page again for that range; the switch says that it is chosen."""
    page = visit(service.page).go("/observability?range=24h")
    page.wait_for_selector(f"{CHART} canvas")
    expect(page.locator("[aria-label=Range] [aria-current]")).to_have_text("24 h")
    drag(page, CHART)
    expect(page).to_have_url(re.compile(r"/observability\?from=[\d.]+&to=[\d.]+$"))
    expect(page.locator("[aria-label=Range] [aria-current]")).to_have_text("chosen")


def test_a_range_of_ones_own_is_chosen_in_a_form(service: Shop, visit: Visit) -> None:
    """OBS-1: the form takes local times, keeps the rest of the address, and refuses an end before the beginning."""
    page = visit(service.page).go("/requests?kind=slow&range=1h")
    page.locator("[popovertarget=range-form]").click()
    begin, end = page.locator("#range-form [name=from]"), page.locator("#range-form [name=to]")
    expect(begin).not_to_have_value("")
    begin.fill("2026-01-02T03:04:05")
    end.fill("2026-01-02T03:04:00")
    page.locator("#range-form > button").click()
    assert end.evaluate("field => field.validationMessage")
    end.fill("2026-01-02T04:04:05")
    page.locator("#range-form > button").click()
    expect(page).to_have_url(re.compile(r"/requests\?kind=slow&from=17\d{8}&to=17\d{8}$"))


def test_a_page_that_gets_other_panels_shows_them(stage: ExitStack, visit: Visit) -> None:
    """HUB-1, X-5: what a page gains or loses while it is open appears and goes, without a reload of the document."""
    shown = ["first"]
    with_page = stage.enter_context(shop(local_role="operator"))

    @with_page.dashboard.page("Changing", every=1)
    def changing() -> list[object]:
        return [Stat(title=name, value=1) for name in shown]

    visitor = visit(with_page.page)
    page = visitor.go("/pages/changing")
    expect(page.locator("#main .panel")).to_have_count(1)
    counted(page)
    shown.append("second")
    expect(page.locator("#main")).to_contain_text("second")
    shown.clear()
    shown.append("third")
    expect(page.locator("#main .panel")).to_have_count(1)
    expect(page.locator("#main")).to_contain_text("third")
    assert page.evaluate("window.sameDocument")
