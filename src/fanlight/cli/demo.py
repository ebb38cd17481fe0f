"""`fanlight demo`: a small real chat service, driven by real clients, with its dashboard."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from fanlight.cli.lifeline import Lifeline
from fanlight.cli.listening import bind
from fanlight.cli.plan import Plan
from fanlight.cli.run import configure, listening_options, python, screen_wanted, serve_all
from fanlight.errors import FanlightError
from fanlight.settings import given

TARGET: Final = "chat_api.app:app"
NEEDED: Final = ("fastapi", "aiohttp")
STOP_SECONDS: Final = 5.0

Start = Callable[[str, float, int], None]
"""(address, rate, seed): have the clients drive the service."""


@click.command()
@listening_options(port=8001)
@click.option(
    "--rate", type=click.FloatRange(0.01, 100), default=1.0, show_default=True, help="Times the usual traffic."
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same traffic.")
@click.option("--traffic/--no-traffic", default=True, help="Drive the service with real clients.")
@click.option("--sample-data/--no-sample-data", default=None, help="Fill the charts with made-up history at once.")
def demo(
    host: str, port: int, workers: int, dashboard: bool, keys: bool, debug: bool, rate: float, seed: int,
    traffic: bool, sample_data: bool | None,
) -> int:  # fmt: skip
    """Run the example chat service with traffic, and its dashboard."""
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
    with crowd() as start:
        return serve_all(plan, sockets, workers, screen, lambda address: _begin(start, address, rate, seed, traffic))


def require(*modules: str) -> None:
    """Refuse, naming the extra, when one of the modules is not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise FanlightError(
            f"`fanlight demo` needs {' and '.join(missing)}, which the base install leaves out; "
            "run pip install 'fanlight[demo]'"
        )


def examples() -> Path:
    """The folder that holds the example service: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "chat_api" / "app.py").is_file():
            return folder
    raise FanlightError(
        "the example service is not in this install; install the released package: pip install 'fanlight[demo]'"
    )


def _begin(start: Start, address: str, rate: float, seed: int, traffic: bool) -> str:
    if not traffic:
        return "fanlight: a chat service without traffic; Ctrl+C stops it"
    start(address, rate, seed)
    return (
        "fanlight: a chat service with real clients, some of them slow, some wrong; watch the activity feed, "
        "sort the endpoints by p95, open a slow request; Ctrl+C stops everything"
    )


@contextmanager
def crowd() -> Iterator[Start]:
    """Something to start the clients with, in a process of their own that ends with this one."""
    started: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def start(address: str, rate: float, seed: int) -> None:
        started.append(_clients(address, rate, seed))

    try:
        yield start
    finally:
        for process, lifeline in started:
            lifeline.close()
            _ended(process)


def _clients(address: str, rate: float, seed: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    words = [address, str(rate), str(seed), str(theirs.fileno()), str(os.getpid())]
    process = subprocess.Popen(  # noqa: S603 - the command line is our own
        [*python(), "_traffic", "--", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
    theirs.close()
    return process, ours


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@click.command(hidden=True)
@click.argument("address")
@click.argument("rate", type=float)
@click.argument("seed", type=int)
@click.argument("lifeline", type=int)
@click.argument("parent", type=int)
def traffic(address: str, rate: float, seed: int, lifeline: int, parent: int) -> int:
    """The clients of the demo."""
    Lifeline(lifeline, parent)
    sys.path.insert(0, str(examples()))
    asyncio.run(_drive(address, rate, seed))
    return 0


async def _drive(address: str, rate: float, seed: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await importlib.import_module("chat_api.traffic").drive(address, rate, stop, seed)
