"""What a simulated model answers is recorded: its tokens, its failures, and under which route."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.gateway.simulate.test_provider import ROUTES, WISH

from fanlight import Fanlight
from fanlight.core.sections import Model
from fanlight.gateway.simulate import PLAY_VARIABLE, SimulatedProvider, Simulator, provider
from fanlight.gateway.simulate.application import PATIENCE_SECONDS, create
from fanlight.panels import View

CHAT = "/v1/chat/completions"


def answered(app: Any, path: str, wish: Mapping[str, Any] | bytes, method: str = "POST") -> bytes:
    """The body of an answer, as far as it came."""
    asked = [wish if isinstance(wish, bytes) else json.dumps(wish).encode()]
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        if asked:
            return {"type": "http.request", "body": asked.pop()}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return b"".join(sent)


def provided() -> tuple[Any, Fanlight]:
    """A simulated provider that hardly waits, with its dashboard."""
    dashboard = Fanlight("simulate", store="memory://")
    return SimulatedProvider(Simulator(speed=1_000), dashboard), dashboard


def model(dashboard: Fanlight, name: str) -> Model:
    """What was recorded of a model."""
    dashboard.pulse.tick()
    return next(each for each in dashboard.query.snapshot(View(scope="this")).models if each.model == name)


def test_an_answer_is_a_call_with_the_tokens_it_told() -> None:
    """TTY-7, X-2: tokens in and out are those of the answer; a stream's first token has its time."""
    app, dashboard = provided()
    usage = json.loads(answered(app, CHAT, WISH))["usage"]
    answered(app, CHAT, {**WISH, "stream": True})
    found = model(dashboard, "m")
    assert (found.service, found.total.count, found.total.errors) == ("simulator", 2, 0)
    assert found.tokens["input"].amount == 2 * usage["prompt_tokens"]
    assert found.tokens["output"].amount == 2 * usage["completion_tokens"]
    assert found.first_token.count == 1
    dashboard.close()


@pytest.mark.parametrize(
    ("failure", "kind"),
    [("429", "rate_limit"), ("500", "internal"), ("cut", "ConnectionLost"), ("reset", "ConnectionLost"),
     ("garbage", "upstream"), ("error", "upstream")],
)  # fmt: skip
def test_a_failure_on_demand_is_a_failed_call(failure: str, kind: str) -> None:
    """TTY-3: whatever fails counts as failed, by its type, and tells no tokens."""
    app, dashboard = provided()
    name = f"m-fail-{failure}"
    answered(app, CHAT, {**WISH, "model": name, "stream": True})
    found = model(dashboard, name)
    assert (found.total.count, found.total.errors, found.tokens) == (1, 1, {})
    [call] = dashboard.query.snapshot(View(scope="this")).calls
    assert call.data["error_type"] == kind
    dashboard.close()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": 3}', b"\xff", b"[" * 100_000])
def test_what_cannot_be_understood_is_recorded_without_a_model(body: bytes) -> None:
    """X-6: no request makes it fail in another way than by the answer that says so."""
    app, dashboard = provided()
    assert b"the request cannot be understood" in answered(app, CHAT, body)
    dashboard.pulse.tick()
    [call] = dashboard.query.snapshot(View(scope="this")).calls
    assert call.data["error"]
    dashboard.close()


def test_each_route_is_an_operation_and_lists_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-7, HUB-3: `fanlight simulate` records requests by route and calls by operation."""
    monkeypatch.setenv(PLAY_VARIABLE, json.dumps({"speed": 1_000, "models": ["mine"]}))
    app = create()
    dashboard: Fanlight = app.fanlight_dashboard
    for path in ROUTES:
        answered(app, path, {**WISH, "prompt": "hello", "input": "hello", "stream": False})
    answered(app, "/v1/models/mine", b"", "GET")
    assert b"mine" in answered(app, "/v1/models", b"", "GET")
    dashboard.pulse.tick()
    snapshot = dashboard.query.snapshot(View(scope="this"))
    assert {each.data["operation"] for each in snapshot.calls} == {each.operation for each in provider.ROUTES.values()}
    assert {each.data["outcome"] for each in snapshot.calls} == {"ok"}
    found = {route.route for route in snapshot.routes}
    assert found >= {*ROUTES, "/v1/models/{model}"}
    assert dashboard.settings.slow_routes[CHAT] == PATIENCE_SECONDS
    dashboard.close()
