"""`fanlight simulate`: LLM APIs with no model behind them, on a port of their own, with a dashboard."""

from __future__ import annotations

import os
from typing import Final

import click
import msgspec

from fanlight.cli.listening import bind, is_loopback
from fanlight.cli.options import listening_options
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, screen_wanted, serve_all
from fanlight.errors import FanlightError
from fanlight.gateway.simulate import PLAY_VARIABLE, Play
from fanlight.gateway.simulate.provider import MODELS
from fanlight.settings import given

TARGET: Final = "fanlight.gateway.simulate.application:create"


@click.command()
@listening_options(port=9099, workers=False, elsewhere="Loopback only, as nobody is asked for a key.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same answers.")
@click.option("--speed", type=click.FloatRange(0.01, 1_000), default=1.0, show_default=True, help="Times as fast.")
@click.option(
    "--failures", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="The share of requests that fail."
)
@click.option("--model", "models", multiple=True, help="A model to list, in place of the usual four; any may be asked.")
def simulate(
    host: str, port: int, dashboard: bool, keys: bool, debug: bool, seed: int, speed: float, failures: float,
    models: tuple[str, ...],
) -> int:  # fmt: skip
    """Serve LLM APIs with no model behind them, for tests.

    They are those of OpenAI, Anthropic and Ollama; the dashboard shows what is asked.

    \b
        fanlight simulate
        fanlight simulate --port 9099 --failures 0.05

    A model whose name ends in -fail-429 (any status), -fail-hang, -fail-reset, -fail-cut, -fail-garbage, -fail-error
    or -fail-slow fails so; the header x-simulate does the same.
    """
    screen = screen_wanted(dashboard=dashboard, keys=keys)
    store = None if "store" in given() else "memory://"  # what is played leaves nothing behind
    configure("simulate", {"store": store}, workers=1)
    sockets = bind(host, port)
    if not is_loopback(sockets):
        raise FanlightError(f"--host {host} is no loopback address; the simulated provider asks nobody for a key")
    play = Play(seed, speed, failures, models or MODELS)
    os.environ[PLAY_VARIABLE] = msgspec.json.encode(play).decode()
    plan = Plan(
        target=TARGET,
        name="simulate",
        factory=True,
        host=host,
        access_log=debug,
        log_level="debug" if debug else "critical",  # a simulated loss of the connection is no error of the server
        debug=debug,
    )
    return serve_all(plan, sockets, 1, screen, _invited)


def _invited(address: str) -> str:
    clients = f"clients take {address}/v1 (OpenAI) or {address} (Anthropic, Ollama) and any key"
    return f"fanlight: a simulated provider at {address}; {clients}"
