"""A simulated provider: the OpenAI, Anthropic and Ollama protocols with no model behind them, always the same again."""

from fanlight.gateway.simulate.application import PLAY_VARIABLE, Play, SimulatedProvider
from fanlight.gateway.simulate.provider import Answer, Asked, ConnectionLost, Simulator

__all__ = ["PLAY_VARIABLE", "Answer", "Asked", "ConnectionLost", "Play", "SimulatedProvider", "Simulator"]
