"""Who gets in: one pure decision over what a request says of itself.

The rule, in order; the highest role that applies counts:
1. The local machine: peer loopback, Host a loopback name or one of `allowed_hosts`, HTTP/1.1 or later, no forwarding
   header (a reverse proxy on this machine looks local, so any sign of one closes this way in). Gives `local_role`.
2. A token, as bearer or as the cookie the login made of it. Gives the token's role, under any Host.
3. The application's own check.

Unsafe methods must also come from the dashboard's own pages. A peer without an address (a UNIX socket) is most likely a
proxy and so not local; `allowed_hosts` containing "unix:" says otherwise.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fanlight.faces.errors import FaceError, shown
from fanlight.faces.web.session import read_session, session_cookies
from fanlight.hosts import host_name, is_loopback, is_loopback_name
from fanlight.settings import Settings

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

CALLER: Final = "fanlight.caller"
"""Where a request's scope holds its Caller."""

UNIX_SOCKETS: Final = "unix:"
"""In `allowed_hosts`: peers on a UNIX socket are the local machine."""

_RANK: Final = {"": 0, "viewer": 1, "operator": 2}
_FORWARDING: Final = frozenset(
    {
        "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-host", "x-original-url",
        "x-rewrite-url", "x-scheme", "true-client-ip", "client-ip", "cf-connecting-ip", "cf-ray", "cf-visitor",
        "cdn-loop", "fastly-client-ip", "fly-client-ip", "x-amzn-trace-id", "x-envoy-external-address",
        "x-cloud-trace-context", "x-arr-log-id", "x-proxyuser-ip", "wl-proxy-client-ip", "proxy-client-ip",
        "forwarded-for", "x-nginx-proxy", "x-request-start", "x-varnish", "surrogate-capability",
    }
)  # fmt: skip
_FORWARDING_PREFIXES: Final = (
    "x-forwarded", "x-original-forwarded-", "x-envoy-", "x-appengine-", "x-vercel-", "x-azure-", "x-goog-", "fly-",
    "cloudfront-", "tailscale-",
)  # fmt: skip
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Caller:
    """What a request says of itself; also what the application's own check is given.

    `peer` is the address that connected, "" for a UNIX socket; `path` is relative to the dashboard's root; header
    names are lower-case, repeated headers joined. `needs` is the least role the request asks for, "" for none.
    """

    peer: str = ""
    method: str = "GET"
    path: str = "/"
    http_version: str = "1.1"
    scheme: str = "http"
    headers: Mapping[str, str] = field(default_factory=dict)
    needs: str = "viewer"
    handshake: bool = False
    scope: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def host(self) -> str:
        """The Host header, "" when there is none."""
        return self.headers.get("host", "")

    @property
    def bearer(self) -> str:
        """The bearer token, "" when there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def unsafe(self) -> bool:
        """Whether it may change something; a WebSocket handshake counts, browsers send one to any origin."""
        return self.handshake or self.method not in SAFE_METHODS

    @property
    def from_browser(self) -> bool:
        """Whether a person would see the answer."""
        return "text/html" in self.headers.get("accept", "") and "hx-request" not in self.headers


@dataclass(frozen=True)
class Decision:
    """Whether a request gets in, as whom, and if not, the error that says why and what opens the door."""

    role: str = ""
    reason: str = ""
    refusal: FaceError | None = None


def decide(caller: Caller, settings: Settings, now: float, granted: str = "") -> Decision:
    """Who gets in, and as what; pure. `granted` is the role the application's own check gave, `now` Unix seconds."""
    closed = why_not_local(caller, settings)
    local = settings.local_role if not closed else ""
    role = max((local, token_role(caller, settings, now), granted), key=lambda name: _RANK.get(name, 0))
    role = role if role in _RANK else ""
    if caller.unsafe and not _from_own_pages(caller):
        return Decision(role, "cross_site", _cross_site(caller))
    if _RANK[role] >= _RANK[caller.needs]:
        return Decision(role)
    if role:
        return Decision(role, "role", _needs_operator(caller, settings))
    return Decision("", "closed", _closed(caller, settings, closed))


def token_role(caller: Caller, settings: Settings, now: float) -> str:
    """The role of the token a request carries, "" for none or a wrong one."""
    cookies = session_cookies(caller.headers.get("cookie", ""), settings)
    roles = (read_session(cookie, settings, now) for cookie in cookies)
    return max((token_match(caller.bearer, settings), *roles), key=_RANK.__getitem__)


