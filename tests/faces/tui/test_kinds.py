"""Every kind of panel, drawn in every room there may be: within it, with its meaning in words and shapes."""

from __future__ import annotations

from datetime import UTC
from typing import Any, get_args

import msgspec
import pytest
from tests.faces.samples import panels
from tests.faces.tui.documents import NOW

from fanlight import panels as vocabulary
from fanlight.faces.tui.cells import line_width
from fanlight.faces.tui.kinds import KINDS, LABEL, Label
from fanlight.faces.tui.kinds.chart import nice
from fanlight.faces.tui.kinds.listing import log_lines
from fanlight.faces.tui.look import ASCII, UNICODE, Look
from fanlight.panels import (
    ActionButton,
    Actions,
    Bar,
    Bars,
    Column,
    Donut,
    Fact,
    Gauge,
    Line,
    Log,
    LogLine,
    Meter,
    Panel,
    Row,
    Span,
    Stat,
    Status,
    StatusItem,
    Table,
    Text,
    TimeSeries,
    Waterfall,
)

LOOK = Look(zone=UTC, at=NOW)
SAMPLES = panels()


def full(panel: Panel, width: int = 60, height: int = 10, look: Look = LOOK) -> list[str]:
    return ["".join(text for text, _ in line) for line in KINDS[type(panel)].full(panel, width, height, look)]


def brief(panel: Panel, width: int = 80) -> list[str]:
    label = Label("1", panel.title, panel.note)
    return ["".join(text for text, _ in line) for line in KINDS[type(panel)].brief(panel, label, width, LOOK)]


def roles(panel: Panel, width: int = 60, height: int = 10) -> set[str]:
    return {role for line in KINDS[type(panel)].full(panel, width, height, LOOK) for _, role in line}


def test_every_kind_of_panel_is_drawn() -> None:
    """X-5: no member of the vocabulary is missing in the terminal, and the samples have every one."""
    assert set(KINDS) == set(get_args(vocabulary.Panel))
    assert {type(panel) for panel in SAMPLES.values()} == set(KINDS)


@pytest.mark.parametrize("look", [LOOK, Look(glyphs=ASCII, zone=UTC, at=NOW)], ids=["unicode", "ascii"])
@pytest.mark.parametrize("name", SAMPLES)
def test_drawings_keep_to_their_room(name: str, look: Look) -> None:
    """TTY-4: at no width or height is a line too long or one too many, and in the narrowest nothing fails."""
    panel, kind = SAMPLES[name], KINDS[type(SAMPLES[name])]
    for width in (1, 7, 20, 36, 56, 80, 196, 296):
        for height in (1, 2, 5, 14, 40):
            lines = kind.full(panel, width, height, look)
            assert len(lines) <= height
            assert width < 56 or all(line_width(line) <= width for line in lines), (width, height)
        assert 1 <= len(kind.full(panel, width, 60, look)) <= 60
        assert kind.ideal(panel, width) >= 1
    for width in (58, 80, 99):
        lines = kind.brief(panel, Label("1", panel.title, panel.note), width, look)
        assert lines
        assert all(line_width(line) <= width for line in lines), width


