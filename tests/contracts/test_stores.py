"""One suite that every store passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from tests.redis_server import RedisServer

from fanlight.core.frame import Frame
from fanlight.core.gauge import Gauge, Reading
from fanlight.errors import StoreError
from fanlight.stores import base
from fanlight.stores.base import (
    LATEST,
    READ_LIMIT,
    RETIRED,
    SERIES_KEPT,
    TIERS,
    Acknowledgement,
    Command,
    InstanceInfo,
    RefusedError,
    Store,
    StoredFrame,
    all_frames,
)
from fanlight.stores.opening import open_store

NOW = 1_700_000_000
KINDS = ("memory", "sqlite", "redis")
"""Every kind of store, by the name of its module."""


def opened(kind: str, directory: Path, request: pytest.FixtureRequest) -> Store:
    if kind != "redis":
        return open_store({"memory": "memory://", "sqlite": f"sqlite:///{directory / 'store.db'}"}[kind])
    server: RedisServer = request.getfixturevalue("shared_redis")
    server.send("FLUSHALL")
    return open_store(server.url)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = opened(request.param, tmp_path, request)
    yield store
    store.close()


def info(instance: str = "a", service: str = "chat", last_seen: float = NOW, closed: bool = False) -> InstanceInfo:
    return InstanceInfo(service, instance, "web1", 42, "1.0", NOW - 60.0, last_seen, closed)


def frame(
    bucket: int = NOW, instance: str = "a", data: bytes = b"data", tier: int = 1, series: bytes = b"series"
) -> StoredFrame:
    return StoredFrame(tier, bucket, instance, data, series)


def command(id: str = "c1", targets: tuple[str, ...] = ("a", "b"), **changed: Any) -> Command:
    values: dict[str, Any] = {"name": "clear-cache", "arguments": {"deep": [1, "x", None]}, "issued": float(NOW)}
    values |= {"expires": NOW + 30.0, "issuer": "operator"} | changed
    return Command(id=id, targets=targets, **values)


def ack(instance: str = "a", status: Any = "success", message: str = "done", id: str = "c1") -> Acknowledgement:
    return Acknowledgement(id, instance, status, message, NOW + 1.0)


def test_rewriting_changes_nothing(store: Store) -> None:
    """X-3: the same write twice leaves one heartbeat, one frame and one totals blob."""
    for _ in range(2):
        store.write(info(), [frame()], b"totals")
    assert store.instances("chat") == [info()]
    assert store.frames("chat", 1, 0) == [frame()]
    assert store.totals("chat") == {"a": b"totals"}


def test_the_last_write_stands(store: Store) -> None:
    """X-3: a rewrite replaces the frame, the heartbeat and the totals, and a heartbeat without totals leaves them."""
    store.write(info(), [frame(data=b"open")], b"one")
    store.write(info(last_seen=NOW + 1.0), [frame(data=b"closed")], b"two")
    store.write(info(last_seen=NOW + 2.0, closed=True), [], None)
    assert store.frames("chat", 1, 0) == [frame(data=b"closed")]
    assert store.instances("chat") == [info(last_seen=NOW + 2.0, closed=True)]
    assert store.totals("chat") == {"a": b"two"}


def test_frames_are_ordered_and_cut_to_the_range(store: Store) -> None:
    """X-2: frames come by (bucket, instance), from `since` and before `until`, of one tier."""
    for instance in ("b", "a", "é"):
        store.write(info(instance), [frame(NOW + s, instance) for s in (3, 1, 2, 0)], None)
    store.write(info(), [frame(NOW, tier=10)], None)
    expected = [frame(NOW + s, instance) for s in (1, 2) for instance in ("a", "b", "é")]
    assert store.frames("chat", 1, NOW + 1, NOW + 3) == expected
    assert store.frames("chat", 10, 0) == [frame(NOW, tier=10)]
    assert store.frames("chat", 1, NOW + 4) == []
    assert store.frames("chat", 1, -(2**80), 2**80) == store.frames("chat", 1, 0)


def test_one_instance_can_be_left_out(store: Store) -> None:
    """X-2: a reader that knows its own frames leaves them out of frames and changes, and its cursor still moves."""
    for instance in ("a", "b"):
        store.write(info(instance), [frame(instance=instance)], None)
    assert store.frames("chat", 1, 0, exclude="a") == [frame(instance="b")]
    cursor, news = store.changes("chat", 0, exclude="b")
    assert news == [frame(instance="a")]
    assert store.changes("chat", cursor) == (cursor, [])


def test_the_series_can_be_left_unread(store: Store) -> None:
    """X-3: a chart of totals reads heads alone, page by page too; a rewrite replaces both parts."""
    written = [frame(NOW + s, instance, series=b"s" * 5_000) for s in range(3) for instance in ("a", "b")]
    for instance in ("a", "b"):
        store.write(info(instance), [f for f in written if f.instance == instance], None)
    heads = [frame(f.bucket, f.instance, series=b"") for f in written]
    assert store.frames("chat", 1, 0, series=False) == heads
    assert list(all_frames(store, "chat", 1, 0, exclude="a", series=False)) == heads[1::2]
    assert store.frames("chat", 1, 0) == written
    store.write(info(), [frame(NOW, series=b"")], None)
    assert store.frames("chat", 1, NOW, NOW + 1, exclude="b") == [frame(NOW, series=b"")]
    assert store.changes("chat", 0)[1][-1] == frame(NOW, series=b"")


def test_services_never_merge(store: Store) -> None:
    """X-2: two services with instances, commands and leases of the same names see nothing of each other."""
    for service in ("chat", "chat'; DROP TABLE frames; --"):
        store.write(info(service=service), [frame(data=service.encode())], service.encode())
        store.send(service, command(name=service))
        assert store.acquire_lease(service, "compact", service, NOW, 10)
        assert [f.data for f in store.frames(service, 1, 0)] == [service.encode()]
        assert [f.data for f in store.changes(service, 0)[1]] == [service.encode()]
        assert store.totals(service) == {"a": service.encode()}
        assert [i.service for i in store.instances(service)] == [service]
        assert [c.name for c in store.commands(service, "a", NOW)] == [service]
    store.prune("chat", NOW + 40 * 86400.0)
    assert store.frames("chat'; DROP TABLE frames; --", 1, 0)


def test_services_are_named(store: Store) -> None:
    """X-2: each service with an instance is named once, in order; a command alone makes none."""
    assert store.services() == []
    for service, instance in (("shop", "a"), ("chat", "a"), ("chat", "b")):
        store.write(info(instance, service), [], None)
    store.send("nobody", command())
    assert store.services() == ["chat", "shop"]


def test_an_unknown_service_is_empty(store: Store) -> None:
    """X-2: reading a service that never wrote gives nothing and raises nothing."""
    assert (store.instances("none"), store.totals("none"), store.frames("none", 1, 0)) == ([], {}, [])
    assert (store.changes("none", 0)[1], store.commands("none", "a", NOW)) == ([], [])
    assert (store.acknowledgements("none", "c1"), store.prune("none", NOW)) == ([], 0)


def test_changes_give_only_news(store: Store) -> None:
    """X-2: a follower reads each write once, in the order of writing."""
    store.write(info(), [frame(NOW), frame(NOW + 1)], None)
    cursor, news = store.changes("chat", 0)
    assert news == [frame(NOW), frame(NOW + 1)]
    store.write(info("b"), [frame(NOW - 5, "b")], None)
    later, news = store.changes("chat", cursor)
    assert news == [frame(NOW - 5, "b")]
    assert later > cursor
    assert store.changes("chat", later) == (later, [])


def test_a_late_rewrite_is_news_exactly_once(store: Store) -> None:
    """X-3: a frame written again late shows once more, with its new content, and not again."""
    store.write(info(), [frame(NOW, data=b"early"), frame(NOW + 1)], None)
    cursor, _ = store.changes("chat", 0)
    store.write(info(), [frame(NOW, data=b"late")], None)
    cursor, news = store.changes("chat", cursor)
    assert news == [frame(NOW, data=b"late")]
    assert store.changes("chat", cursor) == (cursor, [])
    assert store.changes("chat", 0)[1] == [frame(NOW + 1), frame(NOW, data=b"late")]


def test_cursors_nobody_gave_out(store: Store) -> None:
    """X-3: LATEST asks for the present cursor; one from the future (a replaced store) starts from the beginning."""
    store.write(info(), [frame()], None)
    latest, news = store.changes("chat", LATEST)
    assert news == []
    assert store.changes("chat", latest) == (latest, [])
    assert store.changes("chat", latest + 1_000) == (latest, [frame()])
    assert store.changes("chat", 2**70) == (latest, [frame()])
    assert store.changes("chat", -(2**70)) == (latest, [])


def test_reads_are_bounded_and_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: a read returns at most its limit, in whole buckets, and paging returns every frame once."""
    for module in ("base", *KINDS):
        monkeypatch.setattr(f"fanlight.stores.{module}.READ_LIMIT", 5)
    written = [frame(NOW + s, instance) for s in range(6) for instance in ("a", "b")]
    for instance in ("a", "b"):
        store.write(info(instance), [f for f in written if f.instance == instance], None)
    assert store.frames("chat", 1, 0) == written[:4]
    assert list(all_frames(store, "chat", 1, 0)) == written
    read, cursor = [], 0
    while (answer := store.changes("chat", cursor))[1]:
        cursor = answer[0]
        assert len(answer[1]) <= 5
        read += answer[1]
    assert sorted(read, key=lambda f: (f.bucket, f.instance)) == written
    assert READ_LIMIT > 900