def token_match(token: str, settings: Settings) -> str:
    """The role a token gives; both are compared whatever the first says, in constant time."""
    given = token.encode("utf-8", "surrogateescape")
    operator = hmac.compare_digest(given, settings.token.encode()) and bool(settings.token)
    viewer = hmac.compare_digest(given, settings.viewer_token.encode()) and bool(settings.viewer_token)
    return "operator" if operator else "viewer" if viewer else ""


def why_not_local(caller: Caller, settings: Settings) -> str:
    """Why a request is not taken for the local machine's, as a clause; "" when it is.

    A token closes the local rule too: many proxies pass strangers on from loopback, with a loopback Host and no
    forwarding header, and nothing in the request tells them from the local machine.
    """
    if settings.token or settings.viewer_token:
        return "a token is set, and then everybody needs one"
    if not caller.peer and UNIX_SOCKETS not in settings.allowed_hosts:
        return 'it came over a UNIX socket, behind which a proxy is likely (allowed_hosts="unix:" trusts it)'
    if caller.peer and not is_loopback(caller.peer):
        return "it came from another machine"
    if not _host_allowed(caller.host, settings):
        return f"the Host {shown(caller.host)} is no name of this machine (allowed_hosts adds names)"
    if not _modern(caller.http_version):
        return f"it speaks HTTP/{caller.http_version[:8]}, as proxies do"
    forwarding = forwarding_header(caller.headers)
    return f"the header {shown(forwarding, 40)} says that a proxy passed it on" if forwarding else ""


def forwarding_header(headers: Mapping[str, str]) -> str:
    """The name of a header that shows a proxy, "" when there is none."""
    shows = (name for name in headers if _shows_proxy(name.replace("_", "-")))
    return next(shows, "connection" if _always_upgrades(headers) else "")


def _shows_proxy(name: str) -> bool:
    return name in _FORWARDING or name.startswith(_FORWARDING_PREFIXES)


def _always_upgrades(headers: Mapping[str, str]) -> bool:
    """`Connection: upgrade` to nothing: what proxies set on every request once they are to pass WebSockets on."""
    wishes = {wish.strip() for wish in headers.get("connection", "").lower().split(",")}
    return "upgrade" in wishes and not headers.get("upgrade")


def _host_allowed(host: str, settings: Settings) -> bool:
    """DNS rebinding brings a foreign name to a loopback address: only names that mean this machine pass."""
    given = host.lower()
    allowed = {name.lower() for name in settings.allowed_hosts} - {UNIX_SOCKETS}
    name = host_name(given)
    return name in allowed or given in allowed or is_loopback_name(name)


def _modern(http_version: str) -> bool:
    try:
        return float(http_version) >= 1.1
    except ValueError:
        return False


def _from_own_pages(caller: Caller) -> bool:
    """Browsers say where a request comes from; what says nothing is no browser, and has no ambient rights to abuse."""
    site = caller.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = caller.headers.get("origin")
    return origin is None or _same_origin(origin.lower(), caller.host.lower())


def _same_origin(origin: str, host: str) -> bool:
    scheme, separator, place = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme)
    return (
        default is not None and bool(separator and host) and place.removesuffix(default) == host.removesuffix(default)
    )


def _seen(caller: Caller) -> str:
    peer = shown(caller.peer, 60) if caller.peer else "a UNIX socket"
    return f"Seen: peer {peer}, Host {shown(caller.host)}."


def _closed(caller: Caller, settings: Settings, why: str) -> FaceError:
    message = f"This dashboard is closed to this request: {why}."
    if settings.token or settings.viewer_token:
        way = "Send a token as bearer, or open the login link printed at start."
        return FaceError(401, "unauthorized", message, f"{_seen(caller)} {way}", {"WWW-Authenticate": "Bearer"})
    way = "To let others in, set token= (FANLIGHT_TOKEN) and open the login link printed at start."
    return FaceError(403, "forbidden", message, f"{_seen(caller)} {way}")


def _needs_operator(caller: Caller, settings: Settings) -> FaceError:
    way = "Log in with the operator's token." if settings.token else "Set token= (FANLIGHT_TOKEN) and log in with it."
    detail = f'{_seen(caller)} {way} On a development machine local_role="operator" lets the local machine act.'
    return FaceError(403, "operator_only", "Viewers see everything and change nothing.", detail)


def _cross_site(caller: Caller) -> FaceError:
    site, origin = caller.headers.get("sec-fetch-site"), caller.headers.get("origin", "")
    what = f"Sec-Fetch-Site is {shown(site, 20)}" if site is not None else f"Origin is {shown(origin)}"
    detail = f"{_seen(caller)} {what}; expected the dashboard's own origin. Behind a proxy, pass the Host header on."
    return FaceError(403, "cross_site", "This request did not come from the dashboard's own pages.", detail)
