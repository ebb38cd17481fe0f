"""Frames merge in any order and grouping to the same frame, and cross a process unharmed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import frames, record_at

from fanlight.core import frame as frame_module
from fanlight.core.cell import Cell
from fanlight.core.frame import KEPT_LIMITS, SCHEMA, Frame, Record, appended, decode_rows, newest
from fanlight.core.gauge import Gauge, Reading
from fanlight.errors import FanlightError


def merged(*parts: Frame) -> Frame:
    """All parts in one, without touching them."""
    whole = Frame(parts[0].start, parts[0].end)
    for part in parts:
        whole.add(part)
    return whole


@given(frames, frames)
def test_merging_is_commutative(left: Frame, right: Frame) -> None:
    """X-2: it does not matter which of two frames is added to which."""
    assert merged(left, right) == merged(right, left)


@given(frames, frames, frames)
def test_merging_is_associative(first: Frame, second: Frame, third: Frame) -> None:
    """X-2: seconds merged into minutes and then workers give what workers and then seconds give."""
    assert merged(merged(first, second), third) == merged(first, merged(second, third))


@given(frames, frames)
def test_merging_leaves_the_other_frame_alone(left: Frame, right: Frame) -> None:
    """X-2: a merged frame shares no cell, gauge or list with its parts."""
    before = Frame.decode(right.encode())
    whole = merged(left, right)
    whole.add(right)
    whole.add(left)
    assert right == before


@given(frames)
def test_encoding_loses_nothing(frame: Frame) -> None:
    """X-2: a frame decodes to what was encoded, counters beyond 64 bits included."""
    assert Frame.decode(frame.encode()) == frame


@given(frames, frames)
def test_a_total_is_the_sum_of_its_series(left: Frame, right: Frame) -> None:
    """X-1: each family's total row equals its series added up, after merging too."""
    whole = merged(left, right)
    for family, rows in whole.series.items():
        assert whole.totals[family].count == sum(cell.count for cell in rows.values())
        assert whole.totals[family].total == sum(cell.total for cell in rows.values())


def test_a_frame_of_another_schema_is_refused_by_its_number() -> None:
    """X-3: a reader names the schema it got, the one it reads and what to do, whatever else is in the frame."""
    encoded = bytearray(Frame(5, 6).encode())
    encoded[1] = SCHEMA + 1
    for data in (bytes(encoded), msgspec.msgpack.encode([SCHEMA + 1, {"all": "new"}])):
        with pytest.raises(FanlightError, match=f"schema {SCHEMA + 1}; this Fanlight reads schema {SCHEMA}: upgrade"):
            Frame.decode(data)


def _row(**changes: object) -> list[object]:
    fields = {"count": 1, "errors": 0, "total": 5, "minimum": 5, "maximum": 5, "unit": 1e-9, "flat": [1, 1], "out": {}}
    return list({**fields, **changes}.values())


def _wire(**changes: object) -> bytes:
    fields: dict[str, object] = {"schema": SCHEMA, "start": 5, "end": 6, "totals": {}, "counters": {}, "g": []}
    fields |= {"levels": {}, "sources": {}, "series": {}, "kept": {}}
    return msgspec.msgpack.encode(list({**fields, **changes}.values()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x91",
        b"garbage of some length",
        b"\x91" * 100_000,
        msgspec.msgpack.encode({"schema": SCHEMA}),
        _wire(start="five"),
        _wire(totals={"requests": [1, 2]}),
        _wire(totals={"requests": _row(count="many")}),
        _wire(totals={"requests": _row(total="many")}),
        _wire(totals={"requests": _row(flat=[1, 2, 3])}),
        _wire(totals={"requests": _row(flat=b"too short")}),
        _wire(counters={"x": "many"}),
        _wire(g=[["cpu", "", "average", {}]]),
        _wire(kept={"unheard of": []}),
        _wire(kept={"logs": [[1.0]]}),
        _wire().replace(b"\x05", b"\xc1"),
    ],
)
def test_garbage_is_refused_in_one_clear_line(data: bytes) -> None:
    """X-3: bytes that are no frame raise a FanlightError that says so, and nothing else."""
    with pytest.raises(FanlightError, match=r"that are no frame of schema|a frame of schema") as caught:
        Frame.decode(data)
    assert "\n" not in str(caught.value)


def test_a_frame_from_before_lanes_is_still_read() -> None:
    """X-3: in a store written by an earlier version all histograms are lists; they are the same cells."""
    listed = [number for bucket in range(-210, -170) for number in (bucket, 300 + bucket)]
    old = _wire(schema=2, totals={"requests": _row(count=sum(listed[1::2]), flat=listed)})
    read = Frame.decode(old)
    assert read.totals["requests"].buckets == dict(zip(listed[::2], listed[1::2], strict=True))
    assert Frame.decode(read.encode()) == read
    assert len(read.encode()) < len(old)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    """X-3: no bytes at all raise anything but a FanlightError."""
    try:
        Frame.decode(data)
    except FanlightError:
        return
    assert data


def test_kept_records_are_the_newest_and_each_once() -> None:
    """Bounds: beyond a kind's limit the oldest go; the same record from two frames counts once."""
    frame = Frame(0, 1)
    frame.keep("slow", [Record(float(at), f"r{at:04}", "request") for at in range(150)])
    frame.keep("slow", [Record(float(at), f"r{at:04}", "request") for at in range(140, 160)])
    assert [record.at for record in frame.kept["slow"]] == [float(at) for at in range(60, 160)]


