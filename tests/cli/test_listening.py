"""Listening sockets: bound early, refused clearly, shown by a URL a browser understands."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from typing import Any

import pytest

from fanlight.cli.listening import ListenError, bind, is_loopback, url


class Refusing(socket.socket):
    """A socket that cannot be bound."""

    def bind(self, address: Any, /) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_privileged_port_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-8: a port that needs privileges is named, with one that does not."""
    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(ListenError, match=r"port 80 on 127\.0\.0\.1 needs privileges .* --port 8081"):
        bind("127.0.0.1", 80)


def test_a_taken_port_is_refused_with_one_that_is_free() -> None:
    """X-8: the port suggested can be had: the one after it may be taken as well, as by the demo's other services."""
    [first] = bind("127.0.0.1", 0)
    first.listen()
    port = first.getsockname()[1]
    taken = [first]
    with contextlib.suppress(ListenError):  # whoever has it already, it is taken
        taken += bind("127.0.0.1", port + 1)
        taken[-1].listen()
    try:
        with pytest.raises(ListenError) as refused:
            bind("127.0.0.1", port)
        suggested = re.search(r"such as --port (\d+) ", str(refused.value))
        assert suggested is not None
        assert int(suggested[1]) not in (port, port + 1)
        taken += bind("127.0.0.1", int(suggested[1]))
    finally:
        for each in taken:
            each.close()


@pytest.mark.parametrize(
    ("host", "local", "shown"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:"),
        ("localhost", True, "http://localhost:"),
        ("0.0.0.0", False, "http://127.0.0.1:"),
    ],
)
def test_what_is_bound_is_shown(host: str, local: bool, shown: str) -> None:
    """X-6: loopback is told from the rest, and the URL is one that works on this machine."""
    sockets = bind(host, 0)
    try:
        assert is_loopback(sockets) is local
        assert url(host, sockets) == f"{shown}{sockets[0].getsockname()[1]}"
        assert len({each.getsockname()[1] for each in sockets}) == 1
    finally:
        for each in sockets:
            each.close()


def test_a_host_that_is_none_is_refused() -> None:
    """X-8: a name that cannot be resolved is named."""
    with pytest.raises(ListenError, match="--host 'no host' is not an address of this machine"):
        bind("no host", 0)
