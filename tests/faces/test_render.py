"""The browser's renderer: every panel kind, hostile text, strict markup, layout, weight, contrast."""

from __future__ import annotations

import gzip
import html
import json
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any, get_args

import msgspec
import pytest
from jinja2 import meta
from tests.faces import samples

from fanlight import panels as vocabulary
from fanlight.faces.web import assets
from fanlight.faces.web.chrome import Chrome
from fanlight.faces.web.render import KINDS, Renderer, UnknownPanel, cells, environment, panel_kind
from fanlight.panels import Log, LogLine, Panel, Row, Stat, Table, Text, View

RENDERER = Renderer()
VIEW = View()
TEMPLATES = files("fanlight.faces.web") / "templates"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><hx-partial hx-target=body>{{7*7}}"
VOID = frozenset({"meta", "base", "link", "input", "br", "img", "hr", "path", "rect", "circle", "wbr"})


class Markup(HTMLParser):
    """Collects elements and text, and notes what is left open or closed twice."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.faults.append(f"{tag} repeats an attribute")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(markup: str) -> Markup:
    """The parsed markup, which must be well formed."""
    parser = Markup()
    parser.feed(markup)
    parser.close()
    assert parser.faults == []
    assert parser.open == []
    return parser


def whole_page(**changes: Any) -> str:
    """A page of every sample panel."""
    page = samples.page()
    return RENDERER.page(page, samples.panels(), replace(samples.chrome(), **changes), VIEW)


def poisoned(value: Any) -> Any:
    """The panel with hostile text in every free text it holds."""
    keep = (
        {"unit", "state", "tone", "kind", "name"} if isinstance(value, vocabulary.Column) else {"unit", "state", "tone"}
    )
    changes = {}
    for name in value.__struct_fields__:
        changes[name] = _poison(getattr(value, name), name in keep)
    return msgspec.structs.replace(value, **changes)


def _poison(value: Any, keep: bool) -> Any:
    if keep or isinstance(value, (int, float, bool)) or value is None:
        return value
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, tuple):
        return tuple(_poison(item, False) for item in value)
    return poisoned(value)


@pytest.mark.parametrize("kind", sorted(get_args(vocabulary.Panel), key=str), ids=lambda kind: kind.__name__)
def test_every_panel_kind_has_a_template_and_a_sample(kind: type[Panel]) -> None:
    """X-1, X-5: whatever the vocabulary can say, the browser shows."""
    tag = str(kind.__struct_config__.tag)
    assert (TEMPLATES / "panels" / f"{tag}.html").is_file()
    shown = [name for name, panel in samples.panels().items() if type(panel) is kind]
    assert shown
    for name in shown:
        assert f'id="panel-{name}"' in RENDERER.panel(name, samples.panels()[name], VIEW)


def test_kinds_are_exactly_the_vocabulary() -> None:
    """X-5: no template without a panel, no panel without a template."""
    assert {str(kind.__struct_config__.tag) for kind in get_args(vocabulary.Panel)} == KINDS
    assert {path.name.removesuffix(".html") for path in (TEMPLATES / "panels").iterdir()} == KINDS


def test_an_unknown_kind_fails_clearly() -> None:
    """X-5: a panel the browser cannot show says what was got and what can be shown."""

    class Hologram(msgspec.Struct, tag="hologram", tag_field="panel"):
        title: str = ""

    unknown: Any = Hologram()
    with pytest.raises(UnknownPanel, match=r"kind 'hologram'; the browser shows actions, bars"):
        panel_kind(unknown)


@pytest.mark.parametrize("name", sorted(samples.panels()))
def test_hostile_text_shows_as_text(name: str) -> None:
    """Item 7: markup in names, paths, headers and log lines never becomes markup."""
    markup = RENDERER.panel(name, poisoned(samples.panels()[name]), VIEW)
    elements = {tag for tag, _ in parsed(markup).elements}
    assert not elements & {"script", "img", "template", "hx-partial", "iframe"}
    assert "<hx-" not in markup
    assert "49" not in "".join(parsed(markup).text) or "{{7*7}}" in "".join(parsed(markup).text)


def test_hostile_names_around_the_panels_show_as_text() -> None:
    """Item 7: the service's name, release and navigation are text too."""
    markup = whole_page(service=HOSTILE, release=HOSTILE, stream=f"live?{HOSTILE}", cost=HOSTILE)
    assert sum(tag == "script" for tag, _ in parsed(markup).elements) == 3
    assert html.escape(HOSTILE)[:20] in markup.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")


