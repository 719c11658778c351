"""A grammar of templates: patterns with typed slots, conditions between them, and an answer that is computed.

templates:
  - name: simple_interest
    lang: en                     # or zh; left out, that of the first pattern
    patterns:                    # one of them is taken; every slot stands in each
      - "{sum} is lent at {rate} a year, simple interest. What interest is due after {years}?"
    slots:
      sum: {type: money, from: 1000, to: 50000, step: 500}
      rate: {type: percent, from: 1.5, to: 6, step: 0.25}     # 1.5 % is 0.015 in expressions
      years: {type: int, from: 1, to: 9, unit: year|years}
    where: [sum * rate * years > 100]                         # may be left out
    compute:
      interest: sum * rate * years                            # or {value: ..., type: money, decimals: 2}
    answer: "The interest is {interest}."
    topic: interest              # may be left out, as task_type, difficulty and form
"""

import datetime
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sftmill.errors import RecipeError
from sftmill.steps.instruct.templates.expression import Expression, Value
from sftmill.steps.instruct.templates.template_slots import Shape, Slot, Written, index_of
from sftmill.text import Lang, content_hash, detect_lang

LARGEST_FILE = 1 << 20
"""Bytes of a grammar."""
MOST_TEMPLATES, MOST_PATTERNS, MOST_SLOTS, LONGEST_PATTERN = 500, 50, 20, 4_000
MOST_VALUES = 200_000
"""Keys, items and texts that a file may unfold to: aliases of YAML can make much out of little."""
ENUMERATED = 20_000
"""Combinations up to which all are looked at; of more, as many are drawn as are needed."""

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]{0,80})\}|[{}]")
_NAME = re.compile(r"[^\W\d]\w{0,39}\Z")


class Computed(Shape):
    """A value that is worked out: its expression, and how it is written."""

    value: str


