"""Secrets in shapes that slip through a simple mask."""

from __future__ import annotations

import pytest

from fanlight.core.redaction import MASK, redact


@pytest.mark.parametrize(
    "text",
    [
        "Cookie: theme=dark; sessionid=SECRET1; other=SECRET2",
        "{'cookie': 'theme=dark; sid=SECRET'}",
        "Set-Cookie: a=b; sid=SECRET",
        "Authorization: ApiKey SECRET",
        "authorization=AWS4-HMAC-SHA256 Credential=SECRET/2, SignedHeaders=host, Signature=SECRET",
        '{"password": "two SECRET words", "user": "ann"}',
        "password='a,SECRET' user='ann'",
        "postgres://user:p@SECRET@host:5432/db",
        "-----BEGIN RSA PRIVATE KEY-----\nSECRET\nSECRET\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----SECRET",
        "paid with sk_live_SECRETSECRETSECRET",
        "AIzaSECRETSECRETSECRET",
        "glpat-SECRETSECRETSECRET",
    ],
)
def test_no_part_of_a_secret_is_left(text: str) -> None:
    """X-6: cookies after the first, schemes of any name, values with blanks, keys of other makers."""
    assert "SECRET" not in redact(text)
    assert MASK in redact(text)


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("cookie=abc done in 5 ms", "done in 5 ms"),
        ('{"token": "", "x": "y"}', '"x": "y"'),
        ('{"password": "a b", "user": "ann"}', '"user": "ann"'),
        ("Authorization: Bearer abcdefghij and then", "and then"),
        ("https://example.org:80/a@b", "https://example.org:80/a@b"),
    ],
)
def test_what_stands_around_it_is_kept(text: str, readable: str) -> None:
    """TTY-3: a line stays of use to whoever reads it."""
    assert readable in redact(text)


@pytest.mark.parametrize(
    "piece", ["cookie=a;", "cookie:;a", "authorization: a,b=c,", "token='", "-----BEGIN PRIVATE KEY-----", "://:@@"]
)
def test_text_made_to_be_slow_is_passed(piece: str) -> None:
    """TTY-6: the patterns do not multiply what they are given."""
    assert len(redact(piece * (6_000 // len(piece)))) < 60_000
