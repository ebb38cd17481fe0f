"""Health: a service's score from 0 to 100, what took points off it, and the word for it; pure functions.

Every service begins with 100 points. Each factor takes off up to its weight; the table of factors a page shows is what
this computes, so nothing about a score is hidden. `docs/services.md` says the formula in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import log, sqrt
from typing import Final, Literal, NamedTuple

import msgspec

from fanlight import formats

Status = Literal["healthy", "degraded", "down", "idle"]

HEALTHY: Final = 80.0
"""From here on a score is healthy."""

DOWN: Final = 40.0
"""Below this it is down."""

HOLD_SECONDS: Final = 10
"""How long a status stays as bad as it was, so that it does not flap."""

SUCCESS: Final = 70.0
LATENCY: Final = 40.0
RECENCY: Final = 10.0
PROBE: Final = 70.0
PROBE_BESIDE_CALLS: Final = 50.0
"""What a failing probe takes off while calls still succeed: at most one of the two is right."""
STARTING: Final = 30.0
"""What a service takes off that is being started: its calls wait, so it is neither well nor down."""
BREAKER: Final = 70.0
HALF_OPEN: Final = 30.0
"""Weights: the points a factor takes off at most."""

FULL_FAILURE: Final = 0.5
"""The share of failed calls that takes off all of its points."""

LEAST_CALLS: Final = 25
"""Failures are judged as if among at least so many calls: a single one never degrades a service."""

ALL_FAILED: Final = 5
"""From so many calls on none of which succeeded it counts what happened, however few they are."""

LEAST_SECONDS: Final = 2
MOST_SECONDS: Final = 60
"""How far back the calls go that are judged: until there are LEAST_CALLS of them."""

LAST_CALLS: Final = 5
"""The median is taken for no less than the quickest and no more than the slowest of so many last calls."""

UNUSUAL: Final = 0.9
"""The quickest of them counts where it is slower than this share of the calls of 15 minutes: else it is by chance."""

BY_CHANCE: Final = 0.001
"""Calls that succeeded in a row are judged alone where so many would not by chance, given how many failed before."""

USUAL_RATIO: Final = 2.0
"""Up to so many times its own normal an answer takes no points off."""

WORST_RATIO: Final = 10.0
"""From here on it takes all of them."""

LEAST_DELAY: Final = 0.05
"""Seconds over its normal that nobody minds."""

STUCK_SECONDS: Final = 10.0
STUCK_RATIO: Final = 20.0
"""A call under way for longer, and for so many times the normal, with none answered meanwhile: the service hangs."""

FRESH_SECONDS: Final = 60.0
STALE_SECONDS: Final = 900.0
"""Between these ages the newest evidence loses its worth."""


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One second of a service: calls that ended without being cancelled, those that failed by its fault, their times
    (seconds)."""

    second: int
    answered: int
    faults: int
    median: float
    quickest: float
    slowest: float


class Judged(NamedTuple):
    """The calls that are judged at a second; `pace` is how long one takes as far as the last few tell (seconds)."""

    answered: int
    faults: int
    pace: float
    seconds: int


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """A service's last calls: as few seconds as hold enough of them. `last` is the Unix second of the newest, 0 for
    none; `held` the most points its calls took off within HOLD_SECONDS; `outcomes` counts the window by outcome."""

    answered: int = 0
    faults: int = 0
    pace: float = 0.0
    normal: float = 0.0
    seconds: int = 0
    last: int = 0
    held: float = 0.0
    outcomes: dict[str, int] = {}


