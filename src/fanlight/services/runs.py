"""Runs: actions under way. One worker starts a run and follows it; each worker it concerns does it and answers.

What anybody may know of a run is in the channel (a store), so every worker can tell how it stands, and a worker that
dies leaves a run that says so.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import msgspec

from fanlight.clock import Clock
from fanlight.core.records import text
from fanlight.errors import FanlightError
from fanlight.services.actions import Action, Actions
from fanlight.services.execution import NAME
from fanlight.services.parameters import read
from fanlight.services.progress import Progress
from fanlight.services.wording import presentable, reason

RESULT: Final = "(result)"
"""The target of a run's command under which its follower answers for all."""

POLL_SECONDS: Final = 0.1
"""How often a follower looks for answers."""

BEAT_SECONDS: Final = 1.0
"""How often a follower says how the run stands, and looks who is still alive."""

STALE_SECONDS: Final = 6.0
"""A running run whose follower is silent for longer is over: its worker ended."""

RELEASE_SECONDS: Final = 1e-6
"""What is left of a lease that is given back."""

START_SECONDS: Final = 10.0
"""How long a worker may take to begin; later it no longer does."""

GRACE_SECONDS: Final = 5.0
"""How much longer than its timeout a worker may take to say that it ran into it."""

RUN_LIMIT: Final = 32
"""Runs one worker follows at once."""

MESSAGE_LIMIT: Final = 900
"""Characters of a run's message; a store keeps 2,000 of the whole state."""

Status = Literal["running", "success", "error"]


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """A run as anybody may follow it: `done` of `total` is its progress, times are Unix seconds."""

    run: str
    action: str
    title: str
    status: Status
    message: str
    started: float
    at: float
    instance: str
    done: float = 0.0
    total: float | None = None


class UnknownRun(FanlightError):
    """No run has that id, or it ended too long ago."""


