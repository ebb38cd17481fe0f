"""`fanlight serve`: the dashboard alone, in a process of its own, over the store of a service."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from fanlight import settings as table
from fanlight.cli.lifeline import Lifeline
from fanlight.cli.listening import bind
from fanlight.cli.options import SERVED, listening_options, setting_options
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, screen_wanted, serve_all
from fanlight.errors import SettingsError
from fanlight.settings import Settings
from fanlight.stores import open_store
from fanlight.stores.opening import services_here

FILE: Final = "sqlite:///"
"""How the URL of a store in a file begins; its path follows."""

NAMED_LIMIT: Final = 10
"""Services named when one has to be chosen."""


@click.command()
@listening_options(port=9090, workers=False)
@setting_options("store", "name", "prefix", "token", "viewer_token", **SERVED)
def serve(host: str, port: int, dashboard: bool, keys: bool, debug: bool, **options: Any) -> int:
    """Serve the dashboard of a service out of its store.

    For WSGI services, for a port of its own, for all instances that share a store. It is no instance of the service.

    \b
        fanlight serve
        fanlight serve --store sqlite:////var/lib/app/fanlight.db --port 9100
        fanlight serve --store redis://cache:6379/0 --name shop
    """
    screen = screen_wanted(dashboard=dashboard, keys=keys)
    configure("service", options, workers=1)
    name = service_of_store()
    plan = Plan(
        target="", name=name, host=host, access_log=False, log_level="debug" if debug else "warning", debug=debug
    )
    shows = f"fanlight: it shows the service {name!r}"
    return serve_all(plan, bind(host, port), 1, screen, lambda address: shows)


def service_of_store(*, waits: bool = True) -> str:
    """The service to show: the one that was named, else the only one of the store. Who `waits` may name one to come."""
    settings = table.load("service", {})
    if settings.store == "memory://":
        raise SettingsError(
            "--store is memory://, which no other process can read; expected the store that the service writes to, "
            "such as --store sqlite:////var/lib/app/fanlight.db"
        )
    named = "name" in table.given()
    if named and waits:
        return settings.name
    services = _services_of(settings.store) if settings.store else services_here()
    if named and settings.name in services:
        return settings.name
    if len(services) == 1 and not named:
        return services[0]
    if services:
        more = ", ..." if len(services) > NAMED_LIMIT else ""
        holds = f"no service {settings.name!r}" if named else f"{len(services)} services"
        raise SettingsError(
            f"the store holds {holds}; say which with --name: {', '.join(map(repr, services[:NAMED_LIMIT]))}{more}"
        )
    otherwise = ", or say with --name whom to wait for" if waits else ""
    raise SettingsError(
        f"the store holds no service yet; start the service with this store first (without one: from this folder)"
        f"{otherwise}"
    )


def _services_of(url: str) -> list[str]:
    if url.startswith(FILE) and not Path(url.removeprefix(FILE)).exists():
        return []  # to look into it must not make it
    store = open_store(url)
    try:
        return store.services()
    finally:
        store.close()


@click.command(hidden=True)
@click.argument("listener", type=int)
@click.argument("lifeline", type=int)
@click.argument("parent", type=int)
def dashboard(listener: int, lifeline: int, parent: int) -> int:
    """The dashboard that a service starts by its setting `port`; it reads its settings from stdin."""
    Lifeline(lifeline, parent)
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    from fanlight.cli.observatory import Observatory, watch  # the lifeline is tied before the long imports begin

    sockets = [socket.socket(fileno=listener)]
    sockets[0].set_inheritable(False)
    plan = Plan(target="", name=settings.name, access_log=False, log_level="warning")
    return watch(Observatory(settings.name, **given(settings)), plan, sockets, lambda ready: None)


def given(settings: Settings) -> dict[str, Any]:
    """The settings as keywords, but the name, and the port: what is served there is this."""
    return {key: value for key, value in msgspec.structs.asdict(settings).items() if key not in ("name", "port")}
