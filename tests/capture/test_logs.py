"""capture.logs: log lines on the recorder, and an application that logs exactly as without us."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fanlight.capture.logs import (
    MESSAGE_LIMIT,
    TRACEBACK_LIMIT,
    CorrelationFilter,
    LogHandler,
    install_logging,
)
from fanlight.clock import ManualClock
from fanlight.core.context import correlation_id
from fanlight.core.facts import LOG, Fact
from fanlight.core.recorder import Recorder


class Bench:
    """A recorder with its facts at hand, and a logger of its own."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.recorder = Recorder(self.clock)
        self.facts: list[Fact] = []
        self.recorder.append = self.facts.append
        self.handler = LogHandler(self.recorder, **options)
        self.logger = logging.Logger("shop")
        self.logger.addHandler(self.handler)

    @property
    def messages(self) -> list[str]:
        return [fact[7] for fact in self.facts if fact[0] == LOG]

    def counted(self, name: str) -> int:
        return sum(fact[4] for fact in self.facts if fact[0] != LOG and fact[3] == name)


class Lines(logging.Handler):
    """The application's own handler: keeps what it formats."""

    def __init__(self, form: str = "%(correlation_id)s %(message)s") -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter(form))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def root_level() -> Iterator[None]:
    """The root logger's level, put back afterwards."""
    level = logging.root.level
    logging.root.setLevel(logging.WARNING)
    yield
    logging.root.setLevel(level)


@pytest.fixture
def installed() -> Iterator[Callable[..., list[Fact]]]:
    """Installs logging on a new recorder; what it recorded is returned, all is undone at the end."""
    undo: list[Callable[[], None]] = []

    def install(*arguments: Any, **options: Any) -> list[Fact]:
        recorder = Recorder(ManualClock())
        facts: list[Fact] = []
        recorder.append = facts.append
        undo.append(install_logging(recorder, *arguments, **options))
        return facts

    yield install
    for uninstall in undo:
        uninstall()


def test_a_line_is_a_fact_with_all_it_says() -> None:
    """TTY-3, API-3: time, level, logger, message, file, line and correlation ID."""
    bench = Bench()
    token = correlation_id.set("req-1")
    bench.logger.warning("sold %s of %d", "tea", 3)
    correlation_id.reset(token)
    (fact,) = bench.facts
    assert fact[:2] == (LOG, 1)
    assert fact[2:4] == (bench.clock.monotonic_ns(), bench.clock.time_ns())
    assert fact[4:8] == (30, "WARNING", "shop", "sold tea of 3")
    assert fact[8] == "test_logs.py"
    assert fact[9] > 0
    assert fact[10] == "req-1"


def test_a_line_outside_a_request_has_no_id_but_one_it_was_given() -> None:
    """API-3: "" outside a request; a record that carries an ID of its own keeps it."""
    bench = Bench()
    bench.logger.info("plain")
    bench.logger.info("passed on", extra={"correlation_id": "from-queue"})
    bench.logger.info("stamped", extra={"correlation_id": "-"})
    bench.logger.info("odd", extra={"correlation_id": 7})
    assert [fact[10] for fact in bench.facts] == ["", "from-queue", "", ""]


def test_messages_and_tracebacks_are_limited() -> None:
    """TTY-6: a giant line, name or error is cut, and its last line is kept."""
    bench = Bench()
    bench.logger.name = "n" * 1000
    bench.logger.info("x" * 100_000)
    bench.logger.error("y" * 100_000, exc_info=ValueError("z" * 100_000))
    assert bench.messages[0] == "x" * (MESSAGE_LIMIT - 1) + "…"
    assert len(bench.messages[1]) <= MESSAGE_LIMIT + TRACEBACK_LIMIT
    assert "ValueError: zzz" in bench.messages[1]
    assert len(bench.facts[0][6]) == 200


def deep(frames: int) -> None:
    if frames:
        deep(frames - 1)
    raise LookupError("no tea")


def test_a_traceback_keeps_its_end() -> None:
    """TTY-3: an error's line shows the innermost frames and what was raised."""
    bench = Bench()
    try:
        deep(300)
    except LookupError:
        bench.logger.exception("failed")
    (message,) = bench.messages
    assert message.startswith("failed\n")
    assert message.endswith("LookupError: no tea")
    assert len(message) < MESSAGE_LIMIT + TRACEBACK_LIMIT


