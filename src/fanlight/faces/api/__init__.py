"""The JSON face: every number the dashboard shows, as documents with a schema."""

from fanlight.faces.api.routes import routes
from fanlight.faces.api.streams import Streams

__all__ = ["Streams", "routes"]
