"""Fanlight: a live dashboard that lives inside a Python service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanlight.errors import BreakerOpen, FanlightError, SettingsError, StoreError

if TYPE_CHECKING:
    from fanlight.dashboard import Fanlight

__all__ = ["BreakerOpen", "Fanlight", "FanlightError", "SettingsError", "StoreError", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Fanlight` is loaded when it is asked for, so that commands print help without waiting for it."""
    if name == "Fanlight":
        from fanlight.dashboard import Fanlight

        return Fanlight
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
