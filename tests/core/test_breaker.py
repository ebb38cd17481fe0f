"""The breaker opens for the service's failures only, tries once, and never refuses without a deadline but by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fanlight.core.breaker import LONGEST_WAIT, REFUSED, Breaker, Policy
from fanlight.errors import FanlightError

POLICY = Policy(failures=3, rate=0.5, calls=6, window=10.0, recovery=5.0)


def opened(now: float = 0.0, **failure: Any) -> Breaker:
    """A breaker that just opened by failures in a row."""
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(breaker.admit(now), now, "refused", **failure)
    return breaker


def test_it_opens_after_failures_in_a_row_and_says_why() -> None:
    """HUB-3: state, failures, last failure, reason, since when and when it tries again."""
    breaker = Breaker(POLICY)
    for now in (1.0, 2.0):
        breaker.failed(breaker.admit(now), now, "refused")
    assert (breaker.state, breaker.failed_in_row) == ("closed", 2)
    breaker.failed(breaker.admit(3.0), 3.0, "timeout")
    assert (breaker.state, breaker.reason) == ("open", "3 failures in a row: timeout")
    assert (breaker.opened_at, breaker.retry_at) == (3.0, 8.0)
    assert (breaker.last_failure, breaker.last_failure_at) == ("timeout", 3.0)
    assert breaker.admit(7.999) == REFUSED


def test_a_success_in_between_begins_the_row_anew() -> None:
    """HUB-3: the consecutive trigger counts failures since the last success."""
    breaker = Breaker(Policy(failures=3, calls=100))
    for place in range(20):
        ticket = breaker.admit(place)
        breaker.succeeded(ticket, place) if place % 3 == 2 else breaker.failed(ticket, place)
    assert breaker.state == "closed"


def test_it_opens_when_too_many_of_a_window_fail() -> None:
    """HUB-3: the windowed trigger: half of at least six calls within ten seconds; older ones no longer count."""
    breaker = Breaker(POLICY)
    for now in (0.0, 0.1):
        breaker.failed(breaker.admit(now), now)
    outcomes = [True, False, False, True, False]
    for place, fine in enumerate(outcomes):
        now = 20.0 + place
        ticket = breaker.admit(now)
        breaker.succeeded(ticket, now) if fine else breaker.failed(ticket, now, "bad")
        assert breaker.state == "closed"
    breaker.failed(breaker.admit(25.0), 25.0, "bad")
    assert breaker.reason == "4 of 6 calls failed within 10 s: bad"


def test_half_open_lets_exactly_one_call_through() -> None:
    """HUB-3: after the deadline one call tries; all others are refused until it ended."""
    breaker = opened()
    ticket = breaker.admit(5.0)
    assert (bool(ticket), breaker.state) == (True, "half_open")
    assert [breaker.admit(5.0 + wait) for wait in (0.0, 1.0, 4.9)] == [REFUSED] * 3
    breaker.succeeded(ticket, 6.0)
    assert (breaker.state, breaker.reason, breaker.opened_at, breaker.retry_at) == ("closed", "", None, None)
    assert breaker.failed_in_row == 0


def test_a_failed_try_opens_it_again_since_the_first_time() -> None:
    """HUB-3: it opens anew for the whole recovery time; since when it is open stays what it was."""
    breaker = opened()
    breaker.failed(breaker.admit(5.0), 6.0, "still down")
    assert (breaker.state, breaker.opened_at, breaker.retry_at) == ("open", 0.0, 11.0)
    assert breaker.reason == "the call that tried it again failed: still down"


def test_a_cancelled_try_is_no_evidence() -> None:
    """HUB-3: the next call tries instead."""
    breaker = opened()
    breaker.cancelled(breaker.admit(5.0))
    second = breaker.admit(5.1)
    assert second
    breaker.succeeded(second, 5.2)
    assert breaker.state == "closed"


def test_a_try_that_never_ends_opens_it_again() -> None:
    """HUB-3: a hanging service does not hold the breaker half-open for ever."""
    breaker = opened()
    hanging = breaker.admit(5.0)
    assert breaker.admit(10.0) == REFUSED
    assert (breaker.state, breaker.retry_at) == ("open", 15.0)
    breaker.failed(hanging, 12.0)
    assert (breaker.state, breaker.retry_at) == ("open", 15.0)


def test_a_service_whose_answers_take_longer_than_it_waits_closes_it() -> None:
    """HUB-3: a try that succeeds after the next has begun is a success all the same; not after that has failed, nor
    when the breaker has closed since."""
    breaker = opened()
    slow = breaker.admit(5.0)
    assert breaker.admit(10.0) == REFUSED
    second = breaker.admit(15.0)
    breaker.succeeded(slow, 16.0)
    assert breaker.state == "closed"
    breaker = opened()
    slow = breaker.admit(5.0)
    assert breaker.admit(10.0) == REFUSED
    breaker.failed(breaker.admit(15.0), 15.5, "busy", 60.0)
    breaker.succeeded(slow, 16.0)
    assert (breaker.state, breaker.retry_at) == ("open", 75.5)
    breaker = opened()
    second = breaker.admit(5.0)
    breaker.succeeded(second, 6.0)
    for now in (20.0, 20.1, 20.2):
        breaker.failed(breaker.admit(now), now)
    breaker.succeeded(second, 21.0)
    assert breaker.state == "open"


def test_a_call_that_is_being_answered_closes_it_before_its_end() -> None:
    """HUB-3: and counts once more when it ends; one from before it opened, or while it is held open, does not."""
    breaker = opened()
    old, ticket = 1, breaker.admit(5.0)
    assert (breaker.answered(old), breaker.state) == (old, "half_open")
    going = breaker.answered(ticket)
    assert (breaker.state, breaker.answered(going)) == ("closed", going)
    for _ in range(2):
        breaker.failed(breaker.admit(6.0), 6.0)
    breaker.failed(going, 7.0, "broke off")
    assert (breaker.state, breaker.last_failure) == ("open", "broke off")
    held = breaker.admit(12.0)
    breaker.trip(12.5, "by hand")
    assert (breaker.answered(held), breaker.by_hand) == (held, True)


@pytest.mark.parametrize(
    ("asked", "until"), [(2.0, 5.0), (60.0, 60.0), (1e9, LONGEST_WAIT), (float("nan"), 5.0), (-1.0, 5.0)]
)
def test_the_longer_of_its_own_deadline_and_retry_after_counts(asked: float, until: float) -> None:
    """HUB-3: Retry-After is heeded, up to an hour; nonsense is not."""
    breaker = opened(retry_after=asked)
    assert breaker.retry_at == until
    assert breaker.admit(until - 0.001) == REFUSED
    assert breaker.admit(until)


def test_calls_from_before_it_opened_say_nothing() -> None:
    """HUB-3: answers of calls admitted before neither close nor open it."""
    breaker = Breaker(POLICY)
    early = [breaker.admit(0.0) for _ in range(5)]
    for ticket in early[:3]:
        breaker.failed(ticket, 1.0)
    breaker.succeeded(early[3], 2.0)
    breaker.failed(early[4], 4.0, "late")
    assert (breaker.state, breaker.retry_at, breaker.last_failure) == ("open", 6.0, "")


def test_by_hand_it_stays_open_until_it_is_reset() -> None:
    """HUB-3: operators trip and reset it."""
    breaker = Breaker(POLICY)
    breaker.trip(1.0, "tripped by operator")
    assert breaker.by_hand
    assert breaker.admit(1e9) == REFUSED
    breaker.reset()
    assert breaker.state == "closed"
    assert breaker.admit(1e9)


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"rate": 1.5}, {"recovery": -1}, {"calls": True}, {"window": "x"}])
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """Errors: what was got and what was expected."""
    with pytest.raises(FanlightError, match=f"a breaker's {next(iter(wrong))} is .*; expected a number above 0"):
        Policy(**wrong)


class Machine(RuleBasedStateMachine):
    """Any order of calls, ends, times and hands."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now = 0.0
        self.out: list[int] = []
        self.trying: set[int] = set()

    @rule(seconds=st.floats(0, 12))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def call(self) -> None:
        before, retry_at = self.breaker.state, self.breaker.retry_at
        ticket = self.breaker.admit(self.now)
        if before == "open":
            assert bool(ticket) == (retry_at is not None and self.now >= retry_at)
        if before == "closed":
            assert ticket
        if ticket:
            self.out.append(ticket)
            if self.breaker.state == "half_open":
                assert self.out.count(ticket) == 1
                self.trying.add(ticket)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from(["ok", "failed", "cancelled"]), asked=st.floats(0, 100))
    def end(self, data: st.DataObject, outcome: str, asked: float) -> None:
        ticket = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        before, held = self.breaker.state, self.breaker.by_hand
        if outcome == "ok":
            self.breaker.succeeded(ticket, self.now)
            assert self.breaker.state == ("closed" if ticket in self.trying and not held else before)
        elif outcome == "failed":
            self.breaker.failed(ticket, self.now, "bad", asked)
            if (before, self.breaker.state) == ("half_open", "open"):
                self.trying.clear()
        else:
            self.breaker.cancelled(ticket)
            assert self.breaker.state == before

    @rule()
    def trip(self) -> None:
        self.breaker.trip(self.now, "by hand")

    @rule()
    def reset(self) -> None:
        self.breaker.reset()

    @invariant()
    def what_it_says_fits_its_state(self) -> None:
        breaker = self.breaker
        if breaker.state == "closed":
            self.trying.clear()
        assert (breaker.opened_at is None) == (breaker.state == "closed")
        assert (breaker.reason == "") == (breaker.state == "closed")
        assert breaker.failed_in_row < POLICY.failures or breaker.state != "closed"
        if breaker.state == "open" and breaker.retry_at is not None:
            assert breaker.retry_at <= self.now + max(POLICY.recovery, LONGEST_WAIT)
        assert len(breaker._window) <= 11


TestMachine = Machine.TestCase
