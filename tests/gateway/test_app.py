"""Who may use the gateway, what it lists, and what happens when its configuration changes."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.mcp.servers import until
from tests.gateway.serving import PATIENCE, served

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.gateway.app import SLOW_ROUTES, Gateway
from fanlight.gateway.config import ConfigError
from fanlight.gateway.loading import loaded
from fanlight.panels import View

SIM = '[providers.sim]\nkind = "simulated"\nspeed = 1000\n[models.a]\nprovider = "sim"\n[models.b]\nprovider = "sim"\n'
ONLY = '[providers.far]\nkind = "anthropic"\nbase_url = "http://127.0.0.1:9"\n[models.c]\nprovider = "far"\n'
KEYS = '[keys.ann]\nkey_env = "ANN"\nmodels = ["a"]\n[keys.bob]\nkey_env = "BOB"\nrole = "operator"\n'
SECRETS = {"ANN": "ann-0123456789abcdef", "BOB": "bob-0123456789abcdef"}
WISH = json.dumps({"model": "a", "messages": [{"role": "user", "content": "hi"}]})

Ask = Callable[..., tuple[int, dict[str, str], Any]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Ask]]:
    """Serves a gateway by a configuration; asks it."""
    closers: list[Any] = []

    def open_(text: str) -> Ask:
        (tmp_path / "hub.toml").write_text(text)
        dashboard = Fanlight("gateway")
        serving = served(dashboard.asgi(Gateway(dashboard, tmp_path / "hub.toml", environ=SECRETS)))
        address = serving.__enter__().removeprefix("http://")
        closers.extend((dashboard, serving))

        def ask(method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, dict[str, str], Any]:
            connection = http.client.HTTPConnection(address, timeout=PATIENCE)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            texts = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, texts, json.loads(data) if data else None

        return ask

    yield open_
    for each in reversed(closers):
        each.close() if isinstance(each, Fanlight) else each.__exit__(None, None, None)


def test_lists_are_those_of_the_protocol(opened: Callable[[str], Ask]) -> None:
    """HUB-9: each protocol lists the models that can be asked by it, in its own shape."""
    ask = opened(SIM + ONLY)
    assert [each["id"] for each in ask("GET", "/v1/models")[2]["data"]] == ["a", "b"]
    anthropic = ask("GET", "/v1/models", anthropic_version="2023-06-01")[2]
    assert ([each["id"] for each in anthropic["data"]], anthropic["last_id"]) == (["a", "b", "c"], "c")
    assert [each["name"] for each in ask("GET", "/api/tags")[2]["models"]] == ["a", "b"]
    assert ask("GET", "/v1/models/b")[2]["id"] == "b"
    assert ask("GET", "/v1/models/c")[0] == 404
    assert ask("GET", "/api/version")[2]["version"]
    assert [each["id"] for each in ask("GET", "/sim/v1/models")[2]["data"]] == ["a", "b"]
    assert ask("GET", "/far/v1/models", anthropic_version="2023-06-01")[0] == 502


def test_a_provider_is_asked_below_its_name(opened: Callable[[str], Ask]) -> None:
    """HUB-9: whatever the model; by a protocol it does not speak it is not."""
    ask = opened(SIM + ONLY)
    unlisted = WISH.replace('"a"', '"whatever"')
    assert ask("POST", "/sim/v1/chat/completions", unlisted)[2]["model"] == "whatever"
    status, _, refused = ask("POST", "/far/v1/chat/completions", unlisted)
    assert (status, "it speaks anthropic" in refused["error"]["message"]) == (400, True)
    assert ask("POST", "/nobody/v1/chat/completions", unlisted)[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405), ("GET", "/nothing", 404), ("GET", "/", 307)],
)
def test_other_ways_are_refused(opened: Callable[[str], Ask], method: str, path: str, status: int) -> None:
    """HUB-9: wrong methods and addresses have their status; the front door leads to the dashboard."""
    answer = opened(SIM)(method, path, WISH if method == "POST" else None)
    assert answer[0] == status
    assert answer[1].get("location", "/dashboard") == "/dashboard"


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags", "/sim/v1/models", "/v1/models/a", "/api/version"])
def test_host_and_origin_are_checked_everywhere(opened: Callable[[str], Ask], path: str) -> None:
    """X-6: a foreign Host is DNS rebinding, a foreign Origin somebody's page; null is foreign too."""
    ask = opened(SIM)
    assert ask("GET", path)[0] == 200
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": ""}):
        assert ask("GET", path, **headers)[0] == 403, headers


@pytest.mark.parametrize("keys", ["", KEYS])
@pytest.mark.parametrize(("path", "status"), [("/", 307), ("/nothing", 404), ("/sim/nothing", 404)])
def test_the_front_door_and_nothing_are_checked_too(
    opened: Callable[[str], Ask], path: str, status: int, keys: str
) -> None:
    """X-6: what needs no key is for nobody else's pages and names either."""
    ask = opened(SIM + keys)
    assert ask("GET", path)[0] == status
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        *([] if keys else [{"Host": "evil.example"}]),
    ):
        assert ask("GET", path, **headers)[0] == 403, headers