def test_nothing_inline_and_nothing_from_elsewhere() -> None:
    """Item 5: the strict content policy holds: no style or event attributes, no inline script, no address outside."""
    for tag, attributes in parsed(whole_page()).elements:
        for name, value in attributes.items():
            assert name != "style"
            assert not name.startswith(("on", "hx-on"))
            assert not (value or "").strip().lower().startswith(("js:", "javascript:", "http:", "https:", "//"))
        if tag == "script":
            assert str(attributes["src"]).startswith("static/")
    assert not re.search(r"<script[^>]*>[^<]", whole_page())
    assert "<style" not in whole_page()


def test_links_are_relative_to_the_base() -> None:
    """Item 5: fragments work at any prefix and behind a proxy's sub-path."""
    page = parsed(whole_page(base="/sub/dashboard/"))
    assert ("base", {"href": "/sub/dashboard/"}) in page.elements
    for tag, attributes in page.elements:
        for name in ("href", "src", "action", "data-action", "hx-sse:connect"):
            value = attributes.get(name) or ""
            assert not value.startswith("/") or tag == "base" or value == "/sub/dashboard/#main", (tag, value)


def test_fragments_are_the_same_for_every_viewer() -> None:
    """Design: fragments hold no theme, role, prefix or time zone: the page includes what the stream sends."""
    page = whole_page(theme="terminal", role="viewer", base="/other/")
    for name, panel in samples.panels().items():
        assert RENDERER.panel(name, panel, VIEW) in page


