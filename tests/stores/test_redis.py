"""RedisStore: what a Redis adds to the contract, on real servers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot
from tests.redis_server import RedisCluster, RedisServer, free_port

from fanlight.errors import StoreError
from fanlight.stores import open_store, redis_client
from fanlight.stores.base import LATEST, SERIES_KEPT, TIERS, Acknowledgement, Command, InstanceInfo, StoredFrame
from fanlight.stores.opening import open_shared
from fanlight.stores.redis import SECONDS_HELD, WRITTEN_HELD, RedisStore

NOW = 1_700_000_000.0


def info(instance: str = "a", service: str = "chat", closed: bool = False) -> InstanceInfo:
    return InstanceInfo(service, instance, "web1", 42, "1.0", NOW - 60.0, NOW, closed)


def frame(bucket: int = int(NOW), instance: str = "a", data: bytes = b"data", tier: int = 1) -> StoredFrame:
    return StoredFrame(tier, bucket - bucket % tier, instance, data, b"series")


def command(*targets: str) -> Command:
    return Command("c1", "clear-cache", {}, targets, NOW, NOW + 30.0, "operator")


@pytest.fixture
def server(shared_redis: RedisServer) -> RedisServer:
    shared_redis.send("FLUSHALL")
    shared_redis.send("CONFIG", "RESETSTAT")
    return shared_redis


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore(server.url)
    yield store
    store.close()


def use_all(store: RedisStore) -> None:
    """Every method once, with something to do."""
    store.write(info(), [frame(tier=tier) for tier in TIERS], b"totals")
    store.write(info("b", closed=True), [frame(instance="b")], b"")
    store.instances("chat"), store.totals("chat"), store.frames("chat", 1, 0), store.changes("chat", 0)
    store.send("chat", command("a", "b"))
    store.commands("chat", "a", NOW)
    store.acknowledge("chat", Acknowledgement("c1", "a", "success", "done", NOW))
    store.acknowledgements("chat", "c1")
    store.acquire_lease("chat", "compact", "a", NOW, 10)


def test_no_command_walks_over_the_keys(store: RedisStore, server: RedisServer) -> None:
    """OBS-5: using every method sends neither SCAN nor KEYS nor anything like them, as the server counts them."""
    use_all(store)
    store.prune("chat", NOW + 1e6)
    sent = {name.removeprefix("cmdstat_") for name in server.send("INFO", "commandstats")}
    assert {"evalsha", "zadd", "mget"} <= sent
    assert not sent & {"keys", "scan", "sscan", "hscan", "zscan", "randomkey", "sort", "smembers"}


def test_every_key_is_the_services_and_expires(store: RedisStore, server: RedisServer) -> None:
    """X-2, X-3: each key has the service's hash tag, so one slot of a cluster holds them, and a time to live; so has
    the one list of all services."""
    use_all(store)
    assert server.send("TTL", "fanlight:services") > 0
    keys = [key for key in server.send("KEYS", "*") if key != b"fanlight:services"]
    assert len(keys) > 15
    assert all(key.startswith(b"fanlight:{chat}:") for key in keys if key != b"fanlight:services")
    assert len({key_slot(key) for key in keys}) == 1
    assert all(server.send("TTL", key) > 0 for key in keys)


@pytest.mark.parametrize("tier", TIERS)
def test_a_frame_expires_after_its_tier(store: RedisStore, server: RedisServer, tier: int) -> None:
    """X-3: without anybody pruning, the server itself lets go of both parts soon after they need not be kept."""
    store.write(info(), [frame(tier=tier)], None)
    for part, kept in (("head", TIERS[tier]), ("series", SERIES_KEPT[tier])):
        (key,) = server.send("KEYS", f"*}}:{part}:*")
        assert kept < server.send("TTL", key) <= kept + tier + 60


def test_services_with_braces_in_their_names_stay_apart(store: RedisStore, server: RedisServer) -> None:
    """X-2: what would end the hash tag early is escaped, and no two services come to one key."""
    names = ["a", "a}", "{a}", "a%7D", "}", "{", "a}:changes"]
    for name in names:
        store.write(info(service=name), [frame(data=name.encode())], name.encode())
    for name in names:
        assert store.totals(name) == {"a": name.encode()}
        assert [f.data for f in store.frames(name, 1, 0)] == [name.encode()]
        keys = [key for key in server.send("KEYS", "*") if key.startswith(f"fanlight:{{{name}}}:".encode())]
        assert len({key_slot(key) for key in keys}) <= 1


def test_what_expired_or_was_evicted_is_passed_over(
    store: RedisStore, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-3: an index that still names a frame that is gone costs no other frame, even where a whole page is gone."""
    monkeypatch.setattr("fanlight.stores.redis.READ_LIMIT", 3)
    monkeypatch.setattr("fanlight.stores.base.READ_LIMIT", 3)
    store.write(info(), [frame(int(NOW) + second) for second in range(8)], None)
    for second in range(5):
        server.send("DEL", f"fanlight:{{chat}}:head:00001:{int(NOW) + second:016}:a")
    assert [f.bucket - int(NOW) for f in store.frames("chat", 1, 0)] == [5]
    assert [f.bucket - int(NOW) for f in store.frames("chat", 1, int(NOW) + 6)] == [6, 7]


