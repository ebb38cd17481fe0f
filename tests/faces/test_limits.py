"""faces.web.limits: attempts and allowances."""

from __future__ import annotations

from fanlight.faces.web.limits import ATTEMPTS, PEERS, WINDOW, Allowance, Attempts


def test_a_peer_waits_after_too_many_wrong_tokens() -> None:
    """X-6: ten wrong tokens in a minute, then the peer waits, and only that peer."""
    attempts = Attempts()
    for second in range(ATTEMPTS):
        assert attempts.wait("203.0.113.9", second) == 0
        attempts.failed("203.0.113.9", second)
    assert attempts.wait("203.0.113.9", 10) == WINDOW - 10
    assert attempts.wait("203.0.113.10", 10) == 0
    assert attempts.wait("203.0.113.9", WINDOW) == 0
    attempts.failed("203.0.113.9", WINDOW)
    assert attempts.wait("203.0.113.9", WINDOW) == 0


def test_an_ipv6_party_is_its_network() -> None:
    """X-6: whoever owns a /64 has one count for all its addresses; a mapped IPv4 address is that address."""
    attempts = Attempts()
    for number in range(ATTEMPTS):
        attempts.failed(f"2001:db8:1:2::{number:x}", 0)
        attempts.failed("::ffff:203.0.113.9", 0)
    assert attempts.wait("2001:db8:1:2:ffff::1", 1)
    assert attempts.wait("203.0.113.9", 1)
    assert not attempts.wait("2001:db8:1:3::1", 1)


def test_many_peers_do_not_grow_the_memory() -> None:
    """TTY-6, X-6: the peers remembered are bounded."""
    attempts = Attempts()
    for number in range(PEERS * 2):
        attempts.failed(f"peer-{number}", 0)
    assert len(attempts) == PEERS


def test_an_allowance_lets_a_burst_through_and_counts_the_rest() -> None:
    """API-10: a flood of refusals leaves a bounded number of audit facts, and the number left out is known."""
    allowance = Allowance(burst=3, per_second=1.0)
    assert [allowance.take(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert allowance.take(101.0)
    assert allowance.release() == 2
    assert allowance.release() == 0
