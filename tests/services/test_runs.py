"""Runs: two workers on one store; success only after it happened, failure with its reason, the missing by name."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fanlight.clock import ManualClock, SystemClock
from fanlight.errors import StoreError
from fanlight.services import runs as runs_module
from fanlight.services.actions import Action, Actions
from fanlight.services.execution import NAME, Execution
from fanlight.services.parameters import ParameterError
from fanlight.services.progress import progress
from fanlight.services.runs import RESULT, STALE_SECONDS, Outcome, Run, Runs, RunState, UnknownRun, told
from fanlight.services.supplier import LoopCaller
from fanlight.stores import MemoryStore
from fanlight.stores.commands import Commands

PATIENCE = 10.0


class Worker:
    """One instance: what it declared, its end of the channel, a thread that polls it while it lives."""

    def __init__(self, name: str, store: MemoryStore, live: set[str]) -> None:
        self.name = name
        self.actions = Actions()
        self.caller = LoopCaller()
        self.commands = Commands(store, "chat", name, SystemClock())
        self.failures: list[BaseException] = []
        self.execution = Execution(
            self.actions, self.caller, self.commands.report, lambda where, error: self.failures.append(error)
        )
        self.commands.starters[NAME] = self.execution.begin
        self.finished: list[RunState] = []
        self.runs = Runs(
            self.actions,
            self.commands,
            lambda: name,
            lambda: sorted(live),
            SystemClock(),
            lambda run, end: self.ended(end),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        live.add(name)

    def ended(self, state: RunState) -> None:
        self.finished.append(state)

    def start(self) -> None:
        self._thread.start()

    def _poll(self) -> None:
        while not self._stop.wait(0.01):
            self.commands.poll()

    def close(self) -> None:
        self._stop.set()
        self.execution.close()
        self.runs.close()


class Site:
    """Two workers on one store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.live: set[str] = set()
        self.one = Worker("one", self.store, self.live)
        self.two = Worker("two", self.store, self.live)
        self.two.start()

    def declare(self, function: Callable[..., Any], **options: Any) -> None:
        """The same action on both, as the same code declares it."""
        for worker in (self.one, self.two):
            worker.actions.register(Action("act", "Act", function, **options))

    def run(self, **given: Any) -> RunState:
        return ended(self.one.runs.start("act", given, "operator"))


def ended(started: Run | RunState) -> RunState:
    return started if isinstance(started, RunState) else started.ended.result(PATIENCE)


def eventually(check: Callable[[], bool]) -> None:
    last, pause = time.monotonic() + PATIENCE, threading.Event()
    while not check():
        assert time.monotonic() < last, "never came true"
        pause.wait(0.01)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    for worker in (made.one, made.two):
        worker.close()


def test_an_action_runs_once_on_the_worker_asked(site: Site) -> None:
    """HUB-7: it happened before it is reported, and what it returned is said."""
    done: list[int] = []

    def act(limit: int) -> str:
        done.append(limit)
        return f"{limit} documents"

    site.declare(act)
    state = site.run(limit="3")
    assert (state.status, state.message, done) == ("success", "Act: done: 3 documents", [3])
    assert site.one.finished == [state]


def test_an_action_that_runs_everywhere_succeeds_when_all_have(site: Site) -> None:
    """HUB-7, X-2: each live worker did it, and each once."""
    names: list[str] = []
    site.declare(lambda: names.append(threading.current_thread().name), runs="everywhere")
    state = site.run()
    assert (state.status, state.message, len(names)) == ("success", "Act: done on 2 instances", 2)


def test_a_coroutine_runs_on_the_serving_loop_and_is_cancelled_at_its_timeout(site: Site) -> None:
    """HUB-7: what hangs ends with its timeout, and says so."""
    cancelled = threading.Event()

    async def act() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def serve() -> RunState:
        site.one.caller.loop = asyncio.get_running_loop()
        return await asyncio.to_thread(site.run)

    site.declare(act, timeout=0.2)
    state = asyncio.run(serve())
    assert (state.status, state.message) == ("error", "Act: one: no result within 0.2 s")
    assert cancelled.wait(PATIENCE)


