"""Several workers behind one socket: the pure life of a child, and the thin loop that acts on it.

The first worker starts alone, so that a service that cannot start says so once; the others follow when it serves.
A worker that dies is started again after a back-off; all stop with the supervisor, however that ends.
"""

from __future__ import annotations

import enum
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from fanlight.cli.relay import LINE_LIMIT, Relay
from fanlight.cli.reloading import LOOK_SECONDS, Changes
from fanlight.cli.signals import STOP_SIGNALS, drained, handled
from fanlight.cli.wire import READY, SupervisorEnd

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 10.0
STABLE_SECONDS: Final = 30.0
GRACE_SECONDS: Final = 8.0
CONSOLE_SECONDS: Final = 0.05
"""How long lines are gathered for a person who reads them."""


class Phase(enum.Enum):
    """Where a worker is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    RENEWING = "renewing"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Child(msgspec.Struct, frozen=True):
    """One worker: its phase, since when (monotonic seconds), and the back-off it is in or had last."""

    phase: Phase = Phase.WAITING
    since: float = 0.0
    delay: float = 0.0


class Act(enum.Enum):
    """What the loop has to do for a worker."""

    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"


def spawned(child: Child, now: float) -> Child:
    """The worker's process exists."""
    return Child(Phase.STARTING, now, child.delay)


def ready(child: Child, now: float) -> Child:
    """The worker said that it serves."""
    return Child(Phase.RUNNING, now, child.delay) if child.phase is Phase.STARTING else child


def ended(child: Child, now: float) -> Child:
    """The worker's process is gone: the end while stopping, a new one at once when that was wished, else a back-off
    that doubles until a life of 30 s."""
    if child.phase is Phase.RENEWING:
        return Child(Phase.WAITING, now)
    if child.phase in (Phase.STOPPING, Phase.STOPPED):
        return Child(Phase.STOPPED, now)
    stable = child.phase is Phase.RUNNING and now - child.since >= STABLE_SECONDS
    delay = FIRST_DELAY if stable or not child.delay else min(child.delay * 2, LONGEST_DELAY)
    return Child(Phase.BACKOFF, now, delay)


def renewed(child: Child, now: float) -> Child:
    """The worker is to be another one: that it runs no longer is waited for, a back-off is not."""
    if child.phase in (Phase.STARTING, Phase.RUNNING):
        return Child(Phase.RENEWING, now)
    return Child(Phase.WAITING, now) if child.phase is Phase.BACKOFF else child


def stopped(child: Child, now: float) -> Child:
    """The worker was told to stop, or needs no process any more."""
    alive = child.phase in (Phase.STARTING, Phase.RUNNING, Phase.RENEWING, Phase.STOPPING)
    return Child(Phase.STOPPING if alive else Phase.STOPPED, now)


def due(child: Child, now: float, *, served: bool) -> Act | None:
    """What is to be done for the worker now; `served` is whether any worker ever served."""
    if child.phase is Phase.WAITING and served:
        return Act.SPAWN
    if child.phase is Phase.BACKOFF and now >= child.since + child.delay:
        return Act.SPAWN
    if child.phase in (Phase.STOPPING, Phase.RENEWING) and now >= child.since + GRACE_SECONDS:
        return Act.KILL
    return None


def deadline(child: Child) -> float | None:
    """When time alone makes something due for the worker."""
    waits = {Phase.BACKOFF: child.delay, Phase.STOPPING: GRACE_SECONDS, Phase.RENEWING: GRACE_SECONDS}
    return child.since + waits[child.phase] if child.phase in waits else None


class Process(msgspec.Struct):
    """A worker's process and the supervisor's end of its lifeline."""

    popen: subprocess.Popen[bytes]
    lifeline: socket.socket
    heard: bytes = b""
    silent: bool = False

    def lines(self) -> list[bytes]:
        """The lines the worker has sent since the last call; it is `silent` once it can send no more."""
        try:
            data = self.lifeline.recv(LINE_LIMIT)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.silent = not data
        *whole, rest = (self.heard + data).split(b"\n")
        self.heard = rest[-LINE_LIMIT:]
        return whole


Command = Callable[[int, int], tuple[Sequence[str], Sequence[int]]]
"""(worker's number from 1, its lifeline's descriptor) -> (command line, further descriptors it inherits)."""

Announce = Callable[[bytes], str]
"""The line the first worker sent when it served -> what to say about it on stdout."""