@pytest.mark.parametrize("tier", TIERS)
def test_each_tier_is_kept_as_long_as_promised(store: Store, tier: int) -> None:
    """X-3: a bucket stays until its whole span is older than its tier keeps, then goes; other tiers are not touched."""
    bucket = NOW - NOW % max(TIERS)
    store.write(info(last_seen=bucket + 10**7), [frame(bucket, tier=tier)], None)
    end = bucket + tier + TIERS[tier]
    assert store.prune("chat", end - 0.5) == 0
    assert store.frames("chat", tier, 0)
    assert store.prune("chat", float(end)) == 1
    assert store.frames("chat", tier, 0) == []
    assert store.changes("chat", 0)[1] == []


@pytest.mark.parametrize("tier", TIERS)
def test_series_go_before_their_heads(store: Store, tier: int) -> None:
    """X-3: a series stays as long as rankings need it, then it alone goes; the row is no news and not removed."""
    bucket = NOW - NOW % max(TIERS)
    kept, old = frame(bucket + tier, tier=tier), frame(bucket, tier=tier)
    store.write(info(last_seen=bucket + 10**7), [kept, old], None)
    cursor, _ = store.changes("chat", LATEST)
    end = bucket + tier + SERIES_KEPT[tier]
    store.prune("chat", end - 0.5)
    assert store.frames("chat", tier, 0) == [old, kept]
    gone = store.prune("chat", float(end))
    left = [] if SERIES_KEPT[tier] == TIERS[tier] else [frame(bucket, tier=tier, series=b"")]
    assert gone == 1 - len(left)
    assert store.frames("chat", tier, 0) == [*left, kept]
    assert store.changes("chat", cursor)[1] == []


