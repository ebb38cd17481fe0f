"""The documentation is true: its examples run, and what it names exists in the program, and the other way round."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from starlette.routing import Route, WebSocketRoute
from tests.capture import django_project
from tests.documentation import Block, asked, blocks, code_spans, executed, table
from werkzeug.test import Client

from fanlight import Fanlight, Policy, settings
from fanlight.capture import logs, websocket
from fanlight.cli import (
    demo,
    export,
    gateway,
    lifeline,
    run,
    serve,
    serving,
    simulate,
    supervisor,
    threaded,
    top,
)
from fanlight.cli.options import MOST_WORKERS
from fanlight.core import fold, frame, metrics, recorder, timeline
from fanlight.core.pulse import Pulse
from fanlight.faces.api import openapi
from fanlight.faces.api.endpoints import ENDPOINTS
from fanlight.faces.web import limits, live, session
from fanlight.gateway import config
from fanlight.pages import PAGES, PANELS
from fanlight.panels import View
from fanlight.services import redis, supplier
from fanlight.sidecar import Sidecar
from fanlight.stores import redis_client, writer

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
EXAMPLES = sorted(ROOT.glob("examples/*/README.md"))
TEXTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *EXAMPLES, *sorted(DOCS.glob("*.md")))

REQUIREMENTS = {"HUB": 11, "ORC": 9, "OBS": 7, "TTY": 7, "API": 10, "X": 9}
"""How many requirements each of the sources has."""

COMMANDS: dict[str, click.Command] = {
    "run": run.run,
    "top": top.top,
    "serve": serve.serve,
    "export": export.export,
    "demo": demo.demo,
    "simulate": simulate.simulate,
    "gateway": gateway.gateway,
}


PYTHON = [block for block in blocks(*TEXTS) if block.language == "python"]
WSGI = [block for block in PYTHON if "dashboard.wsgi(" in block.text]
RUNNABLE = [
    block for block in PYTHON if block not in WSGI and re.search(r"^app = |^async def app", block.text, re.MULTILINE)
]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread of the pulse: what happened is folded when the test says so."""
    monkeypatch.setattr(Pulse, "start", lambda pulse: None)


def containing(text: str) -> Block:
    return next(block for block in PYTHON if text in block.text)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_examples_compile(block: Block) -> None:
    """API-10: every Python example is Python."""
    compile(block.text, block.place, "exec")


