"""MCP servers behind the gateway: supervised, multiplexed, measured."""
