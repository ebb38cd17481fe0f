"""Engine: what the pulse's turns do to the store, the clock's moods included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.facts import REQUEST
from fanlight.core.frame import Frame
from fanlight.panels import View
from fanlight.stores import open_store

NOW = 1_700_006_400.0
Make = Callable[..., Fanlight]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def make(url: str, clock: ManualClock) -> Iterator[Make]:
    made: list[Fanlight] = []

    def make(**settings: Any) -> Fanlight:
        dashboard = Fanlight("shop", clock=clock, **{"store": url, **settings})
        made.append(dashboard)
        return dashboard

    yield make
    for dashboard in made:
        dashboard.close()


def serve(dashboard: Fanlight, count: int = 1) -> None:
    recorder = dashboard.recorder
    for _ in range(count):
        at = recorder.clock.monotonic_ns()
        recorder.append((REQUEST, recorder.next_seq(), at, 5_000_000, 1, "GET", "/a", "", 200, 0, "/a", "id", None))


def tick(dashboard: Fanlight, clock: ManualClock, seconds: int = 1) -> None:
    """What the pulse and the store's thread do in this many seconds."""
    for _ in range(seconds):
        clock.advance(1.0)
        dashboard.pulse.tick(second_closed=True)
        dashboard.engine._writer.flush()
        dashboard.engine.work_with_store()


def stored(url: str, tier: int) -> dict[tuple[int, str], Frame]:
    store = open_store(url)
    rows = {(row.bucket, row.instance): Frame.decode(row.data, row.series) for row in store.frames("shop", tier, 0)}
    store.close()
    return rows


def counted(rows: dict[tuple[int, str], Frame]) -> int:
    return sum(frame.totals["requests"].count for frame in rows.values() if "requests" in frame.totals)


def total(dashboard: Fanlight) -> int:
    return dashboard.query.snapshot(View()).requests.total.count


def test_a_small_step_back_makes_one_second_longer(make: Make, clock: ManualClock, url: str) -> None:
    """X-3: a second that is written is not written again: what comes meanwhile belongs to the next one."""
    dashboard = make()
    serve(dashboard, 3)
    tick(dashboard, clock, 5)
    name = dashboard.instance
    clock.set_wall(NOW + 3.0)
    serve(dashboard, 4)
    tick(dashboard, clock, 6)
    assert counted(stored(url, 1)) == 7
    assert total(dashboard) == 7
    assert dashboard.instance == name
    assert len(stored(url, 1)) == 9


def test_a_large_step_back_goes_on_under_another_name(make: Make, clock: ManualClock, url: str) -> None:
    """X-3: seconds that come again are another instance's, so nothing is overwritten; totals and tiers hold both."""
    dashboard = make()
    serve(dashboard, 3)
    tick(dashboard, clock, 80)
    name = dashboard.instance
    clock.set_wall(NOW)
    serve(dashboard, 4)
    tick(dashboard, clock, 140)
    assert dashboard.instance != name
    assert total(dashboard) == 7
    assert counted(stored(url, 1)) == 7
    assert counted(stored(url, 10)) == 7
    assert counted(stored(url, 60)) == 7
    names = {instance.id: instance.live for instance in dashboard.query.snapshot(View()).instances}
    assert names == {name: False, dashboard.instance: True}


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize(("back", "shown"), [(10.0, 11), (300.0, 11), (1_200.0, 4), (86_400.0, 4)])
def test_a_clock_set_back_counts_every_second_once(
    make: Make, clock: ManualClock, watched: bool, back: float, shown: int
) -> None:
    """X-3: totals hold what the earlier name had, the window each second once, none of them when it began anew."""
    dashboard = make()
    fleet = dashboard.engine.fleet
    assert fleet is not None
    for count in (2, 5, 4):
        if count == 4:
            clock.set_wall(clock.time_ns() / 1e9 - back)
        serve(dashboard, count)
        tick(dashboard, clock, 5)
        if watched:
            fleet.follow()
    fleet.follow()
    assert total(dashboard) == 11
    assert dashboard.query.snapshot(View()).requests.window.count == shown


