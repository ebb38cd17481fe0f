"""Probes: what `dashboard.service(..., probe=...)` asks a service by; made of an address or of a client of its own."""

from fanlight.services.probe import Probe, Starting, Told, http, mongo, redis, sql, tcp

__all__ = ["Probe", "Starting", "Told", "http", "mongo", "redis", "sql", "tcp"]
