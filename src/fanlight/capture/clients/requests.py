"""requests: one call each time a session sends, redirects to the same host included, the body unless it is streamed."""

from __future__ import annotations

from functools import wraps
from typing import Any

from fanlight.capture.clients.exchanges import answered, described
from fanlight.capture.clients.library import Described, Library, Undo, replaced


def change(library: Library) -> Undo:
    """Have calls of requests recorded."""
    import requests

    return replaced((requests.Session, "send", lambda original: _send(library, original)))


def _described(request: Any) -> Described:
    return described(request.method, request.url)


def _send(library: Library, original: Any) -> Any:
    @wraps(original)
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        with library.begin(_described, request) as call:
            response = original(self, request, **kwargs)
            call.learn(answered, response)
            return response

    return send