def test_a_clock_set_back_removes_nothing(store: Store) -> None:
    """X-3: pruning at an earlier time leaves what was written at a later one."""
    store.write(info(), [frame()], b"totals")
    assert store.prune("chat", NOW - 10 * 86400.0) == 0
    assert store.frames("chat", 1, 0) == [frame()]


def counted(requests: int) -> bytes:
    blob = Frame(NOW, NOW + 60)
    blob.counters["requests.slow"] = requests
    blob.gauges[("process.threads", "")] = Gauge("sum", {"a": Reading(float(NOW), 4.0)})
    return blob.encode()


def test_what_gone_instances_counted_stays_in_the_totals(store: Store) -> None:
    """X-3: closed instances are retired into one sum, whose counts are exact and whose levels are gone."""
    for number in range(12):
        store.write(info(f"i{number:02}", closed=True), [], counted(number))
    store.write(info("live", last_seen=NOW + 3600.0), [], counted(100))
    while store.prune("chat", NOW + 3600.0):
        pass
    totals = store.totals("chat")
    assert set(totals) == {RETIRED, "live"}
    assert Frame.decode(totals[RETIRED]).counters == {"requests.slow": sum(range(12))}
    assert Frame.decode(totals[RETIRED]).gauges == {}
    assert [i.instance for i in store.instances("chat")] == ["live"]


