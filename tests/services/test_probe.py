"""Probes ask real sockets, follow nothing, read little, and cannot hang whoever waits for them."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from fanlight.clock import ManualClock
from fanlight.errors import FanlightError
from fanlight.services import probe as probes
from fanlight.services.probe import HANGING_LIMIT, Watch, http, mongo, redis, sql, tcp


class Upstream:
    """A real TCP server that answers every connection with the same bytes, or with nothing."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            self.asked.append(connection.recv(4096))
            if self.answer is not None:
                connection.sendall(self.answer)
                connection.close()
        except OSError:
            return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()
        self._thread.join(5)


@contextmanager
def upstream(answer: bytes | None) -> Iterator[Upstream]:
    made = Upstream(answer)
    try:
        yield made
    finally:
        made.close()


def ask(probe: Callable[[], Any]) -> None:
    """Run a probe as a thread would."""
    future: Future[float] = Future()
    assert probes._slots.acquire(blocking=False)
    probes._on_thread(probe, 2.0, future)
    future.result(5)


def test_http_takes_a_status_below_400_for_an_answer() -> None:
    """HUB-2: one GET of the path and query that were named, its body never read."""
    with upstream(b"HTTP/1.1 204 No Content\r\nContent-Length: 99999999999\r\n\r\n") as server:
        ask(http(f"http://127.0.0.1:{server.port}/api/version?x=1"))
        assert server.asked[0].startswith(b"GET /api/version?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "answered 503"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"HTTP/1.1 2x0 Odd\r\n\r\n", "not HTTP"),
        (b"", "0 bytes read"),
        (b"x" * 100_000, "limit"),
    ],
)
def test_http_says_what_was_wrong(answer: bytes, error: str) -> None:
    """HUB-2: errors, other protocols, nothing, and a line without an end."""
    with upstream(answer) as server, pytest.raises(Exception, match=error):
        ask(http(f"http://127.0.0.1:{server.port}/"))


def test_http_follows_no_redirect() -> None:
    """X-6: a probed service cannot send us anywhere, least of all into the private network."""
    with upstream(b"HTTP/1.1 200 OK\r\n\r\n") as inner:
        location = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inner.port}/secret\r\n\r\n"
        with upstream(location.encode()) as outer:
            ask(http(f"http://127.0.0.1:{outer.port}/"))
            assert len(outer.asked) == 1
        assert not inner.asked


@pytest.mark.parametrize(
    "url", ["ftp://host/", "host:80", "http://", "http://h/a b", "http://h/\r\nX: y", "file:///etc"]
)
def test_a_url_that_cannot_be_probed_is_refused(url: str) -> None:
    """Errors: when it is declared, with what was expected."""
    with pytest.raises(FanlightError, match="expected"):
        http(url)


def test_a_refused_url_shows_no_password() -> None:
    """X-6: secrets in a URL stay out of the error."""
    with pytest.raises(FanlightError) as caught:
        http("ftp://me:hunter22@host/")
    assert "hunter22" not in str(caught.value)


def test_tcp_opens_a_connection() -> None:
    """HUB-2: an open port answers, a closed one is refused."""
    with upstream(b"") as server:
        ask(tcp("127.0.0.1", server.port))
    with pytest.raises(ConnectionError):
        ask(tcp("127.0.0.1", server.port))


def test_databases_are_pinged_through_what_is_given() -> None:
    """HUB-2: a DB-API connect function and an engine; sync and asyncio clients of Redis and MongoDB."""
    asked: list[str] = []

    class Engine:
        def connect(self) -> Any:
            return contextmanager(lambda: iter([self]))()

        def exec_driver_sql(self, text: str) -> None:
            asked.append(text)

    class Client:
        def ping(self) -> bool:
            asked.append("PING")
            return True

    class AsyncClient:
        __module__ = "redis.asyncio.client"
        admin: Any

        async def ping(self) -> None:
            asked.append("async PING")

        async def command(self, name: str) -> None:
            asked.append(f"async {name}")

    client = AsyncClient()
    client.admin = client
    for probe in (
        sql(lambda: sqlite3.connect(":memory:")),
        sql(Engine()),
        redis(Client()),
        redis(client),
        mongo(client),
    ):
        ask(probe)
    assert asked == ["SELECT 1", "PING", "async PING", "async ping"]


class Turns:
    """A watch on a clock that stands still; its probes really run."""

    def __init__(self, probe: Callable[[], Any], timeout: float = 2.0, threshold: int = 2) -> None:
        self.clock = ManualClock()
        self.watch = Watch("ollama", probe, 5.0, timeout, threshold, self.clock)

    def after(self, seconds: float) -> dict[str, float | None]:
        """Time passes; what it says once its probe, if one began, has ended."""
        self.clock.advance(seconds)
        self.watch.turn(None)
        deadline = time.monotonic() + 10
        while self.watch._running is not None and not self.watch._running.done():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.watch.turn(None)
        return {sample.name: sample.value for sample in self.watch.samples()}


