"""faces.web.rooms: whose turn it is, and what it is owed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanlight.faces.web.rooms import (
    COALESCE_SECONDS,
    PACE_SECONDS,
    SLACK_SECONDS,
    Edition,
    Room,
    Viewer,
    data_lines,
    slot_due,
)
from fanlight.panels import Slot, Text, View


@given(st.text())
def test_any_text_survives_the_stream(text: str) -> None:
    """X-6: whatever a fragment holds, it cannot end its event or begin another."""
    lines = data_lines(text).decode()
    assert all(line.startswith("data: ") for line in lines.split("\n")[:-1])
    assert "\r" not in lines
    assert "\n".join(line[6:] for line in lines.split("\n")[:-1]) == text.replace("\r\n", "\n").replace("\r", "\n")


def test_turns() -> None:
    """HUB-11, ORC-6: a push with changes is followed after a quarter second, one without after 100 ms.

    A chosen interval is kept to half a tick.
    """
    viewer = Viewer()
    assert viewer.due_at() == float("-inf")
    viewer.fresh, viewer.last = False, 10.0
    assert viewer.due_at() == 10.0 + COALESCE_SECONDS
    viewer.moved = True
    assert viewer.due_at() == 10.0 + PACE_SECONDS
    viewer.interval = 5.0
    assert viewer.due_at() == 15.0 - SLACK_SECONDS


def test_a_room_owes_each_viewer_what_it_has_not_had() -> None:
    """HUB-11: what a viewer is owed depends on what it was sent, not on when it came."""
    room, viewer = Room(View()), Viewer()
    room.editions = {"a": Edition(1, "a", b"A1", 0.0), "b": Edition(1, "b", b"B1", 0.0)}
    assert room.owed(viewer) == [b"A1", b"B1"]
    assert room.owed(viewer) == []
    room.editions = {"a": Edition(3, "a", b"A3", 0.0), "b": Edition(1, "b", b"B1", 0.0)}
    assert room.owed(viewer) == [b"A3"]


def test_still_panels_are_not_looked_at_again() -> None:
    """HUB-11: a still panel is made for new viewers only."""
    slot = Slot(name="s", build=lambda snapshot, view: Text(), pace="still")
    edition = Edition(1, "", b"", 0.0)
    assert slot_due(slot, None, everything=False, now=0.0)
    assert slot_due(slot, edition, everything=True, now=0.0)
    assert not slot_due(slot, edition, everything=False, now=1e9)


def test_a_room_of_a_crowd_rests_for_its_share() -> None:
    """X-9: after a change the room rests for everybody's share; who has just come is served at once."""
    room, viewer = Room(View()), Viewer(last=9.9, fresh=False)
    room.viewers = {viewer}
    edition = Edition(1, "", b"", 10.0)
    assert room.take({"fast": edition}, {}, 10.0, share=0.5)
    assert room.wanted_at() == 10.5
    room.viewers.add(Viewer())
    assert room.wanted_at() == float("-inf")


def test_rooms_of_a_crowd_draw_at_the_same_moments() -> None:
    """X-9: whenever two rooms told of a change, they rest until the same step, so that they share a snapshot."""
    wanted = set()
    for now in (10.0, 10.2, 10.49):
        room = Room(View())
        room.viewers = {Viewer(last=9.0, fresh=False)}
        room.take({"fast": Edition(1, "", b"", now)}, {}, now, share=0.5)
        wanted.add(room.wanted_at())
    assert wanted == {10.5}


def test_a_quiet_room_looks_on_and_tells_the_time_when_its_share_comes() -> None:
    """X-9, HUB-11: without a change a crowd is told seldom, and the change after it at once."""
    room, viewer = Room(View()), Viewer(last=10.0, fresh=False)
    room.viewers = {viewer}
    edition = Edition(1, "", b"", 9.0)
    room.editions = {"fast": edition}
    assert room.take({"fast": edition}, {}, 10.0, share=0.5)
    assert room.wanted_at() == 10.0 + COALESCE_SECONDS
    assert not room.take({"fast": edition}, {}, 10.25, share=0.5)
    assert room.take({"fast": edition}, {}, 10.5, share=0.5)
    assert room.take({"fast": Edition(2, "new", b"", 10.6)}, {}, 10.6, share=0.5)


def test_a_full_socket_misses_its_turn() -> None:
    """TTY-6: who is being written to gets no turn, and what it missed is counted; who is already called is not."""
    room, free, full, called = Room(View()), Viewer(), Viewer(sending=True), Viewer()
    called.turn.set()
    room.viewers = {free, full, called}
    assert room.turns(0.0) == ([free], 1)
    assert (free.dropped, full.dropped, called.dropped) == (0, 1, 0)
    room.viewers = {full, called}
    assert room.wanted_at() == float("inf")
