"""What every store keeps, how long, and the contract all of them pass.

A store holds state, not operations: each instance rewrites its own blobs, so a write may be repeated, and a lost one
heals with the next. Every call blocks and may be slow: make it from the pulse's threads, never from the serving loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeVar

import msgspec

from fanlight.core.budgets import forget
from fanlight.core.frame import Frame
from fanlight.errors import FanlightError, StoreError

T = TypeVar("T")

TIERS: Final[Mapping[int, int]] = {1: 15 * 60, 10: 6 * 3600, 60: 7 * 86400, 900: 35 * 86400, 21600: 35 * 86400}
"""Seconds in a bucket of each tier, and how many seconds such buckets are kept."""

SERIES_KEPT: Final[Mapping[int, int]] = {1: 15 * 60, 10: 3600, 60: 12 * 3600, 900: 8 * 86400, 21600: 35 * 86400}
"""How many seconds the series of such buckets are kept: as long as the next finer tier is, whose rankings they make, or
a coarser bucket may have to be made of them again."""

LATEST: Final = -1
"""The cursor that asks only for the present cursor."""

RETIRED: Final = ""
"""The name under which `totals` holds the sum of the instances that are gone for good."""

READ_LIMIT: Final = 5_000
"""Frames one read returns at most."""
NAME_LIMIT: Final = 200
"""Characters in a name of a service, an instance, a command or a lease."""
BLOB_LIMIT: Final = 4 * 1024 * 1024
"""Bytes in one frame, both parts together, and in one totals blob."""
ARGUMENTS_LIMIT: Final = 64 * 1024
"""Bytes in one encoded command."""
TARGET_LIMIT: Final = 1_000
"""Instances one command can be for."""
COMMAND_LIMIT: Final = 1_000
"""Commands a service holds at once."""
COMMAND_KEPT: Final = 15 * 60
"""Seconds a command and its acknowledgements stay readable after it expired."""
MESSAGE_LIMIT: Final = 2_000
"""Characters kept of an acknowledgement's message."""
INSTANCE_LIMIT: Final = 1_000
"""Instances a service lists; beyond it the longest unseen are retired first."""
SERVICE_LIMIT: Final = 1_000
"""Services one read names."""
RETIRE_LIMIT: Final = 10
"""Instances one `prune` retires, so that none takes long."""
LEASE_LIMIT: Final = 3_600.0
"""Seconds a lease can be taken for."""

LEASE_FURTHEST: Final = LEASE_LIMIT + 60.0
"""A lease that ends further off than this, in seconds, is from before the clock was set back. The clocks of two who ask
for one differ by less than the minute: they are of other hosts, or were read before waiting for the store."""


class RefusedError(StoreError):
    """What was given can never be stored; trying again is no use."""


class InstanceInfo(msgspec.Struct, frozen=True, array_like=True):
    """One process of one service, as it last described itself; times are Unix seconds.

    `closed` is its goodbye: an instance that closed takes a new name when it starts again.
    """

    service: str
    instance: str
    host: str
    pid: int
    release: str
    started: float
    last_seen: float
    closed: bool = False


