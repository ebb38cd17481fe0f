"""A relay between a browser and a service that can lose connections, go silent, and refuse."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 7\r\nconnection: close\r\n\r\nrefused"


class Relay:
    """Passes bytes both ways on threads of its own; every method may be called from any thread."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._streams: set[socket.socket] = set()
        self._silent: set[socket.socket] = set()
        self.refuse = 0
        self.refused = 0
        self.streams = 0
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def cut(self) -> None:
        """Reset every connection that carries a live stream."""
        for each in tuple(self._streams):
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                each.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Keep the live streams' connections open and pass nothing on any more: a half-open connection."""
        self._silent |= self._streams

    def close(self) -> None:
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(browser,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with browser, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as service:
            threading.Thread(target=self._answers, args=(service, browser), daemon=True).start()
            while data := browser.recv(65_536):
                if b"/live?" in data.split(b"\r\n", 1)[0]:
                    self.streams += 1
                    self._streams.add(browser)
                    if self.refuse > 0:
                        self.refuse -= 1
                        self.refused += 1
                        browser.sendall(REFUSAL)
                        return
                service.sendall(data)
        self._streams.discard(browser)

    def _answers(self, service: socket.socket, browser: socket.socket) -> None:
        with suppress(OSError):
            while data := service.recv(65_536):
                if browser not in self._silent:
                    browser.sendall(data)
            browser.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """A relay in front of a port."""
    made = Relay(port)
    try:
        yield made
    finally:
        made.close()