class ProbeState(msgspec.Struct, frozen=True, kw_only=True):
    """What the probes of all instances say: on which it fails or is being started, of how many, how long it takes, the
    newest error. `told`: by who supervises it, and so no matter of opinion."""

    failing_on: tuple[str, ...] = ()
    starting_on: tuple[str, ...] = ()
    instances: int = 1
    seconds: float | None = None
    error: str = ""
    told: bool = False

    @property
    def starting(self) -> bool:
        """Whether all that is amiss is that it is being started."""
        return bool(self.starting_on) and not self.failing_on

    @property
    def said(self) -> str:
        """What they say, in words."""
        if self.failing_on:
            return f"fails{self._where(self.failing_on)}: {self.error}"
        if self.starting:
            return f"is being started{self._where(self.starting_on)}"
        return "answers"

    def _where(self, instances: tuple[str, ...]) -> str:
        return "" if self.instances == 1 else f" on {len(instances)} of {self.instances} instances"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a service. `oldest` is the age of its longest call under way, `breaker_share` the share of
    instances whose breaker refuses calls; `probe` and `breaker` None where it has none."""

    now: float
    recent: Recent = Recent()
    in_flight: int = 0
    oldest: float = 0.0
    probe: ProbeState | None = None
    breaker: str | None = None
    breaker_share: float = 0.0
    breaker_reason: str = ""


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """What one thing took off a score: `lost` of at most `weight` points, and what was seen."""

    name: str
    weight: float
    lost: float
    said: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A score with its factors; None while nothing is known. `recovering`: the status is held, the score is better."""

    score: float | None
    status: Status
    factors: tuple[Factor, ...] = ()
    recovering: bool = False


def assess(evidence: Evidence) -> Health:
    """The health of a service now."""
    if not evidence.recent.last and evidence.probe is None and not evidence.in_flight and not _broken(evidence):
        return Health(score=None, status="idle")
    factors = (_success(evidence), _latency(evidence), _recency(evidence), _probe(evidence), _breaker(evidence))
    calls, rest = sum(factor.lost for factor in factors[:2]), sum(factor.lost for factor in factors[2:])
    score = max(100.0 - calls - rest, 0.0)
    now, held = word(score), word(100.0 - max(calls, evidence.recent.held) - rest)
    return Health(score=score, status=held, factors=factors, recovering=now != held)


def word(score: float) -> Status:
    """The word for a score."""
    return "healthy" if score >= HEALTHY else "degraded" if score >= DOWN else "down"


def success_loss(answered: int, faults: int) -> float:
    """Points failed calls take off: the root makes the first failures count most."""
    if answered >= ALL_FAILED and faults == answered:
        return SUCCESS
    share = faults / max(answered, LEAST_CALLS)
    return SUCCESS * min(sqrt(share / FULL_FAILURE), 1.0)


def latency_loss(seconds: float, normal: float) -> float:
    """Points slow answers take off: by the logarithm of how many times their normal they take."""
    if normal <= 0 or seconds - normal < LEAST_DELAY or seconds <= USUAL_RATIO * normal:
        return 0.0
    return LATENCY * min(log(seconds / normal / USUAL_RATIO) / log(WORST_RATIO / USUAL_RATIO), 1.0)


def judged(moments: Sequence[Moment], second: int, unusual: float = 0.0) -> Judged:
    """What is judged at a second; `moments` newest first, `unusual` the time that few calls take (seconds)."""
    chosen: list[Moment] = []
    last: list[Moment] = []
    answered, seconds = 0, 0
    for moment in moments:
        if moment.second > second:
            continue
        if second - moment.second >= MOST_SECONDS or (answered >= LEAST_CALLS and seconds >= LEAST_SECONDS):
            break
        if moment.answered and answered < LAST_CALLS:
            last.append(moment)
        chosen.append(moment)
        answered += moment.answered
        seconds = second - moment.second + 1
    faults, pace = sum(moment.faults for moment in chosen), _pace(chosen, last, unusual)
    well = tuple(takewhile(lambda moment: not moment.faults, chosen))
    row = sum(moment.answered for moment in well)
    failing = (faults + 1) / (answered - row + 2)  # before them, by Laplace's rule of succession
    if row and faults and (1 - failing) ** row < BY_CHANCE:
        return Judged(row, 0, pace, second - well[-1].second + 1)
    return Judged(answered, faults, pace, seconds)


def _pace(moments: Sequence[Moment], last: Sequence[Moment], unusual: float) -> float:
    """The median, unless all of the last few calls took more, or less."""
    median = _median(moments)
    if sum(moment.answered for moment in last) < LAST_CALLS:
        return median
    quickest = min(moment.quickest for moment in last)
    if quickest >= unusual:
        median = max(median, quickest)
    return min(median, max(moment.slowest for moment in last))


def _median(moments: Sequence[Moment]) -> float:
    """The median of the seconds' medians, each weighted by its calls."""
    left = sum(moment.answered for moment in moments) / 2
    for moment in sorted(moments, key=lambda moment: moment.median):
        left -= moment.answered
        if left <= 0:
            return moment.median
    return 0.0


