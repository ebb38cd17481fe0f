"""A score is 100 less what each factor takes off, falls at once, and does not flap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanlight.core.cell import Cell
from fanlight.core.health import (
    DOWN,
    HEALTHY,
    HOLD_SECONDS,
    SUCCESS,
    Evidence,
    Moment,
    ProbeState,
    Recent,
    assess,
    calls_loss,
    judged,
    latency_loss,
    success_loss,
    word,
)
from fanlight.core.moments import KEPT_SECONDS, SERVICE_LIMIT, Pace, Paces

NOW = 1_700_000_000
FINE = Recent(answered=20, faults=0, pace=0.02, normal=0.02, seconds=4, last=NOW - 1)


def test_a_service_nothing_is_known_of_has_no_score() -> None:
    """ORC-2: without a call, a probe or an open breaker it is idle, not healthy."""
    health = assess(Evidence(now=NOW, breaker="closed"))
    assert (health.score, health.status, health.factors) == (None, "idle", ())


def test_a_service_that_answers_is_healthy() -> None:
    """ORC-2: nothing takes anything off."""
    health = assess(Evidence(now=NOW, recent=FINE, probe=ProbeState(seconds=0.01), breaker="closed"))
    assert (health.score, health.status, health.recovering) == (100.0, "healthy", False)
    assert [factor.name for factor in health.factors] == ["success rate", "latency", "recency", "probe", "breaker"]
    assert [factor.weight for factor in health.factors] == [70, 40, 10, 50, 70]


def test_failures_count_by_their_share_the_first_ones_most() -> None:
    """ORC-2: 1 % takes off 10 points, 5 % degrades, half of the calls takes it down; one alone does not."""
    assert round(success_loss(100, 1)) == 10
    assert word(100 - success_loss(100, 3)) == "healthy"
    assert word(100 - success_loss(100, 5)) == "degraded"
    assert success_loss(100, 50) == success_loss(100, 100) == SUCCESS
    assert word(100 - success_loss(2, 1)) == word(100 - success_loss(10, 1)) == "healthy"
    assert [word(100 - success_loss(n, n)) for n in (1, 4, 5)] == ["healthy", "degraded", "down"]


def test_slow_answers_count_against_the_services_own_normal() -> None:
    """ORC-2: twice its normal is usual, five times degrades, and slowness alone never takes it down."""
    assert latency_loss(0.4, 0.2) == 0.0
    assert latency_loss(0.04, 0.001) == 0.0  # 39 ms more: nobody minds
    assert word(100 - latency_loss(1.0, 0.2)) == "degraded"
    assert word(100 - latency_loss(1e6, 0.2)) == "degraded"
    assert latency_loss(5.0, 0.0) == 0.0


def test_a_hanging_service_is_seen_by_the_calls_under_way() -> None:
    """ORC-2: a call that waits far beyond the normal degrades it, none answered for ten seconds takes it down."""
    waiting = Evidence(now=NOW, recent=FINE, in_flight=3, oldest=1.2)
    assert assess(waiting).status == "degraded"
    silent = Recent(answered=20, pace=0.02, normal=0.02, seconds=30, last=NOW - 11)
    stuck = assess(Evidence(now=NOW, recent=silent, in_flight=3, oldest=11.0))
    assert stuck.status == "down"
    assert stuck.factors[0].said == "none answered; the oldest of 3 under way waits 11s"


@pytest.mark.parametrize(("answered", "said"), [(1, "0 % of the last call, 4 s"), (2, "0 % of the last 2 calls, 4 s")])
def test_one_call_is_said_to_be_one(answered: int, said: str) -> None:
    """ORC-2: what a score is judged by reads as people write it."""
    recent = Recent(answered=answered, faults=answered, pace=0.02, normal=0.02, seconds=4, last=NOW - 1)
    assert assess(Evidence(now=NOW, recent=recent)).factors[0].said == said


def test_old_evidence_loses_its_worth_slowly() -> None:
    """ORC-2: after a minute without a call points go, ten of them after a quarter of an hour."""
    for age, lost in ((30, 0.0), (480, 5.0), (900, 10.0), (5_000, 10.0)):
        recent = Recent(answered=0, last=NOW - age)
        assert assess(Evidence(now=NOW, recent=recent)).factors[2].lost == lost


def test_a_failing_probe_takes_a_service_down_unless_calls_succeed() -> None:
    """ORC-2, HUB-2: by the share of instances it fails on; beside calls that succeed it only degrades."""
    failing = ProbeState(failing_on=("a",), instances=1, error="refused")
    assert assess(Evidence(now=NOW, probe=failing)).status == "down"
    assert assess(Evidence(now=NOW, probe=failing, recent=FINE)).status == "degraded"
    partly = assess(Evidence(now=NOW, probe=ProbeState(failing_on=("a",), instances=4, error="refused")))
    assert (partly.status, partly.factors[3].lost) == ("healthy", 17.5)
    assert partly.factors[3].said == "fails on 1 of 4 instances: refused"


def test_what_its_supervisor_tells_is_no_matter_of_opinion() -> None:
    """HUB-2: calls that succeeded a moment ago prove nothing against a supervisor that saw it end."""
    told = ProbeState(failing_on=("a",), error="killed by signal 9", told=True)
    found = assess(Evidence(now=NOW, probe=told, recent=FINE))
    assert (found.score, found.status) == (30.0, "down")


def test_what_is_being_started_is_not_down() -> None:
    """HUB-2: it is degraded while all that run it start it, by their share; where it fails besides, that is said."""
    starting = assess(Evidence(now=NOW, probe=ProbeState(starting_on=("a",))))
    assert (starting.status, starting.factors[3].said) == ("degraded", "is being started")
    partly = assess(Evidence(now=NOW, probe=ProbeState(starting_on=("a",), instances=4, seconds=0.1)))
    assert (partly.status, partly.factors[3].lost) == ("healthy", 7.5)
    assert partly.factors[3].said == "is being started on 1 of 4 instances"
    both = assess(Evidence(now=NOW, probe=ProbeState(failing_on=("a",), starting_on=("b",), instances=2, error="no")))
    assert (both.factors[3].lost, both.factors[3].said) == (50.0, "fails on 1 of 2 instances: no")


def test_an_open_breaker_counts_by_its_share_of_instances() -> None:
    """ORC-2: open everywhere it is down; half-open it is degraded."""
    for state, share, status in (("open", 1.0, "down"), ("open", 0.25, "degraded"), ("half_open", 0.0, "degraded")):
        evidence = Evidence(now=NOW, recent=FINE, breaker=state, breaker_share=share, breaker_reason="why")
        assert assess(evidence).status == status


def pace(outcomes: dict[int, list[str]], seconds: float = 0.02) -> Pace:
    """Calls by second and outcome."""
    made = Pace()
    for second, found in outcomes.items():
        cell = Cell()
        for outcome in found:
            cell.record(int(seconds * 1e9), outcome, outcome not in ("ok", "cancelled"))
        made.add(second, cell)
    return made


def status_at(made: Pace, now: int) -> str:
    return assess(Evidence(now=now, recent=made.recent(now, 0.02, 0, {}))).status


def test_it_falls_within_two_seconds_and_recovers_after_ten() -> None:
    """Issue 5: one that fails is degraded within two seconds and soon down, until it has been well for ten."""
    outcomes = {NOW + t: (["ok"] if t < 30 or t >= 40 else ["timeout"]) * 10 for t in range(80)}
    made = pace(outcomes)
    seen = {t: status_at(made, NOW + t) for t in range(20, 70)}
    assert seen[29] == "healthy"
    assert seen[31] in ("degraded", "down")
    assert seen[32] == "down"
    back = min(t for t in range(40, 70) if seen[t] == "healthy")
    assert 39 + HOLD_SECONDS <= back <= 43 + HOLD_SECONDS
    changes = [t for t in range(21, 70) if seen[t] != seen[t - 1]]
    assert len(changes) <= 4


def timed(seconds: dict[int, list[float]]) -> Pace:
    """Calls that succeeded, by second and how long each took."""
    made = Pace()
    for second, found in seconds.items():
        cell = Cell()
        for each in found:
            cell.record(int(each * 1e9), "ok")
        made.add(second, cell)
    return made


def test_slowness_shows_by_the_last_few_calls_and_so_does_its_end() -> None:
    """Issue 5, ORC-2: five slow calls count although the twenty before were quick, and five quick ones, too."""
    quick, slow = [0.02] * 5, [0.7] * 5
    made = timed({NOW - 4 + t: quick for t in range(4)} | {NOW: slow, NOW + 20: quick[:4], NOW + 21: quick})
    assert made.recent(NOW - 1, 0.02, 0, {}, 0.03).pace == pytest.approx(0.02, rel=0.05)
    fallen = made.recent(NOW, 0.02, 0, {}, 0.03)
    assert fallen.pace == pytest.approx(0.7, rel=0.05)
    assert assess(Evidence(now=NOW, recent=fallen)).status == "degraded"
    risen = made.recent(NOW + 21, 0.02, 0, {}, 0.03)
    assert risen.pace == pytest.approx(0.02, rel=0.05)
    back = assess(Evidence(now=NOW + 21, recent=risen))
    assert (back.score, back.status, back.recovering) == (100.0, "degraded", True)


def test_a_recovery_shows_by_the_first_calls_that_succeed() -> None:
    """Issue 5, ORC-2: after a failure of all a few in a row are enough for the score; the status waits. One call in ten
    that fails does not come and go."""
    failed = {NOW - 3: ["timeout"] * 10, NOW - 2: ["timeout"] * 10, NOW - 1: ["timeout"] + ["ok"] * 3}
    made = pace(failed | {NOW: ["ok"] * 6})
    assert made.recent(NOW - 1, 0.02, 0, {}).faults == 21
    recent = made.recent(NOW, 0.02, 0, {})
    assert (recent.answered, recent.faults, recent.seconds) == (6, 0, 1)
    health = assess(Evidence(now=NOW, recent=recent))
    assert (health.score, health.status, health.recovering) == (100.0, "down", True)
    for t in range(1, 8):
        made.add(NOW + t, pace({0: ["ok"] * 6}).cells[0])
        assert made.recent(NOW + t, 0.02, 0, {}).faults == 0, t
    some = pace({NOW - t: ["ok"] * 9 + ["timeout"] for t in range(1, 6)} | {NOW: ["ok"] * 15})
    assert some.recent(NOW, 0.02, 0, {}).faults == 1


@pytest.mark.parametrize("turned", [0.0, 0.25, 0.5, 0.75])
def test_a_slow_down_shows_within_two_seconds_at_the_examples_rate(turned: float) -> None:
    """Issue 5: with twelve calls a second that turn from 20 to 700 ms, wherever in a second that is."""
    begins = [number / 12 for number in range(-120, 36)]
    ends = [(begin + (0.7 if begin >= turned else 0.02), 0.7 if begin >= turned else 0.02) for begin in begins]
    late = turned + 1.5
    seconds: dict[int, list[float]] = {}
    for end, duration in ends:
        if end <= late:
            seconds.setdefault(NOW + int(end // 1), []).append(duration)
    recent = timed(seconds).recent(NOW + int(late), 0.02, 0, {}, 0.03)
    assert assess(Evidence(now=NOW + late, recent=recent)).status == "degraded"


def test_a_few_slow_calls_by_chance_are_no_slowness() -> None:
    """ORC-2: five slow ones among quick ones, fewer than five alone, and times that one call in ten takes are usual."""
    quick = {NOW - t: [0.02] * 10 for t in range(1, 6)}
    mixed = timed(quick | {NOW: [0.7] * 5 + [0.02]})
    few = timed({NOW - t: [0.02] for t in range(1, 40)} | {NOW: [0.7] * 4})
    usual = timed(quick | {NOW: [0.7] * 5})
    for made, unusual in ((mixed, 0.03), (few, 0.03), (usual, 0.9)):
        assert made.recent(NOW, 0.02, 0, {}, unusual).pace == pytest.approx(0.02, rel=0.05)


def test_errors_of_the_caller_and_cancellations_take_nothing_off() -> None:
    """HUB-3, ORC-2: what the caller or a tool got wrong was answered, what was cancelled is no evidence."""
    made = pace({NOW: ["validation", "auth", "client", "tool_error"] * 10 + ["cancelled"] * 50})
    recent = made.recent(NOW, 0.02, 0, {})
    assert (recent.answered, recent.faults) == (40, 0)
    assert status_at(made, NOW) == "healthy"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.02, 0.04, 0.1]), min_size=120, max_size=120))
def test_a_small_error_rate_does_not_flap(rates: list[float]) -> None:
    """ORC-2: whatever small share of calls fails, the status changes at most once in the time it is held."""
    made = pace({NOW + t: ["timeout"] * round(100 * rate) + ["ok"] * 100 for t, rate in enumerate(rates)})
    seen = [status_at(made, NOW + t) for t in range(70, 120)]
    worse = [t for t in range(1, 50) if seen[t] != "healthy" and seen[t - 1] == "healthy"]
    assert all(later - earlier > HOLD_SECONDS for earlier, later in pairwise(worse))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_late_seconds_change_the_past_as_if_they_had_come_in_time(found: list[tuple[int, int, int]]) -> None:
    """X-2: in whatever order the seconds of all instances come, the health is the same."""
    forward, backward = Pace(), Pace()
    cells = []
    for second, fine, bad in found:
        cell = Cell()
        for _ in range(fine):
            cell.record(20_000_000, "ok")
        for _ in range(bad):
            cell.record(90_000_000, "timeout", True)
        if cell.count:
            cells.append((NOW + second, cell))
    for second, cell in cells:
        forward.add(second, cell)
        forward.recent(NOW + 80, 0.02, 0, {})
    for second, cell in reversed(cells):
        backward.add(second, cell)
    assert forward.recent(NOW + 80, 0.02, 0, {}) == backward.recent(NOW + 80, 0.02, 0, {})


def test_few_calls_are_judged_over_a_longer_time() -> None:
    """ORC-2: as few seconds as hold 25 calls, two at least, a minute at most."""
    busy = [Moment(NOW - t, 50, 0, 0.02, 0.01, 0.03) for t in range(60)]
    assert judged(busy, NOW).seconds == 2
    quiet = [Moment(NOW - t, 1, 0, 0.02, 0.02, 0.02) for t in range(0, 200, 7)]
    assert judged(quiet, NOW) == (9, 0, 0.02, 57)
    assert calls_loss([], NOW, 0.02) == 0.0


def test_what_is_followed_by_the_second_is_bounded() -> None:
    """Bounds: seventy seconds of a hundred services."""
    paces, cell = Paces(), Cell()
    cell.record(1_000_000, "ok")
    for number in range(SERVICE_LIMIT + 5):
        paces.add(NOW, {(f"s{number}", "http"): cell})
    assert paces.get((f"s{SERVICE_LIMIT}", "http")) is None
    for t in range(200):
        paces.add(NOW + t, {("s1", "http"): cell})
    followed = paces.get(("s1", "http"))
    assert followed is not None
    assert len(followed.cells) <= KEPT_SECONDS
    paces.keep({})
    assert paces.get(("s1", "http")) is None
    assert DOWN < HEALTHY
