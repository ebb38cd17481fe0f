"""A service whose every text is somebody's attempt."""

from __future__ import annotations

from tests.faces.service import ScriptedService

from fanlight.core.recorder import Sample
from fanlight.core.sections import Supplied

MARKUP = "<script>alert('1')</script>\"&\ud800\x00\n"


def hostile_service() -> ScriptedService:
    """Markup, lone surrogates and control characters wherever a caller or the application can put text."""
    service = ScriptedService(name=MARKUP[:20], max_series=3)
    for number in range(6):
        route, path = f"/{MARKUP}/{number}", f"/{MARKUP}" * 50
        service.request("GET", route, 500, 2.0, path=path, correlation_id=MARKUP, error=ValueError(MARKUP * 100))
    service.socket("refused", 4_401, group=MARKUP, user=MARKUP)
    service.log("ERROR", MARKUP * 10, MARKUP)
    service.recorder.event(MARKUP, {MARKUP: MARKUP, "n": 10**40, "b": b"\xff", "nan": float("nan")}, MARKUP)
    service.recorder.event("audit", {"outcome": MARKUP})
    service.recorder.count(f"cache.hits.{MARKUP}")
    service.levels = [
        Sample("websocket.connections", MARKUP, 2.0, "sum", "instance"),
        Sample("process.cpu.percent", "", None, "sum", "instance"),
    ]
    deep: dict[str, object] = {}
    deep["again"] = deep
    rows = [{MARKUP: MARKUP, 1: 2}, "no row", {MARKUP: None}]
    data = {MARKUP: MARKUP, "n": float("nan"), "deep": deep, "rows": rows, "percent": "N/A", "o": object(), "b": True}
    service.supplied = Supplied(configured=True, data=data)
    service.tick()
    return service