class Template(BaseModel):
    """One template: what is asked, what may stand in its slots, and how the answer follows."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str = Field(pattern=r"^[^\W\d]\w{0,79}$")
    lang: Lang | None = None
    patterns: tuple[str, ...] = Field(min_length=1, max_length=MOST_PATTERNS)
    slots: dict[str, Slot] = Field(min_length=1, max_length=MOST_SLOTS)
    where: tuple[str, ...] = ()
    compute: dict[str, Computed] = Field(default_factory=dict, max_length=MOST_SLOTS)
    answer: str = Field(min_length=1, max_length=LONGEST_PATTERN)
    topic: str | None = None
    task_type: str | None = None
    difficulty: str | None = None
    form: str | None = None

    @field_validator("patterns", "where", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("compute", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: item if isinstance(item, dict) else {"value": str(item)} for name, item in value.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> "Template":
        names = [*self.slots, *self.compute]
        for name in names:
            if not _NAME.match(name) or unicodedata.normalize("NFKC", name) != name:
                raise ValueError(f"{name!r} is no name; use letters, digits and _, a letter first")
        if twice := self.slots.keys() & self.compute.keys():
            raise ValueError(f"{sorted(twice)[0]!r} is both a slot and computed; rename one of them")
        for number, pattern in enumerate(self.patterns, 1):
            if len(pattern) > LONGEST_PATTERN:
                raise ValueError(f"pattern {number} has {len(pattern):,} characters; at most {LONGEST_PATTERN:,}")
            there = places(pattern, names, f"pattern {number}")
            if missing := [name for name in self.slots if name not in there]:
                raise ValueError(f"pattern {number} lacks {{{missing[0]}}}; the answer cannot follow without it")
        places(self.answer, names, "answer")
        self.expressions()
        return self

    def language(self) -> Lang:
        """Return the language that the template says it has, or that of its first pattern."""
        return self.lang or detect_lang(_PLACE.sub("", self.patterns[0]))

    def expressions(self) -> tuple[list[Expression], dict[str, Expression]]:
        """Return the conditions and what is computed; a computed value may use those before it."""
        known = list(self.slots)
        computed = {}
        for name, item in self.compute.items():
            try:
                computed[name] = Expression(item.value, known)
            except ValueError as error:
                raise ValueError(f"compute.{name}: {error}") from None
            known.append(name)
        try:
            return [Expression(text, known) for text in self.where], computed
        except ValueError as error:
            raise ValueError(f"where: {error}") from None

    def combinations(self) -> int:
        """Return how many combinations of values there are, whatever the conditions."""
        total = 1
        for slot in self.slots.values():
            total *= slot.size()
        return total


class Instance(NamedTuple):
    """A template with its slots filled."""

    question: str
    answer: str
    places: dict[str, dict[str, str]]
    """What stands in the question: name -> type, text, and value: a plain number (3.5% is 0.035), a day such as
    2024-03-05, or the text itself."""


def places(pattern: str, names: list[str], what: str) -> set[str]:
    """Return the names that stand in a pattern; raises ValueError for others and for single brackets."""
    found = set()
    for match in _PLACE.finditer(pattern):
        if match[0] in ("{", "}"):
            raise ValueError(f"{what} has a single {match[0]!r}; write it twice, or close the slot")
        if match[1] is not None:
            if match[1] not in names:
                raise ValueError(
                    f"{what} has {match[0]}, which is neither slot nor computed; there are: {', '.join(names)}"
                )
            found.add(match[1])
    return found


def fill(pattern: str, texts: Mapping[str, str]) -> str:
    """Return a pattern with texts in its places."""
    return _PLACE.sub(lambda match: match[0][0] if match[1] is None else texts[match[1]], pattern)


class Drawing:
    """Draws distinct combinations of a template's values; the same ones for the same seed, and more for more."""

    def __init__(self, template: Template, seed: int):
        self.template = template
        self.lang = template.language()
        self.conditions, self.computed = template.expressions()
        self._sizes = [slot.size() for slot in template.slots.values()]
        self._total = template.combinations()
        self._seed = content_hash("templates", str(seed), template.name)

    def instances(self, count: int) -> Iterator[Instance]:
        """Yield up to `count` instances; fewer only where no further combination meets the conditions.

        Raises ValueError naming the slots' values where something cannot be computed.
        """
        made = 0
        for number in self._numbers(count):
            if made == count:
                return
            if instance := self._instance(number):
                made += 1
                yield instance

    def _numbers(self, count: int) -> Iterator[int]:
        """Yield numbers of combinations, each once, in an order that the seed decides."""
        chance = Random(self._seed)
        if self._total <= ENUMERATED:
            numbers = list(range(self._total))
            chance.shuffle(numbers)
            yield from numbers
            return
        seen: set[int] = set()
        for _ in range(200 * count + 2_000):
            number = chance.randrange(self._total)
            if number not in seen:
                seen.add(number)
                yield number

    def _instance(self, number: int) -> Instance | None:
        """Return an instance, None where the conditions do not hold."""
        slots = self.template.slots
        chosen = index_of(number, self._sizes)
        written = {name: slot.at(i, self.lang) for (name, slot), i in zip(slots.items(), chosen, strict=True)}
        try:
            return self._filled(written, number)
        except ValueError as error:
            given = ", ".join(f"{name} = {item.text}" for name, item in written.items())
            raise ValueError(f"with {given}: {error}") from None

    def _filled(self, written: dict[str, Written], number: int) -> Instance | None:
        values: dict[str, Value] = {name: item.value for name, item in written.items()}
        for name, expression in self.computed.items():
            values[name] = expression(values)
        if not all(condition(values) for condition in self.conditions):
            return None
        for name, item in self.template.compute.items():
            if self._is_written(name):
                written[name] = Written(values[name], item.write(values[name], self.lang))
        texts = {name: item.text for name, item in written.items()}
        pattern = Random(content_hash(self._seed, str(number))).choice(self.template.patterns)
        types = {**self.template.slots, **self.template.compute}
        shown = {
            name: {"type": types[name].type, "text": texts[name], "value": _plain(values[name], types[name].type)}
            for name in texts
            if f"{{{name}}}" in pattern
        }
        return Instance(fill(pattern, texts), fill(self.template.answer, texts), shown)

    def _is_written(self, name: str) -> bool:
        """Tell whether a computed value is shown anywhere; steps of a computation need no text."""
        return any(f"{{{name}}}" in text for text in (*self.template.patterns, self.template.answer))


def _plain(value: Value, kind: str) -> str:
    if isinstance(value, str):
        return value
    return datetime.date.fromordinal(int(value)).isoformat() if kind == "date" else f"{value:f}"


