"""The AI gateway: LLM APIs behind one address, measured and supervised; an application of Fanlight's public API."""