class StoredFrame(msgspec.Struct, frozen=True, array_like=True):
    """An encoded frame in its place: `tier` seconds from `bucket` (Unix, a multiple of the tier), of one instance.

    `data` is its head (totals by family, counters, levels), `series` what only some readers need (cells by series,
    records); see `Frame.parts`. Stores keep the two apart and look into neither.
    """

    tier: int
    bucket: int
    instance: str
    data: bytes
    series: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of both parts."""
        return len(self.data) + len(self.series)


class Command(msgspec.Struct, frozen=True, array_like=True):
    """Something that each of `targets` (instances, named one by one) shall do before `expires` (Unix seconds)."""

    id: str
    name: str
    arguments: dict[str, Any]
    targets: tuple[str, ...]
    issued: float
    expires: float
    issuer: str


class Acknowledgement(msgspec.Struct, frozen=True, array_like=True):
    """What became of a command on one of its targets; "running" is a word on the way, its message says how far."""

    command: str
    instance: str
    status: Literal["running", "success", "error"]
    message: str
    at: float


class Store(Protocol):
    """Where frames and commands outlive the process. Thread-safe; blocks; raises StoreError and nothing else.

    Services never see each other's rows. What can never be stored raises RefusedError, a StoreError.
    """

    url: str

    def write(self, info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None) -> None:
        """Put one instance's heartbeat, frames and (when given) cumulative totals, all or nothing; the last stands."""

    def services(self) -> list[str]:
        """The names of the services it knows an instance of, in order; at most SERVICE_LIMIT."""

    def instances(self, service: str) -> list[InstanceInfo]:
        """Every instance known, closed ones too, by name."""

    def totals(self, service: str) -> dict[str, bytes]:
        """The latest totals by instance, closed ones too; those gone for good are summed under RETIRED."""

    def frames(
        self,
        service: str,
        tier: int,
        since: int,
        until: int | None = None,
        exclude: str = "",
        series: bool = True,
    ) -> list[StoredFrame]:
        """Frames with since <= bucket < until, but one instance's, ordered by (bucket, instance).

        At most READ_LIMIT, fewer where they are large, and whole buckets only: go on from the last bucket plus the
        tier, as `all_frames` does.
        Without `series` that part is not read, and empty in what is returned.
        """

    def changes(self, service: str, cursor: int, exclude: str = "") -> tuple[int, list[StoredFrame]]:
        """What was written after `cursor`, in the order of writing, late rewrites too, and the cursor to go on from.

        Of several rewrites only the last is there. At most READ_LIMIT: call again until nothing comes. `LATEST` returns
        the present cursor alone; one from the future (the store was replaced) starts from the beginning.
        """

    def prune(self, service: str, now: float) -> int:
        """Remove what its tier no longer keeps, old commands and leases, retire instances; returns the rows removed.

        Series that SERIES_KEPT no longer keeps become empty, which removes no row.
        """

    def send(self, service: str, command: Command) -> None:
        """Issue a command; issuing the same id again changes nothing."""

    def commands(self, service: str, instance: str, now: float) -> list[Command]:
        """What this instance has still to do, oldest first: for it, not acknowledged by it, not expired."""

    def forget(self, service: str, command_id: str) -> None:
        """Remove a command with its answers; forgetting an unknown one is nothing."""

    def acknowledge(self, service: str, ack: Acknowledgement) -> None:
        """Say what became of a command here; the last word stands, one nobody asked this instance is ignored."""

    def acknowledgements(self, service: str, command_id: str) -> list[Acknowledgement]:
        """What the targets answered so far, by instance; empty for an unknown command."""

    def acquire_lease(self, service: str, name: str, instance: str, now: float, seconds: float) -> bool:
        """Take or extend the lease; False while another instance holds it."""

    def close(self) -> None:
        """Let go of files and connections; closing twice is nothing, any other call afterwards raises StoreError."""


def all_frames(
    store: Store,
    service: str,
    tier: int,
    since: int,
    until: int | None = None,
    exclude: str = "",
    series: bool = True,
) -> Iterator[StoredFrame]:
    """Every frame of the range, read page by page; each is let go of when the next is taken."""
    while page := store.frames(service, tier, since, until, exclude, series):
        since = page[-1].bucket + tier
        page.reverse()
        while page:
            yield page.pop()


def whole_buckets(rows: list[StoredFrame]) -> list[StoredFrame]:
    """READ_LIMIT rows at most, ending with a complete bucket; `rows` holds one more when there is more to read."""
    if len(rows) <= READ_LIMIT:
        return rows
    last = rows[READ_LIMIT].bucket
    return [row for row in rows[:READ_LIMIT] if row.bucket < last] or rows[:READ_LIMIT]


def horizon(tier: int, now: float, kept: Mapping[int, int] = TIERS) -> int:
    """The oldest bucket of the tier that is kept at `now`."""
    return int(now) - kept[tier] - tier + 1


def retirable(instances: Sequence[InstanceInfo], now: float) -> list[InstanceInfo]:
    """Which instances to retire: closed and out of the finest tier, unseen for longer than any tier, or too many."""
    finest, coarsest = min(TIERS.values()), max(TIERS.values())
    by_age = sorted(instances, key=lambda info: (info.last_seen, info.instance))
    surplus = max(0, len(by_age) - INSTANCE_LIMIT)
    gone = [
        info
        for position, info in enumerate(by_age)
        if info.last_seen < now - (finest if info.closed or position < surplus else coarsest)
    ]
    return gone[:RETIRE_LIMIT]


def merged_totals(retired: bytes | None, blob: bytes) -> bytes | None:
    """The retired total with one more instance in it, None when they cannot be read or the sum would be too large.

    Levels are left out: those of a process that is gone say nothing.
    """
    try:
        merged = Frame.decode(blob)
        if retired is not None:
            merged.add(Frame.decode(retired))
    except FanlightError:
        return None
    forget(merged)
    merged.gauges.clear()
    data = merged.encode()
    return data if len(data) <= BLOB_LIMIT else None


