"""The `fanlight` command: a group, one small file per command, and one way to refuse."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click

from fanlight.errors import FanlightError
from fanlight.version import VERSION

USAGE_STATUS: Final = 2
COMMANDS: Final = {
    "run": "fanlight.cli.run",
    "gateway": "fanlight.cli.gateway",
    "top": "fanlight.cli.top",
    "serve": "fanlight.cli.serve",
    "export": "fanlight.cli.export",
    "demo": "fanlight.cli.demo",
    "simulate": "fanlight.cli.simulate",
}
HIDDEN: Final = {
    "_worker": "fanlight.cli.run",
    "_dashboard": "fanlight.cli.serve",
    "_traffic": "fanlight.cli.demo",
    "_example": "fanlight.cli.neighbours",
}


class Commands(click.Group):
    """A group that loads a command when it is asked for, and refuses wrong input in one line.

    The line goes to stderr and says what was got, what was expected and what to do; the exit status is 2.
    With `--debug` anywhere on the line the traceback is shown above it.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = {**COMMANDS, **HIDDEN}.get(cmd_name)
        if place is None:
            return None
        command: click.Command = getattr(import_module(place), cmd_name.strip("_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            ctx.fail(f"there is no command {word[:80]!r}; {_meant(word)}.")
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = False,
        **extra: Any,
    ) -> Any:
        """Run a command and return the exit status."""
        words = list(sys.argv[1:] if args is None else args)
        try:
            status = super().main(words, prog_name or "fanlight", complete_var, standalone_mode=False, **extra)
        except (click.ClickException, FanlightError) as error:
            return refuse(error, debug="--debug" in words)
        except (click.Abort, KeyboardInterrupt):
            return 130
        return status if isinstance(status, int) else 0


def _meant(word: str) -> str:
    """What somebody may have wanted who wrote this in the place of a command."""
    if "://" in word:
        return f"to look at a running dashboard: fanlight top {word[:80]}"
    if ":" in word:
        return f"to serve an application: fanlight run {word[:80]}"
    near = get_close_matches(word[:80], COMMANDS, n=1)
    return f"{near[0]} was probably meant" if near else f"expected one of {', '.join(COMMANDS)}"


def refuse(error: BaseException, *, debug: bool) -> int:
    """Say on stderr, in one line, why a command does not go on; the exit status of that."""
    if debug:
        traceback.print_exception(error)
    click.echo(f"fanlight: {one_line(_sentence(error))}", err=True)
    return USAGE_STATUS


def one_line(text: str) -> str:
    """The text with its line breaks and runs of blanks as single blanks."""
    return " ".join(text.split())


def _sentence(error: BaseException) -> str:
    if not isinstance(error, click.ClickException):
        return str(error)
    text = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{text} Try `{error.ctx.command_path} --help`."
    return text


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=VERSION, prog_name="fanlight")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A live dashboard that lives inside your Python service.

    \b
    See it at work, with small services and real clients:
        fanlight demo
    Put it on your own application, with no change to it:
        fanlight run module:app
        fanlight run module:app --workers 4
    The dashboard alone, over the store that a service writes to:
        fanlight serve
    Then open /dashboard, or press d. Look from another terminal:
        fanlight top
    Take the figures away:
        fanlight export --range 24h > day.csv
    In code: Fanlight("my-service").install(app)
    More of a command: fanlight run --help
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
