"""Failures on demand: by a header, by the end of a model's name, or by chance."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from fanlight.gateway.simulate.reading import BadRequest

HEADER: Final = "x-simulate"
KINDS: Final = ("hang", "reset", "cut", "garbage", "error", "slow")
"""hang: no answer; reset: the connection closes before the first byte; cut: after half of the answer; garbage: what is
no JSON under a 200; error: an error inside a 200 stream; slow: ten times as slow."""

CHANCE_KINDS: Final = ("429", "500", "503", "cut", "error")
RETRY_AFTER: Final = "1"
_IN_MODEL: Final = re.compile(r"-fail-(\w+)$")
_STATUS: Final = re.compile(r"[45]\d\d")


class Failure(msgspec.Struct, frozen=True):
    """How a request is to fail: `kind` out of KINDS, or a status; neither when it succeeds."""

    kind: str = ""
    status: int = 0


def demanded(headers: Mapping[str, str], model: str, share: float, chance: random.Random) -> Failure:
    """The failure a request asks for, or that chance gives to `share` of all requests.

    Raises BadRequest for a header that names none.
    """
    told, named = headers.get(HEADER, ""), _IN_MODEL.search(model)
    if told and told not in KINDS and not _STATUS.fullmatch(told):
        raise BadRequest(f"{HEADER} is {told[:40]!r}, expected a status from 400 to 599 or one of {', '.join(KINDS)}")
    wanted = told or (named[1] if named else "")
    if not wanted and share and chance.random() < share:
        wanted = chance.choice(CHANCE_KINDS)
    if _STATUS.fullmatch(wanted):
        return Failure(status=int(wanted))
    return Failure(kind=wanted) if wanted in KINDS else Failure()
