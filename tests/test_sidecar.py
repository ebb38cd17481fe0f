"""The setting `port`: what is refused, and how its process is told from others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from tests.capture.conftest import serving

from fanlight import Fanlight, SettingsError, sidecar
from fanlight.settings import Settings
from fanlight.sidecar import Sidecar, server_at, server_name


def test_a_port_needs_a_shared_store() -> None:
    """X-8: with memory:// a dashboard of its own could show nothing: refused in one line that says what to set."""
    with pytest.raises(SettingsError, match=r"memory://.*set store='sqlite:") as caught:
        Fanlight("shop", port=9090)
    assert "\n" not in str(caught.value)
    Fanlight("shop", port=9090, enabled=False)


def test_services_and_stores_differ_by_name() -> None:
    """X-8: the name a dashboard serves under tells services and stores apart, and tells neither of them."""
    names = {
        server_name(Settings(name=name, store=store))
        for name in ("shop", "chat")
        for store in ("sqlite:///a.db", "redis://:secret@host")
    }
    assert len(names) == 4
    assert not any(word in name for name in names for word in ("shop", "secret", "host"))


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def taken(port: int, tries: int) -> list[str]:
    """What is said of a port that is taken, by try."""
    beside = Sidecar(Settings(name="shop", store="sqlite:///a.db", port=port), lambda where, error: None)
    return [beside._taken() for _ in range(tries)]


def test_who_has_the_port_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-8: ours is fine, another service's dashboard and other programs are named; one still starting gets time."""
    monkeypatch.setattr(sidecar, "PROBE_SECONDS", 20.0)
    ours = server_name(Settings(name="shop", store="sqlite:///a.db"))
    for header, said in ((ours, ""), ("fanlight/0", "the dashboard of another service"), ("x", "another program")):
        with serving(Starlette(), server_header=False, headers=[("Server", header)]) as port:
            assert server_at(port) == header
            assert (said in taken(port, 1)[0]) if said else taken(port, 1) == [""]
    monkeypatch.setattr(sidecar, "PROBE_SECONDS", 0.05)
    with silent() as port:
        said_at = taken(port, sidecar.UNANSWERED)
    assert said_at[:-1] == [""] * (sidecar.UNANSWERED - 1)
    assert "another program" in said_at[-1]
