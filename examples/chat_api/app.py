"""The chat service with its dashboard: `uvicorn chat_api.app:app`."""

from __future__ import annotations

import logging
import os

from fanlight import Fanlight

from .service import create_app

__all__ = ["app", "create_app", "dashboard"]

# Python leaves INFO off; what the service has to say is worth a row on the log page.
logging.getLogger("chat").setLevel(logging.INFO)

dashboard = Fanlight("chat-api", release="1.4.2", exclude=("/healthz",))
if os.environ.get("CHAT_STORE"):
    dashboard.watch("pymongo")
app = create_app(dashboard)