@given(st.lists(st.integers(0, 60), max_size=40), st.lists(st.integers(0, 60), max_size=40), st.integers(1, 30))
def test_the_short_way_of_keeping_is_the_long_one(first: list[int], second: list[int], limit: int) -> None:
    """Bounds: appending to a kept list gives what sorting everything gives."""
    kept, made = newest(limit, map(record_at, first)), newest(limit, map(record_at, second))
    assert appended(limit, kept, made) == newest(limit, kept, made)


def test_gauge_sources_are_bounded_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds: sources that came and went do not add up: the newest readings stay, whatever the grouping."""
    monkeypatch.setattr(frame_module, "READING_LIMIT", 5)
    parts = []
    for second in range(12):
        part = Frame(second, second + 1)
        part.gauges[("memory", "")] = Gauge("sum", {f"web{second % 8}": Reading(float(second), 1.0)})
        part.gauges[("users", f"u{second}")] = Gauge("sum", {"web": Reading(float(second), 1.0)})
        parts.append(part)
    whole = merged(*parts)
    assert sum(len(gauge.sources) for gauge in whole.gauges.values()) == 5
    assert merged(merged(*parts[:4]), merged(merged(*parts[4:9]), merged(*parts[9:]))) == whole
    assert merged(*reversed(parts)).gauges == whole.gauges


def test_frames_equal_only_frames_and_are_no_keys() -> None:
    """X-2: frames and gauges compare by content and cannot be hashed."""
    assert Frame(1, 2) != "frame"
    for changing in (Frame(1, 2), Gauge("sum")):
        with pytest.raises(TypeError):
            hash(changing)


def test_every_kept_kind_has_a_limit() -> None:
    """Bounds: nothing is kept without a limit."""
    assert all(0 < limit <= 1000 for limit in KEPT_LIMITS.values())


@given(frames)
def test_two_parts_are_the_whole(frame: Frame) -> None:
    """X-3: head and series together decode to the frame; the head alone has its totals and counters."""
    frame.levels, frame.sources = {"process.cpu.percent": 12.5}, {"web1": 10}
    head, series = frame.parts()
    assert Frame.decode(head, series) == frame
    assert bool(series) == bool(frame.series or frame.kept)
    alone = Frame.decode(head)
    assert (alone.totals, alone.counters, alone.gauges) == (frame.totals, frame.counters, frame.gauges)
    assert (alone.levels, alone.sources) == (frame.levels, frame.sources)
    assert not alone.series
    assert not alone.kept


def test_levels_merge_as_the_highest_and_sources_add_up() -> None:
    """X-3: of two spans the higher level stays, and the seconds of each instance are counted."""
    one, two = Frame(0, 10), Frame(10, 20)
    one.levels, one.sources = {"cpu": 5.0, "memory": -1.0}, {"a": 10}
    two.levels, two.sources = {"cpu": 7.0, "lag": 0.1}, {"a": 9, "b": 1}
    whole = merged(one, two)
    assert whole.levels == {"cpu": 7.0, "memory": -1.0, "lag": 0.1}
    assert whole.sources == {"a": 19, "b": 1}
    assert merged(two, one) == whole


def test_a_damaged_second_part_is_refused() -> None:
    """X-3: garbage in the series is a FanlightError too."""
    head, _ = Frame(5, 6).parts()
    with pytest.raises(FanlightError, match="that are no frame"):
        Frame.decode(head, b"garbage")


def test_a_large_frame_is_written_read_and_let_go_of_in_pieces() -> None:
    """TTY-6: between any two series, gauges and kinds of records there is a breath, for frames of any size."""
    frame = Frame(0, 1)
    cells = frame.series["requests"] = {("GET", f"/{number}"): Cell() for number in range(50)}
    frame.gauges = {("level", str(number)): Gauge("sum", {"a": Reading(1.0, 2.0)}) for number in range(30)}
    frame.kept["recent"] = [record_at(1)]
    breaths: list[int] = []
    parts = frame.parts(lambda: breaths.append(1))
    assert len(breaths) >= 81
    breaths.clear()
    assert Frame.decode(*parts, lambda: breaths.append(1)) == frame
    assert len(breaths) >= 80
    breaths.clear()
    assert len(decode_rows(*parts, lambda: breaths.append(1)).series["requests"]) == 50
    assert len(breaths) >= 80
    breaths.clear()
    frame.release(lambda: breaths.append(1))
    assert (cells, len(breaths)) == ({}, 50)


@given(frames, frames)
def test_merging_what_was_encoded_is_merging_the_frame(one: Frame, other: Frame) -> None:
    """X-2, memory: a frame merged from its bytes, never made, gives what the frame itself gives, in one part or two."""
    expected = Frame(one.start, one.end)
    for frame in (one, other):
        expected.add(frame)
    made = Frame(one.start, one.end)
    made.add_encoded(one.encode())
    made.add_encoded(*other.parts())
    assert made == expected


def test_bytes_that_are_no_frame_are_not_merged() -> None:
    """Hostile bytes are refused by the same error as when they are decoded, and leave the frame as it was."""
    frame = Frame(10, 20)
    for data in (b"", b"\x91\x63", b"not a frame", Frame(0, 1).encode()[:-1]):
        with pytest.raises(FanlightError):
            frame.add_encoded(data)
    assert frame == Frame(10, 20)