def test_a_silent_instance_stays_as_long_as_history(store: Store) -> None:
    """X-3: an instance that never said goodbye is listed until nothing of it is left in any tier."""
    store.write(info(), [], counted(1))
    assert store.prune("chat", NOW + 34 * 86400.0) == 0
    assert store.prune("chat", NOW + 36 * 86400.0) == 1
    assert store.instances("chat") == []


def test_totals_nobody_can_read_are_kept(store: Store) -> None:
    """X-3: a blob of another schema is not thrown away with its instance."""
    store.write(info(closed=True), [], b"not a frame")
    assert store.prune("chat", NOW + 3600.0) == 0
    assert store.totals("chat") == {"a": b"not a frame"}


def test_too_many_instances_retire_early(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: a service that crashes over and over does not grow: beyond the limit the longest unseen go first."""
    monkeypatch.setattr(base, "INSTANCE_LIMIT", 3)
    for number in range(5):
        store.write(info(f"i{number}", last_seen=NOW + number), [], counted(1))
    assert store.prune("chat", NOW + 3600.0) == 2
    assert [i.instance for i in store.instances("chat")] == ["i2", "i3", "i4"]
    assert sum(Frame.decode(blob).counters["requests.slow"] for blob in store.totals("chat").values()) == 5


def test_a_command_reaches_its_targets_until_they_answer(store: Store) -> None:
    """HUB-7: each target sees the command until it has acknowledged; the answers so far name the instances."""
    store.send("chat", command())
    assert store.commands("chat", "a", NOW) == [command()]
    assert store.commands("chat", "c", NOW) == []
    store.acknowledge("chat", ack("a"))
    assert store.commands("chat", "a", NOW) == []
    assert store.commands("chat", "b", NOW) == [command()]
    assert store.acknowledgements("chat", "c1") == [ack("a")]
    store.acknowledge("chat", ack("b", "error", "locked"))
    assert store.acknowledgements("chat", "c1") == [ack("a"), ack("b", "error", "locked")]


def test_a_forgotten_command_is_gone(store: Store) -> None:
    """HUB-7: with its answers, for all its targets; another one stays, and it may be issued again."""
    store.send("chat", command())
    store.send("chat", command("c2"))
    store.acknowledge("chat", ack("a"))
    for id in ("c1", "c1", "unknown"):
        store.forget("chat", id)
    assert store.acknowledgements("chat", "c1") == []
    assert [each.id for each in store.commands("chat", "b", NOW)] == ["c2"]
    store.send("chat", command())
    assert {each.id for each in store.commands("chat", "a", NOW)} == {"c1", "c2"}


def test_sending_and_answering_again_change_nothing(store: Store) -> None:
    """HUB-7: a command sent twice is done once, and an answer repeated is one answer."""
    for _ in range(2):
        store.send("chat", command())
        store.acknowledge("chat", ack("a"))
    assert store.commands("chat", "a", NOW) == []
    assert store.acknowledgements("chat", "c1") == [ack("a")]


def test_answers_nobody_asked_for_are_ignored(store: Store) -> None:
    """HUB-7: an acknowledgement by a stranger, or of an unknown command, is not listed."""
    store.send("chat", command(targets=("a",)))
    store.acknowledge("chat", ack("stranger"))
    store.acknowledge("chat", ack("a", id="unknown"))
    assert store.acknowledgements("chat", "c1") == []
    assert store.acknowledgements("chat", "unknown") == []


def test_an_expired_command_is_not_done(store: Store) -> None:
    """HUB-7: nobody starts a command at or after its expiry, its answers can be read for a while, then it goes."""
    store.send("chat", command())
    store.acknowledge("chat", ack("a"))
    assert store.commands("chat", "b", NOW + 29.9) == [command()]
    assert store.commands("chat", "b", NOW + 30.0) == []
    assert store.prune("chat", NOW + 60.0) == 0
    assert store.acknowledgements("chat", "c1") == [ack("a")]
    assert store.prune("chat", NOW + 30.0 + base.COMMAND_KEPT) == 1
    assert store.acknowledgements("chat", "c1") == []


def test_commands_come_in_the_order_of_issue(store: Store) -> None:
    """HUB-7: the oldest command first."""
    for id, issued in (("x", 3.0), ("y", 1.0), ("z", 2.0)):
        store.send("chat", command(id, issued=NOW + issued))
    assert [c.id for c in store.commands("chat", "a", NOW)] == ["y", "z", "x"]


def test_commands_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-7: past the limit a command is refused with a reason, and those that wait are kept."""
    for module in KINDS:
        monkeypatch.setattr(f"fanlight.stores.{module}.COMMAND_LIMIT", 2)
    for id in ("x", "y"):
        store.send("chat", command(id))
    with pytest.raises(StoreError, match="2 commands wait for 'chat'"):
        store.send("chat", command("z"))
    store.send("chat", command("x"))
    assert len(store.commands("chat", "a", NOW)) == 2


def test_a_lease_has_one_holder(store: Store) -> None:
    """HUB-7: while it lasts only its holder can extend it; when it ends another can take it."""
    assert store.acquire_lease("chat", "compact", "a", NOW, 10)
    assert not store.acquire_lease("chat", "compact", "b", NOW + 5, 10)
    assert store.acquire_lease("chat", "compact", "a", NOW + 5, 10)
    assert not store.acquire_lease("chat", "compact", "b", NOW + 14.9, 10)
    assert store.acquire_lease("chat", "other", "b", NOW, 10)
    assert store.acquire_lease("chat", "compact", "b", NOW + 15, 10)
    assert not store.acquire_lease("chat", "compact", "a", NOW + 16, 10)
    assert store.prune("chat", NOW + 100.0) == 2


def test_a_lease_as_long_as_can_be_is_not_free_to_a_clock_behind(store: Store) -> None:
    """X-2: of two who ask at once one waits, its clock read already, and so do hosts whose clocks differ; one gets it.
    One that ends further off is from before the clock was set back."""
    assert store.acquire_lease("chat", "budget", "a", NOW, 3_600)
    for behind in (1e-4, 1.0, 59.0):
        assert not store.acquire_lease("chat", "budget", "b", NOW - behind, 3_600)
    assert store.acquire_lease("chat", "budget", "b", NOW - 61.0, 3_600)


def test_a_lease_from_before_the_clock_was_set_back_is_free(store: Store) -> None:
    """X-3: a lease that ends further away than any can last does not block for ever."""
    assert store.acquire_lease("chat", "compact", "a", NOW + 10 * 86400.0, 10)
    assert store.acquire_lease("chat", "compact", "b", NOW, 10)


REFUSED: dict[str, Callable[[Store], object]] = {
    "empty service": lambda s: s.instances(""),
    "long service": lambda s: s.write(info(service="s" * 201), [], None),
    "surrogates": lambda s: s.frames("\ud800", 1, 0),
    "empty instance": lambda s: s.write(info(""), [], None),
    "unknown tier": lambda s: s.write(info(), [frame(tier=7)], None),
    "crooked bucket": lambda s: s.write(info(), [frame(NOW + 1, tier=900)], None),
    "far bucket": lambda s: s.write(info(), [frame(2**80)], None),
    "huge frame": lambda s: s.write(info(), [frame(data=bytes(base.BLOB_LIMIT + 1))], None),
    "huge series": lambda s: s.write(info(), [frame(series=bytes(base.BLOB_LIMIT))], None),
    "huge totals": lambda s: s.write(info(), [], bytes(base.BLOB_LIMIT + 1)),
    "no time": lambda s: s.write(info(last_seen=float("nan")), [], None),
    "no targets": lambda s: s.send("chat", command(targets=())),
    "too many targets": lambda s: s.send("chat", command(targets=("a",) * 1_001)),
    "huge command": lambda s: s.send("chat", command(arguments={"x": "y" * 70_000})),
    "odd argument": lambda s: s.send("chat", command(arguments={"x": object()})),
    "endless command": lambda s: s.send("chat", command(expires=float("inf"))),
    "odd answer": lambda s: s.acknowledge("chat", ack(status="maybe")),
    "endless lease": lambda s: s.acquire_lease("chat", "compact", "a", NOW, 1e9),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_kept_is_refused(store: Store, case: str) -> None:
    """X-3: names, frames and commands outside the limits raise RefusedError and leave nothing behind."""
    with pytest.raises(RefusedError):
        REFUSED[case](store)
    assert store.instances("chat") == []
    assert store.commands("chat", "a", NOW) == []


def test_hostile_names_are_only_text(store: Store) -> None:
    """X-6: quotes, wildcards, NUL and markup in names come back as they were and match nothing else."""
    names = ["%", "_", "a\0b", "'\"", "<b>", "a", "*", "日本"]
    for name in names:
        store.write(info(name), [frame(instance=name, data=name.encode())], name.encode())
    assert sorted(i.instance for i in store.instances("chat")) == sorted(names)
    assert store.totals("chat") == {name: name.encode() for name in names}
    assert [f.instance for f in store.frames("chat", 1, 0)] == sorted(names)
    assert len(store.frames("chat", 1, 0, exclude="%")) == len(names) - 1


def test_threads_write_and_read_at_once(store: Store) -> None:
    """X-2: many threads lose no frame, and a follower beside them sees every one."""
    seen: set[StoredFrame] = set()
    written = threading.Event()

    def write(instance: str) -> None:
        for second in range(25):
            store.write(info(instance), [frame(NOW + second, instance)], b"t")

    def follow() -> None:
        cursor, done = 0, False
        while not done:
            done = written.is_set()
            cursor, news = store.changes("chat", cursor)
            seen.update(news)

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    follower = threading.Thread(target=follow)
    for thread in (*writers, follower):
        thread.start()
    for thread in writers:
        thread.join()
    written.set()
    follower.join()
    assert seen == {frame(NOW + second, name) for second in range(25) for name in "abcd"}
    assert len(store.frames("chat", 1, 0)) == 100


def test_closing_twice_is_closing_once(store: Store) -> None:
    """X-3: close can be repeated; every other call then says that the store was closed."""
    store.write(info(), [], None)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed"):
        store.instances("chat")
    with pytest.raises(StoreError, match="was closed"):
        store.write(info(), [], None)


class Model:
    """The contract in dictionaries, one service."""

    def __init__(self) -> None:
        self.frames: dict[tuple[int, int, str], bytes] = {}
        self.news: dict[tuple[int, int, str], bytes] = {}
        self.totals: dict[str, bytes] = {}

    def write(self, instance: str, tier: int, bucket: int, data: bytes) -> None:
        key = (tier, bucket, instance)
        self.frames[key] = self.totals[instance] = data
        self.news.pop(key, None)
        self.news[key] = data

    def prune(self, now: int) -> None:
        gone = [key for key in self.frames if key[1] + key[0] + TIERS[key[0]] <= now]
        for key in gone:
            del self.frames[key]
            self.news.pop(key, None)


WRITES = st.tuples(
    st.just("write"), st.sampled_from("ab"), st.sampled_from([1, 10]), st.integers(0, 4), st.binary(max_size=3)
)
STEPS = st.one_of(
    WRITES,
    st.tuples(st.just("prune"), st.integers(900, 910)),
    st.tuples(st.just("follow")),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=25))
def test_any_history_agrees_with_the_model(
    kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, steps: list[Any]
) -> None:
    """X-3: after any writes, prunings and reads the store holds what dictionaries hold, news included."""
    store, model, cursor = opened(kind, tmp_path_factory.mktemp("model"), request), Model(), 0
    for operation, *values in steps:
        if operation == "write":
            instance, tier, position, data = values
            model.write(instance, tier, position * tier, data)
            store.write(info(instance), [StoredFrame(tier, position * tier, instance, data)], data)
        elif operation == "prune":
            before = len(model.frames)
            model.prune(values[0])
            assert store.prune("chat", float(values[0])) == before - len(model.frames)
        else:
            cursor, news = store.changes("chat", cursor)
            assert [((f.tier, f.bucket, f.instance), f.data) for f in news] == list(model.news.items())
            model.news.clear()
    assert store.totals("chat") == model.totals
    for tier in (1, 10):
        kept = [StoredFrame(*key, data) for key, data in model.frames.items() if key[0] == tier]
        assert store.frames("chat", tier, 0) == sorted(kept, key=lambda f: (f.bucket, f.instance))
    store.close()
