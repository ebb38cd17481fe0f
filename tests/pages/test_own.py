"""The application's own panels and pages stand behind the built-in ones, and appear when they are declared."""

from __future__ import annotations

from tests.faces.service import busy_service

from fanlight.pages import PAGES, PANELS
from fanlight.pages.own import HEADING, OwnPages, OwnPanels
from fanlight.pages.spec import PageSpec
from fanlight.panels import Page, Section, Slot, Text, View

MINE = Slot(name="mine", build=lambda snapshot, view: Text(text="x"))


def test_own_panels_follow_the_built_in_ones() -> None:
    """X-5: under a heading on the page they name, and nowhere else."""
    placed = {"overview": [MINE]}
    pages = OwnPages(PAGES, {}, lambda page: placed.get(page, []))
    snapshot = busy_service().snapshot()
    plain = PAGES["overview"].build(snapshot, View())
    assert pages["overview"].build(snapshot, View()).slots == (*plain.slots, HEADING, MINE)
    assert pages["system"].build(snapshot, View()).slots == PAGES["system"].build(snapshot, View()).slots
    assert isinstance(HEADING.build(snapshot, View()), Section)


def test_own_pages_come_last_in_the_menu_and_whenever_declared() -> None:
    """X-5: the menu's order is the built-in one's, then that of the declarations."""
    own: dict[str, PageSpec] = {}
    pages = OwnPages(PAGES, own, lambda page: [])
    assert list(pages) == list(PAGES)
    own["pages/mine"] = PageSpec(
        name="pages/mine", title="Mine", build=lambda s, v: Page(name="mine", title="Mine", slots=())
    )
    assert list(pages) == [*PAGES, "pages/mine"]
    assert (len(pages), pages["pages/mine"].title) == (len(PAGES) + 1, "Mine")


def test_a_page_stands_in_the_place_of_a_built_in_one() -> None:
    """HUB-1, X-5: under its address and with the panels others put there, once it is declared."""
    replaced: dict[str, PageSpec] = {}
    pages = OwnPages(PAGES, {}, lambda page: [MINE] if page == "overview" else [], replaced)
    other = Slot(name="other", build=MINE.build)
    replaced["overview"] = PageSpec(
        name="overview", title="Hub", build=lambda s, v: Page(name="overview", title="Hub", slots=(other,))
    )
    assert (list(pages), pages["overview"].title) == (list(PAGES), "Hub")
    assert pages["overview"].build(busy_service().snapshot(), View()).slots == (other, HEADING, MINE)


def test_panels_in_a_built_in_place_go_first() -> None:
    """HUB-4: the page in the overview's place may bring panels under names the overview's have."""
    own = Slot(name="stats", build=MINE.build)
    panels = OwnPanels(PANELS, {}, lambda name: None, lambda name: own if name == "stats" else None)
    assert (panels["stats"], panels["health"]) == (own, PANELS["health"])


def test_panels_are_found_by_name() -> None:
    """X-5: built-in, own, and of an own page; no other."""
    panels = OwnPanels(PANELS, {"mine": MINE}, lambda name: MINE if name == "page-1" else None)
    assert (panels["mine"], panels["page-1"], panels["routes"]) == (MINE, MINE, PANELS["routes"])
    assert "nope" not in panels
    assert (list(panels), len(panels)) == ([*PANELS, "mine"], len(PANELS) + 1)
