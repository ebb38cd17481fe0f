"""From the words `module:app` to an ASGI or WSGI application, or one line that says why not."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from fanlight.errors import FanlightError


class LoadError(FanlightError):
    """An application that cannot be loaded."""


def load(target: str, app_dir: str, *, factory: bool = False) -> Any:
    """Import the application named `module:attribute`, with `app_dir` first on the import path.

    `factory` calls what was found to make the application. Raises LoadError.
    """
    name, attribute = split(target)
    folder = os.path.abspath(app_dir)
    if not os.path.isdir(folder):
        raise LoadError(f"--app-dir {app_dir} is not a folder; give the folder that holds {name.partition('.')[0]}")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = _imported(name, folder)
    found = _attribute(module, name, attribute)
    return _checked(_made(found, target) if factory else found, target)


def split(target: str) -> tuple[str, str]:
    """The module and the attribute of `module:attribute`; raises LoadError for anything else."""
    name, _, attribute = target.partition(":")
    if name.endswith(".py") or "/" in name or "\\" in name:
        module = name.removesuffix(".py").replace("\\", "/").strip("./").replace("/", ".")
        raise LoadError(f"got {target}, a file; expected module:application, such as {module}:{attribute or 'app'}")
    parts = [*name.split("."), *attribute.split(".")]
    if not attribute or not all(part.isidentifier() for part in parts):
        suggestion = name if name.replace(".", "").isidentifier() else "main"
        raise LoadError(f"got {target!r}; expected module:application, such as {suggestion}:app")
    return name, attribute


def service_name(target: str, app_dir: str) -> str:
    """A name for the service: its module's, or its package's or folder's where the module has an everyday name."""
    parts = [part for part in target.partition(":")[0].split(".") if part not in _EVERYDAY]
    name = parts[-1] if parts else os.path.basename(os.path.abspath(app_dir)) or "service"
    return name.replace("_", "-")[:100]


_EVERYDAY = frozenset({"app", "main", "asgi", "api", "server", "application", "src", "web"})


def _imported(name: str, folder: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (
            error.name
            and (name == error.name or name.startswith(f"{error.name}."))
            and not _own_frames(error.__traceback__)
        ):
            raise LoadError(
                f"module {error.name} was not found in {folder} nor installed; "
                "start in the folder that holds it, or name that with --app-dir"
            ) from error
        raise LoadError(f"{name} imports {error.name}, {_missing(error, name)} ({_place(error, folder)})") from error
    except SystemExit as error:
        raise LoadError(
            f"{name} ended the process while it was imported (exit status {error.code}, {_place(error, folder)}); "
            'put what runs it under `if __name__ == "__main__":`'
        ) from error
    except Exception as error:  # whatever a module raises is the user's to read, in one line
        raise LoadError(
            f"{name} failed while it was imported: {_said(error)} ({_place(error, folder)}); "
            "mend it there, or see the whole traceback with --debug"
        ) from error


def _missing(error: ModuleNotFoundError, name: str) -> str:
    package = str(error.name).partition(".")[0]
    if package == name.partition(".")[0]:
        return "which does not exist; mend the import"
    return f"which is not installed; run pip install {package}, or mend the import"


def _said(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _own_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The frames outside Fanlight and the import machinery, the deepest last."""
    return [frame for frame in traceback.extract_tb(trace) if not _machinery(frame.filename)]


def _machinery(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen importlib") or filename == importlib.__file__


def _place(error: BaseException, folder: str) -> str:
    """Where it happened, as file:line; the application's own file before a library's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename, folder)}:{error.lineno}"
    frames = _own_frames(error.__traceback__)
    mine = [
        frame
        for frame in frames
        if frame.filename.startswith(folder + os.sep) and "site-packages" not in frame.filename
    ]
    for frame in reversed(mine or frames):
        return f"{_short(frame.filename, folder)}:{frame.lineno}"
    return "no place known"


def _short(filename: str, folder: str) -> str:
    return os.path.relpath(filename, folder) if filename.startswith(folder + os.sep) else filename


def _attribute(module: ModuleType, name: str, attribute: str) -> Any:
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise LoadError(f"{name} has no {attribute}; {_candidates(module, name)}") from error
    return found


def _candidates(module: ModuleType, name: str) -> str:
    public = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    names = [key for key, value in public.items() if _defined_here(value, module) and _is_either(value)]
    if names:
        return f"it has {', '.join(f'{name}:{each}' for each in sorted(names)[:5])}: run that instead"
    return "nothing in it looks like an application: name the module that makes one"


def _is_either(found: Any) -> bool:
    return is_asgi(found) or is_wsgi(found)


def _defined_here(value: Any, module: ModuleType) -> bool:
    return not (inspect.isclass(value) or inspect.isfunction(value)) or value.__module__ == module.__name__


def _made(factory: Any, target: str) -> Any:
    if not callable(factory):
        raise LoadError(f"{target} is of type {type(factory).__name__}, not a factory; leave --factory away")
    try:
        return factory()
    except FanlightError:  # says in one line what to do, as it stands
        raise
    except Exception as error:  # whatever a factory raises is the user's to read, in one line
        place = _place(error, os.getcwd())
        raise LoadError(f"the factory {target} failed: {_said(error)} ({place})") from error


def _checked(found: Any, target: str) -> Any:
    if _is_either(found):
        return found
    raise LoadError(f"{target} {_instead(found)}")


def _instead(found: Any) -> str:
    if inspect.iscoroutine(found):
        found.close()
        return "is an async factory; make it a plain function that returns the application"
    if inspect.isclass(found):
        return (
            f"is a class, not an application; make one in the module (application = {found.__name__}()) and name that"
        )
    if inspect.isroutine(found) and not _positional(found):
        return "looks like a factory, not an application; add --factory"
    if not callable(found):
        return (
            f"is not an ASGI application but of type {type(found).__name__}; expected a callable (scope, receive, send)"
        )
    return f"is not an ASGI application but a callable {_signature(found)}; expected one of (scope, receive, send)"


def is_asgi(found: Any) -> bool:
    """Whether something can be called as an ASGI 3 application, as far as its signature tells."""
    if inspect.isclass(found) or not callable(found) or is_wsgi(found):
        return False
    positional = _positional(found)
    return positional is not None and positional[0] <= 3 <= positional[1]


def is_wsgi(found: Any) -> bool:
    """Whether something is a WSGI application: a known one, or a callable of an environ and a start_response."""
    if callable(getattr(found, "wsgi_app", None)) or type(found).__name__ == "WSGIHandler":
        return not inspect.isclass(found)
    names = list(_parameters(found) or ())
    return len(names) == 2 and names[1] == "start_response"


def _parameters(found: Any) -> dict[str, inspect.Parameter] | None:
    try:
        return dict(inspect.signature(found).parameters)
    except (TypeError, ValueError):
        return None


def _signature(found: Callable[..., Any]) -> str:
    names = _parameters(found)
    return "of unknown parameters" if names is None else f"of ({', '.join(names)})"


def _positional(found: Any) -> tuple[int, int] | None:
    """The least and the most positional arguments a callable takes; None where there are none or nobody knows."""
    parameters = _parameters(found)
    if not parameters:
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    plain = [each for each in parameters.values() if each.kind in kinds]
    rest = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters.values())
    required = sum(each.default is inspect.Parameter.empty for each in plain)
    return required, 1_000 if rest else len(plain)
