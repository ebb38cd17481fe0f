"""Real servers killed, restarted and left: no orphan, no hang, and the truth about them all the time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from tests.gateway.mcp.servers import ASK, OLD, OLD_ERA, QUICK, TIME, gateway, is_gone, until
from tests.gateway.mcp.test_endpoint import asked

from fanlight.clock import SystemClock
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.states import Policy
from fanlight.gateway.mcp.switchboard import Switchboard
from fanlight.gateway.schema import McpServer

OLD_SERVER = McpServer(command=sys.executable, args=(str(OLD),))
TIME_SERVER = McpServer(command=sys.executable, args=("-m", "mcp_server_time", "--local-timezone", "UTC"))
DOWN = '"mark error" aria-hidden="true"></i><span class="unseen">error </span><span class="name"><a href="services/old"'
HANG: dict[str, Any] = {"name": "hang"}


def pid_of(board: Switchboard, name: str) -> int:
    status = board.status(name)
    assert status is not None
    return status.pid


async def asleep(holds: Any) -> None:
    for _ in range(3_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited too long")


def test_killed_twenty_times_during_calls() -> None:
    """HUB-2, HUB-9: killed 20 times in a row during calls; each call ends at once with the reason, health is true at
    every moment, and nothing is left behind."""

    async def run() -> None:
        board = Switchboard({"PATH": os.environ["PATH"]}, SystemClock(), lambda told: None, policy=QUICK)
        await board.apply({"old": OLD_SERVER, "time": TIME_SERVER})
        pids: set[int] = set()
        for turn in range(20):
            spawned = await board.request("old", "tools/call", {"name": "spawn"}, 30)
            pids |= {pid_of(board, "old"), int(spawned["content"][0]["text"])}
            calls = [asyncio.create_task(board.request("old", "tools/call", HANG, 30)) for _ in range(5)]
            await asyncio.sleep(0.02)
            began = time.monotonic()
            os.kill(pid_of(board, "old"), signal.SIGKILL)
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - began < 5
            for failure in ended:
                assert isinstance(failure, Failure)
                assert (failure.kind, "signal 9" in str(failure)) == ("crashed", True)
            status = board.status("old")
            assert status is not None
            assert status.state != "ready" or status.pid not in pids
            assert status.last_error == "old was killed by signal 9"
            with suppress(Failure):  # it may be asked while it is down: an answer at once, too
                await board.request("old", "tools/list", {}, 30)
            await asleep(lambda: board.status("old").state == "ready")  # type: ignore[union-attr]  # it is there
            assert board.status("old").restarts == turn + 1  # type: ignore[union-attr]  # it is there
        result = await board.request("time", "tools/call", ASK, 30)
        assert result["isError"] is False
        assert board.status("time").restarts == 0  # type: ignore[union-attr]  # it is there
        pids |= {pid_of(board, "old"), pid_of(board, "time")}
        await board.close()
        await asleep(lambda: all(map(is_gone, pids)))

    asyncio.run(run())


def test_a_program_that_is_not_there() -> None:
    """HUB-2: a server that cannot be started is in backoff, then in a crash-loop, and says why; no call hangs."""

    async def run() -> None:
        board = Switchboard({}, SystemClock(), lambda told: None, policy=QUICK)
        await board.apply({"none": McpServer(command="/no/such/program")})
        await asleep(lambda: board.status("none").state == "crash-loop")  # type: ignore[union-attr]  # it is there
        assert "No such file" in board.status("none").last_error  # type: ignore[union-attr]  # it is there
        with pytest.raises(Failure):
            await board.request("none", "tools/list", {}, 0.5)
        await board.close()

    asyncio.run(run())


def test_calls_that_take_too_long_or_are_cancelled() -> None:
    """HUB-9: a call has its time and no more; others go on meanwhile, and a late answer troubles nobody."""

    async def run() -> None:
        board = Switchboard({"PATH": os.environ["PATH"]}, SystemClock(), lambda told: None, policy=QUICK)
        await board.apply({"old": OLD_SERVER})
        await board.request("old", "tools/list", {}, 30)
        slow = asyncio.create_task(board.request("old", "tools/call", HANG, 0.3))
        left = asyncio.create_task(board.request("old", "tools/call", HANG, 30))
        await asyncio.sleep(0)
        answer = await board.request("old", "tools/call", {"name": "echo", "arguments": {"n": 1}}, 30)
        assert json.loads(answer["content"][0]["text"])["given"] == {"n": 1}
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        with pytest.raises(Failure) as raised:
            await slow
        assert raised.value.kind == "timeout"
        await board.close()

    asyncio.run(run())


def test_a_server_that_will_not_go() -> None:
    """HUB-9: a server that ignores its closed stdin and SIGTERM is killed after 2 s and 2 s more."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); time.sleep(600)"

    async def run() -> None:
        from fanlight.gateway.mcp.process import started

        process = await started("deaf", McpServer(command=sys.executable, args=("-c", deaf)), os.environ)
        assert await process.stdout.readline() == b"x\n"
        began = time.monotonic()
        await process.stop()
        assert 3.9 < time.monotonic() - began < 12
        assert is_gone(process.pid)

    asyncio.run(run())


