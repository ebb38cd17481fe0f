"""What instances that share a Redis ask of it: `python bench/hosts.py [--quick]`.

1, 10 and 100 simulated instances, each with 30 series busy every second, on a redis-server started for this. The clock
is set by hand; a simulated second is what each instance's pulse, writer and store thread do in one. Counted are the
server's own statistics (commandstats, CPU, bytes), before and after, per simulated second.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis

from driver import by_hand
from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.facts import REQUEST

SERIES = 30
# Commands as the server counts them, those that scripts send included.
READS = {"get", "mget", "hget", "hmget", "hvals", "hgetall", "hexists", "zrange", "zrangebyscore", "zscore", "zcard"}
WRITES = {"set", "hset", "hdel", "zadd", "zrem", "unlink", "expire", "del"}


class Figures(NamedTuple):
    """A server's counts at one moment."""

    scripts: int
    reads: int
    writes: int
    received: int
    sent: int
    cpu: float


class Host:
    """One instance of the service, its clock and its pulse turned by hand."""

    def __init__(self, url: str, clock: ManualClock) -> None:
        self.dashboard = Fanlight("bench", store=url, clock=clock)
        self.engine = self.dashboard.engine
        self.turn = by_hand(self.dashboard.pulse)

    def second(self) -> None:
        """A second has passed in which every series had a request: fold it, write it, see what was commanded."""
        recorder = self.dashboard.recorder
        for number in range(SERIES):
            at, route = recorder.clock.monotonic_ns(), f"/route-{number}"
            fact = (REQUEST, recorder.next_seq(), at, 1_000_000 * number, 1, "GET", route, "", 200, 0, route, "", None)
            recorder.append(fact)
        self.turn()
        self.engine.commands.poll()


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 simulated seconds instead of 30")
    seconds = 10 if parser.parse_args().quick else 30
    if shutil.which("redis-server") is None:
        print("redis-server is not installed (Debian: apt install redis-server)")
        return 0
    print(f"Python {platform.python_version()}, redis-py {redis.__version__}, {seconds} simulated seconds each\n")
    print(f"{'':>27}{'scripts/s':>11}{'reads/s':>9}{'writes/s':>9}{'in KB/s':>9}{'out KB/s':>9}{'Redis CPU':>11}")
    for number in (1, 10, 100):
        with server() as port:
            measure(port, number, seconds)
    return 0


def measure(port: int, number: int, seconds: int) -> None:
    """So many instances: nobody looks, then somebody looks at one of them."""
    clock = ManualClock()
    hosts = [Host(f"redis://127.0.0.1:{port}", clock) for _ in range(number)]
    client = redis.Redis(port=port)
    turn(hosts, clock, 3, watched=True)  # connections are open, scripts are known, the first read is done
    for watched in (False, True):
        before = figures(client)
        turn(hosts, clock, seconds, watched)
        after = figures(client)
        words = f"{number} instances, " + ("one watched" if watched else "nobody looks")
        show(words, [(new - old) / seconds for new, old in zip(after, before, strict=True)], number)
    for host in hosts:
        host.dashboard.close()
    client.close()


def turn(hosts: list[Host], clock: ManualClock, seconds: int, watched: bool) -> None:
    """Simulated seconds, one after the other."""
    for _ in range(seconds):
        clock.advance(1)
        for host in hosts:
            host.second()
        for host in hosts:
            assert host.engine._writer.flush(30), host.engine._writer.last_error
        fleet = hosts[0].engine.fleet
        assert fleet is not None
        if watched:
            fleet.follow()
            assert not fleet.error, fleet.error


def show(words: str, rates: list[float], number: int) -> None:
    """One line: what the server did in a simulated second."""
    scripts, reads, writes, received, sent, cpu = rates
    print(
        f"{words:>27}{scripts:11.1f}{reads:9.1f}{writes:9.1f}{received / 1e3:9.1f}{sent / 1e3:9.1f}{cpu:10.2%}"
        f"   ({cpu / number:.3%} for each)"
    )


def figures(client: redis.Redis) -> Figures:
    """The server's counts now."""
    commands: dict[str, Any] = client.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): int(stats["calls"]) for name, stats in commands.items()}
    stats: dict[str, Any] = client.info("stats")
    cpu: dict[str, Any] = client.info("cpu")

    def of(names: set[str]) -> int:
        return sum(counts.get(name, 0) for name in names)

    received, sent = stats["total_net_input_bytes"], stats["total_net_output_bytes"]
    used = cpu["used_cpu_user"] + cpu["used_cpu_sys"]
    return Figures(of({"evalsha"}), of(READS), of(WRITES), received, sent, used)


@contextmanager
def server() -> Iterator[int]:
    """A redis-server of our own; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            while process.poll() is None:
                try:
                    redis.Redis(port=port).ping()
                    break
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