def test_memory_keeps_tiers_too(make: Make, clock: ManualClock) -> None:
    """X-3: with memory:// the coarse tiers are made within the process; seconds are not written a second time."""
    dashboard = make(store="memory://")
    serve(dashboard, 3)
    tick(dashboard, clock, 140)
    store = dashboard.engine.store
    assert store.frames("shop", 1, 0) == []
    assert sum(Frame.decode(row.data).totals.get("requests") is not None for row in store.frames("shop", 60, 0)) == 1
    clock.set_wall(NOW)
    serve(dashboard, 4)
    tick(dashboard, clock, 140)
    assert total(dashboard) == 7
    rows = [Frame.decode(row.data) for row in store.frames("shop", 60, 0)]
    assert sum(row.totals["requests"].count for row in rows if row.totals) == 7


@pytest.mark.parametrize(("lived", "back"), [(150, 130), (1_100, 1_050)])
def test_memory_holds_time_that_is_lived_again(make: Make, clock: ManualClock, lived: int, back: int) -> None:
    """X-3: with memory:// too a clock set back loses nothing, whether the window goes as far back or not."""
    dashboard = make(store="memory://")
    for _ in range(lived):
        serve(dashboard)
        tick(dashboard, clock)
    again = clock.time_ns() / 1e9 - back
    clock.set_wall(again)
    for _ in range(120):
        serve(dashboard)
        tick(dashboard, clock)
    rows = dashboard.engine.store.frames("shop", 10, int(again), int(again) + 100)
    assert [Frame.decode(row.data).totals["requests"].count for row in rows] == [20] * 10


@pytest.mark.parametrize("name", ["1h", "24h", "7d"])
def test_sample_data_is_in_every_range(make: Make, clock: ManualClock, name: str) -> None:
    """ORC-5, ORC-7: a first look at a longer range has something to look at, too: what its finer steps were made of."""
    dashboard = make(store="memory://", sample_data=True)
    dashboard.start()
    shown = dashboard.query.snapshot(View(range=name)).requests.window.count
    everything = total(dashboard)
    assert 0.9 * everything < shown <= everything
    assert dashboard.engine.store.frames("shop", 1, 0) == []


def test_totals_survive_a_restart(make: Make, clock: ManualClock) -> None:
    """HUB-10: totals since the first start and since this one; what was recent before is recent after."""
    first = make()
    first.start()
    first.cache("prompts").hit()
    serve(first, 5)
    first.close()
    clock.advance(10.0)
    second = make()
    second.start()
    snapshot = second.query.snapshot(View())
    assert (snapshot.requests.total.count, snapshot.requests.this_run.count) == (5, 0)
    assert len(snapshot.activity) == 5
    assert snapshot.view.totals["requests"].count == 5
    assert snapshot.cache_total.hits == 1


