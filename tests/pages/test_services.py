"""The pages of services say how each is, why, and offer what can be done."""

from __future__ import annotations

import pytest
from tests.faces.service import ScriptedService, busy_service

from fanlight.core import rules
from fanlight.core.recorder import Sample
from fanlight.core.timeline import Course, Point
from fanlight.pages import PAGES, alerts, service, services
from fanlight.panels import Bars, Status, Table, Text, TimeSeries, View

OLLAMA = View(page="services", path=(("name", "ollama"),))


def troubled(required: int = 0) -> ScriptedService:
    """A service whose dependency failed until its breaker opened, and cannot be probed."""
    made = ScriptedService()
    for _ in range(6):
        made.call("ollama", "generate", 0.01, kind="llm", outcome="upstream")
    made.call("postgres", "select", 0.01)
    made.request()
    now = made.clock.time_ns() / 1e9
    made.levels = [
        Sample("service.declared", "ollama\x1fllm", required + 2, "max", "instance"),
        Sample("service.declared", "mcp\x1fmcp", 0, "max", "instance"),
        Sample("service.probe", "ollama", 1.0, "max", "instance"),
        Sample("service.probe.error", "ollama\x1fConnectionRefusedError", now, "max", "instance"),
        Sample("breaker.state", "ollama", 2, "max", "instance"),
        Sample("breaker.failures", "ollama", 6, "max", "instance"),
        Sample("breaker.opened", "ollama\x1f6 failures in a row: refused", now, "min", "instance"),
        Sample("breaker.retry", "ollama", now + 10, "max", "instance"),
        Sample("breaker.state", "billing", 2, "max", "instance"),
        Sample("breaker.opened", "billing\x1ftripped by operator", now, "min", "instance"),
    ]
    made.tick()
    return made


def test_the_worst_is_listed_first_with_its_cause() -> None:
    """HUB-2, ORC-2: status, score and cause of every service, also of one that was only declared."""
    table = services.service_list(troubled().snapshot(), View())
    assert isinstance(table, Table)
    assert [(row.values[0], row.values[2]) for row in table.rows] == [
        ("ollama", "down"),
        ("postgres", "healthy"),
        ("mcp", "idle"),
    ]
    assert table.rows[0].detail.startswith("success rate 0 %")
    assert table.rows[2].values[3] is None
    scores = services.scores(troubled().snapshot(), View())
    assert isinstance(scores, Bars)
    assert [(bar.name, bar.tone) for bar in scores.bars] == [("ollama", "error"), ("postgres", "ok")]
    ordered = services.service_list(troubled().snapshot(), View(sort="name"))
    assert [row.values[0] for row in ordered.rows] == ["mcp", "ollama", "postgres"]


def test_what_is_being_started_is_said_to_be() -> None:
    """HUB-2: among the health of all it is degraded because it starts, not because a probe failed."""
    made = busy_service()
    made.levels = [
        Sample("service.declared", "mcp\x1fmcp", 0, "max", "instance"),
        Sample("service.probe", "mcp", 0.5, "max", "instance"),
    ]
    made.tick()
    status = services.health(made.snapshot(), View())
    assert isinstance(status, Status)
    assert ("mcp", "warn", "degraded: starting") in [(each.name, each.state, each.text) for each in status.items]


def test_a_service_nobody_calls_any_more_leaves_the_list() -> None:
    """Issue 5: after 15 minutes one that is not declared stands apart, and comes back with its next call."""
    made = troubled()
    declared = [level for level in made.levels if level.name == "service.declared"]
    for _ in range(16):
        made.clock.advance(60.0)
        made.request()
        made.levels = declared
        made.tick()
    snapshot = made.snapshot()
    assert [slot.name for slot in services.page(snapshot, View()).slots][-1] == "quiet-services"
    table, listed = services.quiet_services(snapshot, View()), services.service_list(snapshot, View())
    assert isinstance(table, Table)
    assert isinstance(listed, Table)
    assert [row.values for row in table.rows] == [("postgres", "database", 1, 0)]
    assert [row.values[0] for row in listed.rows] == ["mcp", "ollama"]
    status = services.health(snapshot, View())
    assert isinstance(status, Status)
    assert "postgres" not in [item.name for item in status.items]
    made.call("postgres", "select", 0.01)
    made.tick()
    assert "quiet-services" not in [slot.name for slot in services.page(made.snapshot(), View()).slots]


