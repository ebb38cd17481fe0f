"""What an application declares is checked, bounded, and told by every instance."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from fanlight import BreakerOpen, Fanlight
from fanlight.clock import ManualClock
from fanlight.core.breaker import Policy
from fanlight.errors import FanlightError
from fanlight.panels import View
from fanlight.services.registry import SERVICE_LIMIT, Declared, Prober, Registry


def test_a_declaration_is_told_with_its_kind() -> None:
    """HUB-2: name, kind, and whether it is required or can be restarted."""
    registry = Registry()
    registry.declare(Declared(name="postgres", kind="database", required=True, restart=lambda: None))
    (sample,) = registry.samples()
    assert (sample.name, sample.label, sample.value) == ("service.declared", "postgres\x1fdatabase", 3)


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "a\nb"}, {"name": "x" * 200}, {"probe": "http://x"}, {"interval": 0}, {"threshold": True}],
)
def test_a_wrong_declaration_says_what_was_expected(wrong: dict[str, Any]) -> None:
    """Errors: what was got and what was expected, when it is declared."""
    with pytest.raises(FanlightError, match="expected"):
        Registry().declare(Declared(**{"name": "ollama", **wrong}))


def test_declarations_are_bounded() -> None:
    """Bounds: a hundred services; declaring one of them anew is no new one."""
    registry = Registry()
    for number in range(SERVICE_LIMIT):
        registry.declare(Declared(name=f"s{number}"))
    registry.declare(Declared(name="s0", kind="http"))
    with pytest.raises(FanlightError, match="expected fewer"):
        registry.declare(Declared(name="one more"))


def test_a_service_declared_anew_is_probed_anew() -> None:
    """HUB-2: the newest declaration counts, and what is no longer declared is no longer probed."""
    asked: list[str] = []
    clock, prober = ManualClock(), Prober(ManualClock(), lambda: None)
    first = Declared(name="a", probe=lambda: asked.append("first"))
    list(prober.turn({"a": first}, None))
    watch = prober._watches["a"][1]
    list(prober.turn({"a": first}, None))
    assert prober._watches["a"][1] is watch
    list(prober.turn({"a": Declared(name="a", probe=lambda: asked.append("second"))}, None))
    assert prober._watches["a"][1] is not watch
    list(prober.turn({}, None))
    assert not prober._watches
    assert clock.monotonic_ns()


def test_calls_under_way_are_told_by_service() -> None:
    """ORC-2: how many, and how long the oldest has been waiting."""
    calls = [SimpleNamespace(service="ollama", began_ns=began) for began in (1_000_000_000, 3_000_000_000)]
    registry = Registry()
    samples = {each.name: each for each in registry.under_way(dict.fromkeys(map(_Key, calls)), 4_000_000_000)}
    assert (samples["service.in_flight"].label, samples["service.in_flight"].value) == ("ollama", 2)
    assert samples["service.oldest"].value == 3.0
    ended = [(each.name, each.label, each.value) for each in registry.under_way({}, 5_000_000_000)]
    assert ended == [("service.in_flight", "ollama", 0), ("service.oldest", "ollama", 0.0)]
    assert list(registry.under_way({}, 6_000_000_000)) == []


def test_a_call_that_has_ended_waits_no_more() -> None:
    """ORC-2: the second after the last call of a service none of it is under way, and none is said to wait."""
    clock = ManualClock()
    told: list[int] = []
    with closing(Fanlight("bench", clock=clock)) as dashboard:
        dashboard.service("ollama")

        def second() -> None:
            clock.advance(1)
            dashboard.pulse.tick()
            told.extend(each.in_flight for each in dashboard.query.snapshot(View()).services)

        with dashboard.call("ollama", "chat"):
            second()
            second()
        second()
        second()
    assert told == [1, 1, 0, 0]


class _Key:
    """A call by identity."""

    def __init__(self, call: SimpleNamespace) -> None:
        self.service, self.began_ns = call.service, call.began_ns


def test_calls_of_a_service_go_through_its_breaker() -> None:
    """HUB-3: with breaker= every call is guarded, in every form; refused ones are neither made nor recorded."""
    dashboard = Fanlight("bench", clock=ManualClock())
    dashboard.service("ollama", kind="llm", breaker=Policy(failures=3))

    @dashboard.call("ollama", "chat")
    def chat() -> None:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError):
        chat()
    with dashboard.call("ollama", "chat") as call:
        call.fail("overloaded", type="upstream")
    with dashboard.call("ollama", "chat") as call:
        call.fail("not yours", type="auth")
    for _ in range(3):
        with pytest.raises(ConnectionError):
            chat()
    with pytest.raises(BreakerOpen, match="3 failures in a row"):
        chat()
    cell = dashboard.recorder.take().series["services"]["ollama", "llm"]
    assert (cell.count, cell.errors) == (6, 6)
    assert not dashboard.recorder.open_calls()


def test_declared_services_give_their_calls_their_kind() -> None:
    """ORC-1: the kind is said once; a call that says another is counted under the service all the same."""
    dashboard = Fanlight("bench", clock=ManualClock())
    dashboard.service("postgres", kind="database")
    with dashboard.call("postgres", "select"), dashboard.call("postgres", "insert", kind="http"):
        pass
    services = dashboard.recorder.take().series["services"]
    assert {key[0]: cell.count for key, cell in services.items()} == {"postgres": 2}
