"""Commands: done on every instance they are for, and success only when each has said so."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from fanlight.clock import ManualClock, SystemClock
from fanlight.errors import StoreError
from fanlight.stores import MemoryStore
from fanlight.stores.base import COMMAND_KEPT, COMMAND_LIMIT
from fanlight.stores.commands import EXPIRY_SECONDS, Commands


class Site:
    """Two instances on one store; the second polls when told."""

    def __init__(self) -> None:
        store = MemoryStore()
        self.one = Commands(store, "chat", "one", SystemClock())
        self.two = Commands(store, "chat", "two", SystemClock())
        self.done: list[str] = []
        self.one.handlers["clear"] = self._doing("one")
        self.two.handlers["clear"] = self._doing("two")

    def _doing(self, name: str) -> Any:
        def do(arguments: Mapping[str, Any]) -> str:
            self.done.append(name)
            return f"cleared {arguments['what']}"

        return do


@pytest.fixture
def site() -> Site:
    return Site()


def polling(commands: Commands) -> threading.Thread:
    """A thread that does what is commanded until something was."""
    waiting = threading.Event()

    def poll() -> None:
        while not commands.poll():
            waiting.wait(0.01)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    return thread


def test_an_order_stands_until_it_is_withdrawn(site: Site) -> None:
    """HUB-3: given by several it stands once, for who asks later; another's stands on."""
    for commands in (site.one, site.two):
        commands.stand("breakers", {"name": "ollama"})
    site.one.stand("breakers", {"name": "redis"})
    site.one.stand("clear", {})
    assert site.two.standing("breakers") == [{"name": "ollama"}, {"name": "redis"}]
    site.two.withdraw("breakers", {"name": "ollama"})
    site.two.withdraw("breakers", {"name": "nobody"})
    assert site.one.standing("breakers") == [{"name": "redis"}]
    site.one.stand("breakers", {"name": "ollama"})
    assert len(site.one.standing("breakers")) == 2
    assert site.two.poll() == 0


def test_success_means_every_instance_did_it(site: Site) -> None:
    """HUB-7: an action that must run everywhere has succeeded when every live instance has acknowledged it."""
    thread = polling(site.two)
    outcome = site.one.run("clear", {"what": "prompts"}, ["one", "two"], "operator")
    thread.join()
    assert sorted(site.done) == ["one", "two"]
    assert outcome.status == "success"
    assert outcome.succeeded == {"one": "cleared prompts", "two": "cleared prompts"}


def test_an_instance_that_does_not_answer_is_named(site: Site) -> None:
    """HUB-7: a partial result names the instances that did not answer."""
    outcome = site.one.run("clear", {"what": "x"}, ["one", "two"], "operator", timeout=0.0)
    assert outcome.status == "error"
    assert list(outcome.missing) == ["two"]
    assert list(outcome.succeeded) == ["one"]


def test_a_failure_comes_back_with_its_reason(site: Site) -> None:
    """HUB-7: a handler that raises is an error with its reason, on that instance alone."""

    def fail(arguments: Mapping[str, Any]) -> str:
        raise RuntimeError("disk full")

    site.one.handlers["clear"] = fail
    outcome = site.one.run("clear", {"what": "x"}, ["one"], "operator")
    assert outcome.status == "error"
    assert outcome.failed == {"one": "RuntimeError: disk full"}


def test_an_unknown_command_is_an_error_not_a_silence(site: Site) -> None:
    """An instance of another release that knows no such command says so."""
    outcome = site.one.run("dance", {}, ["one"], "operator")
    assert "knows no command dance" in outcome.failed["one"]


def test_a_command_is_done_once(site: Site) -> None:
    """Polling again does not do again what was acknowledged."""
    site.one.run("clear", {"what": "x"}, ["one"], "operator")
    assert site.one.poll() == 0
    assert site.done == ["one"]


def test_old_commands_make_room_for_new_ones() -> None:
    """TTY-6, HUB-7: a service that is never restarted, with a store that nobody prunes, can be acted on for ever."""
    clock = ManualClock()
    one = Commands(MemoryStore(), "chat", "one", clock)
    one.handlers["clear"] = lambda arguments: "cleared"
    for _ in range(COMMAND_LIMIT):
        one.run("clear", {}, ["one"], "operator")
    with pytest.raises(StoreError, match="wait until they have expired"):
        one.run("clear", {}, ["one"], "operator")
    clock.advance(EXPIRY_SECONDS + COMMAND_KEPT + 1)
    assert one.run("clear", {}, ["one"], "operator").status == "success"
