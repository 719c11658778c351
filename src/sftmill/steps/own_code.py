"""A setting that names a function in a file of the user's, as file.py:function."""

import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from sftmill.flow.packing import load_file


class Code:
    """Marks a setting whose value may run a user's file: `Annotated[str | None, Code()]`.

    The recipe's reader takes the path relative to the recipe, and lets it pass under --allow-code alone.
    """


def names_code(value: Any) -> bool:
    """Tell whether a value names a function in a file, such as my_file.py:check, and not something that comes along."""
    return isinstance(value, str) and value.rpartition(":")[0].endswith(".py")


def code_file(value: str) -> Path:
    """Return the file that a value names."""
    return Path(value.rpartition(":")[0])


def code_problems(setting: str, value: str, parameters: tuple[str, ...]) -> list[str]:
    """Return why a function cannot be called with so many values: no such file or function, or another signature."""
    file, name = code_file(value), value.rpartition(":")[2]
    if not file.is_file():
        return [f"{setting}: {file} is not there; the path is taken relative to the recipe"]
    try:
        function = load_function(value)
    except ImportError as error:
        return [f"{setting}: {error}"]
    if inspect.iscoroutinefunction(function):
        return [f"{setting}: {name} in {file.name} is asynchronous; write it with `def`, without `async`"]
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError:
        wanted, has = ", ".join(parameters), inspect.signature(function)
        return [f"{setting}: {name}{has} in {file.name} must take these values: {name}({wanted})"]
    except ValueError:  # a function of C tells nothing about its parameters
        return []
    return []


@lru_cache(maxsize=16)
def load_function(value: str) -> Callable[..., Any]:
    """Import a function of a user's file; raises ImportError that says what is wrong with the file or the name."""
    file, name = code_file(value), value.rpartition(":")[2]
    try:
        module = load_file(file)
    except Exception as error:
        raise ImportError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__]
        raise ImportError(f"{file.name} has no function {name!r}; it has: {', '.join(known) or 'none'}")
    return function