def everything_empty(kind: type) -> Any:
    """A panel of a kind with nothing in it."""
    given: dict[str, Any] = {"title": "Empty", "empty": "Nothing has come yet.", "state": "ok"}
    names = {field.name for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {field.name: () for field in msgspec.structs.fields(kind) if field.required}
    values |= {"value": None, "start": 0.0, "step": 5.0, "duration": 0.0}
    return kind(**{name: value for name, value in (values | given).items() if name in names})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_empty_and_failed_panels_say_so(kind: type) -> None:
    """X-5: an empty panel says what fills it, a failed one what went wrong; neither ends the terminal."""
    empty = everything_empty(kind)
    failed = msgspec.structs.replace(empty, error="could not be read")
    assert KINDS[kind].full(empty, 60, 5, LOOK) or kind is vocabulary.Section
    if kind not in (vocabulary.Section, vocabulary.Verdict):
        assert "◆ could not be read" in "".join(full(failed))
    if kind not in (vocabulary.Section, vocabulary.Verdict, Stat):
        assert "Nothing has come yet." in "".join(full(empty))
        assert "Nothing has come yet." in "".join(brief(empty))


def test_a_figure_says_its_value_state_and_detail() -> None:
    """TTY-3: figures are formatted as in the browser; trouble has a shape beside its colour."""
    stat = Stat(title="Latency", value=0.0714, unit="seconds", detail="p50 22 ms", spark=(1.0, 2.0), state="warn")
    assert full(stat, 20, 3) == ["▲ 71.4 ms", "▅▅▅▅▅▅▅▅▅▅██████████", "p50 22 ms"]
    assert full(msgspec.structs.replace(stat, state="ok"), 20, 1) == ["71.4 ms    p50 22 ms"]
    assert full(Stat(value=None), 20, 3) == ["–", "", ""]
    assert full(Stat(value=7, detail="in all"), 20, 3) == ["7", "", "in all"]
    assert len(full(stat, 20, 8)) == 8


def test_levels_are_bars_with_words() -> None:
    """TTY-3: the full and the empty part of a bar differ in shape; trouble is marked."""
    gauge = Gauge(
        meters=(
            Meter(name="CPU", value=50, maximum=100, unit="percent"),
            Meter(name="Disk", value=91, maximum=100, unit="percent", state="error"),
            Meter(name="Swap", value=None, maximum=100, unit="percent", state="idle"),
        )
    )
    assert full(gauge, 30) == [
        "CPU  ━━━━━━━━━─────────   50 %",
        "Disk ━━━━━━━━━━━━━━━━╸─ ◆ 91 %",
        "Swap ──────────────────      –",
    ]
    assert brief(gauge)[0].startswith("1 ")
    assert len(brief(gauge)) == 2


def test_things_say_how_they_are_in_words() -> None:
    """TTY-3: a state is a shape and a word; in brief those in trouble come first."""
    status = Status(
        items=(
            StatusItem(name="ollama", state="ok", text="healthy"),
            StatusItem(name="redis", state="error"),
            StatusItem(name="mongo", state="idle", text="not set up"),
        )
    )
    assert full(status, 40) == ["● ollama  healthy", "◆ redis   error", "○ mongo   not set up"]
    assert brief(status)[0].index("redis") < brief(status)[0].index("ollama")


def test_tables_align_their_numbers() -> None:
    """TTY-3: numbers at the right, their units in a column of their own, durations with a bar."""
    columns = (
        Column(name="route", title="Route", unit="route", wide=True),
        Column(name="n", title="Count", unit="integer"),
        Column(name="p95", title="p95", unit="bar"),
    )
    rows = (
        Row(key="a", values=("/api/chat/groups", 48_211, 0.031)),
        Row(key="b", values=("/route", 301, 5.0), state="error"),
        Row(key="c", values=("other", None, None)),
    )
    table = Table(columns=columns, rows=rows, sortable=True, sorted="-n", more=7)
    assert full(table, 50) == [
        "  Route                  Count ↓      p95         ",
        "  /api/chat/groups        48 211    31 ms ╸       ",
        "◆ /route                     301  5.00 s  ━━━━━━━━",
        "  other                        –     –            ",
    ]
    assert full(table, 50, 2)[1:] == ["  /api/chat/groups        48 211    31 ms ━━━━━━━━"]
    assert brief(table)[0].rstrip().endswith("7 more")


def test_columns_that_have_no_room_go_and_the_telling_ones_stay() -> None:
    """TTY-4: a narrow terminal drops columns from the right, but keeps status and duration; paths keep their end."""
    table = SAMPLES["activity"]
    head, *rows = full(table, 44, 20)
    assert head.split() == ["Time", "Route", "Status", "Duration"]
    assert any("…" in row for row in rows)
    assert full(table, 100, 20)[0].split() == ["Time", "Method", "Route", "Status", "Duration"]


def test_short_rows_and_odd_values_are_drawn() -> None:
    """X-5: an application's table may be wrong in every way a type checker would not see."""
    columns = tuple(Column(name=unit, title=unit, unit=unit) for unit in get_args(vocabulary.Unit))
    odd = (None, "", "text", -1, 0, 1.5, float("nan"), float("inf"), 10**30, True, (1, 2), {"a": 1}, b"x", NOW)
    rows = tuple(Row(key=str(place), values=(value,) * len(columns)) for place, value in enumerate(odd))
    table = Table(columns=columns, rows=(*rows, Row(key="short", values=())))
    assert len(full(table, 400, 40)) == len(odd) + 2


def test_a_chart_names_its_lines_with_their_newest_values() -> None:
    """TTY-3: what a line is does not depend on its colour: its name and value stand where it ends."""
    chart = TimeSeries(
        title="Latency",
        start=NOW - 900,
        step=5.0,
        unit="seconds",
        lines=(
            Line(name="p50", values=(0.02,) * 180, tone="ok"),
            Line(name="p99", values=(*(0.1,) * 179, 0.8), tone="warn"),
        ),
    )
    lines = full(chart, 90, 10)
    assert lines[0].startswith("  1 s" if lines[0][0] == " " else "800 ms")
    assert sum("p99 800 ms" in line for line in lines) == 1
    assert next(place for place, line in enumerate(lines) if "p99" in line) < next(
        place for place, line in enumerate(lines) if "p50  20 ms" in line
    )
    assert "00:00" in lines[-1]
    narrow = full(chart, 50, 10)
    assert narrow[0].startswith("p50 20 ms  p99 800 ms")
    assert [line.split()[0] for line in full(chart, 60, 2)] == ["p50", "p99"]


def test_a_chart_survives_odd_data() -> None:
    """X-5: lines of other lengths, no values, no step: drawn as far as can be."""
    for lines in (
        (Line(name="short", values=(1.0,)), Line(name="long", values=(None,) * 50)),
        (Line(name="nothing", values=()),),
        (Line(name="odd", values=(float("nan"), float("inf"), -5.0)),),
    ):
        for step in (5.0, 86_400.0, 0.001):
            assert full(TimeSeries(start=0.0, step=step, lines=lines), 80, 12)


@pytest.mark.parametrize(("cells", "shown"), [(100, "answered 503 Overloaded"), (60, "answered 503"), (30, "")])
def test_what_is_said_of_a_row_has_what_its_columns_leave(cells: int, shown: str) -> None:
    """TTY-4, LOOK: why a call failed is read beside it; columns keep their texts, and their places for other words."""
    columns = (
        vocabulary.Column(name="operation", title="Operation", unit="code", wide=True),
        vocabulary.Column(name="took", title="Took", unit="seconds"),
    )
    made = []
    for reason in ("answered 503 Overloaded", "answered 502 Bad Gateway"):
        row = vocabulary.Row(key="1", values=("execute_command", 0.003), detail=reason)
        panel = vocabulary.Table(title="Failed calls", columns=columns, rows=(row,))
        made.append("".join(text for text, _ in KINDS[vocabulary.Table].full(panel, cells, 9, LOOK)[1]))
    assert shown in made[0]
    assert ("answered" in made[0]) == bool(shown)
    assert made[0].partition("answered")[0] == made[1].partition("answered")[0]


@pytest.mark.parametrize(("cells", "shown"), [(39, "/v1/chat stream"), (30, "…1/chat stream")])
def test_rows_that_look_alike_are_told_apart(cells: int, shown: str) -> None:
    """TTY-4: where their details have no room, a route and the same route as a stream are not two equal lines."""
    columns = (
        vocabulary.Column(name="method", title="Method", unit="method"),
        vocabulary.Column(name="route", title="Route", unit="route", wide=True),
        vocabulary.Column(name="count", title="In all", unit="integer"),
    )
    rows = tuple(
        vocabulary.Row(key=detail + path, values=("POST", path, 3), detail=detail)
        for detail, path in (("", "/v1/chat"), ("stream: time to first byte", "/v1/chat"), ("stream: other", "/v1/b"))
    )
    panel = vocabulary.Table(title="Routes", columns=columns, rows=rows)
    lines = ["".join(text for text, _ in line) for line in KINDS[vocabulary.Table].full(panel, cells, 9, LOOK)]
    assert [shown in line for line in lines] == [False, False, True, False]
    assert len({len(line.rstrip()) for line in lines[1:]}) == 1


@pytest.mark.parametrize("mark", ["`", ""], ids=["backticks", "a call on the dashboard"])
def test_code_in_what_an_empty_panel_says_is_set_off(mark: str) -> None:
    """X-5: what is to be written is told from the words around it, over the end of a line too."""
    empty = f'None yet. {mark}with dashboard.call("a"): ...{mark} adds one.'
    panel = vocabulary.Table(title="T", columns=(), empty=empty)
    assert KINDS[vocabulary.Table].full(panel, 32, 5, LOOK) == [
        (("None yet. ", "muted"), ("with", "accent")),
        (('dashboard.call("a"): ... ', "accent"), ("adds", "muted")),
        (("one.", "muted"),),
    ]


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.07, 0.08), (1.31, 1.5), (35.2, 40), (51, 60), (999, 1000)])
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    """TTY-4: an axis changes seldom, and can be read."""
    assert nice(value) == pytest.approx(top)


