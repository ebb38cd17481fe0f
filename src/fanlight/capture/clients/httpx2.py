"""httpx2, the successor of httpx: its clients are the same."""

from __future__ import annotations

from fanlight.capture.clients.httpx import change_clients
from fanlight.capture.clients.library import Library, Undo


def change(library: Library) -> Undo:
    """Have calls of httpx2 recorded."""
    import httpx2

    return change_clients(library, httpx2)
