"""Readings: what an application asks its own dashboard, as plain lists and dicts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

import msgspec

from fanlight.core.query import Query
from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import parameters
from fanlight.faces.api.documents import health_of
from fanlight.faces.api.services import furthest, steps
from fanlight.panels import View


class Readings(ABC):
    """What can be read of a dashboard. Each may wait for fresh numbers: not on the serving loop."""

    @property
    @abstractmethod
    def query(self) -> Query:
        """What makes snapshots."""

    def get_active_wrappers(self) -> list[str]:
        """The services of every kind that were called in the last 15 minutes."""
        return [service.name for service in self._snapshot().services if service.figures.count]

    def get_wrapper_metrics(self, name: str, since: datetime | float) -> list[dict[str, Any]]:
        """A service's calls step by step since a time (aware, or Unix seconds), as far back as is kept.

        In steps of ten seconds within the last 15 minutes, of a minute to six hours further back; empty for a service
        nobody called.
        """
        start = since.timestamp() if isinstance(since, datetime) else float(since)
        present = self._snapshot()
        if start < present.at - present.view.seconds:
            present = furthest(self.query.snapshot(parameters.since(View(), start, present.at)))
        return [dict(msgspec.to_builtins(step)) for step in steps(present.course(name), start)]

    def get_system_health(self) -> dict[str, Any]:
        """What `/api/system/health` answers."""
        return dict(msgspec.to_builtins(health_of(self._snapshot())))

    def _snapshot(self) -> Snapshot:
        return self.query.snapshot(View())
