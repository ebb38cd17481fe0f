"""The AI gateway of the demo: the clients that use it, and the Git repository that one of its MCP servers reads."""
