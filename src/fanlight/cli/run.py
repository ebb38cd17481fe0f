"""`fanlight run module:app`: the dashboard on any ASGI application, with no change to it."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec.structs import replace

from fanlight import settings as table
from fanlight.cli.lifeline import Lifeline
from fanlight.cli.listening import bind, is_loopback, url
from fanlight.cli.loading import service_name, split
from fanlight.cli.plan import Orders, Plan, Ready
from fanlight.cli.supervisor import Supervisor
from fanlight.errors import SettingsError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
MOST_WORKERS: Final = 64


def listening_options(port: int, *, workers: bool = True) -> Callable[[Decorated], Decorated]:
    """The options of every command that serves."""
    crew = click.option(
        "--workers", type=click.IntRange(1, MOST_WORKERS), default=1, show_default=True, help="Processes that serve."
    )

    def decorate(command: Decorated) -> Decorated:
        for option in (
            click.option("--debug", is_flag=True, help="Show tracebacks of refusals, and debug lines of the server."),
            *((crew,) if workers else ()),
            click.option(
                "--port", type=click.IntRange(0, 65_535), default=port, show_default=True, help="0 takes a free one."
            ),
            click.option(
                "--host",
                default="127.0.0.1",
                show_default=True,
                help="Elsewhere than loopback, a token is needed and made.",
            ),
        ):
            command = option(command)
        return command

    return decorate


@click.command()
@click.argument("target", metavar="MODULE:APP")
@listening_options(port=8000)
@click.option("--app-dir", default=".", show_default=True, help="The folder that holds the module.")
@click.option("--factory", is_flag=True, help="MODULE:APP makes the application when called.")
@click.option(
    "--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Of the server's own lines."
)
@click.option("--access-log/--no-access-log", default=True, help="A line for each request.")
@click.option("--root-path", default="", help="The path a reverse proxy serves the application under.")
@click.option("--name", help="The service's name.")
@click.option("--prefix", help="Where the dashboard is mounted (/dashboard).")
@click.option("--store", help="Where history outlives the process (memory://).")
@click.option("--release", help="The release that runs.")
@click.option("--token", help="Lets an operator in from anywhere. FANLIGHT_TOKEN keeps it out of the process list.")
@click.option("--viewer-token", help="Lets a viewer in from anywhere.")
@click.option("--sample-data", is_flag=True, default=None, help="Fill the charts with made-up history.")
def run(
    target: str, host: str, port: int, workers: int, debug: bool, app_dir: str, factory: bool,
    log_level: str, access_log: bool, root_path: str, **options: Any,
) -> int:  # fmt: skip
    """Serve an ASGI application with its dashboard.

    What is not given here comes from FANLIGHT_* variables and fanlight.toml. A dashboard that the application makes
    itself is used as it is.
    """
    split(target)
    name = service_name(target, app_dir)
    configure(name, options, workers)
    plan = Plan(
        target=target,
        name=name,
        app_dir=app_dir,
        factory=factory,
        host=host,
        log_level="debug" if debug and log_level == "info" else log_level,
        access_log=access_log,
        root_path=root_path,
        debug=debug,
    )
    return serve_all(plan, bind(host, port), workers)


def configure(name: str, options: Mapping[str, Any], workers: int) -> None:
    """Check the settings, and hand those of the command line to every process that follows, as FANLIGHT_* variables."""
    chosen = {key: value for key, value in options.items() if value is not None}
    try:
        settings = table.load(name, chosen)
    except SettingsError as error:
        raise SettingsError(_as_option(str(error), chosen)) from error
    if settings.sample_data and workers > 1:
        raise SettingsError(
            f"--sample-data got --workers {workers}; made-up history is for one worker, leave one of the two away"
        )
    for key, value in chosen.items():
        os.environ[f"FANLIGHT_{key.upper()}"] = str(value)


def _as_option(text: str, chosen: Mapping[str, Any]) -> str:
    for key in chosen:
        if text.startswith(f"{key}= "):
            return f"--{key.replace('_', '-')}{text.removeprefix(f'{key}=')}"
    return text


def serve_all(
    plan: Plan, sockets: list[socket.socket], workers: int, started: Callable[[str], str] = lambda address: ""
) -> int:
    """Serve with one worker here or several under a supervisor, until told to stop; the exit status.

    `started` is called with the service's address once it serves; what it returns is said after the address.
    """
    admit(sockets)
    address = url(plan.host, sockets)

    def announce(ready: Ready) -> str:
        return "\n".join(line for line in (banner(address, ready, workers), started(address)) if line)

    if workers > 1:
        return _supervise(replace(plan, colors=sys.stderr.isatty()), sockets, workers, announce)
    from fanlight.cli.serving import serve  # a supervisor has no need of the server

    return serve(plan, sockets, lambda ready: click.echo(announce(ready)))


def admit(sockets: list[socket.socket]) -> None:
    """Decide who gets in: the local machine as operator, or, listening elsewhere, whoever has the token.

    With a token set everybody needs one: a token is what docs ask for behind a proxy, and not every proxy can be told
    from the local machine.
    """
    settings = table.load("service", {})
    token = settings.token or settings.viewer_token
    if is_loopback(sockets):
        if not token and "local_role" not in table.given():
            os.environ["FANLIGHT_LOCAL_ROLE"] = "operator"
    elif not token:
        os.environ["FANLIGHT_TOKEN"] = secrets.token_urlsafe(32)


def banner(address: str, ready: Ready, workers: int = 1) -> str:
    """What is said when the service serves."""
    crew = f" ({workers} workers)" if workers > 1 else ""
    if not ready.enabled:
        return f"fanlight: serving at {address}{crew}; the dashboard is off (FANLIGHT_ENABLED)"
    lines = [f"fanlight: dashboard at {address}{ready.prefix}{crew}"]
    if ready.token:
        lines.append(f"fanlight: log in with {address}{ready.prefix}/login?token={ready.token}")
    return "\n".join(lines)


def _supervise(plan: Plan, sockets: list[socket.socket], workers: int, announce: Callable[[Ready], str]) -> int:
    descriptors = tuple(each.fileno() for each in sockets)

    def command(number: int, lifeline: int) -> tuple[Sequence[str], Sequence[int]]:
        orders = Orders(plan, descriptors, lifeline, os.getpid())
        debug = ["--debug"] if plan.debug else []
        return [*python(), "_worker", *debug, msgspec.json.encode(orders).decode()], descriptors

    with shared_store() as environ:
        decoder = msgspec.json.Decoder(Ready)
        told = lambda line: announce(decoder.decode(line))  # noqa: E731 - one expression
        return Supervisor(workers, command, environ, told, passes=plan.passes).run()


def python() -> list[str]:
    """The command line of this very Fanlight, safe from modules in the current folder."""
    return [sys.executable, "-P", "-m", "fanlight"]


@contextmanager
def shared_store() -> Iterator[dict[str, str]]:
    """The environment for several workers: with a store they share, private and gone at the end, where none was set."""
    environ = dict(os.environ)
    if table.load("service", {}).store != "memory://":
        yield environ
        return
    with tempfile.TemporaryDirectory(prefix="fanlight-", ignore_cleanup_errors=True) as folder:
        yield {**environ, "FANLIGHT_STORE": f"sqlite:///{folder}/store.db"}


@click.command(hidden=True)
@click.argument("orders")
@click.option("--debug", is_flag=True, expose_value=False)
def worker(orders: str) -> int:
    """One worker of a supervisor."""
    told = msgspec.json.decode(orders, type=Orders)
    lifeline = Lifeline(told.lifeline, told.parent)
    from fanlight.cli.serving import serve  # the lifeline is tied before the long imports begin

    sockets = [socket.socket(fileno=fd) for fd in told.sockets]
    for each in sockets:
        each.set_inheritable(False)
    return serve(told.plan, sockets, lambda ready: lifeline.tell(msgspec.json.encode(ready)))