def test_a_frame_written_again_while_it_is_read_is_news_once(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-3: between finding what changed and reading it a frame is written again: it comes with the next read alone."""
    store.write(info(), [frame(), frame(int(NOW) + 1)], None)
    read = store._read

    def interrupted(*arguments: Any, **options: Any) -> list[StoredFrame]:
        monkeypatch.undo()
        store.write(info(), [frame(data=b"late")], None)
        return read(*arguments, **options)

    monkeypatch.setattr(store, "_read", interrupted)
    cursor, news = store.changes("chat", 0)
    assert news == [frame(int(NOW) + 1)]
    assert store.changes("chat", cursor)[1] == [frame(data=b"late")]


def test_a_server_that_came_back_empty_is_given_again_what_it_lost(store: RedisStore, server: RedisServer) -> None:
    """X-2: after FLUSHALL an instance's heartbeat brings back its last totals and its seconds since, in one step."""
    seconds = [frame(int(NOW) + second) for second in range(4)]
    store.write(info(), seconds[:1], b"one")
    store.write(info(), seconds[1:2], None)
    store.write(info("young"), [], None)
    store.write(info("young"), [frame(instance="young")], None)
    server.send("FLUSHALL")
    store.write(info(), seconds[2:3], None)
    store.write(info("young"), [], None)
    assert store.totals("chat") == {"a": b"one"}
    assert store.frames("chat", 1, 0) == [frame(instance="young"), *seconds[1:3]]
    store.write(info(), seconds[3:], b"two")
    server.send("FLUSHALL")
    store.write(info(), [], None)
    assert store.totals("chat") == {"a": b"two"}
    assert store.frames("chat", 1, 0) == []


def test_a_server_that_came_back_empty_knows_the_service_again(store: RedisStore, server: RedisServer) -> None:
    """X-8: who looks without belonging to a service finds it again with the next heartbeat, not a minute later."""
    store.write(info(), [], b"one")
    server.send("FLUSHALL")
    store.write(info(), [], None)
    assert store.services() == ["chat"]


def test_the_list_of_services_is_bounded(
    store: RedisStore, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-8: beyond the limit the services that were silent the longest leave the list."""
    monkeypatch.setattr("fanlight.stores.redis.SERVICE_LIMIT", 3)
    for number in range(5):
        store.write(InstanceInfo(f"s{number}", "a", "web1", 42, "1.0", NOW, NOW + number), [], None)
    assert store.services() == ["s2", "s3", "s4"]
    assert server.send("ZCARD", "fanlight:services") == 3


def test_totals_that_were_evicted_come_back(store: RedisStore, server: RedisServer) -> None:
    """X-2: a full server may have let go of the totals alone; the next heartbeat brings them back."""
    store.write(info(), [], b"one")
    server.send("DEL", "fanlight:{chat}:totals")
    store.write(info(), [], None)
    assert store.totals("chat") == {"a": b"one"}


def test_what_is_remembered_is_bounded(store: RedisStore) -> None:
    """X-3: seconds without totals and instances without end are remembered up to a limit, the last ones."""
    for second in range(SECONDS_HELD + 5):
        store.write(info(), [frame(int(NOW) + second)], None)
    assert len(store._written["chat", "a"].seconds) == SECONDS_HELD
    for number in range(WRITTEN_HELD + 5):
        store.write(info(f"i{number}"), [], b"totals")
    assert len(store._written) == WRITTEN_HELD
    store.write(info(f"i{WRITTEN_HELD + 4}", closed=True), [], None)
    assert len(store._written) == WRITTEN_HELD - 1


def test_cursors_stay_good_when_the_server_came_back_empty(store: RedisStore, server: RedisServer) -> None:
    """X-2: a follower that did not look while the server was emptied and written again misses nothing."""
    store.write(info(), [frame()], None)
    cursor, _ = store.changes("chat", LATEST)
    server.send("FLUSHALL")
    written = [frame(int(NOW) + second) for second in range(20)]
    store.write(info(), written, None)
    assert store.changes("chat", cursor)[1] == written


def test_cursors_stay_good_when_the_server_came_back_with_older_data(store: RedisStore, server: RedisServer) -> None:
    """X-2: what was written after the state the server came back with has numbers nobody has read up to."""
    store.write(info(), [frame()], None)
    saved = server.send("GET", "fanlight:{chat}:sequence")
    store.write(info(), [frame(int(NOW) + 1)], None)
    cursor, _ = store.changes("chat", LATEST)
    server.send("SET", "fanlight:{chat}:sequence", saved)
    store.write(info(), [frame(int(NOW) + 2)], None)
    assert store.changes("chat", cursor)[1] == [frame(int(NOW) + 2)]


def test_the_server_may_restart_in_between(redis_server: RedisServer) -> None:
    """X-3: a killed and restarted server is used again without a word, with what it had saved and no script known."""
    store = RedisStore(redis_server.url)
    store.write(info(), [frame()], b"totals")
    redis_server.kill()
    with pytest.raises(StoreError, match=r"cannot be reached \(.*Connection refused.*start it"):
        store.instances("chat")
    redis_server.start()
    assert store.instances("chat") == [info()]
    redis_server.kill()
    redis_server.start()
    store.write(info(), [frame(int(NOW) + 1)], None)
    assert store.frames("chat", 1, 0) == [frame(), frame(int(NOW) + 1)]
    assert store.totals("chat") == {"a": b"totals"}
    store.close()


def test_a_server_that_hangs_is_given_up(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: no answer within the limit is an error that says so; afterwards the same store works again."""
    monkeypatch.setattr(redis_client, "COMMAND_SECONDS", 0.2)
    store = RedisStore(redis_server.url)
    store.write(info(), [frame()], None)
    redis_server.hang()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"gave no answer within 0\.2 s; see whether it hangs"):
            store.frames("chat", 1, 0)
    redis_server.resume()
    assert store.frames("chat", 1, 0) == [frame()]
    store.close()


def test_nothing_is_asked_before_it_is_needed() -> None:
    """X-3: a store whose server is not there yet opens; the service starts, and its frames wait."""
    store = open_store(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match="cannot be reached"):
        store.instances("chat")
    store.close()


def failures(store: RedisStore) -> str:
    """What the errors of a store say, their causes included."""
    with pytest.raises(StoreError) as raised:
        store.write(info(), [], None)
    return str(raised.value)


def test_a_password_opens_the_server_and_is_never_shown(redis_server: RedisServer) -> None:
    """X-6: the right password works, a wrong one is told how to be corrected, and neither is repeated anywhere."""
    redis_server.send("CONFIG", "SET", "requirepass", "p@ss/word")
    right = RedisStore(f"redis://:p%40ss%2Fword@127.0.0.1:{redis_server.port}/2")
    right.write(info(), [frame()], None)
    assert right.url == f"redis://127.0.0.1:{redis_server.port}/2"
    wrong = RedisStore(f"redis://admin:hunter2@127.0.0.1:{redis_server.port}")
    none = RedisStore(redis_server.url)
    said = failures(wrong)
    assert "wants another user or password" in said
    assert "hunter2" not in said
    assert "wants another user or password" in failures(none)
    for store in (right, wrong, none):
        store.close()


def test_a_server_that_repeats_the_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-6: what a server says is shortened and freed of the password before it is shown."""
    store = RedisStore("redis://:hunter2@127.0.0.1:1/0")
    error = store._client._redis.exceptions.ResponseError("unknown command AUTH 'hunter2'\n" + "x" * 1_000)
    said = store._client._reason(error)
    assert said.startswith("refused (unknown command AUTH")
    assert "hunter2" not in said
    assert "\n" not in said
    assert len(said) < 300


def test_a_full_server_says_so(redis_server: RedisServer) -> None:
    """X-3: a server out of memory refuses a write with its own reason, and reading goes on."""
    store = RedisStore(redis_server.url)
    store.write(info(), [frame()], None)
    redis_server.send("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreError, match=r"refused \(.*maxmemory"):
        store.write(info(), [frame(data=b"x" * 1_000)], None)
    assert store.frames("chat", 1, 0) == [frame()]
    store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://", "names no server"),
        ("redis:///0", "names no server"),
        ("redis://:secret@host:port/0", "cannot be read; expected redis://"),
        ("redis://:secret@host/one", "cannot be read"),
        ("redis://:secret@host/-1", "names no server"),
        ("redis://:sec#ret@host/0", "cannot be read"),
        ("redis://host/0#secret", "names no server"),
        ("redis://:secret@host/0?timeout=1", "options that are not known; rediss:// takes ssl_ca_certs"),
        ("rediss://:secret@host/0?socket_timeout=secret", "options that are not known"),
        ("redis://[:secret", "cannot be read"),
    ],
)
def test_a_wrong_url_is_told_and_not_repeated(url: str, message: str) -> None:
    """X-6: the error says what was expected and holds nothing of the URL."""
    with pytest.raises(StoreError, match=re.escape(message)) as raised:
        open_store(url)
    assert "sec" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_without_the_library_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-8: an install without the extra says how to get it."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StoreError, match=re.escape("pip install 'fanlight[redis]'")):
        open_store("redis://localhost")


def test_over_tls(tmp_path: Path) -> None:
    """X-2: rediss:// encrypts and checks the server's certificate; one that nobody vouches for is refused."""
    certificate, key, port = tmp_path / "cert.pem", tmp_path / "key.pem", free_port()
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*words.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    server = RedisServer(
        tmp_path / "redis", *options, "--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificate)
    )
    server.start()
    try:
        store = RedisStore(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
        store.write(info(), [frame()], None)
        assert store.frames("chat", 1, 0) == [frame()]
        assert store.url == f"rediss://127.0.0.1:{port}/0"
        store.close()
        strict = RedisStore(f"rediss://127.0.0.1:{port}/0")
        assert "certificate" in failures(strict)
        strict.close()
    finally:
        server.kill()


def test_values_and_claims_are_shared_and_expire(store: RedisStore, server: RedisServer) -> None:
    """OBS-4: all stores on a server see one value of a service, one at a time may claim it, and both expire."""
    other = RedisStore(server.url)
    mine, theirs = open_shared(store, "chat"), open_shared(other, "chat")
    apart = open_shared(other, "another service")
    assert mine is not None
    assert theirs is not None
    assert apart is not None
    assert mine.get("report") is None
    assert [mine.claim("report", 5.0), theirs.claim("report", 5.0), apart.claim("report", 5.0)] == [True, False, True]
    mine.put("report", b"{}", 30.0)
    assert theirs.get("report") == b"{}"
    assert apart.get("report") is None
    assert theirs.claim("report", 5.0)
    assert 0 < server.send("PTTL", "fanlight:{chat}:report:claim") <= 5_000
    assert 0 < server.send("TTL", "fanlight:{chat}:report") <= 30
    other.close()


def test_a_published_value_is_copied_to_the_bare_key_and_takes_nobodys_place(
    store: RedisStore, server: RedisServer
) -> None:
    """OBS-4: other programs find the value under its very name, unless something is there already."""
    mine, theirs = open_shared(store, "chat", "report"), open_shared(store, "another service", "report", "taken")
    assert mine is not None
    assert theirs is not None
    server.send("SET", "taken", "the application's own")
    mine.put("report", b"{}", 30.0)
    theirs.put("report", b"[]", 30.0)
    theirs.put("taken", b"[]", 30.0)
    assert [server.send("GET", key) for key in ("report", "taken")] == [b"{}", b"the application's own"]
    assert [mine.get("report"), theirs.get("report"), theirs.get("taken")] == [b"{}", b"[]", b"[]"]
    assert 29_000 < server.send("PTTL", "report") <= 29_500
    assert server.send("TTL", "taken") == -1


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three nodes."""
    nodes = RedisCluster(tmp_path_factory.mktemp("cluster"))
    nodes.start()
    yield nodes
    nodes.kill()


CALLS: dict[str, Callable[[RedisStore, str], Any]] = {
    "instances": lambda s, name: [i.instance for i in s.instances(name)] == ["a"],
    "frames": lambda s, name: len(s.frames(name, 1, 0)) == 300,
    "changes": lambda s, name: len(s.changes(name, 0)[1]) == 300,
    "totals": lambda s, name: s.totals(name) == {"a": b"totals"},
    "commands": lambda s, name: s.commands(name, "a", NOW) == [command("a")],
    "lease": lambda s, name: s.acquire_lease(name, "compact", "a", NOW, 10),
    "prune": lambda s, name: s.prune(name, NOW + 1e7) >= 300,
}


def test_in_a_cluster_each_service_lies_on_one_node(cluster: RedisCluster) -> None:
    """X-2: the same store on a Redis Cluster, whichever node the URL names; services spread over the nodes."""
    for node in cluster.nodes:
        store = RedisStore(node.url)
        for number in range(6):
            name = f"{node.port}-{number}"
            store.write(info(service=name), [frame(int(NOW) + second) for second in range(300)], b"totals")
            store.send(name, command("a"))
            assert [call for call, check in CALLS.items() if not check(store, name)] == []
        store.close()
    assert all(node.send("DBSIZE") for node in cluster.nodes)
