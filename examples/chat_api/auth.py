"""Bearer tokens: a user name and its signature, so that every worker can check one without asking anybody.

Signing in takes a name and no password, because this is a demonstration. Users whose name starts with "guest" may
only read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Annotated

from fastapi import Depends, HTTPException, Request

GUEST = "guest"


def issue(user: str) -> str:
    """The token of this user."""
    return f"{user}.{_signature(user)}"


def user_of(token: str) -> str:
    """The user a token was issued to, "" if it was not issued here."""
    user, _, signature = token.rpartition(".")
    known = user and hmac.compare_digest(signature.encode(), _signature(user).encode())
    return user if known else ""


def may_write(user: str) -> bool:
    """Whether this user may change anything."""
    return bool(user) and not user.startswith(GUEST)


def _signature(user: str) -> str:
    key = os.environ.get("CHAT_SECRET", "only for the demonstration")
    return hmac.new(key.encode(), user.encode(), hashlib.sha256).hexdigest()[:32]


def signed_in(request: Request) -> str:
    """The user of a request; 401 without a valid bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = user_of(token.strip()) if scheme.lower() == "bearer" else ""
    if not user:
        raise HTTPException(401, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"})
    return user


def writer(user: Annotated[str, Depends(signed_in)]) -> str:
    """The user of a request that changes something; 401 unknown, 403 for guests."""
    if not may_write(user):
        raise HTTPException(403, f"{user} may only read")
    return user


Writer = Annotated[str, Depends(writer)]
