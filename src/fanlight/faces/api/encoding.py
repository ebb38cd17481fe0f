"""Documents as JSON, whatever an application put into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

DEPTH: Final = 6
"""Levels of an application's own data that are written; deeper ones become text."""

ITEMS: Final = 500
"""Members of one list or object of an application's own data that are written."""

TEXT: Final = 2_000
"""Characters of one text of an application's own data that are written."""


def encode(document: Any) -> bytes:
    """A document as JSON; never fails on what the application or its clients put into it."""
    try:
        return _encoder.encode(document)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError):
        return _encoder.encode(_mended(msgspec.to_builtins(document, enc_hook=describe)))


def plain(value: Any, depth: int = DEPTH) -> Any:
    """An application's data as bounded plain data; what JSON has no word for becomes its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return readable(value[:TEXT])
    if depth > 0 and isinstance(value, Mapping):
        return {readable(describe(key)): plain(item, depth - 1) for key, item in islice(value.items(), ITEMS)}
    if depth > 0 and isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return [plain(item, depth - 1) for item in islice(value, ITEMS)]
    return readable(describe(value))


def readable(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def describe(value: Any) -> str:
    """Anything as bounded text; never fails, whatever its __str__ does."""
    try:
        return str(value)[:TEXT]
    except Exception:
        return f"({type(value).__name__})"


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(str(key)): _mended(item) for key, item in value.items()}
    return [_mended(item) for item in value] if isinstance(value, list | tuple) else value


_encoder: Final = msgspec.json.Encoder(enc_hook=describe)
