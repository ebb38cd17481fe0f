"""The one place where Fanlight uses the library redis itself: a client with short timeouts, for one or a cluster.

Every error becomes one line that names the server and never the password.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from fanlight.core.context import own_work
from fanlight.core.records import text
from fanlight.errors import StoreError

CONNECT_SECONDS: Final = 2.0
"""How long a connection may take."""
COMMAND_SECONDS: Final = 2.0
"""How long an answer may take."""
CONNECTIONS: Final = 16
"""Connections to one server at most; further threads wait for one."""
REASON_LIMIT: Final = 200
"""Characters kept of what the library or the server said."""
INSTALL: Final = "the library for redis:// is not installed; pip install 'fanlight[redis]'"
EXPECTED: Final = (
    "expected redis://[user:password@]host[:port][/database], or rediss:// for TLS, "
    "with / : @ # ? of a password written as %2F %3A %40 %23 %3F"
)
TLS_OPTIONS: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})
"""What may follow the `?` of a rediss:// URL; the library's own names."""


class Script(NamedTuple):
    """A Lua script and the name a server that has run it knows it by."""

    source: str
    digest: str


def script(source: str) -> Script:
    """The script, ready to be run."""
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class Address(NamedTuple):
    """Where a Redis is, and how to get in."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None
    tls: Mapping[str, Any] | None
    path: str = ""
    """Of a socket of this machine, instead of host and port."""

    @property
    def url(self) -> str:
        """The address as it may be shown: without user, password and options."""
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'redis' if self.tls is None else 'rediss'}://{host}:{self.port}/{self.database}"


def parse(url: str) -> Address:
    """The address that a redis:// or rediss:// URL names; StoreError, which repeats nothing of it, for another."""
    scheme = url.partition("://")[0]
    if scheme not in ("redis", "rediss"):
        raise StoreError(f"this is not the URL of a Redis; {EXPECTED}")
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
        database = int(parts.path.strip("/") or 0)
    except ValueError:
        raise StoreError(f"the {scheme}:// URL cannot be read; {EXPECTED}") from None
    if not parts.hostname or database < 0 or parts.fragment:
        raise StoreError(f"the {scheme}:// URL names no server; {EXPECTED}")
    return Address(parts.hostname, port, database, _decoded(parts.username), _decoded(parts.password), _tls(parts))


def _decoded(part: str | None) -> str | None:
    return unquote(part) if part else None


def _tls(parts: SplitResult) -> Mapping[str, str] | None:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    allowed = TLS_OPTIONS if parts.scheme == "rediss" else frozenset()
    if not options.keys() <= allowed:
        known = ", ".join(sorted(TLS_OPTIONS))
        raise StoreError(f"the {parts.scheme}:// URL carries options that are not known; rediss:// takes {known}")
    return options if parts.scheme == "rediss" else None


def address_of(client: Any) -> Address:
    """Where a client of the library redis, sync or async, is connected to; StoreError for anything else.

    What is returned is for connections of our own, with our own timeouts: the client itself is not used.
    """
    options = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    if not isinstance(options, Mapping) or options.get("credential_provider") is not None:
        raise StoreError(f"cannot tell where {type(client).__name__} connects to; give its redis:// or rediss:// URL")
    secured = "SSL" in getattr(client.connection_pool.connection_class, "__name__", "")
    return Address(
        host=str(options.get("host") or "localhost"),
        port=int(options.get("port") or 6379),
        database=int(options.get("db") or 0),
        username=options.get("username"),
        password=options.get("password"),
        tls={name: options[name] for name in TLS_OPTIONS if options.get(name) is not None} if secured else None,
        path=str(options.get("path") or ""),
    )


class RedisClient:
    """Commands and scripts on the Redis at an address. Thread-safe; blocks; raises StoreError and nothing else.

    Nothing is sent before the first call. A lost connection is made again, once, within the call. Whether the server is
    one of a Redis Cluster is asked at the first call.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._redis = _library()
        self._lock = threading.Lock()
        self._client: Any = None
        self._closed = False

    def call(self, *words: Any) -> Any:
        """The answer to one command."""
        return self._guarded(lambda client: client.execute_command(*words))

    def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """What the script returns; sent whole only to a server that does not know it."""

        def act(client: Any) -> Any:
            try:
                return client.evalsha(script.digest, len(keys), *keys, *arguments)
            except self._redis.exceptions.NoScriptError:
                return client.eval(script.source, len(keys), *keys, *arguments)

        return self._guarded(act)

    def close(self) -> None:
        """Let go of the connections; any call afterwards raises StoreError."""
        with self._lock:
            client, self._client, self._closed = self._client, None, True
        if client is not None:
            client.close()

    def _guarded(self, act: Callable[[Any], Any]) -> Any:
        try:
            with own_work():
                return act(self._connected())
        except (self._redis.exceptions.RedisError, OSError, UnicodeError) as error:
            raise StoreError(f"the Redis at {self.address.url} {self._reason(error)}") from error

    def _reason(self, error: Exception) -> str:
        if isinstance(error, self._redis.exceptions.TimeoutError):
            return f"gave no answer within {COMMAND_SECONDS:g} s; see whether it hangs"
        said = str(error)
        for secret in filter(None, (self.address.password, self.address.username)):
            said = said.replace(secret, "…")
        said = " ".join(text(said, REASON_LIMIT).split()).rstrip(".")
        if isinstance(error, self._redis.exceptions.AuthenticationError):
            return f"wants another user or password ({said}); write them into the URL"
        if isinstance(error, self._redis.exceptions.ConnectionError | OSError):
            return f"cannot be reached ({said}); start it, or correct the URL"
        return f"refused ({said})"

    def _connected(self) -> Any:
        client = self._client
        if client is not None:
            return client
        with self._lock:
            if self._closed:
                raise StoreError(f"the store {self.address.url} was closed; open it again to use it")
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        single = self._single()
        try:
            clustered = bool(single.info("cluster").get("cluster_enabled"))
        except self._redis.exceptions.NoPermissionError:
            clustered = False
        except BaseException:
            single.close()
            raise
        if not clustered:
            return single
        single.close()
        tls = {} if self.address.tls is None else {"ssl": True, **self.address.tls}
        return self._redis.cluster.RedisCluster(
            host=self.address.host, port=self.address.port, require_full_coverage=False, **self._options(), **tls
        )

    def _single(self) -> Any:
        address, connections = self.address, self._redis.connection
        where: dict[str, Any] = {"host": address.host, "port": address.port, **(address.tls or {})}
        kind = connections.Connection if address.tls is None else connections.SSLConnection
        if address.path:
            kind, where = connections.UnixDomainSocketConnection, {"path": address.path}
        pool = connections.BlockingConnectionPool(
            CONNECTIONS, COMMAND_SECONDS, kind, db=address.database, **where, **self._options()
        )
        return self._redis.Redis.from_pool(pool)

    def _options(self) -> dict[str, Any]:
        lost = (self._redis.exceptions.ConnectionError,)
        return {
            "username": self.address.username,
            "password": self.address.password,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": COMMAND_SECONDS,
            "retry": self._redis.retry.Retry(self._redis.backoff.NoBackoff(), 1, supported_errors=lost),
            "protocol": 2,
        }


def _library() -> Any:
    """The library, imported when a Redis is first asked for."""
    try:
        import redis
        import redis.backoff
        import redis.cluster
        import redis.connection
        import redis.retry
    except ImportError:
        raise StoreError(INSTALL) from None
    return redis
