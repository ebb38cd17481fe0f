"""What a panel's `build(snapshot, view)` is given: the state of the service at one moment, as frozen data."""

from fanlight.core.sections import BreakerFigures, CacheFigures, Model, Operation, Route, Service
from fanlight.core.series import Summary
from fanlight.core.snapshot import Snapshot

__all__ = ["BreakerFigures", "CacheFigures", "Model", "Operation", "Route", "Service", "Snapshot", "Summary"]
