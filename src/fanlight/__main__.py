"""`python -m fanlight` is the `fanlight` command."""

from __future__ import annotations

from fanlight.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
