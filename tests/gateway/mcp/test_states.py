"""The states of a supervised server, decided without a process."""

from __future__ import annotations

from fanlight.gateway.mcp.states import Policy, Supervision


def test_pauses_grow_to_a_limit() -> None:
    """HUB-9: a server that ends again and again is started after 1 s, then twice as long each time, up to 30 s."""
    watched = Supervision(Policy(), lambda: 0.0)
    pauses = []
    for turn in range(8):
        watched.begin(turn)
        pauses.append(watched.ended(turn, "fell"))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_chance_shortens_a_pause_but_never_below_the_least() -> None:
    """HUB-9: servers that fell together rise apart."""
    watched = Supervision(Policy(), lambda: 1.0)
    watched.begin(0)
    assert watched.ended(0, "fell") == 1
    watched.begin(1)
    assert watched.ended(1, "fell") == 1
    watched.begin(2)
    assert watched.ended(2, "fell") == 2


def test_states_and_reasons() -> None:
    """HUB-2: starting, ready, backoff, crash-loop, stopped; with when it is tried again, why, and how often it was."""
    watched = Supervision(Policy(looping=3), lambda: 0.0)
    assert watched.state == "stopped"
    watched.begin(10)
    assert (watched.state, watched.since, watched.restarts) == ("starting", 10, 0)
    watched.ready(11)
    assert (watched.state, watched.since) == ("ready", 11)
    watched.ended(12, "killed")
    assert (watched.state, watched.retry_at, watched.last_error) == ("backoff", 13, "killed")
    watched.begin(13)
    assert (watched.retry_at, watched.restarts) == (None, 1)
    watched.ended(14, "killed")
    watched.begin(16)
    watched.ended(17, "no such program")
    assert (watched.state, watched.last_error) == ("crash-loop", "no such program")
    watched.stopped(18)
    assert (watched.state, watched.retry_at) == ("stopped", None)


def test_a_stable_server_begins_anew() -> None:
    """HUB-9: a server that was ready for 30 s, or that an operator restarts, has its failures forgiven."""
    watched = Supervision(Policy(), lambda: 0.0)
    for turn in range(5):
        watched.begin(turn)
        watched.ended(turn, "fell")
    watched.begin(100)
    watched.ready(100)
    assert watched.ended(129.9, "fell") == 30
    watched.begin(200)
    watched.ready(200)
    assert watched.ended(230, "fell") == 1
    watched.begin(300)
    watched.ended(300, "fell")
    watched.forgive()
    watched.begin(301)
    assert watched.ended(301, "fell") == 1
