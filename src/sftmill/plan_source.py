"""What code a step runs: its module and, from there on, all the project's modules that it may call.

Rows that were made by other code are made again; so a module that is missed here means stale rows, and one too many
means that cheap work is done twice. Modules are followed by what they have imported, and by what their text imports:
an import inside a function, and the import of a constant, are seen in the text alone.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from sftmill.core import Step
from sftmill.flow.packing import OWN_PREFIX
from sftmill.text import content_hash

PARTS = ("sftmill.steps.", "sftmill.text.")
"""Where code lies that decides rows; what the house does around steps is not theirs."""
_HOME = Path(__file__).parent.parent
_IMPORT = re.compile(r"^[ \t]*from (sftmill\.(?:steps|text)[\w.]*) import (\([^)]*\)|[^\n#]*)", re.MULTILINE)
_NAME = re.compile(r"(\w+)(?: as \w+)?")


def source_digest(cls: type[Step]) -> str:
    """Return a hash over the source of a step's module and of the project modules that it uses."""
    seen: dict[str, bytes] = {}
    waiting = [cls.__module__]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        module = sys.modules.get(name)
        path = getattr(module, "__file__", None) or module_file(name)
        if path is None:
            continue
        seen[name] = Path(path).read_bytes()
        waiting += used_names(module) if isinstance(module, ModuleType) else ()
        waiting += imported_modules(name)
    return content_hash(*(part for name in sorted(seen) for part in (name.removeprefix(OWN_PREFIX), seen[name])))


def used_names(module: ModuleType) -> Iterator[str]:
    """Yield the project's and the user's modules that the values of a loaded module come from."""
    for value in vars(module).values():
        used = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(used, str) and used.startswith((*PARTS, OWN_PREFIX)):
            yield used


@lru_cache(maxsize=1024)
def imported_modules(name: str) -> tuple[str, ...]:
    """Return the project's modules that the text of a module of the project imports, anywhere in it."""
    path = module_file(name)
    if path is None:
        return ()
    return tuple(found for source, names in _imports(path) for one in names for found in _defining(source, one))


def module_file(name: str) -> Path | None:
    """Return the file of a module of the project, None for any other."""
    if not name.startswith(PARTS):
        return None
    path = _HOME.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@lru_cache(maxsize=1024)
def _imports(path: Path) -> list[tuple[str, list[str]]]:
    """Return what a file imports: (module, names)."""
    text = path.read_text(encoding="utf-8")
    return [(match[1], [name[1] for name in _NAME.finditer(match[2])]) for match in _IMPORT.finditer(text)]


def _defining(source: str, name: str) -> Iterator[str]:
    """Yield the module that a name imported from `source` comes from, through packages that hand it on."""
    package = _HOME.joinpath(*source.split("."), "__init__.py")
    if not package.is_file():
        yield source
    elif module_file(f"{source}.{name}"):
        yield f"{source}.{name}"
    else:
        behind = [module for module, names in _imports(package) if name in names]
        yield from behind or [source]
