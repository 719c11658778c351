"""Prompt files: finding them, rendering them, and proving before a run that they fit their step.

A prompt is prose in a file of its own, one per language: `prompts/<step>/<name>.<zh|en>.md`. Lines
`<!-- system -->`, `<!-- user -->` and `<!-- assistant -->` begin its turns; without any it is one user turn.
Each turn is a Jinja2 template of its own, so that no value can open a turn.
"""

import difflib
import hashlib
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sftmill.core import Message, Step
from sftmill.errors import RecipeError
from sftmill.text import escape_control_tokens

PACKAGED = Path(__file__).resolve().parent.parent / "prompts"
"""The folder of the prompt files that come with sftmill."""

LANGUAGES = ("zh", "en")
_MARKER = re.compile(r"^[ \t]*<!--[ \t]*(\w+)[ \t]*-->[ \t]*$", re.MULTILINE)
_ROLES = ("system", "user", "assistant")
_FAILURES = (
    *(jinja2.TemplateError, ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError, MemoryError),
)
_LONGEST = 1_000_000
"""Characters or items that multiplication in a template may make, and the largest number to a power."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, without what is random or can fill the memory."""

    intercepted_binops = frozenset(["*", "**"])

    def __init__(self) -> None:
        super().__init__(
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            finalize=_empty_if_none,
        )
        # Same recipe and ledger, same bytes: nothing random. And no widths of a thousand million.
        for name in ("random", "format", "center"):
            del self.filters[name]
        del self.globals["lipsum"]

    def call_binop(self, context: Any, operator_name: str, left: Any, right: Any) -> Any:
        """Multiply or raise to a power, unless the result would be huge."""
        if operator_name == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, str | list | tuple) and isinstance(times, int) and len(many) * times > _LONGEST:
                    raise jinja2.sandbox.SecurityError(f"a repetition makes more than {_LONGEST:,} items")
            return operator.mul(left, right)
        if isinstance(left, int | float) and isinstance(right, int | float) and (abs(left) > _LONGEST or right > 64):
            raise jinja2.sandbox.SecurityError("a power is too large")
        return operator.pow(left, right)


def _empty_if_none(value: Any) -> Any:
    """Print an absent value as nothing rather than as the word None."""
    return "" if value is None else value


_SANDBOX = _Sandbox()


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt file that was read and compiled."""

    path: Path
    text: str
    digest: str
    """BLAKE2b-128 of the text, hexadecimal; part of a step's fingerprint."""
    variables: frozenset[str]
    """The names that must be given a value."""
    lines: Mapping[str, int] = field(repr=False)
    """For each variable, the line on which it first stands."""
    turns: tuple[tuple[str, jinja2.Template | str], ...] = field(repr=False)
    """Role of each turn, and its template, or its text where that never varies."""


class Prompts:
    """The prompt files of a run: those of the folder `overrides` first, file by file, then the packaged ones."""

    def __init__(self, overrides: Path | str | None = None, *, packaged: Path = PACKAGED):
        self.overrides = Path(overrides) if overrides is not None else None
        self.packaged = packaged
        self._files: dict[tuple[str, str, str], PromptFile] = {}

    def find(self, step: str, name: str, lang: str) -> PromptFile:
        """Return a step's prompt in a language; raises RecipeError when it is missing or cannot be read.

        Another language is never taken instead.
        """
        found = self._files.get((step, name, lang))
        if found is not None:
            return found
        paths = self._places(step, name, lang)
        for path in paths:
            if path.is_file():
                found = self._files[step, name, lang] = read_prompt(path)
                return found
        other = [x for x in LANGUAGES if x != lang and any(p.is_file() for p in self._places(step, name, x))]
        raise RecipeError(
            f"the step {step!r} has no prompt {name!r} for {lang!r}"
            + (f" (it has {' and '.join(other)})" if other else "")
            + f"; write {paths[0]}"
            + ("" if self.overrides else ", or name a folder of your own under `prompts:`")
        )

    def render(self, step: str, name: str, lang: str, values: Mapping[str, Any]) -> list[Message]:
        """Fill a prompt with values and return its messages.

        Control tokens of chat templates in string values, also within lists and dicts, are escaped. None prints as
        nothing. Raises RecipeError when a value is missing or the template fails.
        """
        prompt = self._files.get((step, name, lang)) or self.find(step, name, lang)
        given = _SANDBOX.globals.copy()
        for variable in prompt.variables:
            if variable in values:
                given[variable] = _clean(values[variable])
        try:
            return [
                {"role": role, "content": turn if type(turn) is str else _fill(turn, given)}
                for role, turn in prompt.turns
            ]
        except _FAILURES as error:
            # only Jinja's own messages are known to repeat no values
            why = " ".join(str(error).split()) if isinstance(error, jinja2.TemplateError) else type(error).__name__
            missing = sorted(prompt.variables - values.keys())
            if missing and isinstance(error, jinja2.UndefinedError):
                why = f"no value for {', '.join(missing)}"
            raise RecipeError(
                f"{prompt.path}: cannot be rendered ({why}); correct the file, or give the value"
            ) from None

    def check(self, step_class: type[Step], step_name: str, langs: Iterable[str]) -> list[str]:
        """Return what is wrong with a step's prompts in these languages, one line each with file, line and remedy."""
        problems: list[str] = []
        allowed = {*step_class.reads, *step_class.may_read, *step_class.model_fields, *step_class.prompt_values}
        for name in step_class.prompts:
            for lang in langs:
                try:
                    prompt = self.find(step_name, name, lang)
                except RecipeError as error:
                    problems += error.problems
                    continue
                problems += [
                    f"{prompt.path}:{prompt.lines.get(variable, 1)}: {variable!r} is neither in the reads of"
                    f" {step_class.__name__}, nor one of its settings, nor a value that it gives"
                    + _nearest(variable, allowed)
                    for variable in sorted(prompt.variables - allowed, key=lambda v: (prompt.lines.get(v, 1), v))
                ]
        return problems + self._strays(step_class, step_name)

    def _places(self, step: str, name: str, lang: str) -> list[Path]:
        folders = [self.overrides, self.packaged] if self.overrides else [self.packaged]
        return [folder / step / f"{name}.{lang}.md" for folder in folders]

    def _strays(self, step_class: type[Step], step_name: str) -> list[str]:
        """Name the files in the override folder of a step that no prompt of it will ever use."""
        if self.overrides is None or not (self.overrides / step_name).is_dir():
            return []
        known = {f"{name}.{lang}.md" for name in step_class.prompts for lang in LANGUAGES}
        return [
            f"{path}: the step {step_name!r} has no such prompt" + _nearest(path.name, known)
            for path in sorted((self.overrides / step_name).glob("*.md"))
            if path.name not in known
        ]


