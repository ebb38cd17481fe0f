"""The parts of the chat service by themselves: storage, members, tokens and the made-up trouble."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from chat_api.auth import issue, may_write, user_of
from chat_api.behaviour import CALM, Behaviour, Episode, Simulation, UpstreamError
from chat_api.chat import GroupCache
from chat_api.hub import WAITING_MESSAGES, Hub
from chat_api.observer import NoObserver
from chat_api.samples import sentence
from chat_api.storage import PRUNE_EVERY, ConflictError, Group, Message, Storage, rfc3339, slug


def test_a_temporary_file_is_removed_at_the_end() -> None:
    """Without a path the storage makes a file of its own and leaves nothing behind."""
    storage = Storage()
    storage.open()
    path = Path(storage.path)
    assert path.exists()
    storage.close()
    storage.close()
    assert not path.parent.exists()
    with pytest.raises(RuntimeError, match="not open"):
        storage.statistics()


def test_messages_are_pruned() -> None:
    """However long the demonstration runs, its file keeps a bounded number of messages, the newest."""
    storage = Storage(keep=100)
    storage.open()
    last = 0
    while last % PRUNE_EVERY or not last:
        last = storage.add_message("general", "ada", "x").message_id
    assert storage.statistics()["total_messages"] == 100
    assert storage.batch(0, 1)[0].message_id == last - 99
    storage.close()


def test_yesterday_is_24_hours_ago() -> None:
    """API-5: the last 24 hours move with the clock."""
    now = [1_700_000_000.0]
    storage = Storage(clock=lambda: now[0])
    storage.open()
    assert storage.statistics()["last_24h"]["new_groups"] == 1
    now[0] += 86_400
    assert storage.statistics()["last_24h"] == {"new_groups": 0, "new_messages": 0}
    storage.add_group("One", "ada")
    storage.add_message("one", "ada", "x")
    assert storage.statistics()["last_24h"] == {"new_groups": 1, "new_messages": 1}
    with pytest.raises(ConflictError, match="one already"):
        storage.add_group("one", "alan")
    storage.close()


@pytest.mark.parametrize(
    ("name", "expected"), [("General", "general"), ("Büro & Küche", "büro-küche"), ("a/../b", "a-b"), ("&&&", "group")]
)
def test_slug(name: str, expected: str) -> None:
    """An id made of a name has letters and digits only, so that it cannot break a path."""
    assert slug(name) == expected


def test_times_are_utc() -> None:
    """Times are RFC 3339, UTC, to the millisecond."""
    assert rfc3339(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"


def test_a_slow_member_loses_the_oldest_and_holds_up_nobody() -> None:
    """TTY-6: what waits for a member is bounded; what was dropped is counted."""

    async def scene() -> tuple[int, int, int]:
        hub = Hub()
        slow, everything = hub.join("a", "ada"), hub.join("", "")
        recipients = [hub.broadcast(Message(number, "a", "ada", "x", "")) for number in range(WAITING_MESSAGES + 3)]
        assert (set(recipients), hub.count("a")) == ({1}, 1)
        first = await slow.next()
        hub.leave(slow)
        hub.leave(slow)
        assert hub.broadcast(Message(99, "a", "ada", "x", "")) == 0
        return first.message_id, slow.dropped, everything.dropped

    assert asyncio.run(scene()) == (3, 3, 4)


def test_the_group_cache_is_bounded() -> None:
    """The cache keeps the groups asked for last."""
    cache = GroupCache(NoObserver(), limit=2)
    for name in ("a", "b"):
        cache.put(Group(name, name, "ada", ""))
    assert cache.get("a")
    cache.put(Group("c", "c", "ada", ""))
    assert [bool(cache.get(name)) for name in "abc"] == [True, False, True]


def test_tokens_belong_to_one_user() -> None:
    """A token names its user; any change to it, or none at all, names nobody."""
    token = issue("ada")
    assert user_of(token) == "ada"
    assert [user_of(wrong) for wrong in ("", ".", "ada", f"x{token}", token[:-1], f"{token}é")] == [""] * 6
    assert (may_write("ada"), may_write("guest-1"), may_write("")) == (True, False, False)


def _simulation(behaviour: Behaviour, at: float = 0.0) -> tuple[Simulation, list[float], list[float]]:
    clock, waits = [0.0], list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    simulation = Simulation(behaviour, lambda: clock[0], wait)
    clock[0] = at
    return simulation, clock, waits


def test_calm_waits_for_nothing() -> None:
    """The calm behaviour neither waits nor fails."""
    simulation, _, waits = _simulation(CALM)

    async def scene() -> None:
        for _ in range(200):
            await simulation.query()
            await simulation.search()
            assert await simulation.moderate("SPAM!")

    asyncio.run(scene())
    assert waits == []


def test_the_same_seed_gives_the_same_trouble() -> None:
    """Two runs of one seed are alike, of another they are not."""
    one, two, other = (_simulation(Behaviour(seed=seed))[0] for seed in (1, 1, 2))
    runs = [[simulation.search_seconds() for _ in range(50)] for simulation in (one, two, other)]
    assert runs[0] == runs[1] != runs[2]


def test_slow_queries_are_seldom_and_very_slow_ones_more_so() -> None:
    """API-6: between episodes about one search in 700 takes 1-2 s, and over 5 s hardly any."""
    simulation, _, _ = _simulation(Behaviour())
    seconds = [simulation.search_seconds() for _ in range(100_000)]
    slow = [each for each in seconds if each > 1]
    very_slow = [each for each in slow if each > 5]
    assert 100 <= len(slow) <= 200
    assert 1 <= len(very_slow) <= 20
    assert 0.02 < sorted(seconds)[50_000] < 0.04


@pytest.mark.parametrize(
    ("at", "failing"), [(0, False), (149, False), (150, True), (174, True), (175, False), (690, True)]
)
def test_the_moderation_service_has_outages(at: float, failing: bool) -> None:
    """An outage comes back once per period and ends; between them hardly any call fails."""
    simulation, _, _ = _simulation(Behaviour(), at)
    failures = sum(simulation.moderation_status() != 200 for _ in range(400))
    assert (failures > 200) if failing else (failures < 20)


@pytest.mark.parametrize(("at", "slow"), [(379, False), (380, True), (394, True), (395, False)])
def test_searches_are_slow_during_a_reindex(at: float, slow: bool) -> None:
    """An episode of slow searches gives the charts a spike with a cause."""
    simulation, _, _ = _simulation(Behaviour(), at)
    assert (sum(simulation.search_seconds() > 1 for _ in range(400)) > 60) is slow


def test_a_timeout_takes_as_long_as_it_is_allowed_to() -> None:
    """A 504 of the moderation service comes after its timeout, the other failures at once."""
    simulation, _, waits = _simulation(Behaviour(moderation_rate=1.0, outage=Episode(0, 0, 0)))

    async def scene() -> dict[int, list[float]]:
        seen: dict[int, list[float]] = {}
        for _ in range(60):
            with pytest.raises(UpstreamError) as failed:
                await simulation.moderate("x")
            seen.setdefault(failed.value.status, []).append(waits[-1])
        return seen

    seen = asyncio.run(scene())
    assert set(seen) == {502, 503, 504}
    assert set(seen[504]) == {1.5}
    assert max(seen[502] + seen[503]) < 0.5


def test_sentences_are_proper() -> None:
    """What simulated users write begins with a capital and fits a message."""
    for text in (sentence(Random(seed)) for seed in range(50)):
        assert text[0].isupper()
        assert len(text) < 200
