"""Models: calls, tokens and cost. Nothing is captured yet, and the page says so."""

from __future__ import annotations

from fanlight.core.snapshot import Snapshot
from fanlight.panels import Page, Slot, Table, View


def model_table(snapshot: Snapshot, view: View) -> Table:
    """Models by their calls."""
    return Table(title="Models", note="since start", columns=(), empty="No model has been called through Fanlight yet.")


SLOTS = (Slot(name="model-list", build=model_table),)


def page(snapshot: Snapshot, view: View) -> Page:
    """Models."""
    return Page(name="models", title="Models", slots=SLOTS)
