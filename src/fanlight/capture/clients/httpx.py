"""httpx: one call each time a client sends, redirects and authentication included, the body unless it is streamed."""

from __future__ import annotations

from functools import wraps
from typing import Any

from fanlight.capture.clients.exchanges import answered, described
from fanlight.capture.clients.library import Described, Library, Undo, replaced


def change(library: Library) -> Undo:
    """Have calls of httpx recorded."""
    import httpx

    return change_clients(library, httpx)


def change_clients(library: Library, module: Any) -> Undo:
    """Have calls of a module with httpx's clients recorded."""
    return replaced(
        (module.Client, "send", lambda original: _send(library, original)),
        (module.AsyncClient, "send", lambda original: _send_async(library, original)),
    )


def _described(request: Any) -> Described:
    return described(request.method, request.url)


def _send(library: Library, original: Any) -> Any:
    @wraps(original)
    def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        with library.begin(_described, request) as call:
            response = original(self, request, *args, **kwargs)
            call.learn(answered, response)
            return response

    return send


def _send_async(library: Library, original: Any) -> Any:
    @wraps(original)
    async def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        with library.begin(_described, request) as call:
            response = await original(self, request, *args, **kwargs)
            call.learn(answered, response)
            return response

    return send