def test_a_traceback_already_formatted_is_cut_between_lines() -> None:
    """TTY-6: an application's own long rendering is cut where no value loses its name."""
    bench = Bench()
    record = logging.LogRecord("shop", 40, "a.py", 1, "failed", None, None)
    frames = "\n".join(f"  File {number}" for number in range(2000))
    record.exc_text = f"Traceback (most recent call last)\n{frames}\nLookupError: no tea"
    bench.handler.handle(record)
    (message,) = bench.messages
    assert message.splitlines()[1] == "…"
    assert all(line.startswith("  File ") for line in message.splitlines()[2:-1])
    assert message.endswith("  File 1999\nLookupError: no tea")
    assert len(message) <= MESSAGE_LIMIT + TRACEBACK_LIMIT


def test_secrets_and_escapes_do_not_get_in() -> None:
    """X-6: a line's secrets are masked, its terminal escapes dropped, its tracebacks' too."""
    bench = Bench()
    bench.logger.info("\x1b[31mGET /a?token=hunter2\x1b[0m")
    bench.logger.error("", exc_info=ValueError("password=hunter2"))
    assert bench.messages[0] == "GET /a?token=[redacted]"
    assert "hunter2" not in bench.messages[1]


def test_a_flood_is_cut_and_counted() -> None:
    """TTY-6: after a burst so many lines a second are kept; the others are counted, without a fact for each."""
    bench = Bench(rate=2, burst=5)
    for _ in range(20):
        bench.logger.info("again")
    assert len(bench.messages) == 5
    for _ in range(3):
        bench.clock.advance(1)
        for _ in range(10):
            bench.logger.info("again")
    assert len(bench.messages) == 11
    assert len(bench.facts) == 11
    assert list(bench.handler.report_dropped()) == []
    bench.handler.report_dropped()
    assert bench.counted("fanlight.dropped.logs") == 15 + 24


def test_the_burst_comes_back_and_no_more() -> None:
    """TTY-6: quiet time is saved up to one burst."""
    bench = Bench(rate=2, burst=5)
    for _ in range(6):
        bench.logger.info("again")
    bench.clock.advance(3600)
    for _ in range(20):
        bench.logger.info("again")
    assert len(bench.messages) == 10


def test_what_is_dropped_is_not_formatted() -> None:
    """TTY-6: a dropped line costs no formatting."""

    class Argument:
        asked = 0

        def __str__(self) -> str:
            Argument.asked += 1
            return "it"

    bench = Bench(rate=1, burst=1)
    for _ in range(10):
        bench.logger.info("%s", Argument())
    assert Argument.asked == 1


def test_nothing_raises_into_the_application() -> None:
    """TTY-6: arguments that do not fit are shown, arguments that raise are counted."""

    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    bench = Bench()
    bench.logger.info("%d apples", "three")
    bench.logger.info(Hostile())
    bench.logger.info("after")
    assert bench.messages == ["%d apples (its arguments do not fit)", "after"]
    assert bench.counted("fanlight.failures") == 1
    assert "capture.logs" in bench.recorder.last_failure


def test_a_line_caused_by_a_line_is_dropped() -> None:
    """TTY-6: logging while a line is handled does not go round, on this thread only."""
    bench = Bench()

    class Chatty:
        def __str__(self) -> str:
            bench.logger.info("asked for my name")
            other = threading.Thread(target=bench.logger.info, args=("another thread",))
            other.start()
            other.join()
            return "chatty"

    bench.logger.info("%s", Chatty())
    assert bench.messages == ["another thread", "chatty"]
    bench.handler.report_dropped()
    assert bench.counted("fanlight.dropped.logs") == 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("fanlight", False),
        ("fanlight.core.pulse", False),
        ("fanlight.gateway.llm", True),
        ("fanlights", True),
        ("uvicorn", True),
        ("uvicorn.error", True),
        ("uvicorn.access", False),
    ],
)
def test_own_and_access_lines_are_left_out(name: str, kept: bool) -> None:
    """TTY-6: Fanlight's own lines cannot loop; access lines do not say every request twice."""
    bench = Bench()
    bench.logger.name = name
    bench.logger.info("x")
    assert bool(bench.messages) is kept


def test_level_and_filters_of_the_handler_count() -> None:
    """TTY-3: as a handler of the application's own it obeys level and filters."""
    bench = Bench(level="WARNING")
    bench.handler.addFilter(lambda record: "secret" not in record.getMessage())
    bench.logger.info("low")
    bench.logger.warning("secret")
    bench.logger.warning("kept")
    assert bench.messages == ["kept"]