def test_pages_of_named_origins_may_ask(opened: Callable[[str], Ask]) -> None:
    """X-6: with preflight and the header that lets them read the answer; others get neither."""
    ask = opened(SIM + KEYS + '[gateway]\norigins = ["https://app.example"]\nhosts = ["hub.example"]\n')
    wanted = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    status, headers, _ = ask("OPTIONS", "/v1/chat/completions", Origin="https://app.example", **wanted)
    assert (status, headers["access-control-allow-headers"]) == (204, "authorization")
    key = {"Authorization": f"Bearer {SECRETS['ANN']}", "Origin": "https://app.example", "Host": "hub.example"}
    status, headers, _ = ask("POST", "/v1/chat/completions", WISH, **key)
    assert (status, headers["access-control-allow-origin"]) == (200, "https://app.example")
    assert ask("OPTIONS", "/v1/chat/completions", Origin="https://evil.example", **wanted)[0] == 403
    assert ask("OPTIONS", "/v1/chat/completions", **wanted)[0] == 405


def test_keys_are_needed_where_there_are_any(opened: Callable[[str], Ask]) -> None:
    """X-6: as bearer token or x-api-key, for the models they are for; a refusal repeats none."""
    ask = opened(SIM + KEYS)
    path = "/v1/chat/completions"
    assert ask("POST", path, WISH)[0] == 401
    wrong = ask("POST", path, WISH, Authorization="Bearer wrong-key-0123456789")
    assert (wrong[0], "wrong-key" in json.dumps(wrong[2])) == (401, False)
    assert ask("POST", path, WISH, x_api_key=SECRETS["ANN"])[0] == 200
    other = WISH.replace('"a"', '"b"')
    assert ask("POST", path, other, Authorization=f"Bearer {SECRETS['ANN']}")[0] == 403
    assert ask("POST", path, other, Authorization=f"bearer {SECRETS['BOB']}")[0] == 200
    assert [each["id"] for each in ask("GET", "/v1/models", x_api_key=SECRETS["ANN"])[2]["data"]] == ["a"]
    unlisted = WISH.replace('"a"', '"z"')
    assert ask("POST", f"/sim{path}", unlisted, x_api_key=SECRETS["ANN"])[0] == 403


def test_a_public_gateway_needs_keys(tmp_path: Path) -> None:
    """X-6: also when the file loses them later."""
    (tmp_path / "hub.toml").write_text(SIM)
    with pytest.raises(ConfigError, match="needs keys, and there are none"):
        loaded(tmp_path / "hub.toml", SECRETS, public=True)


def test_a_changed_file_counts_when_it_is_right(tmp_path: Path) -> None:
    """HUB-7, HUB-9: reloading swaps the whole configuration or changes nothing; the dashboard offers it."""
    path = tmp_path / "hub.toml"
    path.write_text(SIM)
    dashboard = Fanlight("gateway")

    async def change() -> tuple[str, list[str], list[str]]:
        gateway = Gateway(dashboard, path, environ={})
        path.write_text(SIM + ONLY)
        said = await gateway.reload()
        after = list(gateway.runtime.config.models)
        path.write_text("[models.x]\n")
        with pytest.raises(ConfigError, match="has no provider"):
            await gateway.reload()
        return said, after, list(gateway.runtime.config.models)

    assert asyncio.run(change()) == ("2 providers, 3 models", ["a", "b", "c"], ["a", "b", "c"])
    dashboard.close()


def test_what_the_configuration_has_no_longer_is_no_longer_depended_on(tmp_path: Path) -> None:
    """HUB-2, HUB-3, HUB-7: a provider that a reload removes is probed no more, nor are it and its breaker shown; one
    that becomes an MCP server, or was one, is what it became."""
    path, clock = tmp_path / "hub.toml", ManualClock()
    dashboard = Fanlight("gateway", clock=clock)
    server = '[mcp.turn]\nurl = "http://127.0.0.1:9/mcp"\n'
    provider = '[providers.turn]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'

    async def become() -> list[dict[str, str]]:
        path.write_text(SIM + ONLY)
        gateway = Gateway(dashboard, path, environ={})
        found = []
        try:
            for text in (SIM + ONLY, SIM + server, SIM + provider, SIM + server, SIM):
                path.write_text(text)
                await gateway.reload()
                found.append(depended_on())
        finally:
            await gateway.servers.close()
        return found

    def depended_on() -> dict[str, str]:
        for _ in range(20):
            clock.advance(1.0)
            dashboard.pulse.tick()
        snapshot = dashboard.query.snapshot(View())
        breakers = {breaker.name for breaker in dashboard._breakers.all()}
        found = {each.name: each.kind for each in snapshot.services if each.declared}
        assert breakers == found.keys()
        return found

    turns = [{"sim": "llm", "far": "llm"}, *({"sim": "llm", "turn": kind} for kind in ("mcp", "llm", "mcp"))]
    assert asyncio.run(become()) == [*turns, {"sim": "llm"}]
    dashboard.close()


def test_a_model_that_takes_its_time_makes_no_slow_request(opened: Callable[[str], Ask]) -> None:
    """HUB-6, API-6: the paths of models and tools may take long; each is one route, whatever provider or server."""
    ask = opened(SIM)
    ask("POST", "/sim/v1/chat/completions", WISH, content_type="application/json")
    ask("GET", "/mcp/nobody/tools")

    def counted() -> bool:
        kept = ask("GET", "/dashboard/api/requests")[2]["requests"]
        return {"/{provider}/v1/chat/completions", "/mcp/{server}/tools"} <= {each["route"] for each in kept}

    until(counted)
    assert {"/v1/messages", "/{provider}/api/chat", "/mcp/{server}/tools/call"} <= SLOW_ROUTES.keys()