def test_restart_from_the_dashboard(tmp_path: Path) -> None:
    """HUB-7, HUB-8, HUB-3: the restart button starts a new process, resets the breaker and says so when it is ready;
    /health/{server} follows."""
    with gateway(tmp_path / "hub.toml", OLD_ERA) as (address, made):
        assert asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})[0] == 200
        before = pid_of(made.servers.board, "old")
        breaker = made.dashboard.breaker("old")
        for _ in range(10):
            asked("POST", f"{address}/mcp/old/tools/call", {"name": "die"})
            if breaker.state == "open":
                break
            until(lambda: made.servers.tools.status("old").state == "ready")
        assert breaker.state == "open"
        status, said = asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})
        assert status == 503
        assert said["error"]["code"] in ("mcp_open", "mcp_unavailable")
        status, said = asked("POST", f"{address}/dashboard/actions/restart/old")
        until(lambda: made.servers.tools.status("old").state == "ready")
        after = pid_of(made.servers.board, "old")
        assert status == 200
        assert said["status"] in ("success", "running")
        assert (breaker.state, after != before) == ("closed", True)
        assert asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})[0] == 200
        assert asked("POST", f"{address}/dashboard/actions/restart/none")[0] == 404
    until(lambda: is_gone(after))


class Statuses:
    """Asks for the health of a server over and over, and keeps every word it hears."""

    def __init__(self, address: str, server: str) -> None:
        self.heard: set[str] = set()
        self._place = f"{address}/dashboard/health/{server}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Statuses:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def now(self) -> str:
        """What its probe says; nothing before the first second of a gateway is over."""
        document = asked("GET", self._place)[1]
        if "status" not in document:
            return ""
        self.heard.add(document["status"])
        return next((str(each["said"]) for each in document["factors"] if each["name"] == "probe"), "")

    def _listen(self) -> None:
        while not self._over.wait(0.02):
            self.now()


def test_every_face_is_true_in_the_moment_after_each_kill(tmp_path: Path) -> None:
    """HUB-2, HUB-9: killed 20 times during calls that went well till then: whoever looks, as soon as a call has failed,
    sees it down, and why; as soon as it is ready again, that it answers; with and without a watcher."""
    policy = Policy(least=0.3, most=0.3, looping=50)
    with gateway(tmp_path / "hub.toml", OLD_ERA, policy) as (address, made), ExitStack() as stack:
        call, health = f"{address}/mcp/old/tools/call", f"{address}/dashboard/health/old"

        def seen() -> tuple[bool, str, bool]:
            with urllib.request.urlopen(f"{address}/dashboard/health-partial") as answer:
                page = answer.read().decode()
            document = asked("GET", health)[1]
            [listed] = asked("GET", f"{address}/dashboard/api/services")[1]["services"]
            word = next(str(each["said"]) for each in document["factors"] if each["name"] == "probe")
            return DOWN in page, word, listed["status"] == "down"

        until(lambda: made.servers.tools.status("old").state == "ready")
        until(
            lambda: asked("GET", f"{address}/dashboard/api/services")[1]["services"]
        )  # after a gateway's first second
        for turn in range(20):
            if turn == 10:
                stack.callback(made.dashboard.pulse.watch())
            for _ in range(3):
                assert asked("POST", call, {"name": "echo"})[0] == 200
            os.kill(pid_of(made.servers.board, "old"), signal.SIGKILL)
            status, said = asked("POST", call, HANG)
            found = seen()
            assert made.servers.tools.status("old").state == "backoff", "the machine was too slow to look"
            assert status in (502, 503), said  # it went during the call, or was known to be gone
            assert found == (True, "fails: backoff: old was killed by signal 9", True)
            until(lambda: made.servers.tools.status("old").state == "ready")
            assert seen() == (False, "answers", False)


