"""Regular expressions that are compiled when they are first used.

The steps have some hundreds of patterns, and most runs use a few of them. Compiling all at import
took a quarter of a second, in the command and again in every worker process.
"""

import re
from typing import Any, cast

_METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split", "pattern", "flags", "groups")


class _LazyPattern:
    """Stands in for a compiled pattern and becomes it at the first look."""

    def __init__(self, source: str, flags: int):
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        compiled = re.compile(self._source, self._flags)
        # from now on the methods are found without this detour
        self.__dict__.update({method: getattr(compiled, method) for method in _METHODS})
        return getattr(compiled, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return lazy_pattern, (self._source, self._flags)

    def __repr__(self) -> str:
        return f"lazy_pattern({self._source!r})"


def lazy_pattern(source: str, flags: int | re.RegexFlag = 0) -> re.Pattern[str]:
    """Return what acts as `re.compile(source, flags)` but is compiled when it is first used.

    A faulty pattern raises re.error only then; a test compiles all that the package has.
    """
    return cast(re.Pattern[str], _LazyPattern(source, int(flags)))
