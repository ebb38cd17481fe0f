"""Streams in pieces as the network brings them: their events for the reader, their bytes for the client."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

LINE_LIMIT: Final = 1 << 20
"""The longest line that is read; a longer one passes unread."""

HELD_LIMIT: Final = 64 << 10
"""The longest unfinished event that is held back while a usage event may have to be left out."""

DONE: Final = b"[DONE]"

_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


class Lines:
    """Cuts NDJSON into documents, in time linear in its bytes; keeps no more than one unfinished line."""

    __slots__ = ("_limit", "_parts", "_size", "overlong")

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self.overlong = 0

    @property
    def unfinished(self) -> bool:
        """Whether the last line has not ended."""
        return self._size > 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The documents that end in this chunk; those of over `limit` bytes are left out and counted."""
        return [line for line in self.cut(chunk) if line and not line.isspace()]

    def cut(self, chunk: bytes) -> list[bytes]:
        """The lines that end in this chunk, blank ones too."""
        *ended, rest = chunk.split(b"\n")
        if ended and self._size:
            if self._size + len(ended[0]) > self._limit:
                del ended[0]
                self.overlong += 1
            else:
                ended[0] = b"".join((*self._parts, ended[0]))
            self._parts, self._size = [], 0
        if rest:
            self._size += len(rest)
            if self._size <= self._limit:
                self._parts.append(rest)
            else:
                self._parts.clear()
        return ended

    def rest(self) -> list[bytes]:
        """What is left when the stream has ended without a line break."""
        return self.feed(b"\n") if self._size else []


class Events(Lines):
    """Cuts server-sent events into their data; each line of data is a document of its own in all three protocols."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that end in this chunk."""
        if not self._size and chunk.startswith(b"data: {"):
            told = chunk.removesuffix(b"data: [DONE]\n\n")
            events = told[6:-2].split(b"\n\ndata: ")
            if told.endswith(b"}\n\n") and told.count(b"\n") == 2 * len(events) and DONE not in events:
                return events  # whole events of one line each: what most packets are
        return [data for line in self.cut(chunk) if line.startswith(b"data:") and (data := line[5:].strip()) != DONE]


class UsageFilter:
    """Leaves out the event with the usage that the gateway asked for and the client did not; all else passes unchanged.

    An event that has not ended is held back until it has, or is too long to be that one.
    """

    __slots__ = ("_held", "_passing")

    def __init__(self) -> None:
        self._held = b""
        self._passing = False

    def feed(self, chunk: bytes) -> bytes:
        """What of the bytes so far may be passed on."""
        if not self._held and not self._passing and chunk.endswith(b"\n\n"):
            return self._without(chunk)
        data = self._held + chunk
        cut = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\n\r\n") + 4 if b"\r" in data else 0)
        if cut < 2:
            return self._unended(data)
        whole, self._held = data[:cut], data[cut:]
        if self._passing:
            first = _BLANK.search(whole)
            begun, whole = whole[: first.end()], whole[first.end() :]  # type: ignore[union-attr]  # `cut` found one
            self._passing = False
            return begun + self._without(whole) + self._overlong()
        return self._without(whole) + self._overlong()

    def rest(self) -> bytes:
        """What is held when the stream has ended."""
        held, self._held = self._held, b""
        return held

    def _unended(self, data: bytes) -> bytes:
        if not self._passing and len(data) <= HELD_LIMIT:
            self._held = data
            return b""
        self._passing, self._held = True, b""
        return data

    def _overlong(self) -> bytes:
        if len(self._held) <= HELD_LIMIT:
            return b""
        self._passing = True
        return self.rest()

    def _without(self, whole: bytes) -> bytes:
        if b'"usage"' not in whole:
            return whole
        kept, begin, low = [], 0, 0
        for found in _USAGE.finditer(whole):
            if found.start() < low:
                continue
            first = _end_of(b"\n\n", whole, low, found.start())
            if b"\r" in whole:
                first = max(first, _end_of(b"\n\r\n", whole, low, found.start()))
            blank = _BLANK.search(whole, found.end())
            low = blank.end() if blank else len(whole)
            if _only_usage(whole[first:low]):
                kept.append(whole[begin:first])
                begin = low
        return b"".join(kept) + whole[begin:]


class _Chunk(msgspec.Struct):
    choices: list[Any] | None = None
    usage: dict[str, Any] | None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


def _end_of(sought: bytes, data: bytes, low: int, high: int) -> int:
    """Where the last of these ends between two places, the lower place where there is none."""
    found = data.rfind(sought, low, high)
    return low if found < 0 else found + len(sought)


def _only_usage(event: bytes) -> bool:
    for data in Events().feed(event):
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False
        return chunk.choices == [] and chunk.usage is not None
    return False