class Supervisor:
    """Keeps the workers running until it is told to stop; the loop, and the only owner of the processes.

    With `console`, the other end of that wire owns the terminal. A worker that is alone is not started again when it
    dies: its status is the command's, as without a supervisor.
    `passes` are signals that are handed on to the workers and do not stop them. With `changes` all workers are renewed
    when a file has changed, and one that cannot start waits for the next change.
    """

    def __init__(
        self,
        workers: int,
        command: Command,
        environ: Mapping[str, str],
        announce: Announce,
        console: SupervisorEnd | None = None,
        passes: Sequence[int] = (),
        changes: Changes | None = None,
    ) -> None:
        self._changes = changes
        self._looked_at = time.monotonic()
        self._passes = frozenset(passes)
        self._children = [Child() for _ in range(workers)]
        self._processes: dict[int, Process] = {}
        self._command = command
        self._environ = {**environ, "PYTHONUNBUFFERED": "1"}
        self._announce = announce
        self._console = console
        self._relay = Relay(write=console.send, pause=CONSOLE_SECONDS) if console else Relay()
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._stopping = False
        self._served = False
        self._failure: int | None = None

    def run(self) -> int:
        """Serve until told to stop; 0 for a clean stop, else the status of the worker that could not start."""
        if self._console is not None:
            self._selector.register(self._console.socket, selectors.EVENT_READ)
        with self._wakeups():
            self._spawn(0)
            while not all(child.phase is Phase.STOPPED for child in self._children):
                self._wait()
                self._hear()
                self._ask_console()
                self._reap()
                self._obey()
                self._look()
                self._act_on_all()
        self._relay.close()
        self._selector.close()
        return self._failure or 0

    def _wait(self) -> None:
        moments = [moment for child in self._children if (moment := deadline(child)) is not None]
        if self._changes is not None and not self._stopping:
            moments.append(self._looked_at + LOOK_SECONDS)
        self._selector.select(max(0.0, min(moments) - time.monotonic()) if moments else None)
        drained(self._inbox)

    def _hear(self) -> None:
        for index, process in list(self._processes.items()):
            for line in process.lines():
                self._children[index] = ready(self._children[index], time.monotonic())
                if not self._served:
                    self._served = True
                    self._relay.say(self._announce(line), self._relay.out)
                    if self._console is not None:
                        self._relay.pass_on(READY, line)
            if process.silent:
                self._silence(process)

    def _look(self) -> None:
        """Renew the workers when a file of the application has changed."""
        now = time.monotonic()
        if self._changes is None or self._stopping or now < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = now
        changed = self._changes.look()
        if not changed:
            return
        self._relay.say(f"fanlight: {changed} has changed; starting again")
        for index, child in enumerate(self._children):
            self._children[index] = renewed(child, now)
            if index in self._processes:
                self._processes[index].popen.send_signal(signal.SIGTERM)

    def _ask_console(self) -> None:
        """Whether it wants the end; that it is gone is a wish to end, too."""
        if self._console is not None and not self._console.gone:
            self._signals += [signal.SIGTERM] * self._console.stops()
            if self._console.gone:
                self._selector.unregister(self._console.socket)

    def _reap(self) -> None:
        for index, process in list(self._processes.items()):
            status = process.popen.poll()
            if status is not None:
                self._silence(self._processes.pop(index))
                self._bury(index, f"(pid {process.popen.pid}) {ending(status)}", exit_status(status))

    def _bury(self, index: int, story: str, status: int) -> None:
        wished = self._children[index].phase is Phase.RENEWING
        self._children[index] = ended(self._children[index], time.monotonic())
        if self._stopping or wished:
            return
        if not self._served or (len(self._children) == 1 and self._changes is None):
            self._failure = status if self._served else status or 1
            self._relay.say(f"fanlight: the server {story}" if self._served and status else "")
            self._stop()
            return
        delay = self._children[index].delay
        self._relay.say(f"fanlight: worker {index + 1} {story}; starting it again in {delay:g} s")

    def _obey(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number in self._passes:
                self._pass_on(number)
                continue
            if self._stopping:
                for index in self._processes:
                    self._act(index, Act.KILL)
            self._stop()

    def _pass_on(self, number: int) -> None:
        """Hand a signal on to the workers that serve; one that starts will see anyhow what it is to see."""
        for index, process in self._processes.items():
            if self._children[index].phase is Phase.RUNNING:
                process.popen.send_signal(number)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            for index, child in enumerate(self._children):
                self._children[index] = stopped(child, time.monotonic())
                self._act(index, Act.TERMINATE)

    def _act_on_all(self) -> None:
        for index, child in enumerate(self._children):
            act = due(child, time.monotonic(), served=self._served)
            if act is not None:
                self._act(index, act)

    def _act(self, index: int, act: Act) -> None:
        if act is Act.SPAWN:
            self._spawn(index)
        elif index in self._processes:
            self._processes[index].popen.send_signal(signal.SIGTERM if act is Act.TERMINATE else signal.SIGKILL)
            if self._children[index].phase is not Phase.RENEWING:
                self._children[index] = stopped(self._children[index], time.monotonic())

    def _spawn(self, index: int) -> None:
        self._children[index] = spawned(self._children[index], time.monotonic())
        ours, theirs = socket.socketpair()
        try:
            popen = self._started(index + 1, theirs.fileno())
        except OSError as error:
            ours.close()
            self._bury(index, f"could not be started ({error})", 1)
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._selector.register(ours, selectors.EVENT_READ)
        self._processes[index] = Process(popen, ours)

    def _started(self, number: int, lifeline: int) -> subprocess.Popen[bytes]:
        line, descriptors = self._command(number, lifeline)
        popen = subprocess.Popen(  # noqa: S603 - the command line is our own
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environ,
            pass_fds=(lifeline, *descriptors),
            start_new_session=True,
        )
        self._relay.attach(popen.stdout, popen.stderr)
        return popen

    def _silence(self, process: Process) -> None:
        if process.lifeline in {key.fileobj for key in self._selector.get_map().values()}:
            self._selector.unregister(process.lifeline)
        if process.popen.returncode is not None:
            process.lifeline.close()

    @contextmanager
    def _wakeups(self) -> Iterator[None]:
        """Signals, the end of a child among them, end the wait at once."""
        outbox, self._inbox = socket.socketpair()
        outbox.setblocking(False)
        self._inbox.setblocking(False)
        self._selector.register(self._inbox, selectors.EVENT_READ)
        before = signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
        with (
            handled(STOP_SIGNALS, lambda number, _: self._signals.append(number)),
            handled((signal.SIGCHLD,), lambda *_: None),
        ):
            yield
        signal.set_wakeup_fd(before)
        self._inbox.close()
        outbox.close()


def exit_status(status: int) -> int:
    """A child's return code as the status a shell would see."""
    return 128 - status if status < 0 else status


def ending(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    return (
        f"was ended by {signal.Signals(-status).name}"
        if -status in set(signal.Signals)
        else f"was ended by signal {-status}"
    )