def test_an_action_that_raises_says_why_without_secrets(site: Site) -> None:
    """HUB-7, X-6: failure with its reason; a password in it is masked."""

    def act() -> None:
        raise ValueError("no disk: password=hunter2")

    site.declare(act)
    state = site.run()
    assert state.status == "error"
    assert state.message == "Act: one: ValueError: no disk: password=[redacted]"


def test_a_partial_result_names_who_failed(site: Site) -> None:
    """HUB-7: done on one, not on the other, and why."""
    site.one.actions.register(Action("act", "Act", lambda: "fine", runs="everywhere"))

    def fail() -> None:
        raise OSError("disk full")

    site.two.actions.register(Action("act", "Act", fail, runs="everywhere"))
    state = site.run()
    assert state.status == "error"
    assert state.message == "Act: done on 1 of 2 instances, but not on two: OSError: disk full"


def test_a_worker_that_dies_during_an_action_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-7: a worker that is no longer there makes the result partial, with its name."""
    monkeypatch.setattr(runs_module, "BEAT_SECONDS", 0.05)
    began, release = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        release.wait()

    site.one.actions.register(Action("act", "Act", lambda: None, runs="everywhere"))
    site.two.actions.register(Action("act", "Act", hang, runs="everywhere"))
    started = site.one.runs.start("act", {}, "operator")
    assert began.wait(PATIENCE)
    site.live.discard("two")
    state = ended(started)
    release.set()
    assert state.message == "Act: done on 1 of 2 instances, but not on two: it ended during the action"


def test_a_worker_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-7: silence is no success."""
    monkeypatch.setattr(runs_module, "START_SECONDS", 0.1)
    live: set[str] = set()
    store = MemoryStore()
    one = Worker("one", store, live)
    Worker("two", store, live)
    one.actions.register(Action("act", "Act", lambda: None, runs="everywhere"))
    state = ended(one.runs.start("act", {}, "operator"))
    one.close()
    assert state.message == "Act: done on 1 of 2 instances, but not on two: no answer"


def test_pressed_twice_runs_once(site: Site) -> None:
    """HUB-7: one at a time across workers; the second press is told, and afterwards it runs again."""
    release, calls = threading.Event(), []

    def act() -> None:
        calls.append(1)
        assert release.wait(PATIENCE)

    site.declare(act)
    first = site.one.runs.start("act", {}, "operator")
    for worker in (site.one, site.two):
        second = ended(worker.runs.start("act", {}, "operator"))
        assert (second.status, second.message) == ("error", "Act: it is running already; wait until it has ended")
    release.set()
    assert ended(first).status == "success"
    assert ended(site.two.runs.start("act", {}, "operator")).status == "success"
    assert len(calls) == 2


def test_concurrent_actions_say_so(site: Site) -> None:
    """HUB-7: an action that allows it runs twice at once."""
    both = threading.Barrier(2)
    site.declare(lambda: both.wait(PATIENCE) and None, concurrent=True)
    started = [site.one.runs.start("act", {}, "operator") for _ in range(2)]
    assert [ended(each).status for each in started] == ["success", "success"]


def test_what_hangs_past_its_timeout_is_not_begun_again(site: Site) -> None:
    """HUB-7: a plain function cannot be stopped; a second press does not start it twice."""
    release = threading.Event()
    site.declare(lambda: release.wait() and None, timeout=0.1)
    assert "no result within 0.1 s" in site.run().message
    assert "an earlier run ran into its timeout here and goes on" in site.run().message
    release.set()
    eventually(lambda: site.run().status == "success")


