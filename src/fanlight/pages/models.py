"""Models: calls of language models, their tokens, their cost and how fast they answer."""

from __future__ import annotations

from fanlight import formats
from fanlight.core import rules
from fanlight.core.facts import BLAMELESS, CANCELLED
from fanlight.core.model_calls import USAGES
from fanlight.core.sections import Model
from fanlight.core.series import Summary
from fanlight.core.snapshot import Snapshot
from fanlight.pages import budgets, charts
from fanlight.pages.calls import CALL_COLUMNS, OPERATION_COLUMNS, call_row, operation_row
from fanlight.pages.listing import sort_rows
from fanlight.panels import Bar, Bars, Column, Fact, Line, Page, Row, Slot, Stat, State, Table, Text, TimeSeries, View

NONE = 'No model has been called yet. with dashboard.call("openai", "chat", kind="llm", model=...) records one.'
SLOWEST = 20

COLUMNS = (
    Column(name="model", title="Model", unit="code", wide=True),
    Column(name="calls", title="Calls", unit="integer"),
    Column(name="ratio", title="Error rate", unit="ratio"),
    Column(name="mean", title="Mean", unit="seconds"),
    Column(name="p50", title="p50", unit="seconds"),
    Column(name="p95", title="p95", unit="bar"),
    Column(name="p99", title="p99", unit="seconds"),
    Column(name="first", title="First token p50", unit="seconds"),
    Column(name="first95", title="First token p95", unit="seconds"),
    Column(name="speed", title="Tokens/s", unit="number"),
    Column(name="total", title="In all", unit="integer"),
)


def model_table(snapshot: Snapshot, view: View) -> Table:
    """Models by their calls over the window."""
    rows = [_row(model, snapshot) for model in snapshot.models]
    ordered, applied = sort_rows(rows, COLUMNS, view.sort, "-calls")
    return Table(
        title="Models",
        note="last 15 min",
        columns=COLUMNS,
        rows=ordered,
        sortable=True,
        sorted=applied,
        empty=NONE,
    )


def _row(model: Model, snapshot: Snapshot) -> Row:
    figures, first = model.figures, model.first_token
    values = (
        model.model,
        figures.count,
        model.error_ratio if figures.count else None,
        *_times(figures),
        first.p50 if first.count else None,
        first.p95 if first.count else None,
        model.speed.p50 if model.speed.count else None,
        model.total.count,
    )
    state: State = "warn" if rules.error_state(model.error_ratio) == "warn" else ""
    return Row(key=f"{model.service} {model.model}", values=values, state=state, detail=model.service)


def _times(figures: Summary) -> tuple[float | None, ...]:
    if not figures.count:
        return None, None, None, None
    return figures.mean, figures.p50, figures.p95, figures.p99


TOKEN_COLUMNS = (
    Column(name="model", title="Model", unit="code", wide=True),
    Column(name="input", title="Tokens in", unit="integer"),
    Column(name="output", title="Tokens out", unit="integer"),
    Column(name="cached", title="Cached", unit="integer"),
    Column(name="reasoning", title="Reasoning", unit="integer"),
    Column(name="input_mean", title="In per call", unit="integer"),
    Column(name="output_mean", title="Out per call", unit="integer"),
    Column(name="cost", title="Cost, USD", unit="number"),
    Column(name="cost_mean", title="USD per call", unit="number"),
)


def token_table(snapshot: Snapshot, view: View) -> Table:
    """Tokens and cost of each model since the first start."""
    rows = [_token_row(model) for model in snapshot.models]
    ordered, applied = sort_rows(rows, TOKEN_COLUMNS, view.sort, "-output")
    return Table(
        title="Tokens and cost",
        note="since the first start",
        columns=TOKEN_COLUMNS,
        rows=ordered,
        sortable=True,
        sorted=applied,
        empty=NONE,
    )


def _token_row(model: Model) -> Row:
    tokens = {kind: round(tally.amount) for kind, tally in model.tokens.items()}
    each = {kind: round(tally.mean) for kind, tally in model.tokens.items()}
    values = (
        model.model,
        *(tokens.get(kind) for kind in ("input", "output", "cached", "reasoning")),
        each.get("input"),
        each.get("output"),
        model.cost,
        model.cost / model.total.count if model.cost is not None and model.total.count else None,
    )
    return Row(key=f"{model.service} {model.model}", values=values, detail=model.service)


