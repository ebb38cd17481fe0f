"""Caches: hits, misses, size, and the models behind them."""

from __future__ import annotations

from fanlight.core.sections import CacheFigures
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Bar, Column, Donut, Fact, Row, Table, Text, View

HOW = 'No cache is counted yet. `prompts = dashboard.cache("prompts")`, then `prompts.hit()` and `prompts.miss()`.'


def cache_stats(snapshot: Snapshot, view: View) -> Text:
    """Enhancement: hits, misses, hit rate, entries, model calls and their average time."""
    total, models = snapshot.cache_total, snapshot.totals.family("models")
    if not snapshot.caches and not models.count:
        return Text(title="Caches", note="hits and misses", empty=HOW)
    facts = (
        Fact(name="Hits", value=total.hits, unit="integer"),
        Fact(name="Misses", value=total.misses, unit="integer"),
        Fact(name="Hit rate", value=total.hit_ratio, unit="ratio"),
        Fact(name="Entries", value=total.size, unit="integer"),
        Fact(name="Model calls", value=models.count, unit="integer", href="models"),
        Fact(name="Average time", value=models.mean if models.count else None, unit="seconds"),
    )
    return Text(title="Caches", note="since the first start", facts=facts, href="data")


def cache_donut(snapshot: Snapshot, view: View) -> Donut:
    """Hits against misses."""
    total = snapshot.cache_total
    asked = total.hits + total.misses
    slices = (Bar(name="hits", value=total.hits, tone="ok"), Bar(name="misses", value=total.misses, tone="warn"))
    text = "" if total.hit_ratio is None else f"{total.hit_ratio * 100:.0f} %"
    note = "since the first start" if asked else ""
    return Donut(title="Cache hits", note=note, slices=slices if asked else (), text=text, empty=HOW)


CACHE_COLUMNS = (
    Column(name="name", title="Cache", wide=True),
    Column(name="hits", title="Hits", unit="integer"),
    Column(name="misses", title="Misses", unit="integer"),
    Column(name="ratio", title="Hit rate", unit="ratio"),
    Column(name="size", title="Entries", unit="integer"),
    Column(name="evictions", title="Evicted", unit="integer"),
)


def _row(cache: CacheFigures) -> Row:
    values = (cache.name, cache.hits, cache.misses, cache.hit_ratio, cache.size, cache.evictions)
    return Row(key=cache.name, values=values)


def cache_table(snapshot: Snapshot, view: View) -> Table:
    """Each cache."""
    return Table(title="Caches", columns=CACHE_COLUMNS, rows=tuple(map(_row, snapshot.caches)), empty=HOW)
