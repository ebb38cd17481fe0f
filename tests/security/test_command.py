"""What the commands give away to the local machine."""

from __future__ import annotations

import os

import pytest

from fanlight.cli.listening import bind
from fanlight.cli.run import admit


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings, as it was afterwards."""
    for name in [name for name in os.environ if name.startswith("FANLIGHT_")]:
        monkeypatch.delenv(name)
    for name in ("FANLIGHT_LOCAL_ROLE", "FANLIGHT_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def admitted(host: str) -> dict[str, str]:
    """What the command sets for a host it listens on."""
    sockets = bind(host, 0)
    try:
        admit(sockets)
    finally:
        for each in sockets:
            each.close()
    return {name: value for name, value in os.environ.items() if name.startswith("FANLIGHT_")}


def test_alone_on_loopback_the_local_machine_acts(clean: pytest.MonkeyPatch) -> None:
    """X-6: without a token nobody else can be meant."""
    assert admitted("127.0.0.1") == {"FANLIGHT_LOCAL_ROLE": "operator"}


@pytest.mark.parametrize("name", ["FANLIGHT_TOKEN", "FANLIGHT_VIEWER_TOKEN"])
def test_with_a_token_only_its_holder_acts(clean: pytest.MonkeyPatch, name: str) -> None:
    """X-6: a token says that others come, most likely through a proxy on this machine, which may look like its user."""
    clean.setenv(name, "a-token-of-my-own-choice")
    assert admitted("127.0.0.1") == {name: "a-token-of-my-own-choice"}


def test_a_role_that_was_chosen_stays(clean: pytest.MonkeyPatch) -> None:
    """X-6: what the operator set is not changed, with or without a token."""
    clean.setenv("FANLIGHT_LOCAL_ROLE", "viewer")
    assert admitted("127.0.0.1") == {"FANLIGHT_LOCAL_ROLE": "viewer"}
