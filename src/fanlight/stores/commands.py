"""Commands: what must run on every instance, sent through the store and acknowledged by each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from fanlight.clock import Clock
from fanlight.errors import FanlightError
from fanlight.stores.base import Acknowledgement, Command, Store

EXPIRY_SECONDS: Final = 30.0
"""How long an instance may take to notice a command; after that it no longer runs it."""

POLL_SECONDS: Final = 0.1
"""How often the sender looks for answers."""

Handler = Callable[[Mapping[str, Any]], str]
"""Does the work, on a thread that may wait; returns what to say, raises when it failed."""


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
        self.handlers: dict[str, Handler] = {}

    def poll(self) -> int:
        """Do what this instance has still to do; returns how many commands that were."""
        due = self._store.commands(self._service, self.instance, self._now())
        for command in due:
            self._do(command)
        return len(due)

    def _do(self, command: Command) -> None:
        handler = self.handlers.get(command.name)
        status, message = "success", ""
        try:
            if handler is None:
                raise FanlightError(f"this instance knows no command {command.name}")
            message = handler(command.arguments)
        except Exception as error:
            status, message = "error", f"{type(error).__name__}: {error}" if handler else str(error)
        answer = Acknowledgement(
            command.id, self.instance, "error" if status == "error" else "success", message, self._now()
        )
        self._store.acknowledge(self._service, answer)

    def run(
        self, name: str, arguments: Mapping[str, Any], targets: Sequence[str], issuer: str, timeout: float = 10.0
    ) -> Outcome:
        """Send to the targets and wait for their answers; those that do not answer in time are `missing`."""
        now = self._now()
        command = Command(
            secrets.token_hex(8), name, dict(arguments), tuple(targets), now, now + EXPIRY_SECONDS, issuer
        )
        self._store.send(self._service, command)
        if self.instance in targets:
            self.poll()
        deadline = time.monotonic() + timeout
        while True:
            answers = self._store.acknowledgements(self._service, command.id)
            if len(answers) >= len(command.targets) or time.monotonic() >= deadline:
                return _outcome(command, answers)
            time.sleep(POLL_SECONDS)

    def _now(self) -> float:
        return self._clock.time_ns() / 1e9


def _outcome(command: Command, answers: Sequence[Acknowledgement]) -> Outcome:
    succeeded = {answer.instance: answer.message for answer in answers if answer.status == "success"}
    failed = {answer.instance: answer.message for answer in answers if answer.status != "success"}
    missing = [target for target in command.targets if target not in succeeded and target not in failed]
    return Outcome(succeeded, failed, missing)
