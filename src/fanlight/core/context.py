"""What the code being run belongs to: the correlation ID and the call, carried through tasks by context variables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

correlation_id: Final[ContextVar[str]] = ContextVar("fanlight_correlation_id", default="")
"""The correlation ID of the request being served, "" outside of one."""

call: Final[ContextVar[Any]] = ContextVar("fanlight_call", default=None)
"""The call of a service that is under way, None outside of any."""

serving: Final[ContextVar[Any]] = ContextVar("fanlight_serving", default=None)
"""The recorder whose request is being served; set only where `tell_apart` is."""

unwatched: Final[ContextVar[bool]] = ContextVar("fanlight_unwatched", default=False)
"""Whether what runs is Fanlight's own work, whose calls of client libraries are none of the application's."""


@contextmanager
def own_work() -> Iterator[None]:
    """While it lasts, what runs here is Fanlight's own work."""
    token = unwatched.set(True)
    try:
        yield
    finally:
        unwatched.reset(token)


tell_apart = False
"""Whether two dashboards of this process watch one client library, so that requests must say whose they are."""
