"""The document of language models."""

from __future__ import annotations

import msgspec

from fanlight import formats
from fanlight.core import sections
from fanlight.core.series import EMPTY, Summary
from fanlight.core.totals import Tally
from fanlight.faces.api import items
from fanlight.faces.api.documents import Asked
from fanlight.faces.figures import milliseconds


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one type: in all since the first start, per call that told them, and in the last 15 minutes."""

    total: int
    per_call: float
    last_15_minutes: int


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A language model of a service: calls, errors and mean since the first start, the rest of the last 15 minutes.

    `tokens` by type: input, output, cached, reasoning, as far as calls told them; costs are US dollars.
    """

    name: str
    service: str
    calls: int
    errors: int
    average_ms: float | None
    window: items.Figures
    time_to_first_token_p50_ms: float | None
    time_to_first_token_p95_ms: float | None
    tokens_per_second: float | None
    tokens: dict[str, Tokens]
    cost_usd: float | None
    cost_usd_last_15_minutes: float | None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in its present day or month of UTC, which ends then: US dollars, and the share of them that is spent.

    `state` is ok, warning (from `warns_at_percent` on) or spent.
    """

    name: str
    per: str
    amount_usd: float
    spent_usd: float
    spent_percent: float
    warns_at_percent: float
    state: str
    ends_at: str


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The language models the application calls, and the budgets for them."""

    timestamp: str
    count: int
    models: list[Model]
    budgets: list[Budget]


def models(asked: Asked) -> Models:
    """`GET /api/models`."""
    listed = [_model(row) for row in asked.snapshot.models]
    budgets = [_budget(each) for each in asked.snapshot.budgets]
    return Models(timestamp=formats.moment(asked.snapshot.at), count=len(listed), models=listed, budgets=budgets)


def _budget(each: sections.BudgetFigures) -> Budget:
    return Budget(
        name=each.name,
        per=each.per,
        amount_usd=each.amount,
        spent_usd=round(each.spent, 9),
        spent_percent=round(each.share * 100, 2),
        warns_at_percent=round(each.warn * 100, 2),
        state="spent" if each.over else "warning" if each.warns else "ok",
        ends_at=formats.moment(each.ends),
    )


def _model(row: sections.Model) -> Model:
    first, known = row.first_token, row.first_token.count > 0
    return Model(
        name=row.model,
        service=row.service,
        calls=row.total.count,
        errors=row.total.errors,
        average_ms=milliseconds(row.total.mean) if row.total.count else None,
        window=items.figures(row.figures),
        time_to_first_token_p50_ms=milliseconds(first.p50) if known else None,
        time_to_first_token_p95_ms=milliseconds(first.p95) if known else None,
        tokens_per_second=round(row.speed.p50, 2) if row.speed.count else None,
        tokens={kind: _tokens(tally, row.tokens_window.get(kind, EMPTY)) for kind, tally in row.tokens.items()},
        cost_usd=None if row.cost is None else round(row.cost, 9),
        cost_usd_last_15_minutes=None if row.cost_window is None else round(row.cost_window, 9),
    )


def _tokens(tally: Tally, window: Summary) -> Tokens:
    recent = round(window.mean * window.count)
    return Tokens(total=round(tally.amount), per_call=round(tally.mean, 2), last_15_minutes=recent)