@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: block.place)
@pytest.mark.usefixtures("still")
def test_examples_run(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """API-1, API-10: an application made as an example shows it is recorded, and its dashboard counts the request."""
    for number, name in enumerate(re.findall(r'os\.environ\["(\w+)"\]', block.text)):
        monkeypatch.setenv(name, f"{number}-of-sixteen-characters")
    names = executed(block)
    settings = names["dashboard"].settings
    known = {"authorization": f"Bearer {settings.token}"} if settings.token else {}
    _, (status, body) = asked(names, ("/no/such/path", {}), (f"{settings.prefix}/api/data", known))
    assert status == 200
    assert json.loads(body)["performance"]["total_requests"] == 1


@pytest.mark.usefixtures("still")
def test_wsgi_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-8, API-10: the Flask and the Django example record a request; but for their store and port, as they stand."""
    monkeypatch.setattr("django.core.wsgi.get_wsgi_application", lambda: django_project.application)
    monkeypatch.setattr(Sidecar, "start", lambda beside: None)
    for block in WSGI:
        names: dict[str, Any] = {"__name__": "example"}
        exec(compile(block.text.replace("/var/lib/shop", str(tmp_path)), block.place, "exec"), names)
        app = names.get("application") or names["app"]
        Client(app).get("/no/such/path").close()
        dashboard = names["dashboard"]
        dashboard.pulse.tick()
        assert dashboard.query.snapshot(View(scope="this")).requests.total.count == 1
        assert dashboard.settings.port == 9090
        dashboard.close()


@pytest.mark.usefixtures("still")
def test_what_an_example_tells_is_shown() -> None:
    """HUB-4, API-5, API-9: caches, events and the database of the installation page appear as it says."""
    names = executed(containing('dashboard.cache("prompts"'))
    answers = asked(
        names,
        *(("/prompts/tone", {}), ("/prompts/new", {}), ("/dashboard/api/stats", {})),
        *(("/dashboard/events-partial", {}), ("/dashboard/api/data", {})),
    )
    stats, events, data = (body for _, body in answers[2:])
    figures = json.loads(stats)
    assert (figures["cache_hits_total"], figures["cache_misses_total"], figures["cache_entries"]) == (1, 1, 2)
    assert b"prompt_made" in events
    assert json.loads(data)["database"] == {"prompts": 2}


@pytest.mark.usefixtures("still")
def test_the_access_example_lets_in_whom_it_says() -> None:
    """X-6, API-10: the example's own check opens the dashboard to those it names, and to nobody else elsewhere."""
    names = executed(containing("access=may_look"))
    other, path = {"peer": "203.0.113.9"}, "/dashboard/api/stats"
    admitted, refused = asked(names, (path, {**other, "x_user_role": "admin"}), (path, other))
    assert (admitted[0], refused[0]) == (200, 403)


@pytest.mark.parametrize("path", [*TEXTS, ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """API-10: every link and picture of a page is a file that exists."""
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    missing = [each for each in targets if "://" not in each and not (path.parent / each.partition("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_and_targets_named_exist(path: Path) -> None:
    """API-10: files of the repository and of the package, and make targets, that a page names are there."""
    spans = [span for span in code_spans(path.read_text()) if re.fullmatch(r"[\w./-]+\.(py|md|js|css|html)|\w+/", span)]
    places = (ROOT, ROOT / "src/fanlight", path.parent)
    assert not [span for span in spans if not any((place / span).exists() for place in places)]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE)) <= targets


def test_every_page_is_reached_from_the_readme() -> None:
    """API-10: no page of the documentation is hidden: the README links it, or a page that the README links."""
    linked = set(re.findall(r"\(docs/([\w-]+\.md)\)", (ROOT / "README.md").read_text()))
    further = {name for page in linked for name in re.findall(r"\(([\w-]+\.md)\)", (DOCS / page).read_text())}
    assert {path.name for path in DOCS.glob("*.md")} <= linked | further


def shown_default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is msgspec.NODEFAULT:
        return "required"
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, bool | int | float):
        return f"`{value + 0:g}`"
    return f"`{value}`" if value else "empty"


def test_settings_are_documented_as_they_are() -> None:
    """API-10: the table has a line for every setting, with its variable, its default and its meaning, and no other."""
    expected = [
        [f"`{field.name}`", f"`FANLIGHT_{field.name.upper()}`", shown_default(field), settings.DESCRIPTIONS[field.name]]
        for field in msgspec.structs.fields(settings.Settings)
    ]
    assert table(DOCS / "settings.md", "setting") == expected
    assert set(settings.DESCRIPTIONS) == {field.name for field in msgspec.structs.fields(settings.Settings)}


def test_settings_named_anywhere_exist(tmp_path: Path) -> None:
    """API-10: variables of the pages are settings, and the values of the settings page are read alike."""
    known = {f"FANLIGHT_{name.upper()}" for name in settings.DESCRIPTIONS}
    text = "\n".join(path.read_text() for path in TEXTS)
    assert set(re.findall(r"FANLIGHT_[A-Z_]*[A-Z]", text)) <= known
    for keyword, variable, line in (row[1:] for row in table(DOCS / "settings.md", "kind")):
        name, _, value = keyword.strip("`").partition("=")
        given = settings.load("docs", {name: eval(value)}, {}, tmp_path)
        environ = dict([variable.partition("` ")[0].strip("`").split("=", 1)])
        assert settings.load("docs", {}, environ, tmp_path) == given
        assert settings.load("docs", tomllib.loads(line.strip("`")), {}, tmp_path) == given


def test_metrics_are_documented_as_they_are() -> None:
    """API-10, OBS-2: the table has a line for every metric, with its type, labels and meaning, and no other."""
    expected = [
        [m.prometheus, m.kind, [a.replace(".", "_") for a in m.attributes if a], m.help] for m in metrics.every()
    ]
    rows = table(DOCS / "prometheus.md", "metric")
    assert [[row[0].strip("`"), row[1], re.findall(r"`(\w+)`", row[2]), row[3]] for row in rows] == expected


def test_configurations_of_the_gateway_are_right(tmp_path: Path) -> None:
    """API-10, X-7: each configuration on the gateway's page is right as it stands, or behind the example's."""
    example = (ROOT / "examples/hub.toml").read_text()
    texts = [block.text for block in blocks(DOCS / "gateway.md") if block.language == "toml"]
    assert len(texts) > 3
    for text in texts:
        path = tmp_path / "hub.toml"
        path.write_text(text if "time/" not in text else example + text)
        keys = {name: name.ljust(16, "-") for name in re.findall(r'key_env = "(\w+)"', text)}
        assert config.load(path, keys)


def test_queries_name_metrics_that_exist() -> None:
    """API-10: every metric and label in a PromQL example is one of the table."""
    known = {m.prometheus for m in metrics.every()}
    labels = {a.replace(".", "_") for m in metrics.every() for a in m.attributes} | {"le"}
    for block in blocks(DOCS / "prometheus.md"):
        if block.language == "promql":
            names = set(re.findall(r"[a-z]+(?:_[a-z]+)+", re.sub(r'"[^"]*"', "", block.text)))
            bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in names - {"histogram_quantile"}}
            assert bases <= known | labels, block.place


def options(command: click.Command) -> dict[str, Any]:
    """The options of a command by their names as one writes them, and their defaults."""
    found = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            default = parameter.default
            if not isinstance(default, str | int | float):
                default = getattr(settings.Settings(name="x"), parameter.name or "", "")
            found[", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))] = default
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_documented_as_they_are(name: str) -> None:
    """API-10, ORC-7: every option of a command has a line with its default, and no other has."""
    text = (DOCS / "commands.md").read_text()
    section = text[text.index(f"## fanlight {name}") :]
    rows = [
        line.strip("| ").split(" | ") for line in section[: section.index("\n## ", 5)].splitlines() if "`--" in line
    ]
    documented = {row[0]: row[1] for row in rows if row[0].startswith("`-")}
    expected = options(COMMANDS[name])
    assert set(documented) == set(expected)
    assert not [row for row, cell in documented.items() if "`" in cell and cell != f"`{expected[row]}`"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_command_lines_use_options_that_exist(path: Path) -> None:
    """API-10: what a page has one type after `fanlight run` and `fanlight demo` is understood."""
    for name, rest in re.findall(r"\bfanlight (\w+)( [^\n`]*)?", "\n".join(_command_lines(path.read_text()))):
        assert name in COMMANDS, name
        known = {word for row in options(COMMANDS[name]) for word in re.findall(r"--[\w-]+", row)}
        assert set(re.findall(r"--[\w-]+", rest)) <= known


def _command_lines(text: str) -> list[str]:
    fenced = [line for line in text.splitlines() if re.match(r"(exec )?fanlight ", line)]
    return fenced + [span for span in code_spans(text) if span.startswith("fanlight ")]


def test_json_routes_are_documented_as_they_are() -> None:
    """API-10, ORC-3: every JSON route has a line with all its parameters, and every parameter is explained."""
    expected = {f"/dashboard{e.path}": {p.name for p in e.parameters} for e in ENDPOINTS}
    expected["/dashboard/api/openapi.json"] = set()
    rows = table(DOCS / "json.md", "route")
    assert {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows} == expected
    explained = {name for row in table(DOCS / "json.md", "parameter") for name in re.findall(r"`(\w+)`", row[0])}
    assert explained == set().union(*expected.values())


def _json_examples() -> Iterator[tuple[str, Any, str]]:
    """(route, type of its document, text) of every example on the JSON page; one without a route is an error."""
    route = ""
    for part in re.split(r"^(```json\n.*?^```)$", (DOCS / "json.md").read_text(), flags=re.DOTALL | re.MULTILINE):
        if part.startswith("```json"):
            kinds = {e.path: e.document for e in ENDPOINTS if re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", e.path), route)}
            yield route, kinds.get(route) or next(iter(kinds.values()), openapi.Error), part[8:-3]
        elif heads := re.findall(r"^`/dashboard([^`?]*)|^(## )", part, re.MULTILINE):
            route = heads[-1][0]


JSON = tuple(_json_examples())


@pytest.mark.parametrize(("kind", "text"), [each[1:] for each in JSON], ids=[route or "error" for route, *_ in JSON])
def test_json_examples_are_of_their_documents(kind: Any, text: str) -> None:
    """API-2, API-10: an example has every field of its document and no other."""
    example = json.loads(text)
    assert json.loads(msgspec.json.encode(msgspec.convert(example, kind))) == example


def test_jq_walks_name_fields_that_exist() -> None:
    """API-10: what a page has jq look up is a field of a document."""
    schemas = openapi.document("docs", "")["components"]["schemas"].values()
    fields = {name for schema in schemas for name in schema.get("properties", ())}
    text = "\n".join(path.read_text() for path in TEXTS)
    walks = re.findall(r"jq (?:-\w+ )*'([^']*)'|jq (\.[\w.]+)", text)
    assert len(walks) > 5
    assert {name for walk in walks for name in re.findall(r"\.([a-z]\w*)", "".join(walk))} <= fields


def _addresses(path: Path) -> set[str]:
    """Addresses of the dashboard that a page names, from its root; `P` stands for the prefix."""
    text = path.read_text()
    found = re.findall(r"(?<!shop)(?<!ops)(?<=[\s`'/:\d])/dashboard((?:/[\w{}.-]+)*)", text)
    found += [span.split()[-1][1:] for span in code_spans(text) if re.fullmatch(r"(POST )?P(/\S*)?", span)]
    return {address.rstrip(".") for address in found} - {""}


def _answered(address: str, patterns: list[re.Pattern[str]]) -> bool:
    for pattern in patterns:
        values = pattern.match(address)
        if values is None:
            continue
        named = values.groupdict()
        pages = {"all-uploads", "mcp", "pipelines"}
        own = {"panel": {*PANELS, "recent-uploads"}, "action": {"clear-cache", "reindex"}, "own": pages}
        known: dict[str, Collection[str]] = {"page": PAGES, **own}
        if all(named[name] in names or "{" in named[name] for name, names in known.items() if name in named):
            return True
    return False


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_addresses_named_exist(path: Path) -> None:
    """API-10, HUB-8: every address of the dashboard that a page names is answered by a route of it."""
    dashboard = Fanlight("docs")
    routes = [route for route in dashboard.face._router.routes if isinstance(route, Route | WebSocketRoute)]
    patterns = [route.path_regex for route in routes]
    dashboard.close()
    assert not [address for address in _addresses(path) if not _answered(address, patterns)]


def _row(start: str) -> str:
    text = (DOCS / "architecture.md").read_text()
    return next(line for line in text.splitlines() if line.startswith(f"| {start}"))


def test_bounds_are_those_of_the_program() -> None:
    """TTY-6, API-10: the table of bounds says what the constants say."""
    defaults = settings.Settings(name="docs")
    kept = (
        "{recent} recent, {slow} slow, {failed} failed, {sockets} WebSocket events, {logs:,} log lines, {events} events"
    )
    expected = {
        "facts waiting": f"{recorder.FACT_LIMIT:,}",
        "series per family": f"{defaults.max_series} (`max_series`)",
        "counters": f"{fold.COUNTER_LIMIT:,} names",
        "gauges per frame": f"{frame.GAUGE_LIMIT}",
        "kept per kind": kept.format(**timeline.WINDOW_LIMITS),
        "names of groups": f"{websocket.NAME_LIMIT:,} counted, {websocket.SHOWN_LIMIT} shown",
        "log lines": f"{logs.LINES_PER_SECOND} a second, bursts of {logs.BURST:,}",
        "live views": f"{defaults.max_viewers} (`max_viewers`)",
        "frames waiting": f"{writer.FRAMES_LIMIT}, and {writer.BYTES_LIMIT >> 20} MiB",
    }
    assert not [name for name, said in expected.items() if said not in _row(name)]


NUMBERS = (
    ("access.md", f"after {'ten' if limits.ATTEMPTS == 10 else limits.ATTEMPTS} in a minute"),
    ("access.md", f"lasts {'seven' if session.LIFETIME == 7 * 86_400 else session.LIFETIME} days"),
    ("commands.md", f"started again after {supervisor.FIRST_DELAY:g} s"),
    ("commands.md", f"up to {supervisor.LONGEST_DELAY:g} s"),
    ("commands.md", f"served for {supervisor.STABLE_SECONDS:g} s"),
    ("commands.md", f"get SIGTERM and {supervisor.GRACE_SECONDS:g} s"),
    ("commands.md", f"served in {threaded.THREADS} threads"),
    ("commands.md", f"Open requests get {serving.GRACEFUL_SECONDS:g} s"),
    ("commands.md", f"| {serving.FAILED_STATUS} | the application's own start-up failed |"),
    ("commands.md", f"| `1` | Processes that serve, 1 to {MOST_WORKERS}"),
    ("install.md", f"every {redis.WATCHED_SECONDS:g} s while somebody looks, else every {redis.IDLE_SECONDS:g}"),
    ("install.md", f"timeouts of {redis_client.COMMAND_SECONDS:g} s"),
    ("install.md", f"at most every {supplier.EVERY_SECONDS:g} s"),
    ("install.md", f"a timeout of {supplier.TIMEOUT_SECONDS:g} s"),
    ("json.md", f"newest {timeline.WINDOW_LIMITS['recent']} are kept"),
    ("json.md", "in steps of five seconds" if timeline.STEP == 5 else f"in steps of {timeline.STEP} s"),
    ("logs.md", f"cut at {logs.MESSAGE_LIMIT:,} characters"),
    ("services.md", f"opens after `failures` ({Policy().failures}) in a row"),
    ("services.md", f"`rate` ({Policy().rate:g}) of at least `calls` ({Policy().calls})"),
    ("services.md", f"within `window` ({Policy().window:g} s) failed"),
    ("services.md", f"stays open for `recovery` ({Policy().recovery:g} s)"),
    ("proxy.md", f"heartbeat every {live.HEARTBEAT_SECONDS:g} seconds"),
)


@pytest.mark.parametrize(("page", "said"), NUMBERS)
def test_numbers_are_those_of_the_program(page: str, said: str) -> None:
    """API-10: limits and times in the text are the constants of the code."""
    assert said in " ".join((DOCS / page).read_text().split())
    assert lifeline.GRACE_SECONDS < supervisor.GRACE_SECONDS


def test_requirements_are_complete() -> None:
    """API-10: every requirement has one line, its state is one of three, and its code and its tests exist."""
    rows = table(DOCS / "documents.md", "id")
    assert [row[0] for row in rows] == [f"{kind}-{n + 1}" for kind, many in REQUIREMENTS.items() for n in range(many)]
    for id, _, _, code, tests, state in rows:
        assert re.match(r"works$|partly: .|not yet($|: .)", state), id
        assert state != "works" or "`tests/" in tests, f"{id} is said to work and names no test"
        for name in re.findall(r"`(tests/[^`]+)`", tests):
            assert re.search(rf"\b{id}\b", (ROOT / name).read_text()), f"{name} does not speak of {id}"
        for name in re.findall(r"`([^`]+)`", code):
            assert (ROOT / "src/fanlight" / name).exists() or (ROOT / name).exists(), name


def test_the_changelog_has_an_unreleased_section() -> None:
    """API-10: what has changed since the last release has its place, and something is in it."""
    section = (ROOT / "CHANGELOG.md").read_text().partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    assert section.strip()
