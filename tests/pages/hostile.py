"""A service whose every text is somebody's attempt."""

from __future__ import annotations

from typing import Any

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
    for outcome in (MARKUP, "", "cancelled"):
        said: dict[str, Any] = {
            "model": MARKUP,
            MARKUP: MARKUP,
            "cost": float("nan"),
            "output_tokens": -1,
            "usage": MARKUP,
        }
        service.call(MARKUP, MARKUP, 9.0, kind="llm", outcome=outcome, correlation_id=MARKUP, **said)
        service.call(f"../{MARKUP}/?#", MARKUP, outcome=outcome)
    service.socket("refused", 4_401, group=MARKUP, user=MARKUP)
    service.log("ERROR", MARKUP * 10, MARKUP)
    service.recorder.event(MARKUP, {MARKUP: MARKUP, "n": 10**40, "b": b"\xff", "nan": float("nan")}, MARKUP)
    service.recorder.event("audit", {"outcome": MARKUP})
    service.recorder.count(f"cache.hits.{MARKUP}")
    service.levels = [
        Sample("websocket.connections", MARKUP, 2.0, "sum", "instance"),
        Sample("breaker.state", MARKUP, 2.0, "max", "instance"),
        Sample("breaker.state", "odd", 99.0, "max", "instance"),
        Sample("breaker.opened", f"{MARKUP}\x1f{MARKUP}", 1e300, "min", "instance"),
        Sample("breaker.retry", MARKUP, -1.0, "max", "instance"),
        Sample("service.declared", f"{MARKUP}\x1f{MARKUP}", 3.0, "max", "instance"),
        Sample("service.probe", MARKUP, 1.0, "max", "instance"),
        Sample("service.probe.error", f"{MARKUP}\x1f{MARKUP}", 1.0, "max", "instance"),
        Sample("service.oldest", MARKUP, 1e300, "max", "instance"),
        Sample("service.in_flight", MARKUP, 1.0, "sum", "instance"),
        Sample("process.cpu.percent", "", None, "sum", "instance"),
    ]
    deep: dict[str, object] = {}
    deep["again"] = deep
    rows = [{MARKUP: MARKUP, 1: 2}, "no row", {MARKUP: None}]
    data = {MARKUP: MARKUP, "n": float("nan"), "deep": deep, "rows": rows, "percent": "N/A", "o": object(), "b": True}
    service.supplied = Supplied(configured=True, data=data)
    service.tick()
    return service