def model_calls(snapshot: Snapshot, view: View) -> Stat:
    """Calls of models per second."""
    recent = snapshot.view.recent.get("models", (0, 0))[0] / snapshot.view.recent_seconds
    total = snapshot.totals.family("models")
    return Stat(
        title="Model calls",
        value=recent if total.count else None,
        unit="rate",
        detail=f"{_count(total.count)} in all" if total.count else "none yet",
        spark=charts.family_rates(snapshot, "models", lambda point: point.count),
    )


def error_rate(snapshot: Snapshot, view: View) -> Stat:
    """The failed share of the calls of the window; those a client left are no failures."""
    figures = snapshot.view.totals.get("models")
    ratio = figures.errors / figures.count if figures and figures.count else None
    return Stat(
        title="Error rate",
        value=ratio,
        unit="ratio",
        detail=f"{_count(figures.errors)} of {_count(figures.count)} in 15 min" if figures else "no call yet",
        state=rules.error_state(ratio or 0.0),
        spark=charts.of(snapshot, "models", lambda point: point.errors / point.count if point.count else None),
        tone="error",
    )


def tokens_in(snapshot: Snapshot, view: View) -> Stat:
    """Tokens sent to models per second."""
    return _token_stat(snapshot, "input", "Tokens in")


def tokens_out(snapshot: Snapshot, view: View) -> Stat:
    """Tokens models answered with per second."""
    return _token_stat(snapshot, "output", "Tokens out")


def _token_stat(snapshot: Snapshot, kind: str, title: str) -> Stat:
    steps = charts.counter_rates(snapshot, f"gen_ai.tokens.{kind}")
    known = [value for value in steps if value is not None]
    total = sum(round(model.tokens[kind].amount) for model in snapshot.models if kind in model.tokens)
    calls = sum(model.tokens[kind].count for model in snapshot.models if kind in model.tokens)
    detail = f"{_count(total)} in all, {_count(total / calls)} per call" if calls else "none told yet"
    return Stat(title=title, value=known[-1] if known else None, unit="rate", detail=detail, spark=steps)


def _count(number: float) -> str:
    return formats.phrase(number, "integer")


def cost(snapshot: Snapshot, view: View) -> Stat:
    """What the calls of the window cost."""
    window = [model.cost_window for model in snapshot.models if model.cost_window is not None]
    total = [model.cost for model in snapshot.models if model.cost is not None]
    detail = f"{sum(total):.4f} in all" if total else "no call told its cost"
    return Stat(title="Cost, USD", value=sum(window) if window else None, unit="number", detail=detail)


def first_token(snapshot: Snapshot, view: View) -> Stat:
    """Time to the first token, the median of the window."""
    figures = snapshot.view.totals.get("model_first_tokens")
    return Stat(
        title="First token",
        value=figures.p50 if figures and figures.count else None,
        unit="seconds",
        detail="median of 15 min",
        spark=charts.of(snapshot, "model_first_tokens", lambda point: point.p50 if point.count else None),
        tone="second",
    )


def token_chart(snapshot: Snapshot, view: View) -> TimeSeries:
    """Tokens in and out per second."""
    lines = (
        Line(name="in", values=charts.counter_rates(snapshot, "gen_ai.tokens.input"), tone="main", fill=True),
        Line(name="out", values=charts.counter_rates(snapshot, "gen_ai.tokens.output"), tone="ok"),
    )
    return charts.series(snapshot, "Tokens", "in and out per second", "rate", lines, NONE)


def model_latency(snapshot: Snapshot, view: View) -> TimeSeries:
    """How long models take, and until their first token."""
    lines = (
        Line(name="p50", values=charts.of(snapshot, "models", lambda p: p.p50 if p.count else None), tone="ok"),
        Line(name="p95", values=charts.of(snapshot, "models", lambda p: p.p95 if p.count else None), tone="second"),
        Line(
            name="first token p50",
            values=charts.of(snapshot, "model_first_tokens", lambda p: p.p50 if p.count else None),
            tone="main",
        ),
    )
    return charts.series(snapshot, "Model latency", "p50, p95, first token", "seconds", lines, NONE)


