"""`fanlight gateway`: LLM APIs behind one address, with the dashboard over the door."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import click

from fanlight.cli.folders import shared_folder
from fanlight.cli.listening import bind, is_loopback
from fanlight.cli.neighbours import examples
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, listening_options, screen_wanted, serve_all
from fanlight.errors import FanlightError
from fanlight.gateway.app import CONFIG_VARIABLE, PLACE_VARIABLE, PUBLIC_VARIABLE, loaded
from fanlight.gateway.schema import Config

TARGET: Final = "fanlight.gateway.app:create"
DEFAULT: Final = "hub.toml"


@click.command()
@click.option("--config", "path", help="The configuration, in TOML (hub.toml).")
@click.option("--example", is_flag=True, help="By the example that is built in: simulated models, no key needed.")
@click.option("--check", is_flag=True, help="Check the configuration and end.")
@listening_options(port=9090)
@click.option("--prefix", help="Where the dashboard is mounted (/dashboard).")
@click.option("--store", help="Where history outlives the process (a file of your own).")
@click.option("--token", help="Lets an operator in from anywhere. FANLIGHT_TOKEN keeps it out of the process list.")
@click.option("--viewer-token", help="Lets a viewer in from anywhere.")
def gateway(
    path: str | None, example: bool, check: bool, host: str, port: int, workers: int, debug: bool, dashboard: bool,
    keys: bool, **options: Any,
) -> int:  # fmt: skip
    """Serve LLM APIs by a configuration, with the dashboard at /dashboard.

    Clients of OpenAI take http://127.0.0.1:9090/v1 as their base, those of Anthropic and Ollama
    http://127.0.0.1:9090. SIGHUP reads the configuration again.
    """
    place = configuration(path, example=example)
    if check:
        click.echo(f"fanlight: {path or place} is right: {summary(loaded(place, os.environ, public=False))}")
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
    with shared_folder() if workers > 1 else nullcontext() as shared:
        if shared is not None:
            os.environ[PLACE_VARIABLE] = str(shared)
        return serve_all(plan, sockets, workers, screen, lambda address: _invited(address, place, found))


def configuration(path: str | None, *, example: bool) -> Path:
    """Where the configuration is; raises FanlightError when it is not said, or said twice."""
    if path is not None and example:
        raise FanlightError("--config names a configuration and --example is one; leave one of the two away")
    if example:
        return examples() / DEFAULT
    if path is None and not Path(DEFAULT).exists():
        raise FanlightError(
            f"there is no {DEFAULT} in this folder; name a configuration with --config, or try `fanlight gateway "
            "--example`, which needs none"
        )
    return Path(path or DEFAULT).absolute()


def summary(found: Config) -> str:
    """What a configuration has, in a line."""
    counts = {
        "provider": found.providers, "model": found.models, "MCP server": found.mcp, "pipeline": found.pipelines,
        "key": found.keys,
    }  # fmt: skip
    said = [f"{len(each)} {name}{'' if len(each) == 1 else 's'}" for name, each in counts.items() if each]
    return ", ".join(said) or "empty"


def _invited(address: str, place: Path, found: Config) -> str:
    key = "one of its keys" if found.keys else "any key"
    clients = f"clients take {address}/v1 (OpenAI) or {address} (Anthropic, Ollama) and {key}"
    return f"fanlight: {place}: {summary(found)}; {clients}"
