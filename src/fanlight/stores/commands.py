"""Commands: what must run on every instance, sent through the store and acknowledged by each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any, Final, Literal, NamedTuple

from fanlight.clock import Clock
from fanlight.errors import FanlightError, StoreError
from fanlight.stores.base import TIERS, Acknowledgement, Command, Store

EXPIRY_SECONDS: Final = 30.0
"""How long an instance may take to notice a command; after that it no longer runs it."""

STANDING: Final = "(standing)"
"""Whom a standing order is for: every instance that starts while it holds."""

STANDING_SECONDS: Final = float(max(TIERS.values()))
"""How long a standing order holds at most: as long as anything is kept."""

POLL_SECONDS: Final = 0.1
"""How often the sender looks for answers."""

Status = Literal["running", "success", "error"]

Handler = Callable[[Mapping[str, Any]], str]
"""Does the work, on a thread that may wait; returns what to say, raises when it failed."""

Starter = Callable[[str, Mapping[str, Any]], None]
"""(id, arguments): begins work that may take long, and returns; what became of it is told by `Commands.report`."""


class Outcome(NamedTuple):
    """What became of a command: messages by instance; `missing` never answered."""

    succeeded: Mapping[str, str]
    failed: Mapping[str, str]
    missing: Sequence[str]

    @property
    def status(self) -> str:
        """ "success" only when every live instance did it."""
        return "error" if self.failed or self.missing else "success"


class Commands:
    """One instance's end of the channel. `poll` runs what is due here; `run` sends and waits. Both block."""

    def __init__(self, store: Store, service: str, instance: str, clock: Clock) -> None:
        self._store = store
        self._service = service
        self.instance = instance
        self._clock = clock
        self._doing = RLock()  # what is due is begun once, whoever asks
        self.handlers: dict[str, Handler] = {}
        self.starters: dict[str, Starter] = {}

    def poll(self) -> int:
        """Do what this instance has still to do; returns how many commands that were."""
        with self._doing:
            due = self._store.commands(self._service, self.instance, self._now())
            for command in due:
                self._do(command)
        return len(due)

    def _do(self, command: Command) -> None:
        starter, handler = self.starters.get(command.name), self.handlers.get(command.name)
        status: Status = "success"
        message = ""
        try:
            if starter is not None:
                self.report(command.id, "running", "")
                starter(command.id, command.arguments)
                return
            if handler is None:
                raise FanlightError(f"this instance knows no command {command.name}")
            message = handler(command.arguments)
        except Exception as error:
            status, message = "error", f"{type(error).__name__}: {error}" if handler else str(error)
        self.report(command.id, status, message)

    def report(self, id: str, status: Status, message: str, instance: str = "") -> None:
        """Say what became of a command, or how far it is, here or for the named target."""
        answer = Acknowledgement(id, instance or self.instance, status, message, self._now())
        self._store.acknowledge(self._service, answer)

    def send(
        self, id: str, name: str, arguments: Mapping[str, Any], targets: Sequence[str], issuer: str, expiry: float
    ) -> None:
        """Send a command and do this instance's own part of it; those that have not begun within `expiry` seconds will
        not."""
        now = self._now()
        command = Command(id, name, dict(arguments), tuple(targets), now, now + expiry, issuer)
        try:
            self._store.send(self._service, command)
        except StoreError:
            self._store.prune(self._service, now)  # full of old ones, perhaps: nobody else prunes a store in memory
            self._store.send(self._service, command)
        if self.instance in targets:
            self.poll()

    def stand(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Have an order hold for instances that start later, until it is withdrawn; giving it again changes nothing."""
        now = self._now()
        if dict(arguments) not in self.standing(name):
            id, ends = secrets.token_hex(8), now + STANDING_SECONDS
            command = Command(id, name, dict(arguments), (STANDING,), now, ends, self.instance)
            self._store.send(self._service, command)

    def withdraw(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Have an order hold no longer."""
        for command in self._orders(name):
            if command.arguments == arguments:
                self._store.forget(self._service, command.id)

    def standing(self, name: str) -> list[dict[str, Any]]:
        """The orders of that name that hold, the oldest first."""
        return [command.arguments for command in self._orders(name)]

    def _orders(self, name: str) -> list[Command]:
        held = self._store.commands(self._service, STANDING, self._now())
        return [command for command in held if command.name == name]

    def answers(self, id: str) -> Sequence[Acknowledgement]:
        """What the targets of a command said so far."""
        return self._store.acknowledgements(self._service, id)

    def hold(self, lease: str, holder: str, seconds: float) -> bool:
        """Take a lease or keep it longer; False while another holder has it."""
        return self._store.acquire_lease(self._service, lease, holder, self._now(), seconds)

    def run(
        self, name: str, arguments: Mapping[str, Any], targets: Sequence[str], issuer: str, timeout: float = 10.0
    ) -> Outcome:
        """Send to the targets and wait for their answers; those that do not answer in time are `missing`."""
        id = secrets.token_hex(8)
        self.send(id, name, arguments, targets, issuer, EXPIRY_SECONDS)
        deadline = time.monotonic() + timeout
        while True:
            answers = [answer for answer in self.answers(id) if answer.status != "running"]
            if len(answers) >= len(targets) or time.monotonic() >= deadline:
                return _outcome(targets, answers)
            time.sleep(POLL_SECONDS)

    def _now(self) -> float:
        return self._clock.time_ns() / 1e9


def _outcome(targets: Sequence[str], answers: Sequence[Acknowledgement]) -> Outcome:
    succeeded = {answer.instance: answer.message for answer in answers if answer.status == "success"}
    failed = {answer.instance: answer.message for answer in answers if answer.status != "success"}
    missing = [target for target in targets if target not in succeeded and target not in failed]
    return Outcome(succeeded, failed, missing)
