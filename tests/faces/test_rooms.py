"""faces.web.rooms: whose turn it is, and what it is owed."""

from __future__ import annotations

import json
from typing import Any

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


def told(room: Room, viewer: Viewer) -> tuple[dict[str, Any], list[bytes]]:
    """The status a viewer is told now, and the panels."""
    status, _, panels = room.tell(viewer, 0.0, 0.25).partition(b"\n\n")
    return json.loads(status.removeprefix(b"event: status\ndata: ")), panels.split()


def room_with(**editions: Edition) -> Room:
    """A room with these panels."""
    room = Room(View())
    room.take(editions, {"at": 1.0}, 0.0, 0.25)
    return room


def test_a_room_owes_each_viewer_what_it_has_not_had() -> None:
    """HUB-11: what a viewer is owed depends on what it was told, not on when it came."""
    b = Edition(1, "b", b"B1 ", 0.0)
    room, viewer = room_with(a=Edition(1, "a", b"A1 ", 0.0), b=b), Viewer()
    assert told(room, viewer)[1] == [b"A1", b"B1"]
    assert told(room, viewer)[1] == []
    room.take({"a": Edition(2, "a", b"A2 ", 0.0), "b": b}, {}, 0.0, 0.25)
    assert told(room, viewer)[1] == [b"A2"]
    assert told(room, Viewer())[1] == [b"A2", b"B1"]
    assert viewer.moved is True
    assert told(room, viewer)[1] == []
    assert viewer.moved is False


def test_viewers_that_saw_the_same_share_one_message() -> None:
    """X-9: it is made once; one who missed an update, or chose another interval, is told so."""
    room = room_with(a=Edition(1, "a", b"A1 ", 0.0))
    first, second, third = Viewer(), Viewer(), Viewer(dropped=2)
    assert room.tell(first, 0.0, 0.25) is room.tell(second, 0.0, 0.25)
    assert told(room, third)[0] == {"at": 1.0, "next": 0.25, "interval": 0.25, "dropped": 2, "panels": ["a"]}
    assert b'"interval":5.0' in room.tell(Viewer(), 0.0, 5.0)


def test_a_message_is_kept_no_longer_than_its_state() -> None:
    """X-9: the newest state replaces the messages of the one before."""
    room = room_with(a=Edition(1, "a", b"A1 ", 0.0))
    for dropped in range(5):
        room.tell(Viewer(dropped=dropped), 0.0, 0.25)
    assert len(room._messages) == 5
    room.take(room.editions, {"at": 2.0}, 1.0, 0.25)
    assert room._messages == {}
    assert told(room, Viewer())[0]["at"] == 2.0


def test_the_panels_are_named_where_that_is_news() -> None:
    """HUB-11: at first, and when the page has others than before; a panel that comes again is sent again."""
    a, b = Edition(1, "a", b"A1 ", 0.0), Edition(1, "b", b"B1 ", 0.0)
    room, viewer = room_with(a=a, b=b), Viewer()
    assert told(room, viewer)[0]["panels"] == ["a", "b"]
    assert "panels" not in told(room, viewer)[0]
    room.take({"a": a}, {}, 0.0, 0.25)
    status, panels = told(room, viewer)
    assert (status["panels"], panels) == (["a"], [])
    room.take({"a": a, "b": Edition(room.state + 1, "b", b"B3 ", 0.0)}, {}, 0.0, 0.25)
    status, panels = told(room, viewer)
    assert (status["panels"], panels) == (["a", "b"], [b"B3"])


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
    room, free, full, called = Room(View()), Viewer(silent=True), Viewer(sending=True), Viewer()
    called.turn.set()
    free.turn.set()  # for a heartbeat, which gives way
    room.viewers = {free, full, called}
    assert room.turns(0.0) == ([free], 1)
    assert (free.dropped, full.dropped, called.dropped) == (0, 1, 0)
    room.viewers = {full, called}
    assert room.wanted_at() == float("inf")
