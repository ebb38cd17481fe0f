"""What the code being run belongs to: the correlation ID, carried through tasks and threads by a context variable."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

correlation_id: Final[ContextVar[str]] = ContextVar("fanlight_correlation_id", default="")
"""The correlation ID of the request being served, "" outside of one."""