class Answer(Protocol):
    """What one target says of its part."""

    @property
    def instance(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def at(self) -> float: ...


class Channel(Protocol):
    """How workers reach each other; every method may block. See `stores.commands.Commands`."""

    def send(
        self, id: str, name: str, arguments: Mapping[str, Any], targets: Sequence[str], issuer: str, expiry: float
    ) -> None: ...

    def answers(self, id: str) -> Sequence[Answer]: ...

    def report(self, id: str, status: Status, message: str, instance: str = "") -> None: ...

    def hold(self, lease: str, holder: str, seconds: float) -> bool: ...


@dataclass(eq=False)
class Run:
    """A run this worker follows; `ended` has its last state."""

    id: str
    path: str
    action: Action
    instance: str
    targets: tuple[str, ...]
    role: str
    peer: str
    started: float
    ended: Future[RunState] = field(default_factory=Future)

    @property
    def title(self) -> str:
        """The action's, with what its path names."""
        title = self.action.title
        for name, value in (self.action.match(self.path) or {}).items():
            title = title.replace(f"{{{name}}}", text(value, 80))
        return title

    @property
    def lease(self) -> str:
        """What keeps a second one from beginning, "" where it may."""
        return "" if self.action.concurrent else f"action {self.path}"[:200]


class Runs:
    """Starts and follows runs. Thread-safe; every method may block, none is for the serving loop."""

    def __init__(
        self,
        actions: Actions,
        channel: Channel,
        instance: Callable[[], str],
        live: Callable[[], Collection[str]],
        clock: Clock,
        finished: Callable[[Run, RunState], None],
    ) -> None:
        self._actions = actions
        self._channel = channel
        self._instance = instance
        self._live = live
        self._clock = clock
        self._finished = finished
        self._running: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def start(self, path: str, given: Mapping[str, Any], role: str, peer: str = "") -> Run | RunState:
        """Begin a run, or say why it does not begin; raises UnknownAction and ParameterError."""
        action, values = self._actions.find(path)
        arguments = {**given, **values}
        read(action.parameters, arguments)
        if action.check is not None:
            action.check(values)
        own = self._instance()
        targets = (own,) if action.runs == "once" else tuple(self._live())
        run = Run(secrets.token_hex(8), path, action, own, targets, role, peer, self._now())
        refusal = self._refusal(run)
        if refusal:
            state = self._state(run, "error", f"{run.title}: {refusal}")
            self._finished(run, state)
            return state
        self._send(run, arguments)
        return run

    def _refusal(self, run: Run) -> str:
        if self._stopping.is_set():
            return "this worker is stopping; ask again"
        with self._lock:
            if len(self._running) >= RUN_LIMIT:
                return f"{RUN_LIMIT} actions are running on this worker; wait for one to end"
        if run.lease and not self._channel.hold(run.lease, run.id, STALE_SECONDS):
            return "it is running already; wait until it has ended"
        return ""

    def _send(self, run: Run, arguments: Mapping[str, Any]) -> None:
        command = {"path": run.path, "arguments": dict(arguments)}
        self._channel.send(run.id, NAME, command, (*run.targets, RESULT), run.role, START_SECONDS)
        self._tell(self._state(run, "running", ""))
        thread = threading.Thread(target=self._follow, args=(run,), name="fanlight-run", daemon=True)
        with self._lock:
            self._running[run.id] = thread
        thread.start()

    def _follow(self, run: Run) -> None:
        try:
            outcome = self._watch(run)
            status, message = told(outcome, run.title)
            state = self._state(run, status, message)
        except Exception as error:  # the store: what became of the action cannot be known
            state = self._state(run, "error", f"what became of it is unknown: {reason(error)}")
        try:
            self._end(run, state)
        finally:
            with self._lock:
                self._running.pop(run.id, None)
            run.ended.set_result(state)

    def _end(self, run: Run, state: RunState) -> None:
        self._finished(run, state)
        with suppress(FanlightError):  # a store that takes nothing: who asks finds the run stale, and is told so
            self._tell(state)
            if run.lease:
                self._channel.hold(run.lease, run.id, RELEASE_SECONDS)

    def _watch(self, run: Run) -> Outcome:
        """Wait until every target has answered or can no longer."""
        lost: dict[str, str] = {}
        began, beat = time.monotonic(), 0.0
        while True:
            answers = {each.instance: each for each in self._channel.answers(run.id) if each.instance != RESULT}
            waiting = [name for name in run.targets if name not in answers or answers[name].status == "running"]
            passed = time.monotonic() - began
            lost |= {name: why for name in waiting if (why := self._overdue(run, passed, name in answers))}
            if passed - beat >= BEAT_SECONDS:
                beat = passed
                lost |= self._gone(run, waiting)
                self._beat(run, answers)
            if self._stopping.is_set() or not set(waiting) - set(lost):
                return _outcome(run, answers, lost)
            self._stopping.wait(POLL_SECONDS)

    def _overdue(self, run: Run, passed: float, begun: bool) -> str:
        if not begun and passed > START_SECONDS:
            return "no answer"
        limit = run.action.timeout + START_SECONDS + GRACE_SECONDS
        return f"no answer within {limit:g} s" if passed > limit else ""

    def _gone(self, run: Run, waiting: Sequence[str]) -> dict[str, str]:
        live = self._live()
        return {name: "it ended during the action" for name in waiting if name not in live and name != run.instance}

    def _beat(self, run: Run, answers: Mapping[str, Answer]) -> None:
        if run.lease:
            self._channel.hold(run.lease, run.id, STALE_SECONDS)
        progress = _progress(answers.values())
        state = self._state(run, "running", progress.sentence)
        self._tell(msgspec.structs.replace(state, done=progress.done, total=progress.total))

    def _state(self, run: Run, status: Status, message: str) -> RunState:
        return RunState(
            run=run.id,
            action=run.path,
            title=run.title,
            status=status,
            message=presentable(message, MESSAGE_LIMIT),
            started=run.started,
            at=self._now(),
            instance=run.instance,
        )

    def _tell(self, state: RunState) -> None:
        self._channel.report(state.run, state.status, msgspec.json.encode(state).decode(), RESULT)

    def read(self, id: str) -> RunState:
        """How a run stands, whichever worker follows it; raises UnknownRun."""
        answers = {each.instance: each for each in self._channel.answers(id)}
        result = answers.pop(RESULT, None)
        if result is None:
            raise UnknownRun(f"no run {id[:40]!r}; runs are known for fifteen minutes")
        state = msgspec.json.decode(result.message, type=RunState)
        if state.status != "running" or self._now() - result.at <= STALE_SECONDS:
            return state
        done = [name for name, each in answers.items() if each.status == "success"]
        parts = f"; done on {', '.join(done)}" if done else ""
        message = f"{state.instance}: it ended during the action{parts}"
        return msgspec.structs.replace(state, status="error", message=message)

    def close(self, patience: float = 1.0) -> None:
        """Stop following; what goes on elsewhere is told as unfinished."""
        self._stopping.set()
        with self._lock:
            threads = tuple(self._running.values())
        for thread in threads:
            thread.join(patience)

    def _now(self) -> float:
        return self._clock.time_ns() / 1e9


@dataclass(frozen=True)
class Outcome:
    """What became of a run, by instance."""

    succeeded: Mapping[str, str]
    failed: Mapping[str, str]


def _outcome(run: Run, answers: Mapping[str, Answer], lost: Mapping[str, str]) -> Outcome:
    succeeded = {name: each.message for name, each in answers.items() if each.status == "success"}
    failed = {name: each.message for name, each in answers.items() if each.status == "error"}
    rest = [name for name in run.targets if name not in succeeded and name not in failed]
    return Outcome(succeeded, failed | {name: lost.get(name, "not waited for: this worker stopped") for name in rest})


def told(outcome: Outcome, title: str) -> tuple[Literal["success", "error"], str]:
    """(status, message): success when every instance did it; otherwise which did not, and why."""
    everywhere = len(outcome.succeeded) + len(outcome.failed)
    if not outcome.failed:
        details = "; ".join(sorted(set(filter(None, outcome.succeeded.values()))))
        where = f"{title}: done" + (f" on {everywhere} instances" if everywhere > 1 else "")
        return "success", f"{where}: {details}" if details else where
    by_reason: dict[str, list[str]] = {}
    for name, why in outcome.failed.items():
        by_reason.setdefault(why, []).append(name)
    if not outcome.succeeded and len(by_reason) == 1:
        where = f"on none of {everywhere} instances: " if everywhere > 1 else f"{next(iter(outcome.failed))}: "
        return "error", f"{title}: {where}{next(iter(by_reason))}"
    reasons = "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())
    return "error", f"{title}: done on {len(outcome.succeeded)} of {everywhere} instances, but not on {reasons}"


def _progress(answers: Collection[Answer]) -> Progress:
    """The progress of all who work: their sums, and the first text."""
    known = list(_told(answers))
    totals = [each.total for each in known if each.total is not None]
    text = next((each.text for each in known if each.text), "")
    return Progress(sum(each.done for each in known), sum(totals) if totals else None, text)


def _told(answers: Collection[Answer]) -> Iterator[Progress]:
    for answer in answers:
        if answer.status == "running" and answer.message:
            yield msgspec.json.decode(answer.message, type=Progress)
