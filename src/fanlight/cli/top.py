"""`fanlight top`: a running dashboard in this terminal, wherever it runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from typing import Final
from urllib.parse import urlsplit

import click
import msgspec

from fanlight.cli.finding import found
from fanlight.cli.keyboard import FOREGROUND_SECONDS, Keyboard
from fanlight.cli.lifeline import settle
from fanlight.cli.screening import Screening, no_terminals, only_ascii, require_terminal_extra
from fanlight.cli.signals import STOP_SIGNALS, be_stopped, handled
from fanlight.errors import FanlightError
from fanlight.faces.tui.client import SILENCE_SECONDS, Http, TokenNeeded, address
from fanlight.faces.tui.document import PageDocument
from fanlight.faces.tui.look import ASCII, UNICODE, Look
from fanlight.faces.tui.once import once as frame
from fanlight.faces.tui.themes import THEMES
from fanlight.panels import View

PREFIX: Final = "/dashboard"
"""Where a dashboard is whose address is given without a path."""

ATTEMPTS: Final = 3
"""How often a token is asked for."""


@click.command()
@click.argument("url", required=False, default="", metavar="[URL]")
@click.option("--token", default="", help="Opens the dashboard.  [env var: FANLIGHT_TOKEN]")
@click.option("--page", default="overview", show_default=True, help="The page to begin with.")
@click.option("--once", is_flag=True, help="Print the page once, as text.")
@click.option("--json", "as_json", is_flag=True, help="Print the page once, as JSON.")
@click.option("--theme", type=click.Choice(("auto", *THEMES)), default="auto", show_default=True, help="Colours.")
@click.option("--ascii", "plain", is_flag=True, help="Draw without braille and box characters.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of refusals.")
def top(url: str, token: str, page: str, once: bool, as_json: bool, theme: str, plain: bool) -> int:
    """Look at a running dashboard in this terminal.

    \b
        fanlight top
        fanlight top 127.0.0.1:8000
        fanlight top https://ops.example/dashboard --page logs
        fanlight top 127.0.0.1:8000 --once

    Without URL the dashboards of this machine and user are found, and offered where there are several. NO_COLOR in the
    environment leaves the colours out.
    """
    lasting = not (once or as_json)
    if lasting:
        _check_terminal()
    root = root_of(url) if url else _chosen()
    token, body = _admitted(root, token or os.environ.get("FANLIGHT_TOKEN", ""), View(page=page))
    if as_json:
        click.echo(msgspec.json.encode(_document(root, body)))
    elif once:
        _print_once(_document(root, body), View(page=page), ascii=plain or only_ascii())
    else:
        return _watch(Screening(root, token, theme=theme, ascii=plain or only_ascii(), attached=True, page=page))
    return 0


def root_of(url: str) -> str:
    """A dashboard's root from what was typed: scheme and path may be left away."""
    full = url if "://" in url else f"http://{url}"
    try:
        place = urlsplit(full)
        named = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
    except ValueError:
        named = False
    if not named:
        raise FanlightError(f"{url!r} is no dashboard's address; expected one like http://127.0.0.1:8000{PREFIX}")
    return f"{place.scheme}://{place.netloc}{place.path.rstrip('/') or PREFIX}"


def _check_terminal() -> None:
    missing = no_terminals()
    if missing:
        raise FanlightError(
            f"`fanlight top` draws in a terminal, and {' and '.join(missing)} {'are' if missing[1:] else 'is'} none; "
            "--once prints one frame as text, --json as JSON"
        )
    require_terminal_extra()


def _chosen() -> str:
    """The one dashboard of this machine, or the one a person chooses."""
    services = found()
    if not services:
        raise FanlightError(
            "no dashboard of yours is found on this machine; give its address: fanlight top http://host:port/dashboard"
        )
    if len(services) == 1:
        return services[0].root
    if not sys.stdin.isatty():
        roots = ", ".join(f"{each.root} ({each.service})" for each in services)
        raise FanlightError(f"there are {len(services)} dashboards on this machine; give one's address: {roots}")
    for number, each in enumerate(services, 1):
        click.echo(f"{number}  {each.service}  {each.root}  pid {', '.join(map(str, each.pids[:8]))}", err=True)
    number = click.prompt("Which", type=click.IntRange(1, len(services)), default=1, err=True)
    return services[number - 1].root


def _admitted(root: str, token: str, view: View) -> tuple[str, bytes]:
    """The token that opens a dashboard, asked for where one is needed, and the page it gave."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return token, Http(root, token).read("GET", address(view), SILENCE_SECONDS)
        except TokenNeeded as error:
            if not left or not sys.stdin.isatty():
                raise FanlightError(f"{error} Give it with --token, or FANLIGHT_TOKEN.") from error
        token = click.prompt(f"Token of {root}", hide_input=True, err=True)
    raise AssertionError("the last attempt returns or raises")


def _document(root: str, body: bytes) -> PageDocument:
    try:
        return msgspec.json.decode(body, type=PageDocument)
    except msgspec.MsgspecError as error:
        raise FanlightError(f"{root} answers with no page this Fanlight can read; use one of its release") from error


def _print_once(document: PageDocument, view: View, *, ascii: bool) -> None:
    look = Look(glyphs=ASCII if ascii else UNICODE)
    for line in frame(document, shutil.get_terminal_size().columns, look, view):
        click.echo(line)


def _watch(screening: Screening) -> int:
    """Look until a key or a signal ends it; the terminal is put back either way."""
    keyboard = Keyboard()
    outcome = "again"
    while outcome in ("suspend", "again"):
        while not keyboard.seize():  # another process has the terminal
            if keyboard.gone:
                settle(sys.stdout, sys.stderr)
                return 0
            time.sleep(FOREGROUND_SECONDS)
        outcome = asyncio.run(_shown(screening))
        keyboard.release()
        if outcome == "suspend":
            be_stopped()
    keyboard.forget()  # what the terminal itself may have answered is not for the shell
    settle(sys.stdout, sys.stderr)
    return 0


async def _shown(screening: Screening) -> str:
    """How it ended; "" when a signal ended it, whatever others came: the kernel sends SIGCONT behind its SIGHUP."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()

    def leave(*_: object) -> None:
        loop.call_soon_threadsafe(told.set)
        loop.call_soon_threadsafe(screening.leave)

    with handled(STOP_SIGNALS, leave):
        outcome = await screening.run("")
    return "" if told.is_set() else outcome