def read_prompt(path: Path) -> PromptFile:
    """Read and compile a prompt file; raises RecipeError with the line of what is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    turns: list[tuple[str, jinja2.Template | str]] = []
    variables: set[str] = set()
    lines: dict[str, int] = {}
    for role, first_line, source in _sections(path, text):
        try:
            tree = _SANDBOX.parse(source)
            _refuse_other_files(tree)
            names = meta.find_undeclared_variables(tree) - _SANDBOX.globals.keys()
            template = _SANDBOX.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            line = first_line + error.lineno - 1
            raise RecipeError(f"{path}:{line}: {' '.join((error.message or '').split())}; correct it") from None
        for node in tree.find_all(nodes.Name):
            lines.setdefault(node.name, first_line + node.lineno - 1)
        variables |= names
        plain = all(isinstance(node, nodes.Output | nodes.TemplateData) for node in tree.find_all(nodes.Node))
        turns.append((role, template.render().strip() if plain else template))
    return PromptFile(
        path=path,
        text=text,
        digest=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        variables=frozenset(variables),
        lines={k: v for k, v in lines.items() if k in variables},
        turns=tuple(turns),
    )


def _sections(path: Path, text: str) -> Iterator[tuple[str, int, str]]:
    """Yield role, number of the first line and source of each turn."""
    markers = [m for m in _MARKER.finditer(text) if m[1] in _ROLES]
    for marker in _MARKER.finditer(text):
        near = difflib.get_close_matches(marker[1].lower(), _ROLES, 1, 0.75)
        if marker[1] not in _ROLES and near:
            raise RecipeError(
                f"{path}:{_line(text, marker.start())}: no such turn {marker[1]!r}; write <!-- {near[0]} -->"
            )
    if not markers:
        if not text.strip():
            raise RecipeError(f"{path}: is empty; write the prompt into it")
        yield "user", 1, text
        return
    before = re.sub(r"\{#.*?#\}", "", text[: markers[0].start()], flags=re.DOTALL)
    if before.strip():
        raise RecipeError(f"{path}:1: there is text before the first turn; put it below <!-- {markers[0][1]} -->")
    ends = [m.start() for m in markers[1:]] + [len(text)]
    for marker, end in zip(markers, ends, strict=True):
        source = text[marker.end() : end]
        if not source.strip():
            raise RecipeError(
                f"{path}:{_line(text, marker.start())}: the turn {marker[1]!r} is empty; fill or delete it"
            )
        yield marker[1], _line(text, marker.end()), source


def _refuse_other_files(tree: nodes.Template) -> None:
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        word = "from" if isinstance(node, nodes.FromImport) else type(node).__name__.lower()
        raise jinja2.TemplateSyntaxError(
            f"a prompt cannot use {{% {word} %}}, because it stands alone in its file", node.lineno
        )


def _fill(turn: jinja2.Template, given: dict[str, Any]) -> str:
    # what Template.render does, less the merging of globals, which takes longer than all the rest
    return "".join(turn.root_render_func(turn.new_context(given, shared=True))).strip()


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return escape_control_tokens(value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, Mapping):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return value


def _nearest(word: str, words: Iterable[str]) -> str:
    words = sorted(words)
    near = difflib.get_close_matches(word, words, 1, 0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are: {', '.join(words)}" if words else ""
