"""The store in a Redis or a Redis Cluster, shared by every host that reaches it.

Every key of a service begins with `fanlight:{service}:` and lies in one slot of a cluster; `fanlight:services` alone is
of all services. Every key expires by itself when nobody writes it any more. Reading goes by sorted sets: nothing ever
walks over the keys of the server.

A frame's place is `tier:bucket:instance`. The keys: `head:{place}` `series:{place}`, found by `index:head:{tier}` and
`index:series:{tier}` (by bucket) and by `changes` (by number of writing; the last is in `sequence`); `instances`
`totals`; `command:{id}` `answers:{id}` (one field for each target, empty until it answers) `commands` (by expiry)
`waiting:{instance}` (by issue); `leases` (by end) `holders`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fanlight.errors import StoreError
from fanlight.stores import redis_scripts as scripts
from fanlight.stores.base import (
    COMMAND_KEPT,
    COMMAND_LIMIT,
    LATEST,
    LEASE_FURTHEST,
    LEASE_LIMIT,
    READ_LIMIT,
    RETIRED,
    SERIES_KEPT,
    SERVICE_LIMIT,
    TIERS,
    Acknowledgement,
    Command,
    InstanceInfo,
    StoredFrame,
    check_ack,
    check_command,
    check_lease,
    check_name,
    check_time,
    check_write,
    horizon,
    merged_totals,
    pack,
    retirable,
    unpack_command,
    unpack_info,
    whole_buckets,
)
from fanlight.stores.redis_client import RedisClient, parse

SERVICES: Final = "fanlight:services"
"""The names of all services, by when they last said that they are there."""
ANNOUNCE_EVERY: Final = 60.0
"""Seconds between two such words of one process."""
SPARE: Final = 60
"""Seconds a key outlives what it must, so that clocks may differ."""
TOTALS_KEPT: Final = 400 * 86400
"""Seconds the totals since the first start stay when no instance of the service writes any more."""
CHUNK: Final = 200
"""Values in one read, removals in one script: what one call may hold the server up for."""
_PLACE_DIGITS: Final = (5, 16)
_INSTANCE_AT: Final = sum(_PLACE_DIGITS) + 3
"""Where the instance begins in a place, counted from 1 as Lua does."""
_FOREVER: Final = 2**53
_NEWS_KEPT: Final = max(TIERS.values()) + max(TIERS) + SPARE
WRITTEN_HELD: Final = 16
"""Instances of which is remembered what was written; a process writes for itself, and now and then for a gone one."""
SECONDS_HELD: Final = 60
"""Seconds remembered of an instance; it writes its totals more often."""


class _Written(NamedTuple):
    """What was written of an instance that a server must have: its last totals, and its seconds since."""

    extent: int
    """0 nothing, 1 a heartbeat, 2 totals too."""
    totals: bytes | None
    seconds: tuple[StoredFrame, ...]

    def with_more(self, frames: Sequence[StoredFrame], totals: bytes | None) -> _Written:
        """After one more write. Totals hold every second that was written before or with them."""
        if totals is not None:
            return _Written(2, totals, ())
        seconds = (*self.seconds, *(frame for frame in frames if frame.tier == 1))
        return _Written(max(self.extent, 1), self.totals, seconds[-SECONDS_HELD:])


_NOTHING: Final = _Written(0, None, ())


class RedisStore:
    """A `Store` in the Redis at a redis:// or rediss:// URL. Nothing is sent before the first call.

    Remembers the last totals written for each instance and its seconds since: should the server come back empty, or
    have evicted the totals, the next heartbeat carries them again.
    """

    def __init__(self, url: str) -> None:
        self._client = RedisClient(parse(url))
        self.url = self._client.address.url
        self._written: dict[tuple[str, str], _Written] = {}
        self._announced: dict[str, float] = {}
        self._lock = threading.Lock()

    def write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None) -> None:
        check_write(info, frames, totals)
        known = self._written.get((info.service, info.instance), _NOTHING)
        if not self._write(info, frames, totals, known):
            self._write(info, (*known.seconds, *frames), known.totals if totals is None else totals, _NOTHING)
            self._announced.pop(info.service, None)
        self._remember(info, known.with_more(frames, totals))
        self._announce(info)

    def _write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None, known: _Written) -> bool:
        service = info.service
        keys = _keys(service, "sequence", "changes", "instances", "totals")
        arguments: list[Any] = [info.instance, pack(info, "instance description")]
        arguments += [totals or b"", int(totals is not None), known.extent, TOTALS_KEPT, _NEWS_KEPT]
        for frame in frames:
            place, tier = _place(frame), frame.tier
            keys += _keys(service, f"index:head:{tier}", f"head:{place}", f"index:series:{tier}", f"series:{place}")
            times = (_seconds(tier, TIERS), _seconds(tier, SERIES_KEPT))
            arguments += [place, frame.bucket, *times, frame.data, frame.series]
        return bool(self._client.run(scripts.WRITE, keys, *arguments))

    def _remember(self, info: InstanceInfo, written: _Written) -> None:
        own = (info.service, info.instance)
        with self._lock:
            self._written.pop(own, None)
            if not info.closed:
                self._written[own] = written
            if len(self._written) > WRITTEN_HELD:
                del self._written[next(iter(self._written))]

    def services(self) -> list[str]:
        named = self._client.call("ZRANGE", SERVICES, -SERVICE_LIMIT, -1)
        names = sorted(name.decode() for name in named)
        return [name for name in names if self.call(name, "HLEN", "instances")]

    def _announce(self, info: InstanceInfo) -> None:
        """Put the service on the list of all, now and then: it is the one key that several services share."""
        if 0 <= info.last_seen - self._announced.get(info.service, -ANNOUNCE_EVERY) < ANNOUNCE_EVERY:
            return
        self._client.call("ZADD", SERVICES, repr(info.last_seen), info.service)
        self._client.call("ZREMRANGEBYRANK", SERVICES, 0, -SERVICE_LIMIT - 1)
        self._client.call("EXPIRE", SERVICES, TOTALS_KEPT)
        self._announced[info.service] = info.last_seen

    def instances(self, service: str) -> list[InstanceInfo]:
        blobs = self.call(service, "HVALS", "instances")
        return sorted(map(unpack_info, blobs), key=lambda info: info.instance)

    def totals(self, service: str) -> dict[str, bytes]:
        return {name.decode(): blob for name, blob in self.call(service, "HGETALL", "totals").items()}

    def frames(
        self,
        service: str,
        tier: int,
        since: int,
        until: int | None = None,
        exclude: str = "",
        series: bool = True,
    ) -> list[StoredFrame]:
        end = f"({_FOREVER if until is None else _clamped(until)}"
        while True:  # a page may name only what has expired since, and more may follow it
            places = self._places(service, f"index:head:{tier}", _clamped(since), end, exclude)
            rows = whole_buckets([_frame(place, b"", b"") for place, _ in places])
            read = self._read(service, [_place(row) for row in rows], series=series)
            if read or not rows:
                return read
            since = rows[-1].bucket + tier

    def changes(self, service: str, cursor: int, exclude: str = "") -> tuple[int, list[StoredFrame]]:
        latest = int(self.call(service, "GET", "sequence") or 0)
        if cursor <= LATEST:
            return latest, []
        cursor = 0 if cursor > latest else cursor
        places = self._places(service, "changes", f"({cursor}", str(latest), exclude)
        reached = latest if len(places) <= READ_LIMIT else places[READ_LIMIT - 1][1]
        return reached, self._read(service, [place for place, _ in places[:READ_LIMIT]], highest=reached)

    def prune(self, service: str, now: float) -> int:
        check_time("pruning", now)
        for tier in TIERS:
            self._prune_tier(service, "series", tier, horizon(tier, now, SERIES_KEPT))
        removed = sum(self._prune_tier(service, "head", tier, horizon(tier, now)) for tier in TIERS)
        removed += self._prune_commands(service, now)
        removed += self._client.run(scripts.RELEASE, _keys(service, "leases", "holders"), repr(now))
        return int(removed) + sum(self._retire(info) for info in retirable(self.instances(service), now))

    def send(self, service: str, command: Command) -> None:
        data = check_command(command)
        id, targets = command.id, dict.fromkeys(command.targets)
        keys = _keys(service, "commands", f"command:{id}", f"answers:{id}", *(f"waiting:{name}" for name in targets))
        kept = math.ceil(min(max(command.expires - command.issued, 0), max(TIERS.values()))) + COMMAND_KEPT + SPARE
        times = (kept, _NEWS_KEPT)
        arguments = (id, repr(command.expires), data, repr(command.issued), COMMAND_LIMIT, *times)
        if not self._client.run(scripts.SEND, keys, *arguments, *targets):
            raise StoreError(f"{COMMAND_LIMIT} commands wait for {service!r} already; wait until they have expired")

    def commands(self, service: str, instance: str, now: float) -> list[Command]:
        ids = self.call(service, "ZRANGE", f"waiting:{instance}", 0, -1)
        blobs = self._values(service, [f"command:{id.decode()}" for id in ids])
        waiting = [unpack_command(blob) for blob in blobs if blob is not None]
        return [command for command in waiting if command.expires > now]

    def forget(self, service: str, command_id: str) -> None:
        targets = self.call(service, "HKEYS", f"answers:{command_id}")
        waiting = (f"waiting:{target.decode()}" for target in targets)
        keys = _keys(service, "commands", f"command:{command_id}", f"answers:{command_id}", *waiting)
        self._client.run(scripts.FORGET, keys, command_id)

    def acknowledge(self, service: str, ack: Acknowledgement) -> None:
        ack = check_ack(ack)
        keys = _keys(service, f"answers:{ack.command}", f"waiting:{ack.instance}")
        self._client.run(scripts.ACKNOWLEDGE, keys, ack.instance, ack.command, _encode(ack))

    def acknowledgements(self, service: str, command_id: str) -> list[Acknowledgement]:
        blobs = self.call(service, "HVALS", f"answers:{command_id}")
        return sorted((_answer(blob) for blob in blobs if blob), key=lambda ack: ack.instance)

    def acquire_lease(self, service: str, name: str, instance: str, now: float, seconds: float) -> bool:
        check_lease(name, instance, now, seconds)
        times = map(repr, (now, now + seconds, now + LEASE_FURTHEST))
        keys = _keys(service, "leases", "holders")
        kept = int(LEASE_LIMIT) + SPARE
        return bool(self._client.run(scripts.ACQUIRE, keys, name, instance, *times, kept))

    def close(self) -> None:
        self._client.close()

    def call(self, service: str | None, command: str, key: str, *words: Any) -> Any:
        """The answer to one command on a key of a service; of None: on the key as it is."""
        return self._client.call(command, *((key,) if service is None else _keys(service, key)), *words)

    def _places(self, service: str, key: str, lowest: str, highest: str, exclude: str) -> list[tuple[str, int]]:
        """At most one more place than a read returns, in order, each with its score."""
        limits = (lowest, highest, READ_LIMIT + 1, exclude, _INSTANCE_AT)
        found = self._client.run(scripts.PLACES, _keys(service, key), *limits)
        return [(place.decode(), int(float(score))) for place, score in zip(found[::2], found[1::2], strict=True)]

    def _read(
        self, service: str, places: list[str], *, highest: int | None = None, series: bool = True
    ) -> list[StoredFrame]:
        """The frames in these places, but those written again after `highest`: they will be news then."""
        rows = []
        parts = ("head", "series") if series else ("head",)
        for chunk in _chunks(places):
            keys = _keys(service, "changes", *(f"{part}:{place}" for part in parts for place in chunk))
            blobs = self._client.run(scripts.READ, keys, "" if highest is None else highest, *chunk)
            heads, rest = blobs[: len(chunk)], blobs[len(chunk) :] or [None] * len(chunk)
            rows += [
                _frame(place, head, more or b"")
                for place, head, more in zip(chunk, heads, rest, strict=True)
                if head is not None
            ]
        return rows

    def _values(self, service: str, keys: list[str]) -> list[bytes | None]:
        values: list[bytes | None] = []
        for chunk in _chunks(keys):
            values += self._client.call("MGET", *_keys(service, *chunk))
        return values

    def _prune_tier(self, service: str, part: str, tier: int, oldest: int) -> int:
        removed, index = 0, f"index:{part}:{tier}"
        while places := self.call(service, "ZRANGEBYSCORE", index, "-inf", f"({_clamped(oldest)}", "LIMIT", 0, CHUNK):
            names = [place.decode() for place in places]
            held = _keys(service, index, *(f"{part}:{name}" for name in names))
            removed += self._client.run(scripts.PRUNE, held, *names)
            if part == "head":
                self.call(service, "ZREM", "changes", *names)
        return removed

    def _prune_commands(self, service: str, now: float) -> int:
        ids = self.call(
            service, "ZRANGEBYSCORE", "commands", "-inf", repr(now - COMMAND_KEPT), "LIMIT", 0, COMMAND_LIMIT
        )
        for id in ids:
            self.forget(service, id.decode())
        return len(ids)

    def _retire(self, info: InstanceInfo) -> int:
        """Sum up what a gone instance counted, in one script, so that it counts once whatever happens."""
        service, instance = info.service, info.instance
        known = self.call(service, "HGET", "instances", instance)
        if known is None or unpack_info(known) != info:  # another process was first, or it came back
            return 0
        blob, retired = self.call(service, "HMGET", "totals", instance, RETIRED)
        merged = b"" if blob is None else merged_totals(retired, blob)
        if merged is None:
            return 0
        read = (instance, known, blob or b"", retired or b"", merged, RETIRED)
        return int(self._client.run(scripts.RETIRE, _keys(service, "instances", "totals"), *read))


def _keys(service: str, *names: str) -> list[str]:
    """The keys of these names. What would end the hash tag early is escaped, so services never share a key."""
    check_name("service", service)
    tag = service.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    return [f"fanlight:{{{tag}}}:{name}" for name in names]


def _place(frame: StoredFrame) -> str:
    tier, bucket = _PLACE_DIGITS
    return f"{frame.tier:0{tier}}:{frame.bucket:0{bucket}}:{frame.instance}"


def _frame(place: str, head: bytes, series: bytes) -> StoredFrame:
    tier, bucket, instance = place.split(":", 2)
    return StoredFrame(int(tier), int(bucket), instance, head, series)


def _seconds(tier: int, kept: Mapping[int, int]) -> int:
    """How long the server keeps a part of a frame of this tier, should nobody prune it."""
    return kept[tier] + tier + SPARE


def _chunks(items: list[str]) -> Iterator[list[str]]:
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))


def _clamped(number: int) -> str:
    """The number, or the nearest that a score holds exactly."""
    return str(max(-_FOREVER, min(_FOREVER, number)))


def _answer(blob: bytes) -> Acknowledgement:
    try:
        return _decode(blob)
    except msgspec.MsgspecError as error:
        raise StoreError(f"the store holds an answer that this version cannot read ({error}); upgrade it") from error


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Acknowledgement).decode
