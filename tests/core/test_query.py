"""A query makes a snapshot once per tick and scope."""

from __future__ import annotations

from tests.faces.service import ScriptedService, busy_service

from fanlight.core import query
from fanlight.core.frame import Frame
from fanlight.panels import View


def test_a_snapshot_is_made_once_per_tick() -> None:
    """OBS-4: however many ask, one snapshot; the next tick makes a new one."""
    service = busy_service()
    first = service.query.snapshot(View())
    assert service.query.snapshot(View(page="requests")) is first
    service.request()
    service.tick()
    second = service.query.snapshot(View())
    assert second is not first
    assert second.requests.total.count == first.requests.total.count + 1
    assert service.query.version > 0


def test_a_snapshot_that_is_replaced_goes_in_pieces() -> None:
    """X-9: what it held is freed a few parts at a time, so that no request waits for all of it."""
    service = ScriptedService()
    for _ in range(4 * 50):
        service.request()
        service.tick(0.02)
    breaths = 0

    def breathe() -> None:
        nonlocal breaths
        breaths += 1

    service.query._breathe = breathe
    taken = []
    for _ in range(2):
        service.tick()
        breaths = 0
        records = len(service.query.snapshot(View()).view.kept["recent"])
        taken.append(breaths)
    assert records == 200
    assert taken[1] - taken[0] >= records // query.FREED_AT_ONCE


def test_an_unknown_scope_reads_as_all() -> None:
    """X-2: "this" and everything else are the scopes there are."""
    service = busy_service()
    assert service.query.snapshot(View(scope="nobody")).scope == "all"
    assert service.query.snapshot(View(scope="this")).scope == "this"


def test_totals_of_an_earlier_run_count_in_total_alone() -> None:
    """HUB-10: what was before this start is in `total`, not in `this_run`."""
    service = ScriptedService()
    service.request()
    service.tick()
    service.earlier = Frame(0, 1)
    service.earlier.add(service.recorder.totals)
    requests = service.query.snapshot(View()).requests
    assert (requests.total.count, requests.this_run.count) == (2, 1)


def test_cumulative_is_a_copy_of_all_frames() -> None:
    """API-10: what Prometheus scrapes is merged afresh and shares nothing."""
    service = busy_service()
    merged = service.query.cumulative()
    count = merged.totals["requests"].count
    merged.add(merged)
    assert service.query.cumulative("nobody").totals["requests"].count == count == 12
