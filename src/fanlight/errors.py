"""The errors Fanlight raises on purpose.

Every message says what was got, what was expected and what to do. Capture never raises one of these into
the service it watches; they come from construction, start-up, commands and declarations.
"""

from __future__ import annotations


class FanlightError(Exception):
    """Anything Fanlight refuses or cannot do; its text is one line a person can act on."""


class SettingsError(FanlightError):
    """A setting has a value that cannot be used."""


class StoreError(FanlightError):
    """A store cannot be opened, read or written."""