def test_the_filter_puts_the_id_on_the_applications_lines() -> None:
    """API-3: %(correlation_id)s works in a handler's format, "-" outside a request."""
    logger, lines = logging.Logger("shop"), Lines()
    lines.addFilter(CorrelationFilter())
    logger.addHandler(lines)
    logger.warning("outside")
    token = correlation_id.set("req-2")
    logger.warning("inside")
    logger.warning("given", extra={"correlation_id": "mine"})
    correlation_id.reset(token)
    assert lines.lines == ["- outside", "req-2 inside", "mine given"]


def test_installed_every_logger_is_heard_and_stamped(installed: Callable[..., list[Fact]], root_level: None) -> None:
    """API-3: loggers that do not propagate too; their own output carries the correlation ID; no handler is added."""
    logger, lines = logging.getLogger("tests.apart"), Lines()
    logger.propagate = False
    logger.addHandler(lines)
    before = list(logging.root.handlers)
    facts = installed()
    logger.warning("outside")
    token = correlation_id.set("req-3")
    logger.warning("inside")
    correlation_id.reset(token)
    logger.removeHandler(lines)
    assert [(fact[7], fact[10]) for fact in facts] == [("outside", ""), ("inside", "req-3")]
    assert lines.lines == ["- outside", "req-3 inside"]
    assert logging.root.handlers == before


def test_an_extra_named_like_ours_is_the_applications(installed: Callable[..., list[Fact]], root_level: None) -> None:
    """TTY-6: extra={"correlation_id": ...} goes on working, and stays what it was."""
    logger, lines = logging.getLogger("tests.extra"), Lines()
    logger.addHandler(lines)
    installed()
    logger.warning("mine", extra={"correlation_id": "app-1"})
    logger.removeHandler(lines)
    assert lines.lines == ["app-1 mine"]


def test_levels_stay_unless_lowering_is_asked_for(installed: Callable[..., list[Fact]], root_level: None) -> None:
    """TTY-3: with root at WARNING an INFO line does not exist; installing changes no level."""
    facts = installed("INFO")
    logging.getLogger("tests.levels").info("quiet")
    assert facts == []
    assert logging.root.level == logging.WARNING
    assert not logging.getLogger("tests.levels").isEnabledFor(logging.INFO)


def test_lowered_lines_reach_us_and_nobody_else(installed: Callable[..., list[Fact]], root_level: None) -> None:
    """TTY-3: info and above when asked for, while the application prints what it always did."""
    lines = Lines()
    logging.root.addHandler(lines)
    facts = installed("INFO", lower=True)
    verbose = logging.getLogger("tests.verbose")
    verbose.setLevel(logging.DEBUG)
    logging.getLogger("tests.lowered").info("for us")
    logging.getLogger("tests.lowered").warning("for both")
    verbose.info("for both too")
    logging.root.removeHandler(lines)
    verbose.setLevel(logging.NOTSET)
    assert [fact[7] for fact in facts] == ["for us", "for both", "for both too"]
    assert lines.lines == ["- for both", "- for both too"]


def test_a_level_set_by_the_application_wins(installed: Callable[..., list[Fact]], root_level: None) -> None:
    """TTY-3: root.setLevel after us is obeyed at once, even to the very level we lowered it to."""
    lines = Lines()
    logging.root.addHandler(lines)
    installed("INFO", lower=True)
    logging.root.setLevel(logging.INFO)
    logging.getLogger("tests.own").info("seen")
    logging.root.removeHandler(lines)
    assert lines.lines == ["- seen"]
    assert logging.root.level == logging.INFO


def test_uninstalling_in_any_order_leaves_all_as_it_was(root_level: None) -> None:
    """TTY-6: two dashboards, each uninstalled once or twice; the last one out restores everything."""
    before = logging.Logger.callHandlers
    first, second = Recorder(ManualClock()), Recorder(ManualClock())
    leave_first = install_logging(first, "INFO", lower=True)
    leave_second = install_logging(second, "DEBUG", lower=True)
    assert logging.root.level == logging.DEBUG
    leave_second()
    leave_second()
    assert logging.root.level == logging.INFO
    leave_first()
    assert logging.root.level == logging.WARNING
    assert logging.Logger.callHandlers is before
    assert first.samplers == second.samplers == []


