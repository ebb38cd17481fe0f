"""What the tests of the examples share: the examples on the path, and a real server in a thread."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

Serve = Callable[..., AbstractContextManager[str]]


class Server(uvicorn.Server):
    """A uvicorn that tells when it has started."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(app, loop="asyncio", lifespan="on", log_config=None, timeout_graceful_shutdown=2)
        )
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    """Serve an application over a real socket; yields its base URL."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server = Server(app)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        assert server.ready.wait(20), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def serve() -> Serve:
    return served
