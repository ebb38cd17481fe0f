"""Services: what the application depends on. Nothing is declared yet, and the page says how."""

from __future__ import annotations

from fanlight.core import rules
from fanlight.core.snapshot import Snapshot
from fanlight.panels import Page, Slot, Status, StatusItem, Table, View

DECLARE = "None declared yet. What the application calls will show here with its health and breaker."


def health(snapshot: Snapshot, view: View) -> Status:
    """The service itself, its database, and what it depends on."""
    verdict = rules.judge(snapshot)
    items = [StatusItem(name=snapshot.service, state=verdict.state, text=_word(verdict.sentence), kind="service")]
    if snapshot.database.configured:
        state = rules.database_state(snapshot)
        text = "connected" if state == "ok" else snapshot.database.error[:80]
        items.append(StatusItem(name="database", state=state, text=text, kind="database", href="data"))
    return Status(title="Health", note="service and what it depends on", items=tuple(items), href="services")


def _word(sentence: str) -> str:
    return sentence.partition(".")[0].lower()


def breakers(snapshot: Snapshot, view: View) -> Table:
    """Circuit breakers."""
    return Table(title="Circuit breakers", columns=(), empty="None: no service with a breaker is declared.")


def service_list(snapshot: Snapshot, view: View) -> Table:
    """Declared and discovered services."""
    return Table(title="Services", columns=(), empty=DECLARE)


SLOTS = (
    Slot(name="health", build=health, span=12),
    Slot(name="service-list", build=service_list, span=8),
    Slot(name="breakers", build=breakers, span=4),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Services."""
    return Page(name="services", title="Services", slots=SLOTS)