def test_a_store_that_cannot_be_made_is_said(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """X-3: an unwritable state directory costs history, not the service: a warning is logged and shown."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("FANLIGHT_STORE")
    dashboard = Fanlight("shop", clock=clock)
    dashboard.start()
    serve(dashboard, 2)
    tick(dashboard, clock)
    assert total(dashboard) == 2
    assert str(tmp_path / "file") in dashboard.query.snapshot(View()).own.history
    assert [record.levelname for record in caplog.records if "kept in memory" in record.message] == ["WARNING"]
    dashboard.close()


def test_constructing_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Design: a dashboard that is only made writes nothing; started without a store it has a file of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FANLIGHT_STORE")
    dashboard = Fanlight("shop")
    assert list(tmp_path.iterdir()) == []
    dashboard.start()
    assert [path.suffix for path in (tmp_path / "fanlight").glob("shop-*.db")] == [".db"]
    dashboard.close()


def test_a_snapshot_carries_the_chosen_range(make: Make, clock: ManualClock) -> None:
    """OBS-1, X-4: the window judges the present; beside it the range has its charts, routes, records and starts."""
    dashboard = make()
    dashboard.recorder.event("start", {"release": "1.4"})
    serve(dashboard, 30)
    tick(dashboard, clock, 1_300)
    serve(dashboard, 2)
    tick(dashboard, clock)
    present = dashboard.query.snapshot(View())
    assert present.range is present
    assert (present.view.totals["requests"].count, present.view.step) == (2, 5)
    hour = dashboard.query.snapshot(View(range="1h"))
    assert hour.view.totals["requests"].count == 2
    assert (hour.range.view.totals["requests"].count, hour.range.view.step) == (30, 10)
    assert [route.figures.count for route in hour.range.routes] == [30]
    assert [record.data["fields"] for record in hour.range.view.kept["starts"]] == [{"release": "1.4"}]
    assert hour.range.lines.families["requests"].keys() == {("GET", "/a")}
    assert dashboard.query.snapshot(View(range="1h")) is hour
    chosen = dashboard.query.snapshot(View(start=NOW, end=NOW + 60, scope="this")).range.view
    assert chosen.totals["requests"].count == 30
    assert "all instances" in chosen.note


def test_nothing_is_read_back_while_nobody_watches(
    make: Make, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-2: of the others' seconds and totals an instance reads nothing until somebody looks; it writes its own, looks
    for commands, and asks whether compaction is its to do. The one that compacts reads only what it makes coarser."""
    holder, other = make(), make()
    tick(holder, clock)
    asked: dict[str, list[str]] = {"holder": [], "other": []}

    def counted(call: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
        def counting(*given: Any, **named: Any) -> Any:
            calls.append(call.__name__)
            return call(*given, **named)

        return counting

    for name, dashboard in (("holder", holder), ("other", other)):
        store = dashboard.engine.store
        for method in ("write", "instances", "totals", "frames", "changes", "commands", "acquire_lease", "prune"):
            monkeypatch.setattr(store, method, counted(getattr(store, method), asked[name]))
    for _ in range(70):
        serve(holder)
        serve(other)
        tick(holder, clock)
        other.pulse.tick(second_closed=True)
        other.engine._writer.flush()
        other.engine.work_with_store()
    assert set(asked["other"]) == {"write", "commands", "acquire_lease"}
    assert "changes" not in asked["holder"]
    assert "totals" not in asked["holder"]
    leave = other.pulse.watch()
    tick(other, clock)
    leave()
    assert {"instances", "changes"} <= set(asked["other"])
    assert other.query.snapshot(View(scope="all")).requests.total.count == 140


def test_one_window_is_both_scopes_until_another_comes(make: Make, clock: ManualClock) -> None:
    """X-2, memory: an instance alone keeps one window, whoever looks; with another's seconds it keeps two."""
    one = make()
    serve(one, 3)
    tick(one, clock)
    for scope in ("this", "all"):
        assert one.query.snapshot(View(scope=scope)).requests.window.count == 3
    assert one.engine.fleet is not None
    assert one.engine.fleet.window is one.engine.local.window
    two = make()
    serve(two, 4)
    tick(two, clock)
    serve(one)
    tick(one, clock)
    one.engine.fleet.follow()
    counts = {scope: one.query.snapshot(View(scope=scope)).requests.window.count for scope in ("this", "all")}
    assert counts == {"this": 4, "all": 8}
    assert one.engine.fleet.window is not one.engine.local.window


def test_any_instance_can_be_looked_at_alone(make: Make, clock: ManualClock) -> None:
    """X-2: whichever worker answers, it shows any other one's own figures by its id: what was before, what comes, and
    the rest of the service not; a name nobody has reads as all of them; few are held at once."""
    shown, *others = (make() for _ in range(4))
    for number, other in enumerate(others, 1):
        serve(other, number)
        tick(other, clock)
    ids = [other.recorder.instance for other in others]
    assert shown.query.snapshot(View()).requests.total.count == 6

    def told(scope: str) -> tuple[str, int, int]:
        clock.advance(1.0)
        shown.pulse.tick(second_closed=True)
        assert shown.engine.fleet is not None
        for source in (shown.engine.fleet, *shown.query._alone.values()):
            setattr(source, "_followed_at", 0.0)  # noqa: B010  # as if a moment had passed
        snapshot = shown.query.snapshot(View(scope=scope))
        return snapshot.scope, snapshot.requests.total.count, snapshot.requests.window.count

    assert [told(each) for each in ids] == [(each, number, number) for number, each in enumerate(ids, 1)]
    serve(others[1], 10)
    tick(others[1], clock)
    assert told(ids[1]) == (ids[1], 12, 12)
    assert told(ids[0]) == (ids[0], 1, 1)
    assert [each.id for each in shown.query.snapshot(View(scope=ids[0])).instances] == [ids[0]]
    assert told(shown.recorder.instance) == (shown.recorder.instance, 0, 0)
    assert told("all") == told("nobody") == ("all", 16, 16)
    assert len(shown.query._alone) == 2


def test_an_action_for_all_reaches_those_nobody_has_read_yet(make: Make, clock: ManualClock) -> None:
    """HUB-7: who is there is read anew for it, though what they did is still being read by somebody else."""
    one, other = make(), make()
    other.engine.fleet.announce()  # type: ignore[union-attr]  # the store is shared
    tick(other, clock)
    with one.engine.fleet._following:  # type: ignore[union-attr]
        assert set(one.engine._live()) == {one.instance, other.instance}
