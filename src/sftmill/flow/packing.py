"""Steps on their way to another process: class path and settings, never pickled code."""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sftmill.core import Step

OWN_PREFIX = "sftmill_own_"
"""Module names of user files start so, followed by a hash of their path."""


def load_file(path: Path) -> ModuleType:
    """Import a user's step file under a name of its own; only called where the recipe may run code."""
    resolved = path.resolve()
    name = OWN_PREFIX + hashlib.blake2b(str(resolved).encode(), digest_size=8).hexdigest()
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def own_files() -> list[str]:
    """Return the users' step files that this process has imported."""
    return sorted(str(module.__file__) for name, module in sys.modules.items() if name.startswith(OWN_PREFIX))


def pack_steps(steps: list[tuple[int, str, Step]]) -> list[tuple[int, str, str, str, dict[str, Any]]]:
    """Describe steps as (number, name, module or file, class name, settings)."""
    packed = []
    for number, name, step in steps:
        cls = type(step)
        module = sys.modules[cls.__module__]
        where = str(module.__file__) if cls.__module__.startswith(OWN_PREFIX) else cls.__module__
        packed.append((number, name, where, cls.__qualname__, step.model_dump()))
    return packed


def unpack_steps(packed: list[tuple[int, str, str, str, dict[str, Any]]]) -> list[tuple[int, str, Step]]:
    """Make the steps again from their description."""
    steps = []
    for number, name, where, qualified, settings in packed:
        module = load_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
        cls: Any = module
        for part in qualified.split("."):
            cls = getattr(cls, part)
        steps.append((number, name, cls(**settings)))
    return steps
