"""LLM APIs passed through: to the right provider, unchanged, and measured as they pass."""
