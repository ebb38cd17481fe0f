"""faces.web.gate: the application's own check, limits and the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.service import ScriptedService
from tests.faces.serving import context_of

from fanlight.faces.context import FaceContext
from fanlight.faces.errors import FaceError
from fanlight.faces.web.access import Caller
from fanlight.faces.web.gate import Gate
from fanlight.faces.web.limits import ATTEMPTS, WINDOW

VIEWER = "viewer-token-0123456789"
OPERATOR = "operator-token-0123456789"
WRONG = {"host": "chat.example", "authorization": "Bearer wrong-token-0123456789"}
RIGHT = {"host": "chat.example", "authorization": f"Bearer {OPERATOR}"}


def stranger(**facts: Any) -> Caller:
    return Caller(**{"peer": "203.0.113.9", "headers": {"host": "chat.example"}, **facts})


def admit(gate: Gate, caller: Caller) -> str:
    return asyncio.run(gate.admit(caller))


def status(gate: Gate, caller: Caller) -> int:
    """The status of a refusal, 200 for somebody let in."""
    try:
        admit(gate, caller)
    except FaceError as error:
        return error.status
    return 200


def audited(service: ScriptedService) -> list[dict[str, Any]]:
    """What the audit says, the oldest first."""
    service.tick()
    return [record.data["fields"] for record in reversed(service.snapshot().audit)]


def sync_check(caller: Caller) -> str | None:
    return "viewer" if caller.headers.get("x-user") == "ada" else None


async def async_check(caller: Caller) -> str | None:
    return sync_check(caller)


class ObjectCheck:
    async def __call__(self, caller: Caller) -> str | None:
        return sync_check(caller)


@pytest.mark.parametrize("check", [sync_check, async_check, ObjectCheck()])
def test_the_applications_own_check_lets_in(check: Callable[[Caller], str | Awaitable[str | None] | None]) -> None:
    """X-6: access= may be sync or async, sees the request's headers, and gives a role."""
    gate = Gate(context_of(ScriptedService(), access=check))
    assert admit(gate, stranger(headers={"host": "chat.example", "x-user": "ada"})) == "viewer"
    assert status(gate, stranger()) == 403


def test_a_failing_check_keeps_the_door_shut() -> None:
    """X-6: a check that raises, or returns no role, lets nobody in; the failure is counted."""

    def failing(caller: Caller) -> str:
        raise RuntimeError("session store down")

    service = ScriptedService()
    assert status(Gate(context_of(service, access=failing)), stranger()) == 403
    assert "session store down" in service.recorder.last_failure
    assert status(Gate(context_of(service, access=lambda caller: "root")), stranger()) == 403


def test_the_local_machine_does_not_need_the_check() -> None:
    """X-6: the local rule stays beside the application's check."""
    gate = Gate(context_of(ScriptedService(), access=sync_check))
    assert admit(gate, Caller(peer="127.0.0.1", headers={"host": "localhost"})) == "viewer"


def limited_gate() -> tuple[ScriptedService, FaceContext, Gate]:
    service = ScriptedService(token=OPERATOR)
    context = context_of(service)
    return service, context, Gate(context)


def test_guessing_is_limited() -> None:
    """X-6: after ten wrong tokens a peer gets 429 with Retry-After, for the right one too, until the minute is over."""
    service, _, gate = limited_gate()
    assert [status(gate, stranger(headers=WRONG)) for _ in range(ATTEMPTS)] == [401] * ATTEMPTS
    with pytest.raises(FaceError) as refused:
        admit(gate, stranger(headers=RIGHT))
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": str(int(WINDOW))})
    assert admit(gate, stranger(headers=RIGHT, peer="203.0.113.10")) == "operator"
    service.clock.advance(WINDOW)
    assert admit(gate, stranger(headers=RIGHT)) == "operator"


