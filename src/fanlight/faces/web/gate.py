"""The gate: asks who comes, decides with `access.decide`, limits attempts, and writes down whom it refused."""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fanlight.faces.context import FaceContext
from fanlight.faces.errors import FaceError, shown
from fanlight.faces.threads import in_thread
from fanlight.faces.web.access import Caller, Decision, decide, token_match
from fanlight.faces.web.limits import Allowance, Attempts
from fanlight.settings import ROLES

AUDIT_LIMIT: Final = 200
"""Characters of a field in an audit fact."""


class Gate:
    """Decides for one dashboard. Belongs to the serving loop."""

    def __init__(self, context: FaceContext) -> None:
        self._context = context
        self._attempts = Attempts()
        self._refused = Allowance()

    async def admit(self, caller: Caller) -> str:
        """The role a caller gets in with; raises the FaceError of its refusal. Audits refused and unsafe requests."""
        decision = await self._decide(caller)
        if decision.refusal is not None:
            self.audit(caller, decision.role, f"refused: {decision.reason}")
            raise decision.refusal
        if caller.unsafe:
            self.audit(caller, decision.role, "allowed")
        return decision.role

    def check_token(self, caller: Caller, token: str) -> str:
        """The role of a token somebody logs in with; raises FaceError for a wrong one and after too many."""
        self._too_many(caller)
        role = token_match(token, self._context.settings)
        if role:
            self.audit(caller, role, "logged in")
            return role
        self._attempts.failed(caller.peer, self._monotonic())
        self.audit(caller, "", "refused: wrong token")
        raise FaceError(401, "wrong_token", "That token opens nothing here.", _login_detail(self._context))

    def audit(self, caller: Caller, role: str, outcome: str) -> None:
        """Write down a request; floods of refusals are cut short, and the next fact says how many were left out."""
        refused = outcome.startswith("refused")
        if refused and not self._refused.take(self._monotonic()):
            return
        fields = {
            "peer": caller.peer or "unix socket",
            "host": caller.host,
            "method": caller.method,
            "path": caller.path,
            "role": role or "none",
            "outcome": outcome,
        }
        fact: dict[str, Any] = {name: text[:AUDIT_LIMIT] for name, text in fields.items()}
        left_out = self._refused.release() if refused else 0
        self._context.recorder.event("audit", {**fact, "left_out": left_out} if left_out else fact)

    async def _decide(self, caller: Caller) -> Decision:
        settings, now = self._context.settings, self._context.now()
        if self._runs_us(caller):
            return decide(caller, settings, now, "operator")
        wrong = self._tries_wrongly(caller)
        if wrong and self._attempts.wait(caller.peer, self._monotonic()):
            caller_without = replace(caller, headers=_without(caller.headers, "authorization"))
            decision = decide(caller_without, settings, now, await self._granted(caller, ""))
            return decision if decision.refusal is None else replace(decision, refusal=self._limited(caller))
        decision = decide(caller, settings, now)
        if self._context.access is not None and caller.needs and decision.role != "operator":
            granted = await self._granted(caller, decision.role)
            wrong = wrong and not granted
            decision = decide(caller, settings, now, granted)
        if wrong:
            self._attempts.failed(caller.peer, self._monotonic())
        return decision

    def _runs_us(self, caller: Caller) -> bool:
        """Whether it is the command that runs this very process."""
        key = self._context.run_key.encode()
        return bool(key) and hmac.compare_digest(caller.bearer.encode("utf-8", "surrogateescape"), key)

    def _tries_wrongly(self, caller: Caller) -> bool:
        """Whether a bearer token came that does not count: a wrong one, or any while the peer is held off."""
        settings = self._context.settings
        if not caller.bearer or not (settings.token or settings.viewer_token):
            return False
        return bool(self._attempts.wait(caller.peer, self._monotonic())) or not token_match(caller.bearer, settings)

    async def _granted(self, caller: Caller, known: str) -> str:
        """The role the application's own check gives, "" when there is none or it fails."""
        check = self._context.access
        if check is None or not caller.needs:
            return ""
        try:
            if inspect.iscoroutinefunction(check):
                role = await check(caller)
            else:
                role = await in_thread(self._context.pulse.pacer, check, caller)
                role = await role if inspect.isawaitable(role) else role
        except Exception as error:  # the application's code: whatever it raises keeps the door shut
            self._context.recorder.failed("access check", error)
            return ""
        return role if role in ROLES else ""

    def _too_many(self, caller: Caller) -> None:
        if self._attempts.wait(caller.peer, self._monotonic()):
            self.audit(caller, "", "refused: too many attempts")
            raise self._limited(caller)

    def _limited(self, caller: Caller) -> FaceError:
        wait = self._attempts.wait(caller.peer, self._monotonic())
        message = f"Too many wrong tokens came from {shown(caller.peer, 60)}."
        return FaceError(429, "too_many_attempts", message, f"Try again in {wait} s.", {"Retry-After": str(wait)})

    def _monotonic(self) -> float:
        return self._context.clock.monotonic_ns() / 1e9


def _login_detail(context: FaceContext) -> str:
    if context.settings.token or context.settings.viewer_token:
        return "The login link printed at start holds the token in use."
    return "No token is set: set token= (FANLIGHT_TOKEN) first."


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}
