"""What the code being run belongs to: the correlation ID and the call, carried through tasks by context variables."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

correlation_id: Final[ContextVar[str]] = ContextVar("fanlight_correlation_id", default="")
"""The correlation ID of the request being served, "" outside of one."""

call: Final[ContextVar[Any]] = ContextVar("fanlight_call", default=None)
"""The call of a service that is under way, None outside of any."""
