"""Answers that are left unfinished on purpose: their connection closes, so that nobody takes a half for the whole."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

SERVER: Final = "uvicorn.error"
COMPLAINT: Final = "ASGI callable returned without completing"
"""How the server's complaint of such an answer begins."""

_meant: ContextVar[bool] = ContextVar("fanlight_unfinished", default=False)
_logger = logging.getLogger("fanlight.gateway")


def leave(why: str) -> None:
    """The answer of this task ends here."""
    _meant.set(True)
    _logger.warning("%s: the client's connection is closed, its answer is not whole", why)


def told(record: logging.LogRecord) -> bool:
    """A filter of the server's log: without its complaint where it was meant, and said in better words."""
    return not (_meant.get() and record.getMessage().startswith(COMPLAINT))


def explain() -> None:
    """Have the server's log say it once."""
    logging.getLogger(SERVER).addFilter(told)