# --- reading -----------------------------------------------------------------------------------------


def read_templates(path: Path) -> tuple[Template, ...]:
    """Read a grammar; raises RecipeError naming file, line and field of all that is wrong in it."""
    try:
        stamp = path.stat()
    except OSError as error:
        raise RecipeError(f"{path.name} cannot be read ({error.strerror}); check the path in the recipe") from None
    if stamp.st_size > LARGEST_FILE:
        raise RecipeError(
            f"{path.name} has {stamp.st_size:,} bytes, more than {LARGEST_FILE:,}; cut it into several files"
        )
    return _read(path, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> tuple[Template, ...]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = ""
    try:
        text = path.read_text("utf-8-sig")
        top = YAML(typ="rt", pure=True).load(text)
        plain = _unfolded(top, [MOST_VALUES])
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path.name}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        told = getattr(error, "problem", None) or "is not YAML"
        raise RecipeError(f"{path.name}{where}: {told}; correct it") from None
    except (RecursionError, MemoryError):
        raise RecipeError(f"{path.name}: is nested too deep; write it more simply") from None
    except ValueError as error:
        raise RecipeError(f"{path.name}{_line_of_no_day(text)}: {error}; correct it") from None
    if not isinstance(plain, dict) or plain.keys() != {"templates"} or not isinstance(plain["templates"], list):
        raise RecipeError(f"{path.name}:1: needs one key, `templates:`, with a list of templates below it")
    if not 1 <= len(plain["templates"]) <= MOST_TEMPLATES:
        raise RecipeError(f"{path.name}:1: has {len(plain['templates']):,} templates; give 1 to {MOST_TEMPLATES}")
    found: list[Template] = []
    problems: list[str] = []
    for number, item in enumerate(plain["templates"]):
        source = top["templates"][number]
        first_line = _line(top["templates"], number)
        try:
            template = Template.model_validate(item)
        except ValidationError as error:
            problems += [f"{path.name}:{told}" for told in _told(error, item, source, number, first_line)]
            continue
        if any(other.name == template.name for other in found):
            problems.append(
                f"{path.name}:{_line(source, 'name')}: the name {template.name!r} is there twice; rename one"
            )
        found.append(template)
    if problems:
        raise RecipeError(problems)
    return tuple(found)


def _unfolded(value: Any, left: list[int]) -> Any:
    """Return plain dicts and lists; raises ValueError where aliases unfold to more than MOST_VALUES things."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError(f"unfolds to more than {MOST_VALUES:,} values")
    if isinstance(value, dict):
        return {str(key): _unfolded(item, left) for key, item in value.items()}
    return [_unfolded(item, left) for item in value] if isinstance(value, list) else value


def _line_of_no_day(text: str) -> str:
    """Return ":" and the line of the first day that is not in the calendar, which YAML does not say."""
    for match in re.finditer(r"\b\d{4}-\d{1,2}-\d{1,2}\b", text):
        try:
            datetime.date(*map(int, match[0].split("-")))
        except ValueError:
            return f":{text.count(chr(10), 0, match.start()) + 1}"
    return ""


def _told(error: ValidationError, item: Any, source: Any, number: int, first_line: int) -> Iterator[str]:
    """Yield "line: template, field: what is wrong" for each problem."""
    name = item.get("name") if isinstance(item, dict) else None
    label = f"template {name!r}" if isinstance(name, str) and len(name) <= 80 else f"template number {number + 1}"
    for problem in error.errors():
        at, line = source, first_line
        field = []
        for part in problem["loc"]:
            if not isinstance(at, dict | list):
                break
            known = part in at if isinstance(at, dict) else isinstance(part, int) and part < len(at)
            if not known and isinstance(at, dict) and problem["type"] != "missing":
                continue  # the name of a branch of a union
            field.append(str(part))
            if known:
                line, at = _line(at, part), at[part]
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such setting; take it out"
        yield f"{line}: {label}{', ' + '.'.join(field) if field else ''}: {message}"


def _line(at: Any, key: Any) -> int:
    """Return the line of a key or item, from 1."""
    try:
        return (at.lc.key(key) if isinstance(at, dict) else at.lc.item(key))[0] + 1
    except (AttributeError, KeyError, TypeError, IndexError):
        return getattr(getattr(at, "lc", None), "line", 0) + 1
