"""Probes: what `dashboard.service(..., probe=...)` asks a service by; made of an address or of a client of its own."""

from fanlight.services.probe import Probe, http, mongo, redis, sql, tcp

__all__ = ["Probe", "http", "mongo", "redis", "sql", "tcp"]
