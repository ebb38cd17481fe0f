"""core.redaction: secrets and control characters never reach the dashboard."""

from __future__ import annotations

import pytest

from fanlight.core.redaction import MASK, printable, redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-ghi_123", "abc.def-ghi_123"),
        ("headers {'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ("sent bearer 0123456789abcdef to it", "0123456789abcdef"),
        ("GET /items?token=s3cr3t&page=2", "s3cr3t"),
        ("GET /items?access_token=s3cr3t HTTP/1.1", "s3cr3t"),
        ('{"password": "hunter2", "user": "ann"}', "hunter2"),
        (r"{\"api_key\": \"k-99\"}", "k-99"),
        ("PASSWORD = hunter2", "hunter2"),
        ("API-Key: k-99", "k-99"),
        ("client_secret='zzz'", "zzz"),
        ("Cookie: session", "session"),
        ("called with sk-proj-0123456789abcdef", "0123456789abcdef"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJzdWIiOiIxIn0"),
        ("redis://default:hunter2@cache:6379/0", "hunter2"),
    ],
)
def test_obvious_secrets_are_masked(text: str, secret: str) -> None:
    """X-6: the values of obvious secrets never reach the dashboard."""
    masked = redact(text)
    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "POST /chat 200 tokens=512",
        "KeyError: 'name'",
        "https://example.org/a@b",
        "basic understanding",
        "monkey business",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """TTY-3: what only resembles a secret is kept as it is."""
    assert redact(text) == text


def test_what_surrounds_a_secret_stays() -> None:
    """TTY-3: a masked line can still be read."""
    assert redact("GET /a?token=x&page=2 200") == f"GET /a?token={MASK}&page=2 200"
    assert redact("redis://u:p@cache:6379") == f"redis://u:{MASK}@cache:6379"


@pytest.mark.parametrize("piece", ["token", "token=", "://", "://a:", "bearer ", "sk-", 'password"', "eyJ.", "\\"])
def test_hostile_text_of_every_shape_is_passed(piece: str) -> None:
    """TTY-6: text built to make patterns backtrack is handled like any other."""
    text = piece * (6000 // len(piece))
    assert len(redact(text)) < 60_000


def test_control_characters_and_escapes_go() -> None:
    """TTY-6: a log line cannot drive the terminal it is shown in, nor break the encoding of a frame."""
    assert printable("\x1b[31mred\x1b[0m \x1b]0;title\x07end") == "red end"
    assert printable("a\tb\r\nc\rd\x00\x9b") == "a\tb\nc\ufffdd\ufffd\ufffd"
    assert printable("half \ud800").encode() == "half \ufffd".encode()
    assert printable("grün 日本") == "grün 日本"
