"""Calls fold into families of services and models, and those of kept requests are found with them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.core.test_recorder import Bench

from fanlight.core.calls import CLAIMED_LIMIT, OUTCOME_NAMES, TRACE_LIMIT, WAITING_LIMIT
from fanlight.core.facts import CALL
from fanlight.core.frame import Frame


class Calls(Bench):
    """A recorder that is told of calls."""

    def call(
        self, service: str = "db", operation: str = "get", seconds: float = 0.01, *, kind: str = "wrapper",
        outcome: str = "", id: str = "", parent: Any = None, **attributes: Any,
    ) -> Any:  # fmt: skip
        made = SimpleNamespace(service=service, operation=operation, kind=kind, attributes=attributes, id=0)
        head = (CALL, self.recorder.next_seq(), self.clock.monotonic_ns(), round(seconds * 1e9))
        self.recorder.append((*head, made, parent, id, outcome, f"{outcome}!" if outcome else None))
        return made


def operations(frame: Frame, kind: str) -> list[str]:
    return [record.data["operation"] for record in frame.kept.get(kind, ())]


def test_the_calls_of_a_request_are_kept_with_it() -> None:
    """X-4: calls wait for their request, over many ticks; they are kept if it is, by what it was kept for."""
    bench = Calls()
    bench.call(operation="early", id="slow")
    bench.call(operation="other", id="quick")
    assert operations(bench.take(), "calls") == []
    bench.call(operation="late", id="slow")
    bench.request(seconds=2.0, id="slow")
    bench.request(id="quick")
    frame = bench.take()
    assert operations(frame, "traces") == ["early", "late"]
    assert operations(frame, "calls") == ["other"]
    assert not bench.recorder.fold._calls.waiting


def test_calls_of_requests_that_are_not_kept_are_let_go() -> None:
    """Bounds: of a thousand requests in a second the calls of the fifty newest are kept, and none waits on."""
    bench = Calls()
    for number in range(1_000):
        bench.call(operation=str(number), id=f"r{number}")
        bench.request(id=f"r{number}")
    frame = bench.take()
    assert operations(frame, "calls") == [str(number) for number in range(950, 1_000)]
    assert not bench.recorder.fold._calls.waiting
    assert len(bench.recorder.fold._calls._claimed) == 50


def test_late_calls_find_their_request() -> None:
    """X-4: a background task's call, after the response, is kept with its request."""
    bench = Calls()
    bench.request(id="r", status=500)
    bench.take()
    bench.call(operation="afterwards", id="r")
    assert operations(bench.take(), "traces") == ["afterwards"]


def test_calls_that_wait_are_bounded() -> None:
    """Bounds: 100 calls of one request, the others counted as dropped; 16,384 in all, for a minute at most."""
    bench = Calls()
    for number in range(TRACE_LIMIT + 7):
        bench.call(operation=str(number), id="chatty")
    assert bench.take().counters["fanlight.dropped.calls"] == 7
    for number in range(WAITING_LIMIT):
        bench.call(id=f"never-{number}")
    frame = bench.take()
    assert operations(frame, "calls") == [str(number) for number in range(7, TRACE_LIMIT + 7)]
    assert sum(map(len, bench.recorder.fold._calls.waiting.values())) == WAITING_LIMIT
    for number in range(CLAIMED_LIMIT + 9):
        bench.request(id=f"failed-{number}", status=500)
        bench.take()
    assert len(bench.recorder.fold._calls._claimed) == CLAIMED_LIMIT


def test_calls_of_what_is_no_request_are_kept_after_a_minute() -> None:
    """X-8: a worker's job has a correlation ID and no request: its calls are kept, a little later."""
    bench = Calls()
    bench.call(operation="job", id="job-1")
    assert operations(bench.take(61.0), "calls") == []
    bench.call(operation="next", id="job-2")
    assert operations(bench.take(), "calls") == ["job"]


@pytest.mark.parametrize("kind", ["database", "llm"])
@pytest.mark.parametrize("outcome", ["", "timeout"])
def test_a_call_that_cannot_be_counted_costs_only_itself(kind: str, outcome: str) -> None:
    """X-8: what breaks while a tick is settled is counted as a failure; all else of the tick stays."""
    bench = Calls()
    for number in range(300):
        bench.call(kind=kind, model="small", output_tokens=7)
        if number == 150:
            made = SimpleNamespace(
                service="db", operation="get", kind=kind, attributes={"model": "small", "output_tokens": 7}, id=0
            )
            bench.recorder.append((CALL, bench.recorder.next_seq(), 0, "soon", made, None, "", outcome, None))
    bench.request()
    frame = bench.take()
    later = bench.take()
    assert frame.counters.get("fanlight.failures", 0) + later.counters.get("fanlight.failures", 0) >= 1
    assert frame.totals["calls"].count == frame.totals["services"].count == 300
    assert frame.totals["requests"].count == 1
    if kind == "llm":
        assert frame.totals["models"].count == 300
        assert frame.counters["gen_ai.tokens.output"] >= 300 * 7
    assert Frame.decode(frame.encode()) == frame


def test_error_types_are_bounded() -> None:
    """Bounds: error types are the application's to invent; beyond the limit they count as `other`, still as errors."""
    bench = Calls()
    for number in range(OUTCOME_NAMES + 5):
        bench.call(operation=str(number), outcome=f"Error{number}")
    cell = bench.take().totals["calls"]
    assert cell.errors == OUTCOME_NAMES + 5
    assert cell.outcomes["other"] == 5


def test_services_beyond_the_cap_are_visible() -> None:
    """Bounds: 500 operations and services each; the rest is in `other`, each call counted once as dropped."""
    bench = Calls(max_series=2)
    for name in "abcd":
        bench.call(service=name, operation="x")
    frame = bench.take()
    assert frame.series["calls"]["other", "other"].count == 2
    assert frame.series["services"]["other", "other"].count == 2
    assert frame.counters == {"fanlight.dropped.series": 2}


def test_slow_calls_are_kept_models_by_their_own_threshold() -> None:
    """HUB-5: a call is slow from 1 s on, a language model's from 5 s on."""
    bench = Calls()
    bench.call(operation="db", seconds=1.0)
    bench.call(operation="chat", seconds=4.9, kind="llm")
    bench.call(operation="essay", seconds=5.0, kind="llm")
    assert operations(bench.take(), "slow_calls") == ["db", "essay"]


def test_a_call_knows_its_parent_by_number() -> None:
    """X-4: parents end after their children, or before them; either way both sides of the link are the same."""
    bench = Calls()
    outer = bench.call(operation="outer")
    bench.call(operation="inner", parent=outer)
    records = {record.data["operation"]: record.data for record in bench.take().kept["calls"]}
    assert records["inner"]["parent"] == records["outer"]["call"] != 0
    assert records["outer"]["parent"] == 0


def test_a_fork_lets_the_parents_calls_be() -> None:
    """ORC-1: the child of a fork holds no call of its parent's."""
    bench = Calls()
    bench.call(id="r")
    bench.take()
    bench.recorder.renew()
    assert not bench.recorder.fold._calls.waiting
