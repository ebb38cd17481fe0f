"""Every page of the menu as a viewer gets it: live, quiet, in every width and theme, and readable for everybody."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.browsing import Visit, Visitor, expect
from tests.e2e.service import Shop

from fanlight.pages import PAGES

pytestmark = pytest.mark.browser

MENU = tuple("" if name == "overview" else name for name, spec in PAGES.items() if spec.in_menu)
AXE = Path(__file__).parent / "axe.min.js"
WIDTHS = (1440, 768, 390)
THEMES = ("dark", "light", "terminal")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OVERHANGING = """() => [...document.querySelectorAll(".panel > .scroll, .panel > .lines")].filter((part) => {
  const [own, panel] = [part, part.closest(".panel")].map((element) => element.getBoundingClientRect());
  return own.left <= panel.left - 1 || own.right >= panel.right + 1 || own.bottom >= panel.bottom + 1;
}).map((part) => part.closest(".panel").id)"""
"""What lies over the border of its panel."""
COLUMNS = """() => new Set([...document.querySelectorAll(".figure-cell")]
  .map((cell) => Math.round(cell.getBoundingClientRect().left))).size"""


@pytest.mark.parametrize("page", MENU)
def test_page_is_live_and_fits(page: str, service: Shop, visit: Visit) -> None:
    """OBS-6, X-6: each page goes live with nothing on its console and no other host asked, and fits three widths."""
    visitor = visit(service.page)
    visitor.go(f"/{page}")
    expect(visitor.page.locator(".panel").first).to_be_visible()
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 900})
        visitor.until(f"{OVERFLOW} <= 0")
        assert visitor.page.evaluate(OVERHANGING) == [], width


def test_the_current_tab_is_in_sight_on_a_phone(service: Shop, visit: Visit) -> None:
    """OBS-6: the tabs scroll sideways; the one of the page shown is among those in sight, also at the far end."""
    page = visit(service.page, viewport={"width": 390, "height": 844}).go()
    for name in ("alerts", "system"):
        page.goto(f"{service.page}/{name}")
        left, right = page.locator(".tabs [aria-current]").evaluate(ENDS)
        assert 0 <= left < right <= 390, name


ENDS = """(element) => {
  const box = element.getBoundingClientRect();
  return [box.left, box.right];
}"""


def test_charts_of_a_row_stand_on_one_line(service: Shop, visit: Visit) -> None:
    """OBS-6: charts side by side have their time axes on one line, also where the legend of one takes a line more."""
    page = visit(service.page).go("/system")
    service.ask("/items/charted")
    page.wait_for_function(f"({CHART_ENDS})().length === 3")
    assert page.evaluate("document.querySelectorAll('.cell.span-4 > .panel.timeseries .legend').length") == 3
    assert len(set(page.evaluate(CHART_ENDS))) == 1


CHART_ENDS = """() => [...document.querySelectorAll(".cell.span-4 fan-chart")]
  .map((chart) => Math.round(chart.getBoundingClientRect().bottom))"""


def test_legends_stand_below_the_titles_on_a_phone(service: Shop, visit: Visit) -> None:
    """OBS-6: in one column the legend of each chart begins where its title does, whatever the length of either."""
    service.ask("/items/legend")
    page = visit(service.page, viewport={"width": 390, "height": 844}).go("/observability")
    page.wait_for_function("document.querySelectorAll('.legend').length > 5")
    assert {tuple(each) for each in page.evaluate(LEGENDS)} == {(0, True)}


LEGENDS = """() => [...document.querySelectorAll(".legend")].map((legend) => {
  const parts = [legend.closest("header").querySelector("h2"), legend.firstElementChild];
  const [title, first] = parts.map((part) => part.getBoundingClientRect());
  return [Math.round(first.left - title.left), first.top >= title.bottom - 1];
})"""


def test_bars_of_a_gauge_compare(service: Shop, visit: Visit) -> None:
    """ORC-9: the bars of a panel begin and end together, and nothing leaves it, however long their texts are."""
    for name, amount in (("a-budget-with-a-long-name", 1_234_567.0), ("tea", 5.0)):
        spending = service.dashboard.budget(name, amount)
        assert not spending.over
    service.shows("/api/budgets-html", "tea")
    for width in WIDTHS:
        page = visit(service.page, viewport={"width": width, "height": 844}).go("/models")
        expect(page.locator("#panel-budgets .track")).to_have_count(2)
        bars = page.locator("#panel-budgets .track").evaluate_all(SIDES)
        assert bars[0] == bars[1], width
        assert bars[0][1] - bars[0][0] >= 30, width
        [[_, edge]] = page.locator("#panel-budgets .meters").evaluate_all(SIDES)
        assert max(right for _, right in page.locator("#panel-budgets .amount").evaluate_all(SIDES)) <= edge, width


SIDES = """(elements) => elements.map((element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  const box = (element.matches("svg") ? element : range).getBoundingClientRect();
  return [box.left, box.right].map(Math.round);
})"""


def test_a_whole_second_shows_no_milliseconds(service: Shop, visit: Visit) -> None:
    """LOOK: a time has as many digits as are known of it."""
    page = visit(service.page).go()
    whole, finer = page.evaluate("[1700000000, 1700000000.25].map((at) => fanlight.local(at, true))")
    assert finer == f"{whole}.250"


def test_a_detail_takes_the_room_that_is_left(service: Shop, visit: Visit) -> None:
    """OBS-6: what is said of a failed call is read whole, never makes a table scroll on a wide page, and is a few
    lines high at most."""
    said = "the knowledge base answered 503 after three tries"
    for error in (f"{said}: " + "it is overloaded " * 12, said):
        with contextlib.suppress(OSError), service.dashboard.call("detailed", "GET /facts", kind="http"):
            raise OSError(error)
    page = visit(service.page).go("/services")
    details = page.locator("#panel-failed-calls td.is-said span", has_text=said)
    expect(details).to_have_count(2)  # the page may have been painted before they were folded
    short, long = details.all()
    lines = "(text) => Math.round(text.clientHeight / parseFloat(getComputedStyle(text).lineHeight))"
    hidden = "(text) => text.scrollHeight > text.clientHeight + 1"
    assert (short.evaluate(lines), short.evaluate(hidden)) == (1, False)
    assert page.locator("#panel-failed-calls .scroll").evaluate("(part) => part.scrollWidth <= part.clientWidth")
    page.set_viewport_size({"width": 768, "height": 900})
    assert (long.evaluate(lines), long.evaluate(hidden)) == (3, True)
    assert str(long.evaluate("(text) => text.parentElement.title")).count("overloaded") == 12


def test_no_label_of_the_time_axis_is_cut_off(service: Shop, visit: Visit) -> None:
    """OBS-6: a time that would be cut off at either end of the axis is left out, the others stay."""
    page = visit(service.page).go()
    labels = page.evaluate(AXIS_LABELS, [5, 300, 600, 897])
    assert [bool(label) for label in labels] == [False, True, True, False]


AXIS_LABELS = """(splits) => {
  const axis = fanlight.look.parts({ lines: [], unit: "rate" }).axes[0];
  const plot = { scales: { x: { min: 0, max: 900 } }, bbox: { width: 900 * devicePixelRatio }, valToPos: (at) => at };
  return axis.values(plot, splits);
}"""


def test_forced_colours_keep_things_apart(service: Shop, visit: Visit) -> None:
    """X-6: where the system forces its few colours, the chosen page and range and the lines of a chart stand apart."""
    page = visit(service.page, forced_colors="active").go()
    border = "(link) => getComputedStyle(link).borderBottomColor"
    chosen = page.locator("nav.tabs [aria-current]").evaluate(border)
    others = page.locator("nav.tabs > :not([aria-current])").evaluate_all(f"(links) => links.map({border})")
    assert chosen not in others
    outline = "(link) => getComputedStyle(link).outlineStyle"
    assert page.locator(".switch > [aria-current]").evaluate(outline) == "solid"
    assert len(set(page.evaluate(LINE_COLOURS, ["main", "ok", "error", "second", "warn"]))) == 5


LINE_COLOURS = """(tones) => {
  const lines = tones.map((tone) => ({ name: tone, tone, values: [] }));
  return fanlight.look.parts({ lines, unit: "rate" }).series.slice(1).map((line) => line.stroke);
}"""


def test_first_paint_holds_data_without_scripts(service: Shop, visit: Visit) -> None:
    """HUB-1, HUB-6: without JavaScript the page still shows its figures and the last requests."""
    service.ask("/items/unscripted")
    service.shows("/activity-partial", "unscripted")
    visitor = visit(service.page, java_script_enabled=False)
    page = visitor.go(live=False)
    expect(page.locator("#panel-activity")).to_contain_text("/items/unscripted")
    expect(page.locator("#panel-requests .figure b")).to_contain_text("/s")


def test_columns_follow_the_width(service: Shop, visit: Visit) -> None:
    """OBS-6, API-8: figures stand in four columns or more on a desk, two on a tablet, one or two on a phone."""
    visitor = visit(service.page)
    page = visitor.go()
    found = []
    for width in (1440, 1000, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found.append(page.evaluate(COLUMNS))
    assert found == sorted(found, reverse=True)
    assert found[0] >= 4
    assert found[-1] <= 2
    assert page.evaluate(PANEL_COLUMNS) == 1


PANEL_COLUMNS = """() => new Set([...document.querySelectorAll(".cell:not(.figure-cell)")]
  .map((cell) => Math.round(cell.getBoundingClientRect().left))).size"""


@pytest.mark.parametrize("page", MENU)
def test_page_has_no_accessibility_violation(page: str, service: Shop, visit: Visit) -> None:
    """X-6: axe finds no violation on any page, and enough contrast in every theme."""
    visitor = visit(service.page, bypass_csp=True)
    visitor.go(f"/{page}")
    visitor.page.keyboard.press("p")  # nothing moves while it is looked at
    visitor.state("paused")
    visitor.page.add_script_tag(path=AXE)
    themed(visitor, "dark")
    assert violations(visitor, {}) == []
    for theme in THEMES[1:]:
        themed(visitor, theme)
        assert violations(visitor, {"runOnly": ["color-contrast"]}) == [], theme


def themed(visitor: Visitor, theme: str) -> None:
    """Choose a theme as its radio button does."""
    visitor.page.evaluate("(theme) => document.querySelector(`#themes [value=${theme}]`).click()", theme)
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", theme)


def violations(visitor: Visitor, options: dict[str, Any]) -> list[str]:
    """What axe finds: the rule, and the first places it is broken at."""
    found = visitor.page.evaluate("(options) => axe.run(document, {...options, resultTypes: ['violations']})", options)
    return [f"{each['id']}: {[node['html'][:120] for node in each['nodes'][:3]]}" for each in found["violations"]]


@pytest.mark.parametrize("theme", THEMES)
def test_theme_is_remembered_from_the_first_paint(theme: str, service: Shop, visit: Visit) -> None:
    """ORC-6, API-8: the chosen theme is there before the page's body is parsed, so that nothing flashes."""
    visitor = visit(service.page, color_scheme="light" if theme == "dark" else "dark")
    visitor.go("/data")
    visitor.page.get_by_role("button", name="Refresh interval and theme").click()
    visitor.page.get_by_role("radio", name=theme).check()
    visitor.page.add_init_script(FIRST_THEME)
    page = visitor.go("/system")
    assert page.evaluate("window.firstTheme") == theme
    expect(page.locator("html")).to_have_attribute("data-theme", theme)


FIRST_THEME = """new MutationObserver((_, observer) => {
  if (!document.body) return;
  window.firstTheme = document.documentElement.dataset.theme;
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });"""


def test_auto_theme_follows_the_system(service: Shop, visit: Visit) -> None:
    """ORC-6: without a choice the page is dark on a dark system and light on a light one."""
    visitor = visit(service.page, color_scheme="dark")
    page = visitor.go("/data")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    visitor.until(f"getComputedStyle(document.body).backgroundColor !== '{dark}'")
    expect(page.locator("html")).to_have_attribute("data-theme", "auto")