def test_a_wrapper_put_over_ours_survives(root_level: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: another tool that wraps the same method is not undone, and installing again captures once."""
    original = logging.Logger.callHandlers
    uninstall = install_logging(Recorder(ManualClock()))
    ours = logging.Logger.callHandlers
    heard: list[str] = []

    def theirs(logger: logging.Logger, record: logging.LogRecord) -> None:
        heard.append(record.getMessage())
        ours(logger, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", theirs)
    uninstall()
    recorder = Recorder(ManualClock())
    facts: list[Fact] = []
    recorder.append = facts.append
    again = install_logging(recorder)
    logging.getLogger("tests.wrapped").warning("once")
    again()
    assert heard == ["once"]
    assert [fact[7] for fact in facts] == ["once"]
    assert logging.Logger.callHandlers is theirs
    monkeypatch.setattr(logging.Logger, "callHandlers", original)


def test_a_handler_that_raises_goes_on_raising(installed: Callable[..., list[Fact]], root_level: None) -> None:
    """TTY-6: what the application's handler raises reaches the application, and the line is kept."""

    class Fails(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    logger, handler = logging.getLogger("tests.fails"), Fails()
    logger.addHandler(handler)
    facts = installed()
    with pytest.raises(OSError, match="disk full"):
        logger.warning("kept")
    logger.removeHandler(handler)
    assert [fact[7] for fact in facts] == ["kept"]


def test_dropped_lines_are_reported_by_the_recorders_samplers(root_level: None) -> None:
    """TTY-6: the flood's count arrives with the next frame."""
    clock = ManualClock()
    recorder = Recorder(clock)
    uninstall = install_logging(recorder)
    logger = logging.getLogger("tests.flood")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    for _ in range(1500):
        logger.warning("again")
    frames = [recorder.take()]
    clock.advance(1)
    frames.append(recorder.take())
    uninstall()
    assert frames[0].counters["log.lines.warning"] == 1000
    assert frames[1].counters["fanlight.dropped.logs"] == 500


APPLICATIONS = {
    "nothing configured: the last resort prints warnings": """
        install()
        logging.warning("to stderr")
        logging.getLogger("shop").error("to stderr too")
        logging.getLogger("shop").info("nowhere")
    """,
    "basicConfig after us": """
        install()
        logging.basicConfig(level=logging.INFO, format="%(levelname)s|%(name)s|%(message)s")
        logging.getLogger("shop").info("shown")
        logging.getLogger("shop").debug("not shown")
    """,
    "basicConfig before us": """
        logging.basicConfig(level=logging.INFO, format="%(levelname)s|%(name)s|%(funcName)s|%(lineno)d|%(message)s")
        install()
        logging.getLogger("shop").info("shown")
    """,
    "dictConfig after us": """
        install()
        logging.config.dictConfig({
            "version": 1,
            "formatters": {"plain": {"format": "%(name)s:%(message)s"}},
            "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "root": {"level": "WARNING", "handlers": ["out"]},
            "loggers": {"shop.orders": {"level": "DEBUG", "propagate": False, "handlers": ["out"]}},
        })
        logging.getLogger("shop").info("not shown")
        logging.getLogger("shop").warning("shown")
        logging.getLogger("shop.orders").debug("shown")
    """,
    "a record factory and a subclass of Logger": """
        old = logging.getLogRecordFactory()
        def factory(*arguments, **more):
            record = old(*arguments, **more)
            record.shop = "tea"
            return record
        class Own(logging.Logger):
            def callHandlers(self, record):
                record.msg = f"own {record.msg}"
                super().callHandlers(record)
        install()
        logging.setLogRecordFactory(factory)
        logging.setLoggerClass(Own)
        logging.basicConfig(format="%(shop)s|%(message)s")
        logging.getLogger("shop").warning("shown", extra={"correlation_id": "mine"})
    """,
    "broken arguments and warnings as logs": """
        install()
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.basicConfig(format="%(message)s")
        try:
            logging.getLogger("shop").warning("%d", "three", exc_info=True)
        finally:
            logging.shutdown()
    """,
}


def output(source: str, install: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of an application run with this way of installing."""
    head = f"""\
        import logging, logging.config, warnings
        logging.raiseExceptions = False
        from fanlight.capture.logs import install_logging
        from fanlight.clock import SystemClock
        from fanlight.core.recorder import Recorder
        recorder = Recorder(SystemClock())
        def install():
            {install}
    """
    program = textwrap.dedent(head) + textwrap.dedent(source) + "print(recorder.pending)\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("lower", [False, True])
def test_the_application_logs_exactly_as_without_us(name: str, lower: bool) -> None:
    """TTY-6: last resort, basicConfig, dictConfig, factories: the same is printed to the byte, and we hear it."""
    status, _, without = output(APPLICATIONS[name], "pass")
    captured_status, captured, printed = output(APPLICATIONS[name], f"install_logging(recorder, 'INFO', lower={lower})")
    assert (captured_status, printed) == (status, without)
    assert status == 0, without
    assert int(captured) >= 1
