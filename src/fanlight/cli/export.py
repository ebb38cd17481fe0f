"""`fanlight export`: the figures of a range out of a service's store, as CSV or JSON, with no server needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from fanlight.cli.observatory import Observatory
from fanlight.cli.options import SERVED, setting_options
from fanlight.cli.run import configure
from fanlight.cli.serve import service_of_store
from fanlight.errors import FanlightError
from fanlight.faces.api import parameters
from fanlight.faces.api.documents import Asked
from fanlight.faces.api.endpoints import EXPORT
from fanlight.faces.api.pages import Pages
from fanlight.faces.errors import FaceError
from fanlight.panels import RANGES

FAILED_STATUS: Final = 3
"""The exit status when the store did not give what was asked for."""


@click.command()
@setting_options("store", "name", **SERVED)
@click.option(
    "--range", "span", type=click.Choice(list(RANGES)), default="24h", show_default=True, help="How far back."
)
@click.option("--from", "start", help="A span of its own, with --to: RFC 3339 or Unix seconds.")
@click.option("--to", "end", help="Where that span ends.")
@click.option(
    "--format", "kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="What is written."
)
@click.option(
    "--table",
    type=click.Choice(["endpoints", "timeline"]),
    default="endpoints",
    show_default=True,
    help="What a CSV holds: a row for each endpoint, or for each step of time. JSON holds both.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
@click.option("--debug", is_flag=True, help="Show the traceback of a refusal.")
def export(
    span: str,
    start: str | None,
    end: str | None,
    kind: str,
    table: str,
    output: Path | None,
    debug: bool,
    **options: Any,
) -> int:
    """Write the figures of a range to a file or to the terminal.

    They come out of the store; the service need not run.

    \b
        fanlight export > routes.csv
        fanlight export --range 7d --table timeline -o week.csv
        fanlight export --store sqlite:////var/lib/app/fanlight.db --format json

    A running service gives the same at /dashboard/api/metrics/export.
    """
    configure("service", options, workers=1)
    query = {"range": span, "from": start or "", "to": end or "", "format": kind, "table": table}
    dashboard = Observatory(service_of_store(waits=False))
    try:
        pieces = _pieces(dashboard, query)
        _write(pieces, output)
        problem = dashboard.engine.history()
    except FaceError as error:
        raise click.UsageError(error.message) from None
    finally:
        dashboard.close()
    if problem:
        click.echo(f"fanlight: the store did not give everything: {problem}", err=True)
        return FAILED_STATUS
    return 0


def _pieces(dashboard: Observatory, query: dict[str, str]) -> Iterator[bytes]:
    view, values = parameters.read(EXPORT.parameters, EXPORT.name, query)
    context = dashboard.context
    snapshot = dashboard.query.snapshot(view)
    follow, breathe = context.actions.follow, context.pulse.pacer.breathe
    asked = Asked(snapshot, view, values, {}, context.panels, breathe, follow, Pages(context), "operator")
    write = EXPORT.csv if values["format"] == "csv" else EXPORT.pieces
    assert write is not None
    return (piece.encode("utf-8", "replace") for piece in write(asked))


def _write(pieces: Iterator[bytes], output: Path | None) -> None:
    """Write them; a file appears whole or not at all."""
    if output is None:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return
    beginning = output.with_name(f"{output.name}.part")
    try:
        with beginning.open("wb") as file:
            file.writelines(pieces)
        beginning.replace(output)
    except OSError as error:
        beginning.unlink(missing_ok=True)
        raise FanlightError(f"{output} cannot be written ({error}); name another file with --output") from error