def test_ids_are_unique() -> None:
    """HUB-11: morphing keeps rows and charts by their ids."""
    ids = [str(attributes["id"]) for _, attributes in parsed(whole_page()).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not [one for one in ids if re.search(r"\s", one)]


def test_chunks_are_the_page_in_small_pieces() -> None:
    """Design: rendering yields often, so that it never holds the interpreter for long."""
    name, panel = "logs", samples.panels()["logs"]
    chunks = list(RENDERER.panel_chunks(name, panel, VIEW))
    assert "".join(chunks) == RENDERER.panel(name, panel, VIEW)
    assert len(chunks) > 5
    assert max(map(len, chunks)) < 6_000
    page = list(RENDERER.page_chunks(samples.page(), samples.panels(), samples.chrome(), VIEW))
    assert "".join(page) == whole_page()
    assert len(page) > 20


def test_partial_addresses_its_panel() -> None:
    """Item 5: a message of the stream names its own target and morphs it."""
    assert (
        Renderer.partial("stats", "<p>1</p>")
        == '<hx-partial hx-target="#panel-stats" hx-swap="outerMorph"><p>1</p></hx-partial>'
    )


def test_base_context_is_chrome_field_by_field() -> None:
    """Style: the context of base.html is a documented dataclass, no more and no less."""
    source = (TEMPLATES / "base.html").read_text()
    assert meta.find_undeclared_variables(environment().parse(source)) == {field.name for field in fields(Chrome)}


@pytest.mark.parametrize("path", sorted((TEMPLATES / "panels").iterdir(), key=str), ids=lambda path: path.name)
def test_panel_templates_get_one_view(path: Any) -> None:
    """Style: a panel's template knows its view and the shared macros, nothing of the page around it."""
    names = meta.find_undeclared_variables(environment().parse(path.read_text()))
    assert names <= {"view", "share", "mark", "moment", "value", "track", "filters", "cell", "shape_of", "remembered"}
    assert "|safe" not in path.read_text()


def test_everything_a_browser_loads_is_under_80_kb_compressed() -> None:
    """Budget: page, style, scripts and icon together, compressed."""
    loaded = [assets.lookup(assets.asset_url(name).removeprefix("static/")) for name in assets.BUNDLES]
    page = RENDERER.page(samples.page(*samples.OVERVIEW), samples.panels(), samples.chrome(), VIEW)
    total = len(gzip.compress(page.encode(), 6)) + sum(len(asset.gzipped) for asset in loaded if asset)
    assert total < 80_000


def test_htmx_never_swaps_error_bodies_and_keeps_charts() -> None:
    """Item 5: error bodies stay out of the page, history is untouched, charts keep their canvas."""
    config = next(a["content"] for t, a in parsed(whole_page()).elements if a.get("name") == "htmx-config")
    settings = json.loads(config or "")
    assert {"4xx", "5xx"} <= set(settings["noSwap"])
    assert settings["morphSkipChildren"] == "fan-chart"
    assert settings["history"] is False
    assert settings["sse"]["reconnect"] is False


def test_data_is_in_the_first_paint() -> None:
    """Item 5: the page is whole without any script; loading is never a blank page."""
    text = " ".join("".join(parsed(whole_page()).text).split())
    for said in (
        "184/s",
        "routellm",
        "12 lines dropped",
        "/api/chat/groups/{id}/messages",
        "4 workers",
        "up 2d 5h",
        "UTC",
    ):
        assert said in text


def test_times_are_utc_for_the_script_to_localise() -> None:
    """LOOK: every time is local with UTC on hover; without scripts it is UTC with its day, and says so."""
    row = RENDERER.panel("activity", samples.panels()["activity"], VIEW)
    assert re.search(r'<time datetime="2026-11-21T[\d:.]+Z">2026-11-21 [\d:.]+ UTC</time>', row)


def test_empty_panels_say_what_fills_them() -> None:
    """LOOK: an empty panel says in one line, with the line of code, what fills it."""
    markup = RENDERER.panel("uploads", samples.panels()["uploads"], VIEW)
    assert "<code>dashboard.event(&#34;upload&#34;, name=..., size=...)</code>" in markup
    assert "Nothing yet." in RENDERER.panel("logs", Log(title="Logs", lines=()), VIEW)


def test_an_error_is_shown_in_its_panel_alone() -> None:
    """Item 5: what cannot be read says so in its place, the other panels stay."""
    page = samples.page("failed", "system", "unbuilt")
    markup = RENDERER.page(page, {k: v for k, v in samples.panels().items() if k != "unbuilt"}, samples.chrome(), VIEW)
    assert "NVMLError driver not loaded" in markup
    assert "This panel was not built." in markup
    assert "Memory" in markup


@pytest.mark.parametrize("state", ["ok", "warn", "error", "idle"])
def test_states_have_a_shape_and_a_word(state: vocabulary.State) -> None:
    """LOOK: colour is never alone: each state has a mark of its own shape and a word."""
    item = vocabulary.StatusItem(name="x", state=state)
    markup = RENDERER.panel("s", vocabulary.Status(title="S", items=(item,)), VIEW)
    assert f'class="mark {state}"' in markup
    assert {"ok": "ok", "warn": "warning", "error": "error", "idle": "idle"}[state] in "".join(parsed(markup).text)


def test_sort_links_keep_the_view_and_turn_around() -> None:
    """Item 5: sorting is a link that keeps range, scope and filters."""
    view = View(page="requests", range="1h", sort="-count", filters=(("q", "chat & co"),))
    table = samples.panels()["endpoints"]
    markup = html.unescape(RENDERER.panel("endpoints", table, view))
    assert 'href="requests?range=1h&sort=count&q=chat+%26+co"' in markup
    assert 'href="requests?range=1h&sort=-mean&q=chat+%26+co"' in markup
    assert 'aria-sort="descending"' in markup


def test_filter_forms_keep_what_they_do_not_hold() -> None:
    """Item 5: filtering keeps range and sort, and replaces only its own fields."""
    view = View(page="requests", range="1h", sort="-count", filters=(("q", "old"),))
    inputs = [
        a for t, a in parsed(RENDERER.panel("endpoints", samples.panels()["endpoints"], view)).elements if t == "input"
    ]
    assert {(a["name"], a["value"]) for a in inputs} == {("range", "1h"), ("sort", "-count"), ("q", "chat")}


def test_layout_stacks_what_fits_beside_a_tall_panel() -> None:
    """LOOK: several narrow panels stand beside one wide; ordinary rows stay rows."""
    page = samples.page(*samples.OVERVIEW)
    views = [RENDERER.view(slot.name, samples.panels()[slot.name], VIEW) for slot in page.slots]
    laid = [(cell.span, [view.name for view in cell.views], cell.tall) for cell in cells(page.slots, views)]
    assert laid[-2:] == [(8, ["activity"], True), (4, ["system", "actions", "types"], False)]
    assert [cell for cell in laid if cell[1] == ["services"]] == [(8, ["services"], False)]
    assert sum(span for span, _, _ in laid) == 12 * 5


def test_missing_values_show_a_dash() -> None:
    """API-7: None is a dash everywhere, never the word None."""
    table = Table(columns=tuple(vocabulary.Column(name=unit, unit=unit) for unit in get_args(vocabulary.Unit)), rows=(
        Row(key="r", values=(None,) * len(get_args(vocabulary.Unit))),
    ))  # fmt: skip
    shown = RENDERER.panel("t", table, VIEW) + RENDERER.panel("s", Stat(title="x", value=None), VIEW)
    assert "None" not in shown
    assert shown.count("–") >= len(get_args(vocabulary.Unit))


def test_a_line_links_to_its_request() -> None:
    """API-3: a correlation ID leads to its request, safely quoted."""
    line = LogLine(key="1", at=0.0, level="ERROR", logger="a", message="m", correlation_id="a/b?c")
    assert 'href="requests/a/b%3Fc"' in RENDERER.panel("logs", Log(lines=(line,)), VIEW).replace("%2F", "/")


def test_page_title_names_page_and_service() -> None:
    """Item 5: tabs of several services are told apart."""
    assert "<title>Overview · chat-api</title>" in whole_page()


def test_text_needs_no_title() -> None:
    """WCAG: a panel without a title still has a name."""
    assert 'aria-label="about"' in RENDERER.panel("about", Text(text="x"), VIEW)
