"""`fanlight demo`: the examples side by side, driven by real clients, each with its dashboard."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import click

from fanlight import settings as table
from fanlight.cli.lifeline import Lifeline
from fanlight.cli.listening import bind
from fanlight.cli.neighbours import NEIGHBOURS, child, end, examples, neighbourhood
from fanlight.cli.options import listening_options
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, screen_wanted, serve_all
from fanlight.errors import FanlightError
from fanlight.settings import given

TARGET: Final = "chat_api.app:app"
NEEDED: Final = ("fastapi", "aiohttp")

Start = Callable[[Mapping[str, str], float, int], None]
"""(addresses by the names of examples, rate, seed): have the clients drive them."""


@click.command()
@listening_options(port=8001)
@click.option(
    "--rate", type=click.FloatRange(0.01, 100), default=1.0, show_default=True, help="Times the usual traffic."
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same traffic.")
@click.option("--traffic/--no-traffic", default=True, show_default=True, help="Real clients use the services.")
@click.option(
    "--beside/--alone", default=True, show_default=True, help="Run the other examples beside the chat service."
)
@click.option("--sample-data/--no-sample-data", default=None, help="Fill its charts with made-up history at once.")
def demo(
    host: str, port: int, workers: int, dashboard: bool, keys: bool, debug: bool, rate: float, seed: int,
    traffic: bool, beside: bool, sample_data: bool | None,
) -> int:  # fmt: skip
    """Run the examples with real clients, and their dashboards.

    The chat service comes first; an AI gateway, an orchestrator and an upload service follow beside it. What runs where
    is printed.

    \b
        fanlight demo
        fanlight demo --rate 3 --sample-data
        fanlight demo --alone --port 0
    """
    require(*NEEDED)
    screen = screen_wanted(dashboard=dashboard, keys=keys)
    folder = examples()
    store = None if "store" in given() else "memory://"  # a demonstration leaves nothing behind
    configure("chat-api", {"sample_data": sample_data, "store": store}, workers)
    plan = Plan(
        target=TARGET,
        name="chat-api",
        app_dir=str(folder),
        host=host,
        access_log=False,
        log_level="debug" if debug else "warning",
        debug=debug,
    )
    sockets = bind(host, port)
    chosen = NEIGHBOURS if beside else ()
    prefix = table.load("chat-api", {}).prefix
    with neighbourhood(host, prefix, chosen, any_port=port == 0) as begin, crowd() as start:

        def started(address: str) -> str:
            addresses, neighbours = begin()
            said = _begin(start, {"chat_api": address, **addresses}, rate, seed, traffic)
            return "\n".join(filter(None, (neighbours, said)))

        return serve_all(plan, sockets, workers, screen, started)


def require(*modules: str) -> None:
    """Refuse, naming the extra, when one of the modules is not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise FanlightError(
            f"`fanlight demo` needs {' and '.join(missing)}, which the base install leaves out; "
            "run pip install 'fanlight[demo]'"
        )


def _begin(start: Start, addresses: Mapping[str, str], rate: float, seed: int, traffic: bool) -> str:
    if not traffic:
        return "fanlight: a chat service without traffic; Ctrl+C stops everything"
    start(addresses, rate, seed)
    return (
        "fanlight: a chat service with real clients, some of them slow, some wrong; watch the activity feed, "
        "sort the endpoints by p95, open a slow request; Ctrl+C stops everything"
    )


@contextmanager
def crowd() -> Iterator[Start]:
    """Something to start the clients with, in a process of their own that ends with this one."""
    started: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def start(addresses: Mapping[str, str], rate: float, seed: int) -> None:
        services = ",".join(f"{name}={address}" for name, address in addresses.items())
        started.append(child(["_traffic", "--", services, str(rate), str(seed)]))

    try:
        yield start
    finally:
        end(started)


@click.command(hidden=True)
@click.argument("services")
@click.argument("rate", type=float)
@click.argument("seed", type=int)
@click.argument("lifeline", type=int)
@click.argument("parent", type=int)
def traffic(services: str, rate: float, seed: int, lifeline: int, parent: int) -> int:
    """The clients of the demo: `services` are NAME=ADDRESS, with commas between."""
    Lifeline(lifeline, parent)
    sys.path.insert(0, str(examples()))
    asyncio.run(_drive(dict(each.split("=", 1) for each in services.split(",")), rate, seed))
    return 0


async def _drive(addresses: Mapping[str, str], rate: float, seed: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    drives = [
        importlib.import_module(f"{name}.traffic").drive(address, rate, stop, seed)
        for name, address in addresses.items()
    ]
    await asyncio.gather(*drives)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # another one would find a loop that is half closed
