"""Records are facts as plain data, cut to size."""

from __future__ import annotations

from enum import IntEnum

import pytest

from fanlight.core import records
from fanlight.core.facts import DISCONNECTED, EVENT, LOG, REQUEST, SOCKET, STREAM
from fanlight.errors import FanlightError


class Colour(IntEnum):
    RED = 1


class Reading(float):
    """A number as numpy has them."""


def test_a_request_is_told_whole() -> None:
    """X-4: who asked what, how it ended, how long it took, with the error in a line; ids carry the sequence."""
    fact = (
        REQUEST, 31, 5_000_000_000, 250_000_000, 100_000_000, "GET", None, "", 504, STREAM | DISCONNECTED, "/a?", "c-1",
        ValueError("no"),
    )  # fmt: skip
    record = records.request(fact, "tag", 1_000_000_000, "web-1", "/a")
    assert (record.at, record.id, record.kind) == (6.0, "tag-0000001f", "request")
    assert record.data == {
        "method": "GET", "route": "/a", "path": "/a?", "status": 504, "duration": 0.25, "first_byte": 0.1,
        "stream": True, "disconnected": True, "error_type": "timeout", "error": "ValueError: no",
        "correlation_id": "c-1", "instance": "web-1",
    }  # fmt: skip


def test_a_socket_event_is_told_whole() -> None:
    """API-4: event, group, user and connections; a connect is no error, whatever its code."""
    fact = (SOCKET, 1, 0, "disconnected", None, "", "/ws/a", "a", None, 4401, 2_000_000_000, 3, "c")
    data = records.socket(fact, "t", 0, "web", "/ws/{group}").data
    assert (data["group"], data["user"], data["connections"], data["error_type"]) == ("a", "", 3, "auth")
    assert (data["duration"], data["status"]) == (2.0, 4401)
    connected = (*fact[:3], "connected", *fact[4:])
    assert records.socket(connected, "t", 0, "web", "/ws").data["error_type"] == ""


def test_a_path_shows_what_it_is() -> None:
    """X-6: what turns the text around it, or does not show, is escaped as in a URL; letters of all tongues are not."""
    assert records.path_text("/größe/日本 x?") == "/größe/日本 x?"
    assert records.path_text("/\u202egpj.exe\x00\n\x1b[31m") == "/%E2%80%AEgpj.exe%00%0A%1B[31m"
    assert len(records.path_text("\u202e" * 10_000)) == records.PATH_LIMIT
    asked = (REQUEST, 1, 0, 1, 1, "GET", None, "", 404, 0, "/\u202ea", "c-1", None)
    assert records.request(asked, "tag", 0, "web-1", "unmatched").data["path"] == "/%E2%80%AEa"
    refused = (SOCKET, 1, 0, "refused", None, "", "/\u202ea", None, None, 403, 1, 0, "c-1")
    assert records.socket(refused, "tag", 0, "web-1", "/ws").data["path"] == "/%E2%80%AEa"


def test_an_event_has_no_controls() -> None:
    """X-6: a file's name that turns the line around, or moves a cursor, does so nowhere."""
    fact = (EVENT, 1, 0, "up\x00", {"na\x1b[2Jme": "photo\u202egpj.exe"}, "")
    data = records.event(fact, "tag", 0, "web-1", "").data
    assert (data["type"], data["fields"]) == ("up\ufffd", {"name": "photo\ufffdgpj.exe"})


def test_a_log_line_has_its_own_time_and_a_limit() -> None:
    """TTY-3: a line's time is when it was logged; texts are cut."""
    fact = (LOG, 1, 0, 7_500_000_000, 40, "ERROR", "app", "m" * 9_000, "a.py", 12, "c")
    record = records.log(fact, "t", 99, "web", "")
    assert record.at == 7.5
    assert (len(record.data["message"]), record.data["levelno"], record.data["line"]) == (8_000, 40, 12)


def test_an_event_keeps_a_few_plain_fields() -> None:
    """API-9: at most twenty fields, plain values, limited texts."""
    fields = {"b": True, "n": None, "i": 2**64, "e": Colour.RED, "f": Reading(1.5), "y": b"\xff", "t": "x" * 999}
    record = records.event((EVENT, 1, 0, "up" * 99, fields, ""), "t", 0, "web", "")
    kept = record.data["fields"]
    assert kept == {"b": True, "n": None, "i": str(2**64), "e": 1, "f": 1.5, "y": "b'\\xff'", "t": "x" * 300}
    assert [type(kept[name]) for name in ("e", "f")] == [int, float]
    assert len(record.data["type"]) == records.LABEL_LIMIT
    many = records.event((EVENT, 1, 0, "e", dict.fromkeys(map(str, range(50)), 1), ""), "t", 0, "web", "")
    assert len(many.data["fields"]) == records.FIELD_COUNT


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), ("ok", "ok"), ("\ud83d\ude00", "??"), ("ü", "ü"), ("x" * 9, "xxxxx"), (7, "7")],
)  # fmt: skip
def test_text_is_limited_and_always_utf8(value: object, expected: str) -> None:
    """TTY-6: lone surrogates become question marks; what has no text says so."""
    assert records.text(value, 5) == expected


def test_what_has_no_text_says_so() -> None:
    """TTY-6: a number too long to write, or a value whose text fails, never fails a record."""
    assert records.text(10**5000, 50) == "(its text cannot be shown)"


@pytest.mark.parametrize(
    ("status", "code"), [(200, 200), (4999, 4999), (-1, 0), (10_000, 0), (10**30, 0), ("200", 0), (None, 0), (2.5, 0)]
)
def test_a_code_is_at_most_four_digits(status: object, code: int) -> None:
    """TTY-6: a status nobody could send is none."""
    assert records.code_of(status) == code


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        (1000, False),
        (1001, False),
        (1008, True),
        (1011, True),
        (3999, False),
        (4000, True),
        (4999, True),
        (5000, False),
    ],
)
def test_abnormal_closes(code: int, bad: bool) -> None:
    """Issue 2, item 3: 1008, 1011 and the application's own 4xxx are errors of their route."""
    assert records.abnormal(code) is bad


def test_no_error_is_no_text() -> None:
    """X-4: a request without an exception has an empty error."""
    assert records.describe_error(None) == ""
    assert len(records.describe_error(ValueError("x" * 999))) == records.FIELD_LIMIT


def test_an_error_of_ours_is_said_in_its_own_words() -> None:
    """X-4: without the name of our class, which is for whoever writes code; another's error keeps its name."""

    class Unfinished(FanlightError):
        pass

    assert records.describe_error(Unfinished("sim closed its answer")) == "sim closed its answer"
    assert records.describe_error(Unfinished()) == "Unfinished"
    assert records.describe_error(ValueError("boom")) == "ValueError: boom"
