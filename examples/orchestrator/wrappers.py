"""The work behind the wrappers: a prompt compiler, a router that scores models, and models that summarise.

All of it is real and small: nothing is asked over the network, and the prices are made up.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .knobs import WrapperError

TEMPLATES: Final = {
    "summarise": "<role>You shorten texts.</role><task>Say in {{sentences}} sentences: {{text}}</task>",
    "explain": "<role>You teach.</role><task>Explain step by step: {{text}}</task><facts>{{facts}}</facts>",
    "review": "<role>You review code.</role><task>What is wrong with: {{text}}</task><facts>{{facts}}</facts>",
}
CACHED_PROMPTS: Final = 200

_SECTION: Final = re.compile(r"<(\w+)>(.*?)</\1>", re.DOTALL)
_VARIABLE: Final = re.compile(r"\{\{(\w+)\}\}")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True)
class Model:
    """A model one may be routed to: how much it can (0 to 1), and US dollars for a thousand tokens."""

    name: str
    strength: float
    price: float


MODELS: Final = (Model("small", 0.35, 0.0002), Model("medium", 0.65, 0.002), Model("large", 0.95, 0.012))


@dataclass(frozen=True)
class Answer:
    """What a model said, and the words it read and wrote."""

    text: str
    input_tokens: int
    output_tokens: int


class Compiler:
    """Compiles templates and their values to prompts; the newest ones are remembered."""

    def __init__(self) -> None:
        self.prompts: OrderedDict[tuple[str, str], str] = OrderedDict()

    def remembered(self, template: str, text: str) -> str | None:
        """The prompt as it was compiled before."""
        return self.prompts.get((template, text))

    def compile(self, template: str, values: Mapping[str, str]) -> str:
        """The prompt; raises WrapperError for a value that is missing."""
        missing = [name for name in _VARIABLE.findall(TEMPLATES[template]) if not values.get(name)]
        if missing:
            raise WrapperError(422, f"the template {template} needs a value for {missing[0]}")
        filled = _VARIABLE.sub(lambda found: values[found[1]], TEMPLATES[template])
        prompt = "\n\n".join(f"# {name.title()}\n{body.strip()}" for name, body in _SECTION.findall(filled))
        self.prompts[template, values["text"]] = prompt
        if len(self.prompts) > CACHED_PROMPTS:
            self.prompts.popitem(last=False)
        return prompt

    def clear(self) -> None:
        """Forget every prompt; from any thread."""
        self.prompts = OrderedDict()


def route(prompt: str) -> tuple[Model, dict[str, float]]:
    """The model that gives most for its price, and the score of each."""
    need = difficulty(prompt)
    scores = {model.name: _fit(model, need) for model in MODELS}
    return max(MODELS, key=lambda model: scores[model.name]), scores


def difficulty(prompt: str) -> float:
    """How hard a prompt is, 0 to 1, by its length, its code and the words that ask for thought."""
    asks = len(re.findall(r"\b(why|prove|compare|step by step|wrong|design)\b", prompt, re.IGNORECASE))
    code = bool(re.search(r"\bdef \w+\(|\bclass \w+|[;{}]\s*$", prompt, re.MULTILINE))
    return min(1.0, len(prompt) / 4_000 + 0.2 * asks + 0.3 * code)


def _fit(model: Model, need: float) -> float:
    lacking = max(need - model.strength, 0.0)
    return round(1.0 - 2.0 * lacking - 12.0 * model.price, 3)


def summarise(prompt: str, sentences: int = 2) -> Answer:
    """The sentences that hold most of the text's frequent words, in their order."""
    parts = [part.strip() for part in re.split(r"(?<=[.!?:])\s+|\n+", prompt) if part.strip(" #")]
    weights = Counter(word.lower() for word in _WORD.findall(prompt))
    ranked = sorted(parts, key=lambda part: -sum(weights[word.lower()] for word in _WORD.findall(part)))
    chosen = set(ranked[:sentences])
    text = " ".join(part for part in parts if part in chosen)
    return Answer(text, len(prompt.split()), len(text.split()))
