"""Answers that are left unfinished on purpose: their connection closes, so that nobody takes a half for the whole."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, NoReturn

from fanlight.errors import FanlightError

SERVER: Final = "uvicorn.error"

_logger = logging.getLogger("fanlight.gateway")


class Unfinished(FanlightError):
    """An answer that ends here although it is not whole; by its `status` the request counts as the provider's fault."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Unread(asyncio.CancelledError):
    """An answer that ends here although its client takes nothing of it: as if it had left."""


def leave(why: str, status: int) -> NoReturn:
    """End the answer of this task, whose head has been sent: the server closes the connection on any exception."""
    _logger.warning("%s: the client's connection is closed, its answer is not whole", why)
    raise Unfinished(why, status)


def unread(provider: str) -> NoReturn:
    """End the answer of this task, as its client took nothing of it for as long as a provider may pause."""
    _logger.warning("a client took nothing of an answer of %s for too long: its connection is closed", provider)
    raise Unread


def told(record: logging.LogRecord) -> bool:
    """A filter of the server's log: without the traceback of what was meant, and is said in better words."""
    return not (record.exc_info and isinstance(record.exc_info[1], Unfinished | Unread))


def explain() -> None:
    """Have the server's log say it once."""
    logging.getLogger(SERVER).addFilter(told)
