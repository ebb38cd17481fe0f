"""What a fact keeps alive while it waits to be folded."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from tests.capture.conftest import ListRecorder, capture, http_scope


class Payload:
    """What a request holds while it is handled."""


def test_a_failed_request_leaves_nothing_of_itself_behind() -> None:
    """X-9, X-6: a waiting fact holds what the exception said, masked, and neither its frames nor what they hold."""
    recorder = ListRecorder()
    alive: list[weakref.ref[Payload]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        payload = Payload()
        alive.append(weakref.ref(payload))
        raise ValueError("postgres://user:hunter2@database")

    with pytest.raises(ValueError, match="database"):
        asyncio.run(capture(app, recorder)(http_scope("/"), None, None))  # type: ignore[arg-type]
    gc.collect()
    [fact] = recorder.requests()
    assert fact["error"] == "ValueError: postgres://user:[redacted]@database"
    assert alive[0]() is None
