"""Who watches what, what each was sent, and whose turn it is: the decisions of the live stream, pure but for the events
they set.

Viewers of one view share a Room, which renders each panel once per tick for all of them, and makes one message for all
that saw the same before. A viewer remembers which state of the room it was told; when its turn comes it gets what has
changed since. A viewer whose socket does not drain gets no turn, and so misses editions (counted, and told to it)
instead of gathering them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from fanlight.panels import Slot, View

COALESCE_SECONDS: Final = 0.1
"""The least between two pushes to one viewer."""

PACE_SECONDS: Final = 0.22
"""The least after a push in which something had changed: 4 Hz, with room for ticks that come early. After a push
without changes COALESCE_SECONDS is enough, so that the first event after quiet is seen at once."""

SHARE_SECONDS: Final = 0.028
"""The least between two pushes to any viewer while things change: together they get 36 a second, so that beyond 9
viewers everybody's pace slows down instead of the service; a hundred are told every 2.8 s, just within a heartbeat."""

SLACK_SECONDS: Final = 0.125
"""How much too early a tick may come and still count: half of the pulse's step."""

HURRY_SECONDS: Final = 0.02
"""How long a turn waits for the tick it asked for; the tick wakes the room by itself, and sooner."""

SLOW_SECONDS: Final = 1.0
"""The least between two editions of a "slow" panel: tables and charts."""


class Edition(NamedTuple):
    """A panel's newest state as it is sent; `number` is the state of the room in which it came, `changed` monotonic
    seconds."""

    number: int
    html: str
    chunk: bytes
    changed: float


@dataclass(eq=False)
class Viewer:
    """One open stream. `interval` is 0 where the viewer takes the panels' own pace; times are monotonic seconds.

    `seen` is the state of the room it was told last, `last` when it was pushed to, `moved` whether any panel had
    changed then; `spoken` is when a write to it last began or ended, `silent` that it is to hear a heartbeat.
    """

    interval: float = 0.0
    seen: int = 0
    last: float = float("-inf")
    moved: bool = False
    fresh: bool = True
    sending: bool = False
    spoken: float = float("-inf")
    silent: bool = False
    dropped: int = 0
    closed: bool = False
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def due_at(self) -> float:
        """When its time comes, whether or not its socket has drained."""
        pace = PACE_SECONDS if self.moved else COALESCE_SECONDS
        return float("-inf") if self.fresh else self.last + max(pace, self.interval - SLACK_SECONDS)

    @property
    def busy(self) -> bool:
        """Whether it is being written to, or is about to be told something; a heartbeat gives way."""
        return self.sending or (self.turn.is_set() and not self.silent)

    def close(self) -> None:
        """End the stream at its next step."""
        self.closed = True
        self.turn.set()
        self.ended.set()


class Room:
    """Viewers of one view, and the newest edition of its panels."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.viewers: set[Viewer] = set()
        self.state = 0
        self.editions: Mapping[str, Edition] = {}
        self.status: Mapping[str, Any] = {}
        self.arranged = 0
        self._messages: dict[tuple[int, float, int], bytes] = {}
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.alarm: asyncio.TimerHandle | None = None
        self.resting_until = float("-inf")
        self.told_until = float("-inf")

    def wanted_at(self) -> float:
        """When somebody could next be sent something; never, while no socket drains."""
        first = min((viewer.due_at() for viewer in self.viewers if not viewer.busy), default=float("inf"))
        return first if first == float("-inf") else max(first, self.resting_until)

    def take(self, editions: Mapping[str, Edition], status: Mapping[str, Any], now: float, share: float) -> bool:
        """The newest state; whether the viewers are told of it now. `share`: how often they may be told, in seconds.

        A change is told at once, and then the room rests until the share's next step. The steps are those of the clock,
        so that all rooms draw the same snapshot. While nothing changes a room goes on looking, so that the first event
        after quiet is told at once, and tells of the time alone when its share comes.
        """
        rearranged = tuple(editions) != tuple(self.editions)
        changed = rearranged or any(edition is not self.editions[name] for name, edition in editions.items())
        if changed:
            self.state += 1
        if rearranged:
            self.arranged = self.state
        self.editions, self.status = editions, status
        self._messages.clear()
        told = changed or self.joined() or now >= self.told_until - SLACK_SECONDS
        step = (now // share + 1) * share
        if told:
            self.told_until = step
        if changed:
            self.resting_until = step
        return told

    def wake_in(self, seconds: float, hurry: Callable[[], None]) -> None:
        """Wake after a while, for news that came before anybody's turn; `hurry` first brings what came since."""
        self.silence()
        self.alarm = asyncio.get_running_loop().call_later(seconds, self._woken, hurry)

    def _woken(self, hurry: Callable[[], None]) -> None:
        hurry()
        self.alarm = asyncio.get_running_loop().call_later(HURRY_SECONDS, self.wake.set)

    def silence(self) -> None:
        """Forget the alarm."""
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

    def joined(self) -> bool:
        """Whether somebody has just come and needs every panel."""
        return any(viewer.fresh and not viewer.busy for viewer in self.viewers)

    def tell(self, viewer: Viewer, now: float, interval: float) -> bytes:
        """What a viewer is owed, noted as told: the status first, then the panels that have changed, in one message.

        `interval` is the seconds until it is told again. Which panels the page has is said where that is news: a
        browser cannot be sent one it lacks.
        """
        key = (viewer.seen, interval, viewer.dropped)
        message = self._messages.get(key)
        if message is None:
            message = self._messages[key] = self._message(*key)
        viewer.moved = viewer.seen != self.state
        viewer.seen, viewer.fresh, viewer.last = self.state, False, now
        return message

    def _message(self, seen: int, interval: float, dropped: int) -> bytes:
        status = {**self.status, "next": interval, "interval": interval, "dropped": dropped}
        if self.arranged > seen:
            status["panels"] = tuple(self.editions)
        chunks = [edition.chunk for edition in self.editions.values() if edition.number > seen]
        return b"".join((named_event("status", status), *chunks, b"\n" if chunks else b""))

    def turns(self, now: float) -> tuple[list[Viewer], int]:
        """Whose time has come, and how many missed theirs because their sockets are full."""
        due = [viewer for viewer in self.viewers if now >= viewer.due_at()]
        full = [viewer for viewer in due if viewer.sending]
        for viewer in full:
            viewer.dropped += 1
        return [viewer for viewer in due if not viewer.busy], len(full)


def slot_due(slot: Slot, edition: Edition | None, everything: bool, now: float) -> bool:
    """Whether a panel is looked at in this turn: "slow" ones only a second after they last changed."""
    if everything or edition is None or slot.pace == "fast":
        return True
    return slot.pace == "slow" and now >= edition.changed + SLOW_SECONDS - SLACK_SECONDS


def data_lines(text: str) -> bytes:
    """Text as the data lines of a server-sent event, without the empty line that ends it."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.replace("\n", "\ndata: ")
    return f"data: {lines}\n".encode("utf-8", "replace")


def named_event(name: str, document: Mapping[str, Any]) -> bytes:
    """A named event with a JSON document on one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(document))
