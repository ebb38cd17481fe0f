"""The feed of events, and which of them are told at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.service import ScriptedService

from fanlight.core.frame import Record
from fanlight.core.history import History, Span
from fanlight.core.query import Query, Ranged
from fanlight.pages.events import NOTICE_SECONDS, NOTICED, SHOWN, events, notices
from fanlight.panels import FeedItem, View


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


def happened(service: ScriptedService, kind: str, **fields: Any) -> None:
    service.recorder.event(kind, fields)
    service.tick()


def feed(service: ScriptedService) -> tuple[FeedItem, ...]:
    return events(service.snapshot(), View()).items


@pytest.mark.parametrize(("level", "state"), [("error", "error"), ("WARNING", "warn"), ("info", ""), (None, "")])
def test_a_level_is_a_state(service: ScriptedService, level: str | None, state: str) -> None:
    """API-9, ORC-6: `level` says how bad it is and is not repeated in words."""
    happened(service, "upload", **({"level": level} if level else {}), name="a.pdf", size=3)
    (item,) = feed(service)
    assert (item.type, item.text, item.state) == ("upload", "name a.pdf · size 3", state)


@pytest.mark.parametrize(("status", "state"), [("success", "ok"), ("error", "error")])
def test_outcomes_of_actions_are_in_the_feed(service: ScriptedService, status: str, state: str) -> None:
    """HUB-7, ORC-6: with what was said of it, under its run."""
    happened(service, "action", action="reindex", status=status, message="Re-index: said", run="r1", level="error")
    assert feed(service) == (
        FeedItem(key="r1", at=feed(service)[0].at, type="action", text="Re-index: said", state=state),  # type: ignore[arg-type]  # a State
    )


def test_errors_and_outcomes_are_told_and_nothing_else(service: ScriptedService) -> None:
    """ORC-6: notices are few: what went wrong, and what became of actions; breakers say their level."""
    happened(service, "upload", name="a.pdf")
    happened(service, "action", action="a", status="success", message="done", run="r1")
    happened(service, "breaker", name="ollama", state="half-open", reason="a probe")
    happened(service, "breaker", name="ollama", state="open", reason="5 failures in a row")
    assert [item.type for item in notices(service.snapshot())] == ["breaker", "action"]


def test_notices_are_new_and_few(service: ScriptedService) -> None:
    """ORC-6, TTY-6: at most a handful, and none that is old news."""
    for number in range(NOTICED + 5):
        service.recorder.event("failed", {"level": "error", "number": number})
    service.tick()
    assert len(notices(service.snapshot())) == NOTICED
    service.tick(NOTICE_SECONDS + 1)
    assert notices(service.snapshot()) == ()


def test_the_feed_is_bounded_and_takes_what_comes(service: ScriptedService) -> None:
    """TTY-6: the newest few, whatever the fields hold."""
    for number in range(SHOWN + 10):
        service.recorder.event("action", {"message": number, "run": None, "status": 3})
    service.tick()
    assert (len(feed(service)), feed(service)[0].state) == (SHOWN, "")


class Past:
    """A range of yesterday, as if it had been read from a store."""

    def get(self, name: str, start: float | None = None, end: float | None = None, service: str = "") -> Ranged:
        history = History(Span(600, 1_200, 60))
        happened = Record(660.0, "a", "event", {"type": "deploy", "fields": {"release": "1.4.1"}})
        return Ranged(1.0, history.view()._replace(kept={"events": (happened,)}), history.lines())


def test_the_feed_follows_the_range(service: ScriptedService) -> None:
    """OBS-1: over a range of the past it lists what happened then; what is told at once is still of now."""
    happened(service, "upload", level="error")
    service.query = Query(
        service.settings, service.clock, service, service, ranges=Past(), surroundings=service, breathe=lambda: None
    )
    then, now = View(start=600.0, end=1_200.0), View()
    past = service.query.snapshot(then)
    assert [(item.type, item.at) for item in events(past, then).items] == [("deploy", 660.0)]
    assert events(past, then).note == "of the application, chosen range"
    assert [item.type for item in notices(past)] == ["upload"]
    assert [item.type for item in events(service.query.snapshot(now), now).items] == ["upload"]
    assert events(service.query.snapshot(now), now).note == "of the application"
