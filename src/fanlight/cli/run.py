"""`fanlight run module:app`: the dashboard on any ASGI or WSGI application, with no change to it."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import click
import msgspec
from msgspec.structs import replace

from fanlight import settings as table
from fanlight.cli import wire
from fanlight.cli.console import HINT, Console
from fanlight.cli.folders import shared_folder
from fanlight.cli.lifeline import Lifeline, leave_terminal
from fanlight.cli.listening import bind, is_loopback, url
from fanlight.cli.loading import service_name, split
from fanlight.cli.options import drawn_plainly, listening_options, setting_options
from fanlight.cli.plan import Orders, Plan, Ready
from fanlight.cli.reloading import Changes
from fanlight.cli.screening import Screening, no_terminals, only_ascii, require_terminal_extra
from fanlight.cli.supervisor import Supervisor
from fanlight.errors import FanlightError, SettingsError
from fanlight.stores.opening import can_be_made, state_directory

Screen = Literal["none", "keys", "dashboard"]
"""What a command does with its terminal: leaves it alone, takes keys, shows the dashboard at once."""

RUN_KEY: Final = "FANLIGHT_RUN_KEY"
"""The variable that tells a worker the key with which the terminal comes in as operator; made anew for each run."""

LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")


@click.command()
@click.argument("target", metavar="MODULE:APP")
@listening_options(port=8000)
@click.option("--app-dir", default=".", show_default=True, help="The folder that holds the module.")
@click.option(
    "--reload", is_flag=True, help="Start again when a Python file below --app-dir has changed. For development."
)
@click.option("--factory", is_flag=True, help="MODULE:APP makes the application when called.")
@click.option(
    "--log-level", type=click.Choice(LEVELS), default="info", show_default=True, help="Of the server's own lines."
)
@click.option("--access-log/--no-access-log", default=True, help="A line for each request.")
@click.option("--root-path", default="", help="The path a reverse proxy serves the application under.")
@setting_options(
    "name",
    "prefix",
    "store",
    "release",
    "token",
    "viewer_token",
    "sample_data",
    name="The service's name; without it the module's.",
)
def run(
    target: str, host: str, port: int, workers: int, dashboard: bool, keys: bool, debug: bool, app_dir: str,
    reload: bool, factory: bool, log_level: str, access_log: bool, root_path: str, **options: Any,
) -> int:  # fmt: skip
    """Serve an ASGI or WSGI application with its dashboard.

    The application is not changed. A dashboard that it makes itself is used as it is.

    \b
        fanlight run module:app
        fanlight run shop.main:create_app --factory --workers 4 --port 8080
        fanlight run module:app --reload
        FANLIGHT_TOKEN=... fanlight run module:app --host 0.0.0.0

    Every setting is a variable FANLIGHT_* and a key of fanlight.toml in this folder; an option wins over the variable,
    the variable over the file.
    """
    screen = screen_wanted(dashboard=dashboard, keys=keys)
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
        reload=reload,
    )
    return serve_all(plan, bind(host, port), workers, screen)


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
    plan: Plan,
    sockets: list[socket.socket],
    workers: int,
    screen: Screen = "none",
    started: Callable[[str], str] = lambda address: "",
) -> int:
    """Serve until told to stop; the exit status.

    With one worker here; with several, or with keys or a dashboard in the terminal, under a supervisor. `started` is
    called with the service's address once it serves; what it returns is said after the address.
    """
    admit(sockets)
    plan = replace(plan, colors=_colors())
    address = url(plan.host, sockets)

    def announce(ready: Ready) -> str:
        hint = HINT if screen != "none" and ready.enabled else ""
        return "\n".join(line for line in (banner(address, ready, workers), started(address), hint) if line)

    if screen != "none":
        return _attended(plan, sockets, workers, announce, address, screen)
    if workers > 1 or plan.reload:
        return _supervise(plan, sockets, workers, announce)
    return _work(plan, sockets, lambda ready: click.echo(announce(ready)))


def _work(plan: Plan, sockets: list[socket.socket], on_ready: Callable[[Ready], None], key: str = "") -> int:
    """Be the worker; what that needs is imported here, a supervisor has no need of it."""
    if plan.target:
        from fanlight.cli.serving import serve

        return serve(plan, sockets, on_ready, key)
    from fanlight.cli.observatory import Observatory, watch

    dashboard = Observatory(plan.name)
    dashboard.run_key = key
    return watch(dashboard, plan, sockets, on_ready)


def _colors() -> bool:
    """Whether the server's lines have colours: where they go to a terminal and NO_COLOR is not set (no-color.org)."""
    return sys.stdout.isatty() and sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def screen_wanted(*, dashboard: bool, keys: bool) -> Screen:
    """What this process does with its terminal, if it has one: shows the dashboard at once, or takes keys.

    Raises FanlightError when the dashboard is to be shown and cannot be.
    """
    missing = no_terminals()
    if dashboard:
        if missing:
            raise FanlightError(
                f"--dashboard draws in a terminal, and {' and '.join(missing)} {'are' if missing[1:] else 'is'} none; "
                "leave it away, and look from another terminal with `fanlight top`"
            )
        if not keys:
            raise FanlightError("--dashboard takes keys and --no-keys leaves them alone; leave one of the two away")
        require_terminal_extra()
        return "dashboard"
    return "keys" if keys and not missing else "none"


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


