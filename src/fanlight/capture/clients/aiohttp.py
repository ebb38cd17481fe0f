"""aiohttp: one call each time a client session asks, until the answer's headers; the body is read by its caller."""

from __future__ import annotations

from functools import wraps
from typing import Any
from urllib.parse import urljoin

from fanlight.capture.clients.exchanges import described
from fanlight.capture.clients.library import ClientCall, Described, Library, Undo, replaced


def change(library: Library) -> Undo:
    """Have calls of aiohttp's client recorded."""
    import aiohttp

    return replaced((aiohttp.ClientSession, "_request", lambda original: _request(library, original)))


def _described(session: Any, method: str, url: Any) -> Described:
    base = getattr(session, "_base_url", None)
    return described(method, urljoin(str(base), str(url)) if base is not None else url)


def _answered(call: ClientCall, response: Any) -> None:
    call.answered(response.status)


def _request(library: Library, original: Any) -> Any:
    @wraps(original)
    async def request(self: Any, method: str, str_or_url: Any, **kwargs: Any) -> Any:
        with library.begin(_described, self, method, str_or_url) as call:
            response = await original(self, method, str_or_url, **kwargs)
            call.learn(_answered, response)
            return response

    return request
