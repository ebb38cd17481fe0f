"""`fanlight gateway`: LLM APIs behind one address, with the dashboard over the door."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Final

import click

from fanlight.cli.folders import shared_folder
from fanlight.cli.listening import bind, is_loopback
from fanlight.cli.neighbours import examples
from fanlight.cli.options import listening_options, setting_options
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, screen_wanted, serve_all
from fanlight.errors import FanlightError
from fanlight.gateway.app import CONFIG_VARIABLE, KEPT_VARIABLE, PLACE_VARIABLE, PUBLIC_VARIABLE
from fanlight.gateway.loading import keep, loaded
from fanlight.gateway.schema import Config, summary

TARGET: Final = "fanlight.gateway.app:create"
DEFAULT: Final = "hub.toml"


@click.command()
@click.option("--config", "path", help="The configuration, in TOML.  [default: hub.toml]")
@click.option("--example", is_flag=True, help="Take the built-in configuration: simulated models, no key needed.")
@click.option("--check", is_flag=True, help="Check the configuration and end: status 0, or 2 with the reason.")
@listening_options(port=9090, elsewhere="Elsewhere than loopback the configuration needs keys, the dashboard a token.")
@setting_options("prefix", "store", "token", "viewer_token")
def gateway(
    path: str | None, example: bool, check: bool, host: str, port: int, workers: int, debug: bool, dashboard: bool,
    keys: bool, **options: Any,
) -> int:  # fmt: skip
    """Serve LLM APIs and MCP servers behind one address, measured.

    \b
        fanlight gateway --example
        fanlight gateway --config hub.toml --check
        fanlight gateway --config hub.toml --workers 2

    Clients of OpenAI take http://127.0.0.1:9090/v1 as their base, those of Anthropic and Ollama
    http://127.0.0.1:9090. The dashboard is at /dashboard. SIGHUP reads the configuration again.
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
        joins=True,
    )
    with shared_folder() as shared:
        os.environ[KEPT_VARIABLE] = str(shared / DEFAULT)
        keep(place, shared / DEFAULT, os.environ)
        if workers > 1:
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


def _invited(address: str, place: Path, found: Config) -> str:
    key = "one of its keys" if found.keys else "any key"
    clients = f"clients take {address}/v1 (OpenAI) or {address} (Anthropic, Ollama) and {key}"
    return f"fanlight: {place}: {summary(found)}; {clients}"
