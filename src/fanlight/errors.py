"""The errors Fanlight raises on purpose.

Every message says what was got, what was expected and what to do. Capture never raises one of these into
the service it watches; they come from construction, start-up, commands and declarations.
"""

from __future__ import annotations


class FanlightError(Exception):
    """Anything Fanlight refuses or cannot do; its text is one line a person can act on."""


class SettingsError(FanlightError):
    """A setting has a value that cannot be used."""


class BreakerOpen(FanlightError):
    """A call was not made, because the breaker of its service is open.

    `breaker` names it; `retry_after` is in how many seconds it tries again, None while it is held open by hand.
    """

    def __init__(self, breaker: str, reason: str, retry_after: float | None) -> None:
        when = "until it is reset" if retry_after is None else f"tries again in {retry_after:.1f} s"
        super().__init__(f"the breaker {breaker!r} is open, {when} ({reason})")
        self.breaker = breaker
        self.reason = reason
        self.retry_after = retry_after


class StoreError(FanlightError):
    """A store cannot be opened, read or written."""
