"""Correlation IDs: taken from a request when it brings a sound one, made when not."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, MutableMapping
from contextvars import ContextVar, Token
from functools import partial
from itertools import chain, count
from typing import Any, Final, TypeVar

T = TypeVar("T")

RESPONSE_HEADER: Final = b"x-correlation-id"
"""The header that carries the correlation ID back to the client."""

REQUEST_HEADERS: Final = frozenset({b"x-correlation-id", b"x-request-id", b"traceparent"})
"""The request headers an ID may come from; the first two as they are, `traceparent` by its trace id."""

_sound = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_traceparent = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?").fullmatch

_TAILS: Final = tuple(f"{number:02x}" for number in range(256))

make: Callable[[], str]
"""A new ID, unique in this process, improbable in another; thread-safe, 50 ns. A fork replaces it: do not keep it."""


def given(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The ID a request brings by X-Correlation-ID, else X-Request-ID, else traceparent; None without a sound one."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in REQUEST_HEADERS:
            found.setdefault(name, value)
    return (
        valid(found.get(b"x-correlation-id", b""))
        or valid(found.get(b"x-request-id", b""))
        or trace_id(found.get(b"traceparent", b""))
    )


def valid(value: bytes) -> str | None:
    """The ID if it is 1 to 128 of `A-Z a-z 0-9 . _ : / + = @ -`, safe in headers and log lines; else None."""
    return value.decode("ascii") if _sound(value) else None


def trace_id(traceparent: bytes) -> str | None:
    """The trace id inside a W3C `traceparent`; None when it is malformed or all zeros (invalid by that standard)."""
    match = _traceparent(traceparent)
    if match is None or traceparent[:2] == b"ff" or not match[1].strip(b"0"):
        return None
    return match[1].decode("ascii")


def stamp(message: MutableMapping[str, Any], correlation_id: str) -> tuple[MutableMapping[str, Any], str]:
    """A copy of a message whose headers name a correlation ID, and that ID: the application's own if it set one.

    The application's message and its headers, which may be an iterator, are never changed.
    """
    headers = [*(message.get("headers") or ())]
    for name, value in headers:
        if name.lower() == RESPONSE_HEADER:
            correlation_id = valid(value) or correlation_id
            break
    else:
        headers.append((RESPONSE_HEADER, correlation_id.encode("ascii")))
    return {**message, "headers": headers}, correlation_id


def restore(variable: ContextVar[T], token: Token[T]) -> None:
    """Give a context variable its former value; nothing to do where another context ends what this one began."""
    try:
        variable.reset(token)
    except ValueError:  # a coroutine that was abandoned is closed from wherever the collector runs
        return


def _block(prefix: str, number: int) -> list[str]:
    head = f"{prefix}{number:06x}"
    return [head + tail for tail in _TAILS]


def _renew() -> None:
    global make
    # Built of C iterators on purpose: `next` on them is atomic under the interpreter's lock, on a generator it is not.
    make = chain.from_iterable(map(partial(_block, secrets.token_hex(6)), count())).__next__


_renew()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew)
