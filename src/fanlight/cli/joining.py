"""An answer's head and its first bytes in one write: a write to a socket costs a gateway a tenth of a request."""

from __future__ import annotations

import asyncio
from typing import Any, Final

HEAD: Final = b"HTTP/1.1 "
"""How a server's head begins."""


class Joining:
    """A transport around another that holds a head back until what follows it, or until the loop's next turn.

    For one event loop. All else passes, in its order; what is held goes out before the connection is closed.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._write = transport.write
        self._call_soon = loop.call_soon
        self._held = b""
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As the transport's; a head waits."""
        if self._held:
            data, self._held = self._held + data, b""
            self._write(data)
        elif data.startswith(HEAD):
            self._held = data
            self._call_soon(self._let_go)
        else:
            self._write(data)

    def writelines(self, parts: Any) -> None:
        """As the transport's, behind what is held."""
        self._let_go()
        self._transport.writelines(parts)

    def write_eof(self) -> None:
        """As the transport's, behind what is held."""
        self._let_go()
        self._transport.write_eof()

    def close(self) -> None:
        """As the transport's, behind what is held."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        if self._held:
            data, self._held = self._held, b""
            if not self.is_closing():
                self._write(data)