def check_name(what: str, text: str, *, empty: bool = False) -> str:
    """The name, if a store can keep it; RefusedError otherwise."""
    if not (empty or text):
        raise RefusedError(f"the {what} is empty; give 1 to {NAME_LIMIT} characters")
    if len(text) > NAME_LIMIT:
        raise RefusedError(f"the {what} has {len(text)} characters; {NAME_LIMIT} is the most a store takes")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RefusedError(f"the {what} {text!r} is not valid Unicode text; give it without lone surrogates") from None
    return text


def check_write(info: InstanceInfo, frames: Sequence[StoredFrame], totals: bytes | None) -> None:
    """Refuse what no store can keep."""
    check_name("service", info.service)
    check_name("instance", info.instance)
    check_time("instance's last word", info.last_seen)
    pack(info, "instance description")
    for frame in frames:
        check_frame(frame)
    if totals is not None and len(totals) > BLOB_LIMIT:
        raise RefusedError(f"totals of {len(totals)} bytes; {BLOB_LIMIT} is the most a store takes: lower max_series")


def check_frame(frame: StoredFrame) -> None:
    """Refuse a frame without a place in the tiers, or too large."""
    check_name("frame's instance", frame.instance, empty=True)
    if frame.tier not in TIERS or frame.bucket % frame.tier or not 0 <= frame.bucket < 2**53:
        tiers = ", ".join(map(str, TIERS))
        raise RefusedError(
            f"no place for a frame of tier {frame.tier} at {frame.bucket}; tiers are {tiers} s, buckets their multiples"
        )
    if frame.size > BLOB_LIMIT:
        raise RefusedError(f"a frame of {frame.size} bytes; {BLOB_LIMIT} is the most a store takes: lower max_series")


def check_command(command: Command) -> bytes:
    """The encoded command, if a store can keep it; RefusedError otherwise."""
    check_name("command's id", command.id)
    check_name("command's name", command.name)
    for target in command.targets:
        check_name("command's target", target)
    if not 1 <= len(command.targets) <= TARGET_LIMIT:
        raise RefusedError(f"a command for {len(command.targets)} instances; name 1 to {TARGET_LIMIT} of them")
    check_time("command's issue", command.issued)
    check_time("command's expiry", command.expires)
    data = pack(command, "command")
    if len(data) > ARGUMENTS_LIMIT:
        raise RefusedError(f"a command of {len(data)} bytes; {ARGUMENTS_LIMIT} is the most a store takes: send less")
    return data


def check_ack(ack: Acknowledgement) -> Acknowledgement:
    """The acknowledgement as stores keep it, its message shortened; RefusedError when it says nothing known."""
    check_time("acknowledgement", ack.at)
    if ack.status not in ("running", "success", "error"):
        raise RefusedError(f"an acknowledgement with the status {ack.status!r}; say 'running', 'success' or 'error'")
    message = ack.message.encode(errors="replace").decode()[:MESSAGE_LIMIT]
    return msgspec.structs.replace(ack, message=message)


def check_time(what: str, at: float) -> None:
    """Refuse a time that no clock shows."""
    if not math.isfinite(at):
        raise RefusedError(f"the time of the {what} is {at!r}; give Unix seconds")


def check_lease(name: str, instance: str, now: float, seconds: float) -> None:
    """Refuse a lease nobody could wait for."""
    check_time("lease", now)
    check_name("lease", name)
    check_name("instance", instance)
    if not 0 < seconds <= LEASE_LIMIT:
        raise RefusedError(f"a lease of {seconds!r} seconds; take it for more than 0 and at most {LEASE_LIMIT:g}")


def lease_is_free(holder: str, expires: float, instance: str, now: float) -> bool:
    """Whether `instance` may have it; one that ends further off than any can is from before the clock was set back."""
    return holder == instance or expires <= now or expires > now + LEASE_FURTHEST


def pack(value: InstanceInfo | Command, what: str) -> bytes:
    """The value as MessagePack; RefusedError when it holds what cannot be written."""
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise RefusedError(
            f"a {what} that cannot be encoded ({error}); use text, numbers, lists and mappings"
        ) from None


def unpack_info(data: bytes) -> InstanceInfo:
    """The instance that was packed."""
    return _unpacked(_decode_info, data, "instance description")


def unpack_command(data: bytes) -> Command:
    """The command that was packed."""
    return _unpacked(_decode_command, data, "command")


def _unpacked(decode: Callable[[bytes], T], data: bytes, what: str) -> T:
    try:
        return decode(data)
    except msgspec.MsgspecError as error:
        raise StoreError(f"the store holds a {what} that this version cannot read ({error}); upgrade it") from error


_encode = msgspec.msgpack.Encoder().encode
_decode_info = msgspec.msgpack.Decoder(InstanceInfo).decode
_decode_command = msgspec.msgpack.Decoder(Command).decode
