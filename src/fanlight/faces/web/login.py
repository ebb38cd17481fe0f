"""Login and logout: a token for a cookie made of it, by the link printed at start or by the form of a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from fanlight.faces.context import VISIT, FaceContext, Visit
from fanlight.faces.errors import FaceError
from fanlight.faces.web.access import CALLER, Caller
from fanlight.faces.web.answers import error_response
from fanlight.faces.web.gate import Gate
from fanlight.faces.web.session import make_session, set_cookie

FORM_LIMIT: Final = 4_096
"""Bytes of a login form."""

FIELD_LIMIT: Final = 10
"""Fields of a login form."""


class Login:
    """The routes `login` and `logout` of one dashboard."""

    def __init__(self, context: FaceContext, gate: Gate) -> None:
        self._context = context
        self._gate = gate

    async def open(self, request: Request) -> Response:
        """The login link: with a token in the query it logs in, without one it shows the form."""
        token = request.query_params.get("token", "")
        if token and request.method == "GET":
            return self._log_in(request, token)
        ask = FaceError(200, "login", "Log in with the dashboard's token.", "It is in the login link printed at start.")
        return error_response(ask, page=True, root=_visit(request).base, login=True)

    async def submit(self, request: Request) -> Response:
        """The form of a refusal page."""
        body = await read_limited(request.stream(), FORM_LIMIT)
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=FIELD_LIMIT)
        except ValueError:
            raise FaceError(
                413, "too_large", f"The form has too many fields; expected at most {FIELD_LIMIT}."
            ) from None
        return self._log_in(request, fields.get("token", [""])[0].strip())

    async def leave(self, request: Request) -> Response:
        """Take the cookie away."""
        return self._redirect(request, "", 0)

    def _log_in(self, request: Request, token: str) -> Response:
        caller: Caller = request.scope[CALLER]
        role = self._gate.check_token(caller, token)
        return self._redirect(request, make_session(role, self._context.settings, self._context.now()))

    def _redirect(self, request: Request, value: str, lifetime: int | None = None) -> Response:
        """To the dashboard's root, without the token in the address."""
        root = _visit(request).base
        secure = "https" in (request.scope.get("scheme"), request.headers.get("x-forwarded-proto", "").lower())
        extra = {} if lifetime is None else {"lifetime": lifetime}
        cookie = set_cookie(value, self._context.settings, root, secure, **extra)
        return Response(status_code=303, headers={"Location": f"{root}/", "Set-Cookie": cookie})


async def read_limited(stream: AsyncIterator[bytes], limit: int) -> bytes:
    """A request's body; raises FaceError 413 past the limit."""
    body = b""
    async for chunk in stream:
        body += chunk
        if len(body) > limit:
            raise FaceError(413, "too_large", f"The body is too large; expected at most {limit} bytes.")
    return body


def _visit(request: Request) -> Visit:
    visit: Visit = request.scope[VISIT]
    return visit
