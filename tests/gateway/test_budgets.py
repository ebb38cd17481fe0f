"""Budgets of a running gateway: what is spent is true, and one that stops refuses in the shape of the API."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.gateway.mcp.servers import until
from tests.gateway.mcp.test_endpoint import asked
from tests.gateway.serving import served

from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from fanlight.gateway.config import ConfigError, load
from fanlight.gateway.schema import summary

PROVIDERS = """
[providers.sim]
kind = "simulated"
speed = 1000
[providers.other]
kind = "simulated"
speed = 1000
[models.gpt]
provider = "sim"
prices = { input = 1000.0, output = 1000.0 }
[models.spare]
provider = "other"
prices = { input = 1.0, output = 1.0 }
[models.saved]
provider = "sim"
fallbacks = ["spare"]
[keys.team-a]
key_env = "TEAM_A"
[keys.team-b]
key_env = "TEAM_B"
"""
BUDGETS = """
[budgets.total]
amount = 1000.0
[budgets.sim]
amount = 0.001
per = "day"
provider = "sim"
key = "team-a"
stop = true
"""
KEYS = {"TEAM_A": "a" * 20, "TEAM_B": "b" * 20}
PATHS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic", "/api/chat": "ollama"}


def chat(address: str, model: str, key: str = "TEAM_A", path: str = "/v1/chat/completions") -> tuple[int, Any]:
    body = {"model": model, "max_tokens": 50, "stream": False, "messages": [{"role": "user", "content": "hello"}]}
    return asked("POST", f"{address}{path}", body, {"authorization": f"Bearer {KEYS[key]}"})


def asks_once(address: str) -> bool:
    """Whether a client that tries again by itself leaves a spent budget alone, and is told when it begins anew."""
    with (
        openai.OpenAI(base_url=f"{address}/v1", api_key=KEYS["TEAM_A"]) as client,
        pytest.raises(openai.RateLimitError) as refused,
    ):
        client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hello"}])
    response, until_midnight = refused.value.response, -time.time() % 86_400
    tries = 1 + int(response.request.headers["x-stainless-retry-count"])
    return tries == 1 and abs(int(response.headers["retry-after"]) - until_midnight) < 60


def test_spent_warned_and_stopped(tmp_path: Path) -> None:
    """ORC-9, X-7: each call's cost is in the budgets that cover it; a spent one that stops refuses its provider and
    key in the shape of each API, but nobody else, and a fallback elsewhere is asked; a reload can raise it."""
    hub = tmp_path / "hub.toml"
    hub.write_text(PROVIDERS + BUDGETS)
    dashboard = Fanlight("gateway", local_role="operator")
    made = Gateway(dashboard, hub, environ=KEYS)
    with served(dashboard.asgi(made)) as address:

        def meters() -> dict[str, Any]:
            panel = asked("GET", f"{address}/dashboard/api/panels/budgets")[1]["panel"]
            return {meter["name"]: (meter["value"], meter["state"]) for meter in panel["meters"]}

        until(lambda: meters() == {"sim": (0.0, "ok"), "total": (0.0, "ok")})
        usage = chat(address, "gpt")[1]["usage"]
        cost = (usage["prompt_tokens"] + usage["completion_tokens"]) / 1000
        until(lambda: round(meters()["total"][0], 9) == round(cost, 9))
        assert meters()["sim"] == (pytest.approx(cost), "error")
        until(lambda: chat(address, "gpt")[0] == 429)
        for path, protocol in PATHS.items():
            status, said = chat(address, "gpt", path=path)
            error = said["error"]
            message = error if protocol == "ollama" else error["message"]
            assert status == 429, path
            assert message.startswith("the budget 'sim' of $0.001 a day is spent; it begins anew at 20"), path
        assert chat(address, "gpt")[1]["error"]["code"] == "budget_exceeded"
        assert asks_once(address)
        assert chat(address, "gpt", "TEAM_B")[0] == 200
        assert chat(address, "saved")[0] == 200
        hub.write_text(PROVIDERS + BUDGETS.replace("0.001", "500.0"))
        assert asked("POST", f"{address}/dashboard/actions/reload")[1]["status"] == "success"
        until(lambda: chat(address, "gpt")[0] == 200)
        hub.write_text(PROVIDERS)
        assert asked("POST", f"{address}/dashboard/actions/reload")[1]["status"] == "success"
        until(lambda: meters() == {})
    dashboard.close()


def test_a_start_counts_them(tmp_path: Path) -> None:
    """ORC-9: what is said of a configuration names its budgets."""
    (tmp_path / "hub.toml").write_text(PROVIDERS + BUDGETS)
    assert summary(load(tmp_path / "hub.toml", KEYS)) == "2 providers, 3 models, 2 budgets, 2 keys"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amount = 0", "budgets.b.amount is 0.0; expected 1e-06 to 1e"),
        ("", "has no amount"),
        ("amount = 1\nmodel = 'gtp'", "budgets.b.model is 'gtp'; expected one of gpt, saved, spare (gpt was probably"),
        ("amount = 1\nper = 'week'", "budgets.b.per is 'week'; expected day or month"),
    ],
)
def test_a_budget_without_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """ORC-9, HUB-9: with file, line and key."""
    (tmp_path / "hub.toml").write_text(f"{PROVIDERS}[budgets.b]\n{text}\n")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "hub.toml", KEYS)
    assert message in str(refused.value)
