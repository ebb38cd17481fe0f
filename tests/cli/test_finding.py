"""Dashboards of this machine: which process, which port, which address."""

from __future__ import annotations

import pytest

from fanlight import presence
from fanlight.cli.finding import found, reachable
from fanlight.presence import Presence

PORTS = {1: [("0.0.0.0", 80)], 2: [("0.0.0.0", 80)], 3: [("::", 9), ("127.0.0.1", 90)], 4: []}


@pytest.mark.parametrize(
    ("bound", "host"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7"), ("::1", "::1")]
)
def test_a_socket_is_reached_where_it_is_bound(bound: str, host: str) -> None:
    """TTY-1: one bound to every address is reached on the loopback one."""
    assert reachable(bound) == host


def test_workers_behind_a_port_are_one_and_the_port_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-1: two workers are one, of two ports the dashboard's is taken, a process without one is left out."""
    known = [Presence(pid=pid, born=0, service=f"s{pid // 3}", instance="i", prefix="/dashboard") for pid in PORTS]
    monkeypatch.setattr(presence, "present", lambda: known)
    monkeypatch.setattr(presence, "listening", PORTS.__getitem__)
    asked: list[tuple[str, int]] = []

    def answers(host: str, port: int, prefix: str) -> bool:
        asked.append((host, port))
        return port != 9

    services = found(answers)
    assert [(each.service, each.root, each.pids) for each in services] == [
        ("s0", "http://127.0.0.1:80/dashboard", (1, 2)),
        ("s1", "http://127.0.0.1:90/dashboard", (3,)),
    ]
    assert asked == [("127.0.0.1", 80), ("::1", 9), ("127.0.0.1", 90)]
