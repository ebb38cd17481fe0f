"""Fanlight: a live dashboard that lives inside a Python service.

An application imports from here and from `fanlight.panels`, `snapshot`, `formats`, `probes`, `hosts`, `errors` and
`clock`; what lies deeper may change at any time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from fanlight.errors import BreakerOpen, FanlightError, SettingsError, StoreError
from fanlight.version import VERSION

if TYPE_CHECKING:
    from fanlight.capture.logs import CorrelationFilter
    from fanlight.core.breaker import Policy
    from fanlight.core.context import correlation_id
    from fanlight.core.facts import error_type
    from fanlight.dashboard import Fanlight
    from fanlight.services.budgets import Spending
    from fanlight.services.progress import progress
    from fanlight.services.wording import presentable

__all__ = [
    "BreakerOpen",
    "CorrelationFilter",
    "Fanlight",
    "FanlightError",
    "Policy",
    "SettingsError",
    "Spending",
    "StoreError",
    "__version__",
    "correlation_id",
    "error_type",
    "presentable",
    "progress",
]

__version__ = VERSION

_PLACES: Final = {
    "CorrelationFilter": "fanlight.capture.logs",
    "Fanlight": "fanlight.dashboard",
    "Policy": "fanlight.core.breaker",
    "Spending": "fanlight.services.budgets",
    "correlation_id": "fanlight.core.context",
    "error_type": "fanlight.core.facts",
    "presentable": "fanlight.services.wording",
    "progress": "fanlight.services.progress",
}


def __getattr__(name: str) -> Any:
    """These are loaded when asked for, so that commands print help without waiting for them."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
