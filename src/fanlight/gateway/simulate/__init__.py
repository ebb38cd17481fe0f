"""A simulated provider: the OpenAI, Anthropic and Ollama protocols with no model behind them, always the same again."""

from fanlight.gateway.simulate.application import SimulatedProvider
from fanlight.gateway.simulate.provider import Answer, Asked, ConnectionLost, Simulator

__all__ = ["Answer", "Asked", "ConnectionLost", "SimulatedProvider", "Simulator"]