def test_a_probe_is_believed_to_fail_after_its_threshold() -> None:
    """HUB-2: one failure is asked again after a second; two in a row fail; one answer mends it."""
    broken = [True]

    def probe() -> None:
        if broken[0]:
            raise ConnectionRefusedError("nobody there, password=hunter2")

    turns = Turns(probe)
    assert turns.after(0.0) == {"service.probe": 0.0}
    assert turns.watch.failed_in_row == 1
    said = turns.after(1.0)
    assert said["service.probe"] == 1.0
    assert turns.watch.error == "ConnectionRefusedError: nobody there, password=[redacted]"
    assert turns.after(4.0)["service.probe"] == 1.0
    assert turns.watch.failed_in_row == 2
    broken[0] = False
    said = turns.after(1.0)
    assert said["service.probe"] == 0.0
    assert said["service.probe.seconds"] is not None
    assert "service.probe.error" not in said


def test_a_service_that_is_being_started_has_not_failed() -> None:
    """HUB-2: it is asked again with every turn until it answers; what failed before is forgotten."""
    said: list[Exception | None] = [FanlightError("no")]

    def probe() -> None:
        if said[0] is not None:
            raise said[0]

    turns = Turns(probe)
    turns.after(0.0)
    assert turns.after(1.0)["service.probe"] == 1.0
    said[0] = probes.Starting("not yet")
    assert turns.after(5.0)["service.probe"] == 0.5
    assert not turns.watch.failing
    said[0] = FanlightError("no")
    assert turns.after(0.25)["service.probe"] == 0.0, "a first failure is none yet"
    assert turns.after(1.0)["service.probe"] == 1.0
    said[0] = None
    assert turns.after(5.0)["service.probe"] == 0.0


def test_a_probe_that_hangs_has_failed_and_holds_nobody_up() -> None:
    """HUB-2: a function that never returns is left behind after its time; turns return at once all the while."""
    gate = threading.Event()
    clock = ManualClock()
    watch = Watch("ollama", gate.wait, 5.0, 1.0, 1, clock)
    watch.turn(None)
    clock.advance(1.0)
    watch.turn(None)
    assert not list(watch.samples())
    clock.advance(1.0)
    watch.turn(None)
    assert watch.failing
    assert watch.error == "no answer within 1 s"
    gate.set()


def test_a_coroutine_that_hangs_is_cancelled() -> None:
    """HUB-2: on the serving loop a probe ends at its timeout, and the loop serves on."""

    async def scene() -> None:
        cancelled = asyncio.Event()

        async def probe() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        clock = ManualClock()
        watch = Watch("ollama", probe, 5.0, 0.05, 1, clock)
        watch.turn(asyncio.get_running_loop())
        await asyncio.wait_for(cancelled.wait(), 5)
        while watch._running is not None:
            await asyncio.sleep(0)
            watch.turn(asyncio.get_running_loop())
        assert watch.error == "no answer within 0.05 s"

    asyncio.run(scene())


def test_hanging_probes_are_bounded() -> None:
    """Bounds: sixteen threads at most; further probes wait their turn, and nothing is said of them meanwhile."""
    gate, clock = threading.Event(), ManualClock()
    watches = [Watch(f"s{number}", gate.wait, 5.0, 1.0, 1, clock) for number in range(HANGING_LIMIT + 3)]
    for watch in watches:
        watch.turn(None)
    assert sum(watch._running is not None for watch in watches) == HANGING_LIMIT
    clock.advance(2.0)
    for watch in watches:
        watch.turn(None)
    assert sum(watch.failing for watch in watches) == HANGING_LIMIT
    gate.set()
    deadline = time.monotonic() + 10
    while probes._slots._value < HANGING_LIMIT:
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Hurried:
    """Counts how often it was."""

    times = 0

    def hurry(self) -> None:
        self.times += 1


def test_what_a_supervisor_tells_is_known_at_once() -> None:
    """HUB-2: nothing before the first word; each other word hurries those who heed it, the same one again does not."""
    told, hurried = probes.Told("host"), Hurried()
    told.heed(hurried)
    told.heed(hurried)

    def said() -> dict[str, tuple[str, float | None, str]]:
        return {each.name: (each.label, each.value, each.source) for each in told.samples("time", 7.0)}

    assert said() == {}
    told.say(probes.Starting("being started"))
    assert said() == {"service.probe": ("time", 0.5, "host")}
    told.say()
    told.say()
    assert said() == {"service.probe": ("time", 0.0, "host")}
    told.say(FanlightError("killed by signal 9, password=hunter2"))
    assert said() == {
        "service.probe": ("time", 1.0, "host"),
        "service.probe.error": ("time\x1fkilled by signal 9, password=[redacted]", 7.0, "host"),
    }
    assert hurried.times == 3
    del hurried
    told.say()  # who is gone is not held, and not told
    assert not any(reference() for reference in told._heeding)