def calls_loss(moments: Sequence[Moment], second: int, normal: float, unusual: float = 0.0) -> float:
    """Points the calls take off, judged at a second."""
    calls = judged(moments, second, unusual)
    return success_loss(calls.answered, calls.faults) + latency_loss(calls.pace, normal)


def _success(evidence: Evidence) -> Factor:
    recent = evidence.recent
    if _stuck(evidence):
        said = f"none answered; the oldest of {evidence.in_flight} under way waits {formats.span(evidence.oldest)}"
        return Factor(name="success rate", weight=SUCCESS, lost=SUCCESS, said=said)
    if not recent.answered:
        return Factor(name="success rate", weight=SUCCESS, lost=0.0, said="no call in the last minute")
    share = formats.phrase(1 - recent.faults / recent.answered, "ratio")
    which = "call" if recent.answered == 1 else f"{recent.answered} calls"
    said = f"{share} of the last {which}, {recent.seconds} s"
    return Factor(name="success rate", weight=SUCCESS, lost=success_loss(recent.answered, recent.faults), said=said)


def _stuck(evidence: Evidence) -> bool:
    recent = evidence.recent
    limit = max(STUCK_SECONDS, STUCK_RATIO * recent.normal)
    return evidence.in_flight > 0 and evidence.oldest > limit and evidence.now - recent.last > STUCK_SECONDS


def _latency(evidence: Evidence) -> Factor:
    recent = evidence.recent
    waiting = evidence.oldest if evidence.oldest >= 1.0 else 0.0
    seconds = max(recent.pace, waiting)
    if not recent.normal or not seconds:
        return Factor(name="latency", weight=LATENCY, lost=0.0, said="nothing to compare with")
    normal = formats.phrase(recent.normal, "seconds")
    what = "the last calls take" if seconds == recent.pace else "a call waits"
    said = f"{what} {formats.phrase(seconds, 'seconds')}, normally {normal}"
    return Factor(name="latency", weight=LATENCY, lost=latency_loss(seconds, recent.normal), said=said)


def _recency(evidence: Evidence) -> Factor:
    if evidence.probe is not None:
        said = "known now" if evidence.probe.told else "probed now"
        return Factor(name="recency", weight=RECENCY, lost=0.0, said=said)
    age = max(evidence.now - evidence.recent.last, 0.0) if evidence.recent.last else STALE_SECONDS
    lost = RECENCY * min(max(age - FRESH_SECONDS, 0.0) / (STALE_SECONDS - FRESH_SECONDS), 1.0)
    said = f"last call {formats.span(age)} ago" if evidence.recent.last else "no call answered in 15 min"
    return Factor(name="recency", weight=RECENCY, lost=lost, said=said)


def _probe(evidence: Evidence) -> Factor:
    probe, recent = evidence.probe, evidence.recent
    if probe is None:
        return Factor(name="probe", weight=PROBE, lost=0.0, said="has none")
    contradicted = not probe.told and recent.answered > 0 and recent.faults < FULL_FAILURE * recent.answered
    weight = PROBE_BESIDE_CALLS if contradicted else PROBE
    said = probe.said
    if not (probe.failing_on or probe.starting_on or probe.seconds is None):
        said = f"answers in {formats.phrase(probe.seconds, 'seconds')}"
    lost = weight * len(probe.failing_on) + STARTING * len(probe.starting_on)
    return Factor(name="probe", weight=weight, lost=lost / max(probe.instances, 1), said=said)


def _broken(evidence: Evidence) -> bool:
    return evidence.breaker not in (None, "closed")


def _breaker(evidence: Evidence) -> Factor:
    if evidence.breaker is None:
        return Factor(name="breaker", weight=BREAKER, lost=0.0, said="has none")
    if evidence.breaker == "closed":
        return Factor(name="breaker", weight=BREAKER, lost=0.0, said="closed")
    if evidence.breaker == "half_open":
        return Factor(name="breaker", weight=BREAKER, lost=HALF_OPEN, said="half-open: one call tries")
    share = "" if evidence.breaker_share >= 1 else f" on {formats.phrase(evidence.breaker_share, 'ratio')} of instances"
    lost = max(BREAKER * evidence.breaker_share, HALF_OPEN)
    return Factor(name="breaker", weight=BREAKER, lost=lost, said=f"open{share}: {evidence.breaker_reason}")