def test_bytes_are_round_in_steps_of_1024() -> None:
    """TTY-3: memory's axis says 400 MB, not 381."""
    line = Line(name="process", values=(386.0 * 2**20,) * 180)
    assert full(TimeSeries(start=NOW, step=5.0, unit="bytes", lines=(line,)), 90, 10)[0].startswith("400 MB")


def test_times_a_day_ago_say_the_day() -> None:
    """ORC-5: in a range of days a time of day alone could be any of them; the room for it stays the same."""
    look, yesterday = Look(zone=UTC, at=NOW), NOW - 86_400
    for at, wide, narrow in (
        (NOW - 0.5, look.clock_ms(NOW - 0.5), look.clock(NOW - 0.5)),
        (NOW, f"{look.clock(NOW)}    ", look.clock(NOW)),
        (yesterday, look.clock(yesterday, "%d %b %H:%M"), look.clock(yesterday, "%d %b  ")),
    ):
        assert (look.moment(at, coarse=False), look.moment(at, coarse=True)) == (wide, narrow)
        assert (len(wide), len(narrow)) == (12, 8)
    assert look.phrase(NOW, "time") == look.clock(NOW)
    assert look.value(yesterday, "time") == (look.clock(yesterday, "%d %b %H:%M"), "")


def test_amounts_are_bars_with_numbers() -> None:
    """TTY-3: errors by type: name, bar, number; parts of a whole with their share."""
    bars = Bars(bars=(Bar(name="upstream", value=20, tone="error"), Bar(name="auth", value=5)))
    assert full(bars, 30) == ["upstream ━━━━━━━━━━━━━━━━━━ 20", "auth     ━━━━╸─────────────  5"]
    donut = Donut(slices=(Bar(name="hits", value=3), Bar(name="misses", value=1)), text="75 %")
    assert full(donut, 30)[0] == "75 %"
    assert full(donut, 30)[1].endswith("3  75 %")
    assert "hits 3 75 %" in " ".join(brief(donut)[0].split())


