"""The chat service with its dashboard: `uvicorn chat_api.app:app`."""

from __future__ import annotations

import logging
import os

from fanlight import CorrelationFilter, Fanlight

from .service import create_app

__all__ = ["app", "create_app", "dashboard"]

# Python leaves INFO off; what the service has to say is worth a row on the log page.
log = logging.getLogger("chat")
log.setLevel(logging.INFO)

# What went wrong is printed, too, with the ID by which the dashboard finds the request.
printed = logging.StreamHandler()
printed.setLevel(logging.WARNING)
printed.addFilter(CorrelationFilter())
printed.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(correlation_id)s %(message)s"))
log.addHandler(printed)

dashboard = Fanlight("chat-api", release="1.4.2", exclude=("/healthz",))
if os.environ.get("CHAT_STORE"):
    dashboard.watch("pymongo")
app = create_app(dashboard)
