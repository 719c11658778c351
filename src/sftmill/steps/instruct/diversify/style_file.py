"""Manners in which questions and answers are reworded, read from files."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "styles"
LARGEST = 100_000
"""Bytes of a file of styles."""
LONGEST = 400
"""Characters of a description."""


class Style(NamedTuple):
    """A manner of asking and of answering."""

    name: str
    question: str
    answer: str


def styles_path(lang: str) -> Path:
    """Return the file of styles for a language that comes with sftmill."""
    return FOLDER / f"styles.{'en' if lang == 'en' else 'zh'}.yaml"


def read_styles(path: Path) -> dict[str, Style]:
    """Return the styles of a YAML file by name, in its order: name -> {question, answer}.

    Raises OSError, or ValueError saying what is wrong.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if path.stat().st_size > LARGEST:
        raise ValueError(f"has more than {LARGEST:,} bytes")
    try:
        value = YAML(typ="safe", pure=True).load(path.read_bytes().decode("utf-8-sig"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"is no YAML in UTF-8: {str(error).splitlines()[0]}") from None
    if not isinstance(value, dict) or not value:
        raise ValueError("has no styles; each is a name with `question` and `answer` below it")
    return {str(name): _style(str(name), parts) for name, parts in value.items()}


def _style(name: str, parts: object) -> Style:
    found = parts if isinstance(parts, dict) else {}
    texts = [str(found.get(key) or "").strip() for key in ("question", "answer")]
    if set(found) - {"question", "answer"} or not all(texts) or max(map(len, texts)) > LONGEST:
        raise ValueError(
            f"the style {name!r} must have `question` and `answer`, each of 1 to {LONGEST} characters, and nothing else"
        )
    return Style(name, *texts)


def load_styles(path: Path) -> dict[str, Style]:
    """Return the styles of a file, read once for each state of it."""
    state = path.stat()
    return _load(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _load(path: Path, changed: int, size: int) -> dict[str, Style]:
    return read_styles(path)


def style_problems(paths: Iterable[Path], names: Sequence[str]) -> list[str]:
    """Return why files of styles cannot be used, or lack one of the names, if so."""
    for path in paths:
        try:
            known = read_styles(path)
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else problem
            return [f"styles_file: {str(path)!r} cannot be used ({why}); correct the file, or its path here"]
        if unknown := [name for name in names if name not in known]:
            return [f"styles: {unknown[0]!r} is not in {path.name}; it has {', '.join(known)}"]
    return []
