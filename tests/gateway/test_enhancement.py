"""Prompts rewritten by a model: once each, kept over restarts, cleared by the button."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.gateway.conftest import provided
from tests.gateway.mcp.servers import until
from tests.gateway.serving import served

from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from fanlight.gateway.shelf import Shelf
from fanlight.panels import View

TEXT = provided({"sim": 'kind = "simulated"\nspeed = 1000'}) + '\n[enhancement]\nmodel = "llama-sim"\n'
WISH = {"prompt": "tell me about fanlights"}


@contextmanager
def gateway(folder: Path, models: str = "", **settings: Any) -> Iterator[tuple[str, Fanlight]]:
    (folder / "hub.toml").write_text(TEXT + models)
    dashboard = Fanlight("gateway", local_role="operator", **settings)
    with served(dashboard.asgi(Gateway(dashboard, folder / "hub.toml", environ={}))) as address:
        yield address, dashboard
    dashboard.close()


def posted(url: str, *bodies: Any) -> list[tuple[int, str, Any]]:
    """The status, the cache header and the body of answers to requests made at once."""

    async def post(client: aiohttp.ClientSession, body: Any) -> tuple[int, str, Any]:
        async with client.post(url, json=body) as reply:
            return reply.status, reply.headers.get("x-fanlight-cache", ""), await reply.json()

    async def post_all() -> list[tuple[int, str, Any]]:
        async with aiohttp.ClientSession() as client:
            return list(await asyncio.gather(*(post(client, body) for body in bodies)))

    return asyncio.run(post_all())


def calls(dashboard: Fanlight) -> int:
    return sum(each.total.count for each in dashboard.query.snapshot(View()).operations)


def test_by_default_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-10, HUB-4: a gateway that was told no store keeps its prompts and runs all the same, for all its workers."""
    monkeypatch.delenv("FANLIGHT_STORE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with gateway(tmp_path) as (address, _), gateway(tmp_path) as (other, _):
        assert [posted(f"{each}/ollama/enhance", WISH)[0][1] for each in (address, other)] == ["miss", "hit"]
    with gateway(tmp_path) as (address, _):
        assert posted(f"{address}/ollama/enhance", WISH)[0][1] == "hit"
    [runs] = tmp_path.glob("fanlight/gateway-*.db.runs")
    assert runs.stat().st_mode & 0o777 == 0o600


def test_once_kept_and_cleared(tmp_path: Path) -> None:
    """HUB-9, HUB-4, HUB-7, HUB-10: equal prompts at once ask the model once; later ones, and those after a restart,
    not at all; the number of entries is true; clear-cache forgets them."""
    with gateway(tmp_path, store=f"sqlite:///{tmp_path}/f.db") as (address, dashboard):
        first = posted(f"{address}/ollama/enhance", *[WISH] * 5)
        assert {(status, body["prompt"]) for status, _, body in first} == {(200, first[0][2]["prompt"])}
        assert first[0][2]["prompt"]
        until(lambda: calls(dashboard) == 1)
        assert [header for _, header, _ in posted(f"{address}/ollama/enhance", WISH)] == ["hit"]
        other = posted(f"{address}/ollama/enhance", WISH | {"style": "short"}, WISH | {"model": "gpt-sim"})
        assert [header for _, header, _ in other] == ["miss", "miss"]
        until(lambda: dashboard.cache("enhancement").entries == 3)
    with gateway(tmp_path, store=f"sqlite:///{tmp_path}/f.db") as (address, dashboard):
        assert posted(f"{address}/ollama/enhance", WISH)[0][:2] == (200, "hit")
        assert posted(f"{address}/dashboard/actions/clear-cache", None)[0][0] == 200
        until(lambda: posted(f"{address}/ollama/enhance", WISH | {"style": "short"})[0][1] == "miss")


def test_another_model_under_the_same_name(tmp_path: Path) -> None:
    """HUB-9: what one model made is not given out as another's that has taken its name."""
    for upstream, header in (("gpt-sim", "miss"), ("claude-sim", "miss"), ("gpt-sim", "hit")):
        models = f'[models.writer]\nprovider = "sim"\nupstream = "{upstream}"\n'
        with gateway(tmp_path, models, store=f"sqlite:///{tmp_path}/f.db") as (address, _):
            assert posted(f"{address}/ollama/enhance", WISH | {"model": "writer"})[0][:2] == (200, header)


def test_what_is_wrong(tmp_path: Path) -> None:
    """HUB-9: what cannot be enhanced is refused with a status of its own, and a model's failure is told."""
    with gateway(tmp_path, store=f"sqlite:///{tmp_path}/f.db") as (address, _):
        bodies: list[Any] = [{}, {"prompt": ""}, WISH | {"model": "none"}, WISH | {"model": "llama-sim-fail-503"}]
        assert [status for status, _, _ in posted(f"{address}/ollama/enhance", *bodies)] == [400, 400, 404, 503]


def test_bounds() -> None:
    """HUB-4: by bytes the oldest go first, by age those that are too old; an answer larger than all is not kept."""
    now = [0.0]
    shelf = Shelf(None, lambda: now[0])
    gone = 0
    for number in range(20):
        now[0] += 1
        gone += shelf.put(bytes([number]), "x" * 800, 10_000, 100)
    assert (shelf.count(), gone) == (10, 10)
    assert shelf.get(bytes([9]), 100) is None
    assert shelf.get(bytes([10]), 100) == "x" * 800
    assert shelf.put(b"big", "x" * 20_000, 10_000, 100) == 0
    now[0] += 95
    assert shelf.get(bytes([10]), 100) is None
    assert shelf.put(b"new", "y", 10_000, 100) == 5
    assert shelf.clear() == 6
    shelf.close()
