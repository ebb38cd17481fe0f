"""The simulated provider and gateways before it, behind real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.serving import served

from fanlight import Fanlight
from fanlight.gateway.app import Gateway
from fanlight.gateway.simulate import SimulatedProvider, Simulator

FAILING = ("gpt-sim-fail-429", "gpt-sim-fail-error")
MODELS = {
    "gpt": ("gpt-sim", "embed-sim", *FAILING),
    "claude": ("claude-sim", "claude-sim-fail-500", "claude-sim-fail-error"),
    "llama": ("llama-sim", "llama-sim-fail-503", "llama-sim-fail-error"),
}


@pytest.fixture(scope="session")
def simulated() -> Iterator[str]:
    """The address of a simulated provider that hardly waits."""
    with served(SimulatedProvider(Simulator(speed=1_000), Fanlight("simulate", enabled=False))) as address:
        yield address


def provided(providers: dict[str, str]) -> str:
    """A configuration of providers by name, each with the models of that name."""
    parts = [f"[providers.{name}]\nretries = 0\n{settings}\n" for name, settings in providers.items()]
    for name, models in MODELS.items():
        provider = name if name in providers else next(iter(providers))
        parts += [f'[models."{model}"]\nprovider = "{provider}"\n' for model in models]
    return "\n".join(parts)


def over_http(simulated: str) -> str:
    """Three providers, each of a kind of its own, at a real address."""
    return provided(
        {
            "gpt": f'kind = "openai"\nbase_url = "{simulated}/v1"',
            "claude": f'kind = "anthropic"\nbase_url = "{simulated}"',
            "llama": f'kind = "ollama"\nbase_url = "{simulated}"',
        }
    )


@pytest.fixture
def gateway(simulated: str, tmp_path: Path) -> Iterator[str]:
    """A gateway before real HTTP providers."""
    yield from _gateway(tmp_path / "hub.toml", over_http(simulated))


@pytest.fixture
def gateway_alone(tmp_path: Path) -> Iterator[str]:
    """A gateway whose provider is simulated in its own process."""
    text = provided({"sim": 'kind = "simulated"\nspeed = 1000'})
    yield from _gateway(tmp_path / "hub.toml", text)


def _gateway(path: Path, text: str) -> Iterator[str]:
    path.write_text(text)
    dashboard = Fanlight("gateway")
    with served(dashboard.asgi(Gateway(dashboard, path, environ={}))) as address:
        yield address
    dashboard.close()
