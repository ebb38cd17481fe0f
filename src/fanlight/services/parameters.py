"""Parameters: what an action is told, read from its function's signature and checked before it runs."""

from __future__ import annotations

import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from fanlight.core.records import text
from fanlight.errors import FanlightError
from fanlight.panels import Field, FieldKind

TEXT_LIMIT: Final = 2_000
"""Characters of one value."""

PARAMETER_LIMIT: Final = 20
"""Parameters of one action."""

CHOICE_LIMIT: Final = 100
"""Choices of one parameter."""

_WHOLE: Final = re.compile(r"[+-]?\d{1,18}")
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off", ""})
_KINDS: Final[Mapping[Any, FieldKind]] = {str: "text", int: "integer", float: "number", bool: "boolean"}
_EXPECTED: Final[Mapping[FieldKind, str]] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


class ParameterError(FanlightError):
    """What an action was given is not what it takes."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Parameter:
    """One parameter: `choices` by the text that names them; `optional` takes None, `required` has no default."""

    name: str
    kind: FieldKind
    required: bool
    default: Any = None
    optional: bool = False
    choices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def field(self) -> Field:
        """As a field of a form."""
        title = self.name.replace("_", " ").capitalize()
        default = _choice_text(self.default) if self.choices and self.default is not None else self.default
        return Field(
            name=self.name,
            title=title,
            kind=self.kind,
            required=self.required and self.kind != "boolean",
            default=default,
            choices=tuple(self.choices),
        )

    def read(self, given: Any) -> Any:
        """The value, from JSON or from a form's text; raises ParameterError."""
        if self.optional and (given is None or given == ""):
            return None
        try:
            return self._read(given)
        except (ValueError, TypeError, OverflowError):
            expected = " or ".join(self.choices) if self.choices else _EXPECTED[self.kind]
            raise ParameterError(self.name, f"{self.name} is {text(given, 80)!r}; expected {expected}") from None

    def _read(self, given: Any) -> Any:
        if self.choices:
            return self.choices[_known(text(given, TEXT_LIMIT), self.choices)]
        if self.kind == "text":
            return _text(given)
        return _READERS[self.kind](given)


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """What a function takes; raises FanlightError for what no form can give."""
    try:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(function)
    except (TypeError, ValueError, NameError) as error:
        raise FanlightError(
            f"the parameters of {_name(function)} cannot be read ({error}); annotate them with types that exist "
            "when it is declared"
        ) from error
    found = tuple(_parameter(function, parameter, hints) for parameter in signature.parameters.values())
    if len(found) > PARAMETER_LIMIT:
        raise FanlightError(f"{_name(function)} takes {len(found)} parameters; expected at most {PARAMETER_LIMIT}")
    return found


def parameter_of(field: Field) -> Parameter:
    """What reads a field's value, for a face that checks it before it is sent: the choices are by their texts."""
    choices = {choice: choice for choice in field.choices}
    return Parameter(field.name, field.kind, field.required, field.default, choices=choices)


def read(parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call; raises ParameterError for what is missing, unknown or of another type."""
    known = {parameter.name for parameter in parameters}
    for name in given:
        if name not in known:
            expected = ", ".join(sorted(known)) or "none"
            raise ParameterError(text(name, 80), f"unknown parameter {text(name, 80)!r}; expected {expected}")
    return dict(_arguments(parameters, given))


def _arguments(parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for parameter in parameters:
        if parameter.name in given:
            yield parameter.name, parameter.read(given[parameter.name])
        elif parameter.required:
            raise ParameterError(parameter.name, f"{parameter.name} is missing; expected {_wanted(parameter)}")


def _wanted(parameter: Parameter) -> str:
    return " or ".join(parameter.choices) if parameter.choices else _EXPECTED[parameter.kind]


def _parameter(function: Callable[..., Any], parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Parameter:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise FanlightError(
            f"{_name(function)} takes {parameter}; expected parameters that can be given by name, one field each"
        )
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    kind, optional, choices = _type(function, parameter.name, hints.get(parameter.name, str))
    return Parameter(parameter.name, kind, required, default, optional, choices)


def _type(function: Callable[..., Any], name: str, hint: Any) -> tuple[FieldKind, bool, Mapping[str, Any]]:
    hint, optional = _without_none(hint)
    if hint in _KINDS:
        return _KINDS[hint], optional, {}
    values = _choices(hint)
    if not values or len(values) > CHOICE_LIMIT:
        raise FanlightError(
            f"the parameter {name} of {_name(function)} is a {hint}; expected str, int, float, bool, or a Literal or "
            f"Enum of at most {CHOICE_LIMIT} values"
        )
    return "choice", optional, values


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        others = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        if len(others) == 1:
            return others[0], True
    return hint, False


def _choices(hint: Any) -> Mapping[str, Any]:
    if typing.get_origin(hint) is Literal:
        return {_choice_text(value): value for value in typing.get_args(hint)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {_choice_text(member): member for member in hint}
    return {}


def _choice_text(value: Any) -> str:
    return text(value.value if isinstance(value, Enum) else value, TEXT_LIMIT)


def _known(given: str, choices: Mapping[str, Any]) -> str:
    if given not in choices:
        raise ValueError
    return given


def _text(given: Any) -> str:
    if not isinstance(given, str) or len(given) > TEXT_LIMIT:
        raise ValueError
    return given


def _integer(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str) or not _WHOLE.fullmatch(str(given).strip()):
        raise ValueError
    return int(given)


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str) or len(str(given)) > TEXT_LIMIT:
        raise ValueError
    number = float(given)
    if not math.isfinite(number):
        raise ValueError
    return number


def _boolean(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    word = str(given).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _name(function: Callable[..., Any]) -> str:
    return text(getattr(function, "__qualname__", function), 200)


_READERS: Final[Mapping[FieldKind, Callable[[Any], Any]]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
