"""Fanlight: a live dashboard that lives inside a Python service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanlight.errors import BreakerOpen, FanlightError, SettingsError, StoreError

if TYPE_CHECKING:
    from fanlight.dashboard import Fanlight
    from fanlight.services.progress import progress

__all__ = [
    "BreakerOpen",
    "Fanlight",
    "FanlightError",
    "SettingsError",
    "StoreError",
    "__version__",
    "progress",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Fanlight` and `progress` are loaded when asked for, so that commands print help without waiting for them."""
    if name == "Fanlight":
        from fanlight.dashboard import Fanlight

        return Fanlight
    if name == "progress":
        from fanlight.services.progress import progress

        return progress
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