def test_log_lines_have_all_their_parts() -> None:
    """TTY-3: time, level, logger, file and line, message; errors stand out by word, not by colour alone."""
    line = LogLine(
        key="1", at=NOW, level="WARNING", logger="chat.storage", message="nearly\nfull", source="storage.py:17"
    )
    log = Log(lines=(line,))
    assert full(log, 120) == ["00:04:01.000 WARNING  chat.storage         storage.py:17      nearly⏎full"]
    assert full(log, 60) == ["00:04:01 WARN  chat.storage storage.py:17  nearly⏎full"]


@pytest.mark.parametrize("cells", [58, 80, 130])
def test_no_letter_of_a_long_log_line_is_lost(cells: int) -> None:
    """TTY-3: where lines are shown whole they are so at every width, the narrowest too, and fit in it."""
    words = " ".join(f"word{number}" for number in range(30))
    line = LogLine(key="1", at=NOW, level="INFO", logger="chat.api", message=f"{words}\nsecond", source="routes.py:128")
    drawn = log_lines(line, cells, LOOK)
    assert max(map(line_width, drawn)) <= cells
    assert "".join(row[-1][0] for row in drawn) == f"{words}second"


def test_spans_stand_at_their_times() -> None:
    """X-4: a request's calls under one another, indented, each where it happened."""
    spans = (
        Span(name="POST /chat", start=0, duration=1.0),
        Span(name="ollama", start=0.5, duration=0.5, depth=1, state="warn"),
    )
    assert full(Waterfall(spans=spans, duration=1.0), 40) == [
        "POST /chat   ━━━━━━━━━━━━━━━━━━━━ 1.00 s",
        "  ollama   ▲           ━━━━━━━━━━ 500 ms",
    ]


def test_properties_stand_side_by_side_where_there_is_room() -> None:
    """TTY-4: on a wide screen a value is not a screen away from its name."""
    text = Text(facts=tuple(Fact(name=f"name {number}", value=number, unit="integer") for number in range(6)))
    assert len(full(text, 60)) == 6
    assert len(full(text, 120)) == 2
    assert KINDS[Text].ideal(text, 120) == 2
    assert full(Text(facts=(Fact(name="state", value="down", unit="state"),)), 30)[0].endswith("◆ down")


def test_actions_that_cannot_run_say_why() -> None:
    """HUB-7: a disabled button is told apart by its words."""
    buttons = (
        ActionButton(title="Clear", action="actions/clear-cache"),
        ActionButton(title="Run", action="actions/pipelines/x", disabled="already running"),
    )
    panel = Actions(buttons=buttons)
    assert full(panel, 60) == ["[ Clear ] [ Run ] already running"]
    assert roles(panel) == {"accent", "muted", "text"}


def test_brief_panels_share_one_column_of_titles() -> None:
    """TTY-4: at 80 x 24 the eye finds titles in one column and values in another."""
    for name in ("system", "throughput", "latency", "types", "health", "text", "actions"):
        lines = brief(SAMPLES[name])
        assert all(line[:LABEL].strip() == "" for line in lines[1:]), name
        assert lines[0][2:LABEL].strip() == SAMPLES[name].title[: LABEL - 3].strip(), name


def test_the_two_looks_have_the_same_marks() -> None:
    """TTY-4: every state has a shape of its own, in ASCII, too."""
    for glyphs in (UNICODE, ASCII):
        assert len(set(glyphs.marks.values())) == len(glyphs.marks) == 5
        assert len(glyphs.levels) == 8
