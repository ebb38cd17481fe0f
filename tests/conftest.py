"""What tests of several kinds share: tools that are not Python packages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest
from tests.redis_server import RedisServer
from tests.reports import pytest_runtest_makereport

from fanlight.core.context import correlation_id
from fanlight.core.pacer import Pacer

__all__ = ["pytest_runtest_makereport"]


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool, which `make test` installs; without it the tests that need it are skipped, visibly."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    return found


@pytest.fixture(scope="session", autouse=True)
def no_files_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Dashboards without a store keep their history in memory, and nothing is ever written into the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FANLIGHT_STORE", "memory://")
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_pauses() -> Iterator[None]:
    """Background work of this process steps aside without a pause: simulated hours would be spent in pauses."""
    now_ns, _, *rest = Pacer.__init__.__defaults__ or ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pacer.__init__, "__defaults__", (now_ns, lambda _: time.sleep(0), *rest))
        yield


@pytest.fixture(autouse=True)
def outside_a_request() -> None:
    """Each test begins outside of any request: after an exception a correlation ID stays set in its context."""
    correlation_id.set("")


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server for all tests of this process; a test that uses it begins with `FLUSHALL`."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server of the test's own, to be hung, killed and started again; it saves every write to its file."""
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    yield server
    server.kill()