def test_what_starts_is_not_down(tmp_path: Path) -> None:
    """HUB-2, HUB-9: while a server starts, for the first time or because an operator restarts it, its health says so,
    and nobody ever calls it down."""
    gate = tmp_path / "open"
    script = f"while [ ! -e {gate} ]; do sleep 0.05; done; exec {sys.executable} {OLD}"
    text = f'[mcp.old]\ncommand = "/bin/sh"\nargs = ["-c", "{script}"]\n'
    with gateway(tmp_path / "hub.toml", text) as (address, made), Statuses(address, "old") as statuses:
        until(lambda: statuses.now() == "is being started")
        gate.touch()
        until(lambda: statuses.now().startswith("answers"))
        gate.unlink()
        before = pid_of(made.servers.board, "old")
        restart = threading.Thread(target=asked, args=("POST", f"{address}/dashboard/actions/restart/old"))
        restart.start()
        until(lambda: statuses.now() == "is being started")
        gate.touch()
        restart.join()
        until(lambda: statuses.now().startswith("answers"))
        assert pid_of(made.servers.board, "old") not in (0, before)
    assert statuses.heard <= {"degraded", "healthy", "idle"}


def test_what_falls_over_and_over_is_down_while_it_starts(tmp_path: Path) -> None:
    """HUB-2: in a crash-loop the next start means little: its health stays down."""
    with gateway(tmp_path / "hub.toml", '[mcp.old]\ncommand = "/bin/sh"\nargs = ["-c", "sleep 0.2"]\n') as (
        address,
        made,
    ):
        until(lambda: made.servers.tools.status("old").looping)
        with Statuses(address, "old") as statuses:
            until(lambda: statuses.now().startswith("fails: "))
            statuses.heard.clear()
            seen: set[str] = set()
            until(lambda: seen.add(made.servers.tools.status("old").state) or {"starting", "crash-loop"} <= seen)  # type: ignore[func-returns-value]
            assert statuses.now().startswith("fails: ")
        assert statuses.heard == {"down"}


@contextmanager
def command(path: Path, workers: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`fanlight gateway` before both servers, with its address; killed at the end."""
    path.write_text(TIME + OLD_ERA)
    words = [sys.executable, "-m", "fanlight", "gateway", "--config", str(path), "--port", "0", "--workers", workers]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as served:
        assert served.stdout is not None
        line = next(line for line in served.stdout if "http://" in line)
        try:
            yield served, "http://" + line.partition("http://")[2].split("/")[0].split()[0]
        finally:  # also after a failure, or its end would be waited for without end
            served.kill()
            served.wait()
            served.stdout.close()


def servers_of(served: subprocess.Popen[str], program: str) -> list[psutil.Process]:
    """The processes of a server: each one's keeper apart."""
    family = psutil.Process(served.pid).children(recursive=True)
    lines = {each: " ".join(each.cmdline()) for each in family if each.is_running()}
    return [each for each, line in lines.items() if program in line and "keeper.py" not in line]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_orphans_when_the_gateway_is_killed(tmp_path: Path, workers: str) -> None:
    """HUB-9: kill -9 of the gateway takes every server and whatever it started with it; before, with two workers,
    one owns them all and the other reaches them."""
    with command(tmp_path / "hub.toml", workers) as (served, address):
        pids = set()
        for _ in range(12):  # connections of their own: both workers are met
            status, result = asked("POST", f"{address}/mcp/old/tools/call", {"name": "spawn"})
            assert status == 200, result
            pids.add(int(result["content"][0]["text"]))
            assert asked("POST", f"{address}/mcp/time/tools/call", ASK)[0] == 200
        assert len(servers_of(served, "old_server.py")) == 1
        pids |= {each.pid for each in psutil.Process(served.pid).children(recursive=True)}
        served.kill()
        served.wait()
        until(lambda: all(map(is_gone, pids)))


def test_another_worker_takes_over(tmp_path: Path) -> None:
    """HUB-9: when the worker that owns the servers is killed they end with it, the other starts them anew, and
    every call meanwhile has an answer: a result, a reason, or a connection that ended with its worker."""
    with command(tmp_path / "hub.toml", "2") as (served, address):
        until(lambda: asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})[0] == 200)
        [before] = servers_of(served, "old_server.py")
        keeper = before.parent()
        assert keeper is not None
        owner = keeper.ppid()
        os.kill(owner, signal.SIGKILL)
        until(lambda: is_gone(before.pid))

        def again() -> bool:
            try:
                status, said = asked("POST", f"{address}/mcp/old/tools/call", {"name": "echo"})
            except aiohttp.ClientError:
                return False
            assert status in (200, 502, 503), said
            return status == 200

        until(again)
        [after] = servers_of(served, "old_server.py")
        assert after.pid != before.pid
