"""Values of a recipe as the YAML reader gives them: their lines, their size, and how messages show them."""

import difflib
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from sftmill.errors import RecipeError

MOST_NODES = 50_000
"""Values in a recipe after its aliases are expanded; guards against alias bombs."""


def plain(value: Any) -> Any:
    """Return YAML values without what ruamel keeps about comments and lines."""
    if isinstance(value, CommentedMap | dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, CommentedSeq | list):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def check_size(value: Any, name: str) -> None:
    """Raise RecipeError when a recipe has more values than anybody writes."""
    seen = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        seen += 1
        if seen + len(waiting) > MOST_NODES:
            raise RecipeError(f"{name}: more than {MOST_NODES:,} values; are its aliases nested?")
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def line_of(mapping: Any, key: Any) -> int:
    """Return the line of a key, from 1; that of the mapping when the key was not in the file."""
    try:
        return mapping.lc.key(key)[0] + 1
    except (AttributeError, KeyError, TypeError):
        return (getattr(getattr(mapping, "lc", None), "line", None) or 0) + 1


def item_line(sequence: CommentedSeq, index: int) -> int:
    """Return the line of a list item, from 1."""
    try:
        return sequence.lc.item(index)[0] + 1
    except (AttributeError, KeyError, TypeError):
        return 1


def nearest(word: str, known: Any) -> str:
    """Return a hint with the nearest valid word, or with all of them when none is near."""
    words = [str(k) for k in known]
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(words)}"


def short(value: Any) -> str:
    """Return a value for a message, cut to a readable length."""
    text = repr(plain(value))
    return text if len(text) <= 60 else text[:57] + "..."
