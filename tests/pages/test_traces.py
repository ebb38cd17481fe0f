"""A request's page shows its calls where they were, and under what."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.faces.service import ScriptedService

from fanlight.core.frame import Record
from fanlight.pages import request as request_page
from fanlight.pages import traces
from fanlight.panels import View, Waterfall


def waterfall(service: ScriptedService, id: str) -> Waterfall:
    panel = request_page.timing(service.snapshot(), View(page="request", path=(("id", id),)))
    assert isinstance(panel, Waterfall)
    return panel


def test_calls_stand_under_the_call_that_made_them_at_their_time() -> None:
    """X-4: start offset, duration, state and depth of each call, inside the request's own time."""
    service = ScriptedService()
    service.clock.advance(1.0)
    outer = service.call("routellm", "route", 0.5, kind="wrapper", correlation_id="r")
    service.clock.advance(0.5)
    service.call("postgres", "insert", 0.25, outcome="timeout", correlation_id="r", parent=outer)
    service.clock.advance(0.25)
    service.call("redis", "get", 0.1, outcome="cancelled", correlation_id="r")
    service.request(seconds=2.0, correlation_id="r")
    service.tick()
    panel = waterfall(service, "r")
    found = [(s.name, round(s.start, 6), round(s.duration, 6), s.state, s.depth) for s in panel.spans]
    assert found == [
        ("request", 0.0, 2.0, "warn", 0),
        ("routellm route", 0.75, 0.5, "", 1),
        ("postgres insert", 1.5, 0.25, "error", 2),
        ("redis get", 1.9, 0.1, "idle", 1),
    ]
    assert panel.note == "with 3 calls"


def test_a_background_task_widens_the_axis() -> None:
    """X-4: what went on after the response is still inside the picture."""
    service = ScriptedService()
    service.request(seconds=2.0, correlation_id="r")
    service.clock.advance(3.0)
    service.call(seconds=1.0, correlation_id="r")
    service.tick()
    assert waterfall(service, "r").duration == 5.0


@st.composite
def calls(draw: st.DrawFn) -> list[Record]:
    """Calls with any parents: missing ones, themselves, each other."""
    number = st.integers(0, 6)
    made = []
    for place in range(draw(st.integers(0, 6))):
        data: dict[str, Any] = {
            "service": "s", "operation": str(place), "outcome": "ok", "error_type": "", "instance": "i",
            "duration": draw(st.floats(0, 10)), "call": place + 1, "parent": draw(number),
        }  # fmt: skip
        made.append(Record(float(place), str(place), "call", data))
    return made


@given(calls())
def test_no_link_between_calls_loops_or_loses_one_that_has_a_root(records: list[Record]) -> None:
    """X-4: every call that is not its own ancestor is drawn exactly once, never before the request began."""
    spans = traces.spans(records, 2.0)
    names = [span.name for span in spans]
    assert len(names) == len(set(names))
    assert all(span.start >= 0 and 1 <= span.depth <= traces.DEPTH_LIMIT for span in spans)
    parents = {record.data["call"]: record.data["parent"] for record in records}
    rooted = [record for record in records if _rooted(record.data["call"], parents)]
    assert {f"s {record.data['operation']}" for record in rooted} <= set(names)


def _rooted(call: int, parents: dict[int, int]) -> bool:
    seen = set()
    while call in parents and call not in seen:
        seen.add(call)
        call = parents[call]
    return call not in seen
