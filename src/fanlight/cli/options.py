"""The options that several commands share, each said once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from fanlight.settings import DESCRIPTIONS, Settings

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

PLAIN: Final = "fanlight.ascii"
"""Where a command's context says that its terminal has no braille."""

MOST_WORKERS: Final = 64

TOKENS: Final = {
    "token": "Lets an operator in from anywhere; the variable keeps it out of the process list.",
    "viewer_token": "Lets a viewer in from anywhere, who sees all and changes nothing.",
}
SERVED: Final = {
    "name": "The service; needed where the store holds several.",
    "store": "The store that the service writes to; without it that of a service run from this folder.",
}
"""What two settings mean to commands that look at a service from outside."""


def listening_options(
    port: int, *, workers: bool = True, elsewhere: str = "Elsewhere than loopback a token is needed, and made."
) -> Callable[[Decorated], Decorated]:
    """The options of every command that serves; `elsewhere` says what becomes of another host."""
    crew = click.option(
        "--workers", type=click.IntRange(1, MOST_WORKERS), default=1, show_default=True, help="Processes that serve."
    )

    def decorate(command: Decorated) -> Decorated:
        for option in (
            click.option("--debug", is_flag=True, help="Show tracebacks of refusals, and debug lines of the server."),
            click.option(
                "--keys/--no-keys",
                default=True,
                show_default=True,
                help="In a terminal: d shows the dashboard, q stops.",
            ),
            click.option(
                "--ascii",
                is_flag=True,
                expose_value=False,
                callback=_plainly,
                help="Draw the dashboard without braille and box characters.",
            ),
            click.option("--dashboard", is_flag=True, help="Show the dashboard in this terminal at once."),
            *((crew,) if workers else ()),
            click.option(
                "--port", type=click.IntRange(0, 65_535), default=port, show_default=True, help="0 takes a free one."
            ),
            click.option(
                "--host", default="127.0.0.1", show_default=True, help=f"The address to listen on. {elsewhere}"
            ),
        ):
            command = option(command)
        return command

    return decorate


def _plainly(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Remember how the dashboard is to be drawn, should it be."""
    context.meta[PLAIN] = wanted


def drawn_plainly() -> bool:
    """Whether the command that runs was given --ascii."""
    return bool(click.get_current_context().meta.get(PLAIN, False))


def setting_options(*names: str, **meanings: str) -> Callable[[Decorated], Decorated]:
    """Options for settings of these names, told in the words of their table unless `meanings` has others."""
    meanings = {**TOKENS, **meanings}

    def decorate(command: Decorated) -> Decorated:
        for name in reversed(names):
            command = _setting_option(name, meanings.get(name) or DESCRIPTIONS[name])(command)
        return command

    return decorate


def _setting_option(name: str, meaning: str) -> Callable[[Decorated], Decorated]:
    usual = getattr(Settings(name=""), name)
    default = f"; default: {usual}" if isinstance(usual, str) and usual else ""
    text = f"{meaning}  [env var: FANLIGHT_{name.upper()}{default}]"
    flag, check = isinstance(usual, bool), _not_empty if name in TOKENS else None
    return click.option(f"--{name.replace('_', '-')}", is_flag=flag, default=None, callback=check, help=text)


def _not_empty(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """Refuse a token of nothing: a variable that is not set would open what it was to close."""
    if given is not None and not given.strip():
        name = option.opts[0]
        raise click.UsageError(f"{name} is empty (is its variable set?); expected a token, or no {name} at all")
    return given