def test_progress_is_seen_by_every_worker(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-7: how far it is can be asked of any worker while it runs."""
    monkeypatch.setattr(runs_module, "BEAT_SECONDS", 0.05)
    release = threading.Event()

    def act() -> None:
        progress(3, 10, "lemmas")
        assert release.wait(PATIENCE)

    site.declare(act)
    started = site.one.runs.start("act", {}, "operator")
    assert isinstance(started, Run)
    eventually(lambda: site.two.runs.read(started.id).message == "3 of 10: lemmas")
    state = site.two.runs.read(started.id)
    assert (state.status, state.done, state.total) == ("running", 3.0, 10.0)
    release.set()
    assert ended(started).status == "success"
    assert site.two.runs.read(started.id).status == "success"


def test_a_follower_that_died_is_found_out() -> None:
    """HUB-7: when the worker that followed a run is gone, the run says so and who had done it."""
    clock, store = ManualClock(), MemoryStore()
    commands = Commands(store, "chat", "two", clock)
    state = RunState(
        run="r1", action="act", title="Act", status="running", message="", started=0.0, at=0.0, instance="one"
    )
    commands.send("r1", "elsewhere", {}, ("one", "three", RESULT), "operator", 10.0)
    commands.report("r1", "running", '{"run":"r1","action":"act","title":"Act","status":"running","message":"",'
                    '"started":0.0,"at":0.0,"instance":"one"}', RESULT)  # fmt: skip
    commands.report("r1", "success", "", "three")
    two = Runs(Actions(), commands, lambda: "two", lambda: ["two"], clock, lambda run, end: None)
    assert two.read("r1") == state
    clock.advance(STALE_SECONDS + 1)
    assert two.read("r1").status == "error"
    assert two.read("r1").message == "one: it ended during the action; done on three"


def test_an_unknown_run_is_told(site: Site) -> None:
    """HUB-8: a run nobody knows is no run."""
    with pytest.raises(UnknownRun, match="no run 'nope'"):
        site.one.runs.read("nope")


def test_a_wrong_value_starts_nothing(site: Site) -> None:
    """HUB-7: parameters are checked before a worker is asked."""

    def act(limit: int) -> None:
        raise AssertionError

    site.declare(act)
    with pytest.raises(ParameterError, match="limit is 'many'"):
        site.one.runs.start("act", {"limit": "many"}, "operator")


def test_runs_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: a worker follows so many runs and no more."""
    monkeypatch.setattr(runs_module, "RUN_LIMIT", 1)
    release = threading.Event()
    site.declare(lambda: release.wait() and None, concurrent=True)
    first = site.one.runs.start("act", {}, "operator")
    assert "wait for one to end" in site.run().message
    release.set()
    ended(first)


def test_a_worker_that_stops_says_so(site: Site) -> None:
    """HUB-7: stopping a service in the middle of an action is no success."""
    release = threading.Event()
    site.declare(lambda: release.wait() and None)
    started = site.one.runs.start("act", {}, "operator")
    site.one.close()
    release.set()
    assert "this worker stopped" in ended(started).message
    assert site.run().message == "Act: this worker is stopping; ask again"


def test_a_store_that_fails_makes_no_success(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-7: what cannot be known is not reported as done, and nobody waits for ever."""
    release = threading.Event()
    site.declare(lambda: release.wait() and None)
    started = site.one.runs.start("act", {}, "operator")

    def broken(*arguments: Any) -> Any:
        raise StoreError("the disk is full")

    monkeypatch.setattr(site.store, "acknowledgements", broken)
    monkeypatch.setattr(site.store, "acknowledge", broken)
    state = ended(started)
    release.set()
    assert (state.status, state.message) == ("error", "what became of it is unknown: the disk is full")
    eventually(lambda: bool(site.one.failures))


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        ({"a": "no"}, "Act: a: no"),
        ({"a": "no", "b": "no"}, "Act: on none of 2 instances: no"),
        ({"a": "no", "b": "full"}, "Act: done on 0 of 2 instances, but not on a: no; b: full"),
    ],
)
def test_one_reason_is_said_once(failed: dict[str, str], said: str) -> None:
    """HUB-7: where all failed by the same, that is what an operator reads; else which by what."""
    assert told(Outcome({}, failed), "Act") == ("error", said)
    some = told(Outcome({"c": ""}, {"a": "no", "b": "no"}), "Act")
    assert some == ("error", "Act: done on 1 of 3 instances, but not on a, b: no")