def model_errors(snapshot: Snapshot, view: View) -> Bars:
    """Failed calls of models by type over the window."""
    counts = {kind: n for kind, n in snapshot.view.outcomes.get("models", {}).items() if n and kind != "ok"}
    bars = tuple(
        Bar(
            name=kind,
            value=n,
            tone="muted" if kind == CANCELLED else "warn" if kind in BLAMELESS else "error",
        )
        for kind, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    return Bars(title="Model errors", note="by type, last 15 min", bars=bars, empty="Every call of a model succeeded.")


def usage(snapshot: Snapshot, view: View) -> Bars:
    """How well the tokens are known."""
    counters = snapshot.view.counters
    counts = {kind: counters.get(f"gen_ai.usage.{kind}", 0) for kind in USAGES}
    bars = tuple(Bar(name=kind, value=n, tone="ok" if kind == "exact" else "warn") for kind, n in counts.items())
    note = "how the tokens of each call are known, last 15 min"
    return Bars(title="Usage", note=note, bars=bars if any(counts.values()) else (), empty=NONE)


def model_cache(snapshot: Snapshot, view: View) -> Text:
    """How much of what models were sent came from a cache of theirs, and what the application's own caches spared."""
    told = [model.tokens.get(kind) for model in snapshot.models for kind in ("input", "cached")]
    given, cached = (sum(round(tally.amount) for tally in told[place::2] if tally) for place in (0, 1))
    total = snapshot.cache_total
    facts = (
        Fact(name="Tokens in from a cache", value=cached, unit="integer"),
        Fact(name="Share of tokens in", value=cached / given if given else None, unit="ratio"),
        Fact(name="Cache hits", value=total.hits, unit="integer", href="data"),
        Fact(name="Cache misses", value=total.misses, unit="integer", href="data"),
        Fact(name="Hit rate", value=total.hit_ratio, unit="ratio", href="data"),
    )
    return Text(title="Cache", note="since the first start", facts=facts)


def slowest_operations(snapshot: Snapshot, view: View) -> Table:
    """The operations that take longest, of services of every kind."""
    found = sorted((row for row in snapshot.operations if row.figures.count), key=lambda row: -row.figures.p95)
    return Table(
        title="Slowest operations",
        note="by p95, last 15 min",
        columns=OPERATION_COLUMNS,
        rows=tuple(map(operation_row, found[:SLOWEST])),
        more=max(len(found) - SLOWEST, 0),
        empty='No call yet. with dashboard.call("service", "operation"): ... records one.',
    )


def slow_calls(snapshot: Snapshot, view: View) -> Table:
    """The last calls that were slow."""
    return Table(
        title="Slow calls",
        note="the newest",
        columns=CALL_COLUMNS,
        rows=tuple(map(call_row, snapshot.slow_calls[:SLOWEST])),
        empty="No call was slow in the last 15 minutes.",
    )


SLOTS = (
    Slot(name="model-calls", build=model_calls, span=2, pace="fast"),
    Slot(name="model-error-rate", build=error_rate, span=2, pace="fast"),
    Slot(name="tokens-in", build=tokens_in, span=2, pace="fast"),
    Slot(name="tokens-out", build=tokens_out, span=2, pace="fast"),
    Slot(name="first-token", build=first_token, span=2, pace="fast"),
    Slot(name="model-cost", build=cost, span=2, pace="fast"),
    budgets.SLOT,
    Slot(name="model-list", build=model_table),
    Slot(name="model-tokens", build=token_table),
    Slot(name="token-chart", build=token_chart, span=6),
    Slot(name="model-latency", build=model_latency, span=6),
    Slot(name="model-errors", build=model_errors, span=4),
    Slot(name="model-usage", build=usage, span=4),
    Slot(name="model-cache", build=model_cache, span=4),
    Slot(name="slowest-operations", build=slowest_operations, span=6),
    Slot(name="slow-calls", build=slow_calls, span=6),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Models; before the first call of one, only what says how."""
    slots = SLOTS if snapshot.budgets else tuple(slot for slot in SLOTS if slot is not budgets.SLOT)
    if not snapshot.models:
        few = ("budgets", "model-list", "slowest-operations", "slow-calls")
        return Page(name="models", title="Models", slots=tuple(slot for slot in slots if slot.name in few))
    return Page(name="models", title="Models", slots=slots)
