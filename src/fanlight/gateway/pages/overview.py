"""The hub: how each server and provider is, what the models do, what was asked last, and what can be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from fanlight.gateway.schema import Config
from fanlight.panels import Column, Fact, Row, Slot, State, Table, Text, View
from fanlight.snapshot import BreakerFigures, Model, Snapshot

if TYPE_CHECKING:
    from fanlight import Fanlight

EVERY_SECONDS: Final = 10.0
"""How soon the page follows the configuration; what its panels show is live."""

MODELS_SHOWN: Final = 12
CACHE: Final = "enhancement"

NO_EVENTS: Final = "None yet. Outcomes of actions and pipelines come here, breakers that open, budgets that are spent."

FIGURES: Final = ("requests", "errors", "latency", "first-token", "tokens-out", "model-cost")
"""Built-in figures over the page."""


def declare(dashboard: Fanlight, config: Callable[[], Config]) -> None:
    """Have the hub at the dashboard's root, by the configuration as it is."""

    def hub() -> Sequence[Any]:
        place = dashboard.slot
        budgets = [place("budgets", span=4)] if config().budgets else []
        return [
            place("verdict"),
            *(place(name, span=2) for name in FIGURES),
            place("health", span=4),
            Slot(name="breakers", build=breakers, span=8),
            Slot(name="hub-models", build=model_usage, span=8),
            Slot(name="stats", build=enhancement, span=4),
            msgspec.structs.replace(place("activity", span=8, rows=2 + len(budgets)), pace="slow"),
            place("actions", span=4),
            *budgets,
            place("system", span=4),
            place("slowest-operations", span=8),
            place("errors-by-type", span=4),
            place("throughput", span=6),
            place("percentiles", span=6),
            _told(place("events")),
        ]

    dashboard.page("Hub", replaces="overview", every=EVERY_SECONDS)(hub)


def _told(events: Slot) -> Slot:
    """The feed, which says while it is empty what comes there: nobody calls `dashboard.event` in a gateway."""

    def build(snapshot: Snapshot, view: View) -> Any:
        return msgspec.structs.replace(events.build(snapshot, view), empty=NO_EVENTS)

    return msgspec.structs.replace(events, build=build)


BREAKER_COLUMNS: Final = (
    Column(name="service", title="Service", sort=False),
    Column(name="state", title="State", unit="state", sort=False),
    Column(name="failures", title="Failures", unit="integer", sort=False),
    Column(name="last", title="Last failure", unit="time", sort=False),
    Column(name="retry", title="Tries again", unit="time", sort=False),
    Column(name="why", title="Why", wide=True, sort=False),
)
STATES: Final[dict[str, State]] = {"closed": "ok", "half_open": "warn", "open": "error"}


def breakers(snapshot: Snapshot, view: View) -> Table:
    """The breaker of each server and provider: its state, its failures in a row, the last of them, the next try."""
    return Table(
        title="Circuit breakers",
        note="one for each server and provider",
        columns=BREAKER_COLUMNS,
        rows=tuple(map(_breaker, snapshot.breakers)),
        empty="The configuration has neither a provider nor an MCP server.",
    )


def _breaker(row: BreakerFigures) -> Row:
    waits = row.state == "open"
    why = "held open until it is reset" if row.by_hand else row.reason if row.state != "closed" else row.last_failure
    return Row(
        key=row.name,
        values=(
            row.name,
            row.state.replace("_", "-"),
            row.failures,
            row.last_failure_at,
            row.retry_at if waits else None,
            why or None,
        ),
        state=STATES[row.state],
        href=f"services/{quote(row.name, safe='')}",
    )


MODEL_COLUMNS: Final = (
    Column(name="model", title="Model", unit="code", wide=True, sort=False),
    Column(name="calls", title="Calls", unit="integer", sort=False),
    Column(name="errors", title="Errors", unit="ratio", sort=False),
    Column(name="mean", title="Mean", unit="bar", sort=False),
    Column(name="first", title="First token", unit="seconds", sort=False),
    Column(name="speed", title="Tokens/s", unit="number", sort=False),
    Column(name="input", title="In", unit="integer", sort=False),
    Column(name="output", title="Out", unit="integer", sort=False),
    Column(name="cost", title="USD", unit="number", sort=False),
)


def model_usage(snapshot: Snapshot, view: View) -> Table:
    """What each model was asked and how it answered, the busiest since the first start first."""
    found = sorted(snapshot.models, key=lambda model: (-model.total.count, model.model))
    return Table(
        title="Model usage",
        note="calls, tokens and cost since the first start",
        href="models",
        columns=MODEL_COLUMNS,
        rows=tuple(map(_model, found[:MODELS_SHOWN])),
        more=max(len(found) - MODELS_SHOWN, 0),
        empty="No model was called yet. Clients take this address as their base.",
    )


def _model(row: Model) -> Row:
    tokens = {kind: round(tally.amount) for kind, tally in row.tokens.items()}
    values = (
        row.model,
        row.total.count,
        row.error_ratio if row.figures.count else None,
        row.total.mean if row.total.count else None,
        row.first_token.p50 if row.first_token.count else None,
        row.speed.p50 if row.speed.count else None,
        tokens.get("input"),
        tokens.get("output"),
        row.cost,
    )
    return Row(key=f"{row.service} {row.model}", values=values, href="models", detail=row.service)


def enhancement(snapshot: Snapshot, view: View) -> Text:
    """The enhancement's cache, and how often and how long models were asked in all."""
    cache = next((each for each in snapshot.caches if each.name == CACHE), None)
    models = snapshot.totals.family("models")
    facts = (
        Fact(name="Cache hits", value=cache.hits if cache else 0, unit="integer"),
        Fact(name="Cache misses", value=cache.misses if cache else 0, unit="integer"),
        Fact(name="Hit rate", value=cache.hit_ratio if cache else None, unit="ratio"),
        Fact(name="Prompts cached", value=cache.size if cache else None, unit="integer"),
        Fact(name="Model calls", value=models.count, unit="integer", href="models"),
        Fact(name="Average time", value=models.mean if models.count else None, unit="seconds"),
    )
    return Text(title="Enhancement", note="since the first start", facts=facts, href="data")
