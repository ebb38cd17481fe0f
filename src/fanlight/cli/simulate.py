"""`fanlight simulate`: LLM APIs with no model behind them, on a port of their own."""

from __future__ import annotations

import click
import uvicorn

from fanlight.cli.listening import bind, is_loopback, url
from fanlight.cli.serving import GRACEFUL_SECONDS, Server, run
from fanlight.cli.signals import STOP_SIGNALS, handled
from fanlight.errors import FanlightError
from fanlight.gateway.simulate import SimulatedProvider, Simulator
from fanlight.gateway.simulate.provider import MODELS


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", type=click.IntRange(0, 65_535), default=9099, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same answers.")
@click.option("--speed", type=click.FloatRange(0.01, 1_000), default=1.0, show_default=True, help="Times as fast.")
@click.option(
    "--failures", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="The share of requests that fail."
)
@click.option("--model", "models", multiple=True, help="A model to list, in place of the usual four; any may be asked.")
@click.option("--debug", is_flag=True, help="Show tracebacks of refusals, and debug lines of the server.")
def simulate(
    host: str, port: int, seed: int, speed: float, failures: float, models: tuple[str, ...], debug: bool
) -> int:
    """Serve the OpenAI, Anthropic and Ollama protocols with no model behind them.

    A model whose name ends in -fail-429 (any status), -fail-hang, -fail-reset, -fail-cut, -fail-garbage, -fail-error
    or -fail-slow fails so; the header x-simulate does the same.
    """
    sockets = bind(host, port)
    if not is_loopback(sockets):
        raise FanlightError(f"--host {host} is no loopback address; the simulated provider asks nobody for a key")
    app = SimulatedProvider(Simulator(seed=seed, speed=speed, failures=failures, models=models or MODELS))
    config = uvicorn.Config(
        app,
        interface="asgi3",
        log_level="debug" if debug else "critical",  # a simulated loss of the connection is no error of the server
        access_log=debug,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    address = url(host, sockets)
    server = Server(config, lambda: click.echo(f"fanlight: a simulated provider at {address}; Ctrl+C stops it"))
    with handled(STOP_SIGNALS, server.stop):
        return run(server, sockets)
