"""Who may use the gateway's API: Host, Origin and keys, checked on every route before anything else is read."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from fanlight.gateway.asgi import Pair
from fanlight.gateway.config import variable
from fanlight.gateway.llm.routing import Refused
from fanlight.gateway.schema import Config, Role
from fanlight.hosts import host_name, is_loopback_name

HEADERS: Final = frozenset((b"host", b"origin", b"authorization", b"x-api-key", b"api-key", b"content-length"))
"""Those that may come once only."""


HOSTS_REMEMBERED: Final = 64
"""Values of Host whose judgement is remembered: most clients send one and the same."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks: the name of the key ("" where none is needed), its role, the models it may ask (none: all).

    `origin` is the origin of the page that asks, where that is one of the configuration's.
    """

    name: str = ""
    role: Role = "operator"
    models: tuple[str, ...] = ()
    origin: str = ""


LOCAL: Final = Caller()


class Doorkeeper:
    """Decides from a request's headers; holds the keys, and never shows them."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._host_allowed = lru_cache(maxsize=HOSTS_REMEMBERED)(self._judged)
        self._hosts = frozenset(host.lower() for host in config.gateway.hosts)
        self._origins = frozenset(config.gateway.origins)
        self._keys = [
            (variable(("keys", name, "key_env"), key.key_env, environ).encode(), Caller(name, key.role, key.models))
            for name, key in config.keys.items()
        ]

    def admit(self, headers: Iterable[Pair], *, keyless: bool = False) -> Caller:
        """The caller; raises Refused for a foreign Host or Origin, or a wrong key, unless none is asked for."""
        seen: dict[bytes, bytes] = {}
        for name, value in headers:  # names in lower case, as ASGI has them
            if name in HEADERS:
                if name in seen:
                    raise Refused(400, "header_repeated", f"the header {name.decode()} came more than once")
                seen[name] = value
        host = seen.get(b"host", b"")
        if not self._host_allowed(host):
            said = "this Host is no name of the gateway; add it to `hosts` in [gateway]"
            raise Refused(403, "host_not_allowed", said)
        origin = seen[b"origin"].decode("latin-1") if b"origin" in seen else ""
        if origin and not self.origin_allowed(origin, host.decode("latin-1")):
            said = "pages of this Origin may not use the gateway; see `origins` in [gateway]"
            raise Refused(403, "origin_not_allowed", said)
        caller = self._keyed(seen) if self._keys and not keyless else LOCAL
        foreign = bool(origin) and origin in self._origins
        return msgspec.structs.replace(caller, origin=origin) if foreign else caller

    def origin_allowed(self, origin: str, host: str) -> bool:
        """Whether pages of an origin may use the API."""
        return origin in self._origins or origin.partition("://")[2] == host

    def _judged(self, host: bytes) -> bool:
        """A foreign name on a loopback address is DNS rebinding; with keys, and no `hosts`, the keys decide."""
        name = host_name(host.decode("latin-1"))
        if not name:
            return False
        return is_loopback_name(name) or name in self._hosts or (bool(self._keys) and not self._hosts)

    def _keyed(self, seen: Mapping[bytes, bytes]) -> Caller:
        given = seen.get(b"x-api-key") or seen.get(b"api-key") or b""
        scheme, _, rest = seen.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = rest.strip()
        matches = [caller for key, caller in self._keys if hmac.compare_digest(key, given)]
        if not matches:
            said = "this key is not one of the gateway's" if given else "a key is needed, as bearer token or x-api-key"
            raise Refused(401, "invalid_api_key", said)
        return matches[0]