@pytest.mark.parametrize(
    ("step", "watched", "drawn"), [(10, 4, False), (10, 5, True), (900, 59, False), (900, 60, True)]
)
def test_a_rate_is_drawn_of_what_was_watched_long_enough(step: int, watched: int, drawn: bool) -> None:
    """ORC-5: the first step of a young service, and the open one, are told by the seconds they have; or it is said."""
    snapshot = troubled().snapshot()
    points = (Point(60, 0, 0.1, 0.1, 0.1, 0.1),) * 2
    snapshot._courses["ollama"] = Course(0, step, (0, watched), points)
    chart = service.rate(snapshot, OLLAMA)
    assert isinstance(chart, TimeSeries)
    if drawn:
        assert chart.lines[0].values == (None, 60 / watched)
    else:
        assert (chart.lines, chart.empty) == ((), service.TOO_SOON)


def test_open_breakers_are_status_items_and_can_be_reset() -> None:
    """HUB-3: those of no service stand for themselves; the badge counts what wants attention."""
    snapshot = troubled().snapshot()
    status = services.health(snapshot, View())
    assert isinstance(status, Status)
    found = {item.name: (item.state, item.text) for item in status.items}
    assert found["ollama"] == ("error", "down: success rate")
    assert found["billing"] == ("error", "open")
    assert services.badge(snapshot) == PAGES["services"].badge(snapshot) == 2


def test_one_service_shows_everything_that_made_its_score() -> None:
    """ORC-2, HUB-3: factors with weights, operations, charts, errors by type, breaker, failed calls, actions."""
    snapshot = troubled().snapshot()
    assert [slot.name for slot in PAGES["services"].build(snapshot, OLLAMA).slots] == [s.name for s in service.SLOTS]
    score = service.factors(snapshot, OLLAMA)
    assert isinstance(score, Table)
    assert [row.values[0] for row in score.rows] == ["success rate", "latency", "recency", "probe", "breaker"]
    assert score.rows[3].values[1:] == ("fails: ConnectionRefusedError", 70, 70)
    assert [row.values[0] for row in service.operations(snapshot, OLLAMA).rows] == ["generate"]
    assert [(bar.name, bar.value) for bar in service.errors(snapshot, OLLAMA).bars] == [("upstream", 6)]
    assert len(service.failed(snapshot, OLLAMA).rows) == 6
    breaker = service.breaker(snapshot, OLLAMA)
    assert isinstance(breaker, Text)
    facts = {fact.name: fact.value for fact in breaker.facts}
    assert (facts["State"], facts["Why"]) == ("open", "6 failures in a row: refused")
    titles = [button.title for button in service.actions(snapshot, OLLAMA).buttons]
    assert titles == ["Restart", "Reset the breaker", "Trip the breaker"]


def test_a_services_charts_show_its_own_calls_only() -> None:
    """ORC-5: calls and latency of one service, from when watching began, without the step that is still open."""
    made = busy_service()
    made.tick(20.0)
    view = View(page="services", path=(("name", "openai"),))
    rate = service.rate(made.snapshot(), view)
    assert isinstance(rate, TimeSeries)
    calls = [value for value in rate.lines[0].values if value is not None]
    assert round(sum(calls) * rate.step) == 2
    latency = service.latency(made.snapshot(), view)
    assert {line.name for line in latency.lines} == {"p50", "p95", "p99"}
    assert rate.lines[0].values[0] is None


def test_a_service_nobody_knows_says_so() -> None:
    """Errors: an address of old leads to a page that says what is wrong."""
    snapshot = troubled().snapshot()
    gone = View(page="services", path=(("name", "<b>gone</b>"),))
    assert service.summary(snapshot, gone).empty == service.GONE
    assert service.factors(snapshot, gone).empty == service.GONE
    assert [slot.name for slot in services.page(snapshot, gone).slots] == ["service"]


def test_services_are_a_rule_among_the_others() -> None:
    """HUB-2, ORC-2: the Alerts page says how many services are not healthy; red where one of them is required."""
    for made, state, said in (
        (troubled(), "warn", "1 of 3 not healthy"),
        (troubled(required=1), "error", "1 of 3 not healthy"),
        (busy_service(), "ok", ""),
        (ScriptedService(), "idle", ""),
    ):
        (rule,) = [rule for rule in alerts.judgements(made.snapshot()) if rule[0] == "Services"]
        assert (rule[1], rule[3]) == (said, state)


def test_the_verdict_names_the_service_that_is_unwell() -> None:
    """HUB-2: down where it is required, degraded where not, with the cause and a link to where to look."""
    verdict = rules.judge(troubled().snapshot())
    assert (verdict.state, verdict.href) == ("warn", "services")
    assert verdict.sentence == "Degraded. Service ollama is down: success rate 0 % of the last 6 calls, 2 s."
    assert [phrase.href for phrase in verdict.phrases if phrase.href] == ["services/ollama"]
    required = rules.judge(troubled(required=1).snapshot())
    assert (required.state, required.sentence.split(".")[0]) == ("error", "Down")
    assert rules.judge(busy_service().snapshot()).href != "services"
