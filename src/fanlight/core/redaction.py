"""Taking secrets and control characters out of text before it is kept or shown.

The patterns are a net under the application's own care, not a promise: they know the usual names and shapes. Each is
linear in the text, which the callers limit first; most text is passed by a few substring searches.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "[redacted]"

_NAMES: Final = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|private|signing)[_-]?key|apikey|cookie|authorization"
)
_BETWEEN: Final = r"""[\\"']{0,4}\s{0,4}[:=]\s{0,4}[\\"']{0,4}"""
_NAMED: Final = re.compile(
    rf"((?:{_NAMES}){_BETWEEN})"
    r"""(?:(?<=["'])[^\s"'\\,;)}\]][^"'\\\n]{0,1000}"""  # in quotes: to their end, blanks and all
    r"""|(?:(?:bearer|basic|digest|token)\s{1,4})?[^\s"'\\&,;<>(){}\[\]]+)""",
    re.IGNORECASE,
)
_AUTHORIZATION: Final = re.compile(
    rf"(authorization{_BETWEEN})"
    r"""(?:[\w-]{1,30}\s{1,4})?[^\s"'\\,]+(?:,\s{0,2}[\w-]{1,40}=[^\s"',]{1,1000}){0,10}""",  # scheme, parameters
    re.IGNORECASE,
)
_COOKIES: Final = re.compile(
    rf"(cookie{_BETWEEN})" r"""[^\s"';]+(?:;\s{0,2}[^\s;"'=]{1,100}(?:=[^\s;"']{0,4000})?){1,50}""", re.IGNORECASE
)
_PEM: Final = re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)[^-]+")
_BEARER: Final = re.compile(r"\b(bearer\s{1,4})[\w.~+/=-]{8,}", re.IGNORECASE)
_SHAPED: Final = re.compile(
    r"\b(?:sk-|[sr]k_(?:live|test)_|whsec_|gh[opsu]_|github_pat_|glpat-|npm_|hf_|xox[abprs]-|xapp-|AKIA|ASIA|AIza|SG\.|eyJ)"
    r"[\w.-]{12,}"
)
_USERINFO: Final = re.compile(r"(://[^\s:/@]{0,100}:)[^\s/]{1,200}(?=@)")

_NAME_HINTS: Final = ("token", "passw", "passphrase", "pwd", "secret", "key", "cookie", "authorization")
_SHAPE_HINTS: Final = (
    "sk-", "k_live_", "k_test_", "whsec_", "gh", "glpat-", "npm_", "hf_", "xox", "xapp-", "AKIA", "ASIA", "AIza",
    "SG.", "eyJ",
)  # fmt: skip

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def redact(text: str) -> str:
    """The text with the values of obvious secrets masked: named values, bearer tokens, known key shapes, URL
    passwords.
    """
    lowered = text.lower()
    if any(hint in lowered for hint in _NAME_HINTS):
        text = _PEM.sub(rf"\1{MASK}", _COOKIES.sub(rf"\1{MASK}", _AUTHORIZATION.sub(rf"\1{MASK}", text)))
        text = _NAMED.sub(rf"\1{MASK}", text)
    if "bearer" in lowered:
        text = _BEARER.sub(rf"\1{MASK}", text)
    if any(hint in text for hint in _SHAPE_HINTS):
        text = _SHAPED.sub(MASK, text)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(rf"\1{MASK}", text)
    return text


def printable(text: str) -> str:
    """The text without terminal escapes and control characters (tab and newline stay), safe to encode as UTF-8."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text.replace("\r\n", "\n")))