def test_guessing_on_the_local_machine_is_limited_too() -> None:
    """X-6: a token closes the local way in too, since a proxy there looks the same, and guessing is limited there."""
    _, _, gate = limited_gate()
    local: dict[str, Any] = {"peer": "127.0.0.1"}
    assert status(gate, Caller(**local, headers={"host": "localhost"})) == 401
    for _ in range(ATTEMPTS):
        assert status(gate, Caller(**local, headers={**WRONG, "host": "localhost"})) == 401
    assert status(gate, Caller(**local, headers={**RIGHT, "host": "localhost"})) == 429
    with pytest.raises(FaceError, match="Too many"):
        gate.check_token(Caller(**local), OPERATOR)


def test_a_bearer_of_the_applications_own_is_no_attempt() -> None:
    """X-6: where the application's check lets somebody in, their bearer token is the application's business."""
    gate = Gate(context_of(ScriptedService(token=OPERATOR), access=lambda caller: "viewer"))
    for _ in range(ATTEMPTS * 2):
        assert admit(gate, stranger(headers=WRONG)) == "viewer"


def test_logins_count_as_attempts() -> None:
    """X-6: the login is limited like the bearer token."""
    _, _, gate = limited_gate()
    for _ in range(ATTEMPTS):
        with pytest.raises(FaceError, match="opens nothing"):
            gate.check_token(stranger(), "wrong-token-0123456789")
    with pytest.raises(FaceError, match="Too many"):
        gate.check_token(stranger(), OPERATOR)


def test_refused_and_unsafe_requests_are_audited() -> None:
    """API-10, X-6: who came from where, for what, in which role, and what became of it; reading is not written down."""
    service = ScriptedService(token=OPERATOR, viewer_token=VIEWER)
    gate = Gate(context_of(service))
    looking = {"host": "localhost", "authorization": f"Bearer {VIEWER}"}
    local: dict[str, Any] = {"peer": "127.0.0.1", "headers": looking}
    admit(gate, Caller(**local))
    status(gate, stranger(path="/logs"))
    status(gate, Caller(**local, method="POST", path="/actions/clear-cache", needs="operator"))
    admit(gate, stranger(headers=RIGHT, method="POST", path="/actions/clear-cache", needs="operator"))
    facts = [(fact["peer"], fact["method"], fact["path"], fact["role"], fact["outcome"]) for fact in audited(service)]
    assert facts == [
        ("203.0.113.9", "GET", "/logs", "none", "refused: closed"),
        ("127.0.0.1", "POST", "/actions/clear-cache", "viewer", "refused: role"),
        ("203.0.113.9", "POST", "/actions/clear-cache", "operator", "allowed"),
    ]


def test_a_flood_of_refusals_does_not_flood_the_audit() -> None:
    """API-10, TTY-6: the audit of refusals is rate-limited and says how many it left out; operators' acts all stay."""
    service, _, gate = limited_gate()
    for _ in range(100):
        status(gate, stranger(path="/" + "x" * 5_000))
    for _ in range(30):
        admit(gate, stranger(headers=RIGHT, method="POST", path="/actions/clear-cache", needs="operator"))
    service.clock.advance(5)
    status(gate, stranger())
    facts = audited(service)
    assert len(facts) == 20 + 30 + 1
    assert facts[-1]["left_out"] == 80
    assert len(facts[0]["path"]) == 200


@pytest.mark.parametrize("settings", [{}, {"token": OPERATOR}])
def test_the_run_key_is_an_operators_and_closes_no_door(settings: dict[str, str]) -> None:
    """TTY-1, X-6: the command that runs a process comes in with its key, whatever tokens are set."""
    service = ScriptedService(**settings)
    key = "run-key-of-thirty-two-characters"
    gate = Gate(context_of(service, run_key=key))
    bearer = {"host": "chat.example", "authorization": f"Bearer {key}"}
    for _ in range(ATTEMPTS + 1):
        assert admit(gate, stranger(headers=bearer)) == "operator"
        assert admit(gate, stranger(headers=bearer, method="POST", needs="operator")) == "operator"
    assert status(gate, stranger()) in (401, 403)
    assert status(gate, stranger(headers={**bearer, "origin": "https://evil.example"}, method="POST")) == 403
    without = Gate(context_of(service))
    assert status(without, stranger(headers={"host": "chat.example", "authorization": "Bearer "})) in (401, 403)
    assert status(without, stranger(headers=bearer)) in (401, 403)