def _attended(
    plan: Plan,
    sockets: list[socket.socket],
    workers: int,
    announce: Callable[[Ready], str],
    address: str,
    screen: Screen,
) -> int:
    """Serve with this process in the terminal and the supervisor in one of its own; returns in both of them.

    The supervisor is forked while there are no threads yet: it needs nothing but what is here already.
    """
    console_end, supervisor_end = wire.pair()
    key = secrets.token_urlsafe(32)
    sys.stdout.flush()
    sys.stderr.flush()
    supervisor = os.fork()
    if supervisor == 0:
        console_end.socket.close()
        leave_terminal()
        return _supervise(plan, sockets, workers, announce, supervisor_end, key)
    supervisor_end.socket.close()
    for each in sockets:
        each.close()
    plain = only_ascii() or drawn_plainly()
    show = Screening(address, key, theme=table.load("service", {}).theme, ascii=plain)
    return Console(console_end, supervisor, show, at_once=screen == "dashboard").run()


def _supervise(
    plan: Plan,
    sockets: list[socket.socket],
    workers: int,
    announce: Callable[[Ready], str],
    console: wire.SupervisorEnd | None = None,
    key: str = "",
) -> int:
    descriptors = tuple(each.fileno() for each in sockets)

    def command(number: int, lifeline: int) -> tuple[Sequence[str], Sequence[int]]:
        orders = Orders(plan, descriptors, lifeline, os.getpid())
        debug = ["--debug"] if plan.debug else []
        return [*python(), "_worker", *debug, msgspec.json.encode(orders).decode()], descriptors

    def say(line: bytes) -> str:
        return announce(msgspec.json.decode(line, type=Ready))

    changes = Changes(plan.app_dir) if plan.reload else None
    with shared_store(workers) as environ:
        environ = {**environ, RUN_KEY: key}
        return Supervisor(workers, command, environ, say, console, passes=plan.passes, changes=changes).run()


def python() -> list[str]:
    """The command line of this very Fanlight, safe from modules in the current folder."""
    return [sys.executable, "-P", "-m", "fanlight"]


@contextmanager
def shared_store(workers: int) -> Iterator[dict[str, str]]:
    """The environment for workers: with a store that several share, private and gone at the end where it is memory, or
    where the default one cannot be written."""
    environ = dict(os.environ)
    store = table.load("service", {}).store
    kept = store not in ("", "memory://") or (not store and can_be_made(state_directory(environ)))
    if workers == 1 or kept:
        yield environ
        return
    with shared_folder() as folder:
        yield {**environ, "FANLIGHT_STORE": f"sqlite:///{folder}/store.db"}


@click.command(hidden=True)
@click.argument("orders")
@click.option("--debug", is_flag=True, expose_value=False)
def worker(orders: str) -> int:
    """One worker of a supervisor."""
    told = msgspec.json.decode(orders, type=Orders)
    lifeline = Lifeline(told.lifeline, told.parent)
    sockets = [socket.socket(fileno=fd) for fd in told.sockets]
    for each in sockets:
        each.set_inheritable(False)
    key = os.environ.pop(RUN_KEY, "")  # no other process needs it
    return _work(told.plan, sockets, lambda ready: lifeline.tell(msgspec.json.encode(ready)), key)
