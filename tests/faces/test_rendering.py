"""faces.web.rendering: pages and fragments, each made once, failures kept in their place."""

from __future__ import annotations

import gc
from collections.abc import Mapping

import pytest
from tests.faces.service import ScriptedService, busy_service
from tests.faces.serving import context_of

from fanlight.core.snapshot import Snapshot
from fanlight.faces.context import Visit
from fanlight.faces.errors import NotFound
from fanlight.faces.web import rendering
from fanlight.faces.web.rendering import Rendering, accepts_gzip, compressed
from fanlight.pages import PAGES, PANELS, PageSpec
from fanlight.panels import Page, Panel, PanelBase, Slot, Stat, Text, View

VISIT = Visit("/dashboard", "viewer")


class Counted:
    """A panel that says how often it was built."""

    def __init__(self) -> None:
        self.built = 0
        self.value = 1

    def __call__(self, snapshot: Snapshot, view: View) -> Panel:
        self.built += 1
        return Stat(title="Counted", value=self.value)


class Unknown(PanelBase, frozen=True, kw_only=True, tag="unknown"):
    """A panel of a kind no face knows."""


def broken(snapshot: Snapshot, view: View) -> Panel:
    raise RuntimeError("secret detail")


def page_of(*slots: Slot) -> Mapping[str, PageSpec]:
    page = Page(name="overview", title="Overview", slots=slots)
    return {"overview": PageSpec(name="overview", title="Overview", build=lambda snapshot, view: page)}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_renders(name: str) -> None:
    """HUB-1, OBS-6: each built-in page comes with data in its first paint, for an idle and for a busy service."""
    for service in (ScriptedService(), busy_service()):
        html = Rendering(context_of(service)).page(View(page=name), VISIT)
        assert html.startswith("<!doctype html>")
        assert service.recorder.last_failure == ""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_leaves_nothing_to_the_collector(name: str) -> None:
    """X-9: what was drawn before goes at once, and no collection of it makes a request wait."""
    service = busy_service()
    drawn = Rendering(context_of(service))
    drawn.page(View(page=name), VISIT)
    gc.collect()
    before = set(map(id, gc.get_objects()))  # what another test's thread lets go of meanwhile is none of it
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(2):
            service.tick()
            drawn.page(View(page=name), VISIT)
        gc.collect()
        made = [each for each in gc.garbage if id(each) not in before]
        left = [type(each).__qualname__ for each in made if type(each).__module__.startswith("fanlight")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == []


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_renders_alone(name: str) -> None:
    """HUB-8, OBS-3: each named fragment exists from the start, as the element its page holds."""
    service = busy_service()
    html = Rendering(context_of(service)).named_fragment(name, View())
    assert f'id="panel-{name}"' in html
    assert service.recorder.last_failure == ""


def test_a_fragment_is_made_once_per_tick() -> None:
    """OBS-4: however many ask, a panel is built once per tick and rendered only when its data changed."""
    service, counted = ScriptedService(), Counted()
    slot = Slot(name="counted", build=counted)
    made = Rendering(context_of(service, panels={"counted": slot}))
    first = made.named_fragment("counted", View())
    assert made.named_fragment("counted", View()) is first
    assert counted.built == 1
    service.tick()
    assert made.named_fragment("counted", View()) is first
    assert counted.built == 2
    service.tick()
    counted.value = 2
    assert made.named_fragment("counted", View()) != first


def test_fragments_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: views a client makes up do not grow the memory."""
    monkeypatch.setattr(rendering, "FRAGMENTS", 4)
    made = Rendering(context_of(ScriptedService()))
    for number in range(10):
        made.named_fragment("health", View(filters=(("q", str(number)),)))
    assert len(made._made) == 4


def test_a_broken_panel_shows_so_in_its_place() -> None:
    """TTY-6: a panel that raises takes nothing else along, tells no internals, and is counted."""
    service = ScriptedService()
    whole = Slot(name="whole", build=lambda snapshot, view: Text(title="Whole", text="all is well"))
    context = context_of(service, pages=page_of(Slot(name="broken", build=broken), whole))
    html = Rendering(context).page(View(), VISIT)
    assert "all is well" in html
    assert "This panel failed" in html
    assert "secret detail" not in html
    assert "secret detail" in service.recorder.last_failure


def test_a_panel_that_cannot_be_shown_shows_so_in_its_place() -> None:
    """TTY-6: a panel whose data the browser cannot show leaves the rest of its page as it is."""
    service = ScriptedService()
    odd = Slot(name="odd", build=lambda snapshot, view: Unknown())  # type: ignore[arg-type, return-value]
    whole = Slot(name="whole", build=lambda snapshot, view: Text(title="Whole", text="all is well"))
    made = Rendering(context_of(service, pages=page_of(odd, whole)))
    html = made.page(View(), VISIT)
    assert "all is well" in html
    assert "This panel failed" in html
    assert "This panel failed" in made.fragment(odd, service.snapshot(), View())


def test_a_broken_badge_counts_nothing() -> None:
    """TTY-6: a page whose badge raises stays in the menu."""
    service = ScriptedService()

    def raising(snapshot: Snapshot) -> int:
        raise RuntimeError("no badge")

    spec = PageSpec(name="overview", title="Overview", build=PAGES["overview"].build, badge=raising)
    assert "Overview" in Rendering(context_of(service, pages={"overview": spec})).page(View(), VISIT)
    assert "no badge" in service.recorder.last_failure


def test_a_notice_is_shown_on_the_page() -> None:
    """ORC-3: what of the query could not be read is said on the page, as text."""
    html = Rendering(context_of(ScriptedService())).page(View(), VISIT, "range is <b>")
    assert "range is &lt;b&gt;" in html


def test_detail_pages_are_found_by_their_path_value() -> None:
    """X-4: a request's id leads to the page of that request, a service's name to the services while it has no page."""
    made = Rendering(context_of(ScriptedService()))
    assert made.spec(View(page="requests", path=(("id", "a1"),))).name == "request"
    assert made.spec(View(page="services", path=(("name", "ollama"),))).name == "services"
    with pytest.raises(NotFound, match="nowhere"):
        made.spec(View(page="nowhere"))


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("br", False),
        ("", False),
    ],
)
def test_compression_is_asked_for(header: str, accepted: bool) -> None:
    """HUB-11: answers are compressed where the client accepts it."""
    assert accepts_gzip(header) is accepted


def test_small_answers_are_not_compressed() -> None:
    """HUB-11: compression starts where it saves something, and says so in the headers."""
    assert compressed(b"x" * 100, accepted=True) == (b"x" * 100, {"Vary": "Accept-Encoding"})
    body, headers = compressed(b"x" * 2_000, accepted=True)
    assert len(body) < 100
    assert headers["Content-Encoding"] == "gzip"
