"""A real redis-server for a test: its own port and folder, stopped, hung, killed and started again at will."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis

PATIENCE = 30.0
"""Seconds after which a server that does not come is given up."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A redis-server on a port of its own; `options` are words of its command line."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("redis-server is not installed (Debian: apt install redis-server)")
        words = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        self._process = subprocess.Popen(
            [*words, "--logfile", str(self.folder / "redis.log"), *self._options], stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "the redis-server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"PING\r\n")
                return connection.recv(5)[:1] in (b"+", b"-") and b"LOA" not in connection.recv(4)
        except OSError:
            return False

    def send(self, *words: Any) -> Any:
        """The answer to one command, on a connection of its own."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def hang(self) -> None:
        """Stop it where it is: connections stay open and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, saving nothing; ending twice is nothing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)


class RedisCluster:
    """Three redis-servers that share the slots, without replicas."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        # A node's second port is 10,000 above its first: both must be free, and below 65,536.
        ports = iter(port for port in iter(free_port, 0) if port < 55_000)
        self.nodes = [RedisServer(folder / str(number), *options, port=next(ports)) for number in range(3)]

    def start(self) -> None:
        """Start them, share out the slots and wait until all agree."""
        bounds = (0, 5461, 10923, 16384)
        for place, node in enumerate(self.nodes):
            node.start()
            node.send("CLUSTER", "ADDSLOTSRANGE", bounds[place], bounds[place + 1] - 1)
            node.send("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        deadline = time.monotonic() + PATIENCE
        while not all(self._agrees(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the nodes do not agree on a cluster"
            time.sleep(0.05)

    def _agrees(self, node: RedisServer) -> bool:
        info = node.send("CLUSTER", "INFO")
        return all(word in info for word in (b"cluster_state:ok", b"cluster_known_nodes:3", b"cluster_size:3"))

    def kill(self) -> None:
        """End all of them."""
        for node in self.nodes:
            node.kill()
