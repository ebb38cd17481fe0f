"""A page's document: what the browser shows, whole, readable again, and with the newest lines."""

from __future__ import annotations

import msgspec
import pytest
from tests.faces.service import ScriptedService, busy_service

from fanlight.faces.api.encoding import encode
from fanlight.faces.errors import NotFound
from fanlight.faces.tui.compose import page_document
from fanlight.faces.tui.document import OVERLAP_SECONDS, PageDocument
from fanlight.pages import PAGES
from fanlight.panels import View


@pytest.fixture(scope="module")
def service() -> ScriptedService:
    return busy_service()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_survives_json(service: ScriptedService, name: str) -> None:
    """TTY-3, X-5: a page read back from JSON is the page that was written, whatever kinds of panel it has."""
    document = page_document(service.context, View(page=name), role="operator")
    assert msgspec.json.decode(encode(document), type=PageDocument) == document
    assert document.page == name
    assert document.role == "operator"


def test_it_holds_the_panels_the_browser_builds(service: ScriptedService) -> None:
    """X-1: the same slots, built from the same snapshot."""
    view = View()
    document = page_document(service.context, view)
    snapshot = service.snapshot()
    slots = PAGES["overview"].build(snapshot, view).slots
    assert [(slot.name, slot.span, slot.rows) for slot in document.slots] == [(s.name, s.span, s.rows) for s in slots]
    assert [slot.panel for slot in document.slots] == [slot.build(snapshot, view) for slot in slots]
    assert [link.name for link in document.pages] == [name for name, spec in PAGES.items() if spec.in_menu]
    assert {link.name: link.badge for link in document.pages}["logs"] == 1


def test_lines_are_those_after_a_moment_and_a_little_before() -> None:
    """TTY-3: a reader that has the lines up to a moment is sent no more than the last seconds again."""
    service = ScriptedService()
    for number in range(20):
        service.log("INFO", f"line {number}")
        service.tick()
    everything = page_document(service.context, View()).lines
    assert [line.message for line in everything] == [f"line {number}" for number in range(20)]
    last = everything[-1].at
    again = page_document(service.context, View(), after=last).lines
    assert [line.message for line in again] == [f"line {number}" for number in range(15, 20)]
    assert all(line.at > last - OVERLAP_SECONDS for line in again)
    assert page_document(service.context, View(), after=last + 60).lines == ()


def test_an_unknown_page_is_not_found(service: ScriptedService) -> None:
    """X-5: a page nobody declared is refused by name."""
    with pytest.raises(NotFound, match="attic"):
        page_document(service.context, View(page="attic"))
