"""`fanlight gateway`: LLM APIs behind one address, with the dashboard over the door."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import click

from fanlight.cli.listening import bind, is_loopback
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, listening_options, screen_wanted, serve_all
from fanlight.gateway.app import CONFIG_VARIABLE, PUBLIC_VARIABLE, loaded
from fanlight.gateway.schema import Config

TARGET = "fanlight.gateway.app:create"


@click.command()
@click.option("--config", "path", default="hub.toml", show_default=True, help="The configuration, in TOML.")
@click.option("--check", is_flag=True, help="Check the configuration and end.")
@listening_options(port=9090)
@click.option("--prefix", help="Where the dashboard is mounted (/dashboard).")
@click.option("--store", help="Where history outlives the process (memory://).")
@click.option("--token", help="Lets an operator in from anywhere. FANLIGHT_TOKEN keeps it out of the process list.")
@click.option("--viewer-token", help="Lets a viewer in from anywhere.")
def gateway(
    path: str, check: bool, host: str, port: int, workers: int, debug: bool, dashboard: bool, keys: bool, **options: Any
) -> int:
    """Serve LLM APIs by a configuration, with the dashboard at /dashboard.

    Clients of OpenAI take http://127.0.0.1:9090/v1 as their base, those of Anthropic and Ollama
    http://127.0.0.1:9090. SIGHUP reads the configuration again.
    """
    place = Path(path).absolute()
    if check:
        click.echo(f"fanlight: {path} is right: {summary(loaded(place, os.environ, public=False))}")
        return 0
    screen = screen_wanted(dashboard=dashboard, keys=keys)
    configure("gateway", options, workers)
    sockets = bind(host, port)
    public = not is_loopback(sockets)
    found = loaded(place, os.environ, public=public)
    os.environ[CONFIG_VARIABLE] = str(place)
    if public:
        os.environ[PUBLIC_VARIABLE] = "1"
    plan = Plan(
        target=TARGET,
        name="gateway",
        factory=True,
        host=host,
        access_log=False,
        log_level="debug" if debug else "warning",
        debug=debug,
        api_at_root=True,
        passes=(signal.SIGHUP,),
    )
    return serve_all(plan, sockets, workers, screen, lambda address: _invited(address, found))


def summary(found: Config) -> str:
    """What a configuration has, in a line."""
    counts = {
        "provider": found.providers, "model": found.models, "MCP server": found.mcp, "pipeline": found.pipelines,
        "key": found.keys,
    }  # fmt: skip
    said = [f"{len(each)} {name}{'' if len(each) == 1 else 's'}" for name, each in counts.items() if each]
    return ", ".join(said) or "empty"


def _invited(address: str, found: Config) -> str:
    key = "one of its keys" if found.keys else "any key"
    return f"fanlight: {summary(found)}; clients take {address}/v1 (OpenAI) or {address} (Anthropic, Ollama) and {key}"
