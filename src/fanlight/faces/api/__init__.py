"""The JSON face: every number the dashboard shows, as documents with a schema."""

from fanlight.faces.api.routes import routes

__all__ = ["routes"]
