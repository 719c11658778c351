"""YAML -> Recipe: read, checked as far as one file can be, with the line of everything that is wrong."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from sftmill.core import Step
from sftmill.errors import RecipeError
from sftmill.flow.packing import load_file
from sftmill.flow.where import Condition
from sftmill.models.in_process_files import is_embedded
from sftmill.models.settings import BudgetSettings, ModelSettings
from sftmill.recipe import Recipe, RunSettings, StepEntry, Stream
from sftmill.steps import STEPS
from sftmill.steps.own_code import Code, names_code
from sftmill.yaml_values import check_size, item_line, line_of, nearest, plain, short

LARGEST_RECIPE = 1 << 20
"""Bytes; a recipe is written by hand, so anything larger is a mistake."""
TOP_KEYS = (
    "name",
    "lang",
    "models",
    "budget",
    "run",
    "prompts",
    "ledger",
    "holdout",
    "personal_data",
    "streams",
    "finish",
)
STREAM_KEYS = ("from", "where", "inputs", "steps")
FINISH = "finish"


def load_recipe(
    path: Path, changes: list[str] | None = None, allow_code: bool = False, lenient: bool = False
) -> Recipe:
    """Read a recipe file; `changes` are "a.b.c=value" replacements from the command line.

    Raises RecipeError with all problems that the file itself shows, each with its line.
    `allow_code` permits `use: file.py:Class`, which runs that file. With `lenient` the problems
    are left in the recipe, for the plan to tell them together with its own.
    """
    recipe = _Reader(path, allow_code).read(changes or [])
    if recipe.problems and not lenient:
        raise RecipeError([f"{path.name}:{line}: {text}" for line, text in sorted(recipe.problems)])
    return recipe


class _Reader:
    """Reads one recipe and collects what is wrong with it."""

    def __init__(self, path: Path, allow_code: bool):
        self.path = path
        self.folder = path.resolve().parent
        self.allow_code = allow_code
        self.problems: list[tuple[int, str]] = []
        self.broken_roles: set[str] = set()

    def wrong(self, line: int, text: str) -> None:
        """Note a problem."""
        self.problems.append((line, text))

    def read(self, changes: list[str]) -> Recipe:
        """Return the recipe with all its problems; raises RecipeError where there is nothing to go on with."""
        top = self._parse()
        for change in changes:
            self._apply(top, change)
        self._unknown_keys(top, TOP_KEYS, "recipe")
        name = self._text(top, "name", self.path.stem)
        if not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
            self.wrong(line_of(top, "name"), f"name: {name!r} must consist of letters, digits, '-', '_' and '.'")
        recipe = Recipe(
            path=self.path,
            name=name,
            langs=self._langs(top),
            models=self._models(top),
            budget=self._model(BudgetSettings, top, "budget"),
            run=self._model(RunSettings, top, "run"),
            streams=self._streams(top),
            prompts=self._path(top, "prompts"),
            ledger=self._path(top, "ledger"),
            holdout=self._path(top, "holdout"),
            personal_data=self._choice(top, "personal_data", ("mask", "keep")),
        )
        if isinstance(models := top.get("models"), CommentedMap):
            recipe.model_lines = {role: line_of(models, role) for role in models}
        recipe.problems, recipe.broken_roles = self.problems, self.broken_roles
        if not self.problems:
            recipe.resolved = resolve(recipe, top)
        return recipe

    def _parse(self) -> CommentedMap:
        """Read the YAML; raise at once when there is nothing to check."""
        try:
            size = self.path.stat().st_size
            if size > LARGEST_RECIPE:
                raise RecipeError(f"{self.path}: {size:,} bytes are too many for a recipe; is it the right file?")
            text = self.path.read_text("utf-8-sig")
        except OSError as error:
            raise RecipeError(
                f"{self.path}: {error.strerror}; write a recipe with `sftmill init` or check the path"
            ) from error
        except UnicodeDecodeError as error:
            raise RecipeError(f"{self.path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
        try:
            top = YAML(typ="rt", pure=True).load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise RecipeError(f"{self.path.name}:{line}: not valid YAML: {error.problem or error.context}") from error
        except (YAMLError, RecursionError, ValueError) as error:
            raise RecipeError(f"{self.path.name}: not valid YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(top, CommentedMap):
            raise RecipeError(f"{self.path.name}:1: a recipe is a mapping with the keys {', '.join(TOP_KEYS)}")
        check_size(top, self.path.name)
        return top

    def _apply(self, top: CommentedMap, change: str) -> None:
        """Replace one value, as `--set models.teacher.model=qwen` asks."""
        where, equals, value = change.partition("=")
        keys = where.split(".")
        if not equals or not all(keys):
            self.wrong(1, f"--set {change!r}: write it as a.b.c=value")
            return
        at: Any = top
        for key in keys[:-1]:
            if not isinstance(at.get(key), CommentedMap):
                at[key] = CommentedMap()
            at = at[key]
        at[keys[-1]] = YAML(typ="safe", pure=True).load(value) if value else None

    def _unknown_keys(self, mapping: CommentedMap, known: tuple[str, ...], what: str) -> None:
        """Note keys that do not exist, with the nearest that does."""
        for key in mapping:
            if key not in known:
                self.wrong(line_of(mapping, key), f"{what}: unknown key {key!r}{nearest(str(key), known)}")

    def _text(self, top: CommentedMap, key: str, default: str) -> str:
        """Return a text value."""
        value = top.get(key, default)
        if not isinstance(value, str) or not value:
            self.wrong(line_of(top, key), f"{key}: must be a text, not {value!r}")
            return default
        return value

    def _choice(self, top: CommentedMap, key: str, choices: tuple[str, ...]) -> Any:
        """Return one of a few words; the first is the default."""
        value = self._text(top, key, choices[0])
        if value not in choices:
            self.wrong(line_of(top, key), f"{key}: {value!r} is none of {', '.join(choices)}{nearest(value, choices)}")
            return choices[0]
        return value

    def _path(self, top: CommentedMap, key: str) -> Path | None:
        """Return a path, taken relative to the recipe's folder."""
        return self.folder / self._text(top, key, "") if key in top else None

    def _langs(self, top: CommentedMap) -> tuple[str, ...]:
        """Return the languages of the recipe, the first being that of rows which do not say."""
        value = top.get("lang", "zh")
        langs = tuple(value) if isinstance(value, list) else (value,)
        for lang in langs:
            if lang not in ("zh", "en"):
                self.wrong(line_of(top, "lang"), f"lang: {lang!r} is not supported; use zh, en or [zh, en]")
        return langs or ("zh",)

    def _models(self, top: CommentedMap) -> dict[str, ModelSettings]:
        """Return the roles."""
        models = top.get("models")
        if models is None:
            return {}
        if not isinstance(models, CommentedMap):
            self.wrong(line_of(top, "models"), "models: must be a mapping of role names to settings")
            return {}
        roles = {}
        for role in models:
            before = len(self.problems)
            roles[role] = self._model(ModelSettings, models, role, f"models.{role}")
            if len(self.problems) > before:
                self.broken_roles.add(role)
        for role, settings in roles.items():
            if settings.scripted and not Path(settings.scripted).is_absolute():
                roles[role] = settings.model_copy(update={"scripted": str(self.folder / settings.scripted)})
            if settings.transformers and not is_embedded(settings.transformers):
                folder = str(self.folder / Path(settings.transformers).expanduser())
                roles[role] = settings.model_copy(update={"transformers": folder})
        return roles

    def _model(self, cls: type[BaseModel], mapping: CommentedMap, key: str, what: str = "") -> Any:
        """Validate a part of the recipe against a pydantic model, noting everything that does not fit."""
        value = mapping.get(key)
        line = line_of(mapping, key)
        if value is None:
            return cls()
        if not isinstance(value, CommentedMap):
            self.wrong(line, f"{what or key}: must be a mapping with the keys {', '.join(cls.model_fields)}")
            return cls()
        try:
            return cls(**plain(value))
        except ValidationError as error:
            self._invalid(error, value, line, what or key, tuple(cls.model_fields))
            return cls.model_construct()

    def _invalid(self, error: ValidationError, value: Any, line: int, what: str, known: tuple[str, ...]) -> None:
        """Note every problem that pydantic found, with its line and the nearest valid word."""
        for item in error.errors():
            at, number = value, line
            for part in item["loc"]:
                if isinstance(at, CommentedMap) and part in at:
                    number, at = line_of(at, part), at[part]
            name = ".".join(str(part) for part in item["loc"])
            if item["type"] == "extra_forbidden":
                self.wrong(number, f"{what}: unknown setting {name!r}{nearest(name, known)}")
            elif item["type"] == "missing":
                self.wrong(number, f"{what}: setting {name!r} is missing")
            else:
                self.wrong(number, f"{what}.{name}: {item['msg']}, not {short(item['input'])}")

    def _streams(self, top: CommentedMap) -> dict[str, Stream]:
        """Return the streams, `finish` as the last of them."""
        streams: dict[str, Stream] = {}
        written = top.get("streams")
        if not isinstance(written, CommentedMap) or not written:
            self.wrong(
                line_of(top, "streams"), "streams: a recipe needs at least one stream: `streams: {books: [...]}`"
            )
            written = CommentedMap()
        for name in written:
            if name == FINISH:
                self.wrong(line_of(written, name), "streams: 'finish' is a key of its own, beside `streams:`")
            streams[name] = self._stream(name, written[name], line_of(written, name))
        if FINISH in top:
            finish = self._stream(FINISH, top[FINISH], line_of(top, FINISH))
            finish.sources = finish.sources or self._finished(streams)
            streams[FINISH] = finish
        for stream in streams.values():
            for other in [*stream.sources, *stream.inputs.values()]:
                if other not in streams:
                    self.wrong(stream.line, f"stream {stream.name!r}: no stream {other!r}{nearest(other, streams)}")
        return streams

    @staticmethod
    def _finished(streams: dict[str, Stream]) -> list[str]:
        """Return the streams whose rows `finish` takes where it names none: all but what others only look into.

        A validation set is such a stream: in the export it would be trained on.
        """
        inputs = {other for stream in streams.values() for other in stream.inputs.values()}
        return [name for name in streams if name not in inputs] or list(streams)

    def _stream(self, name: str, value: Any, line: int) -> Stream:
        """Return one stream: a list of steps, or a mapping with from, where, inputs and steps."""
        stream = Stream(name, line)
        before = len(self.problems)
        self._fill(stream, value)
        stream.broken = len(self.problems) > before
        return stream

    def _fill(self, stream: Stream, value: Any) -> None:
        """Read a stream's keys and steps."""
        name, steps = stream.name, value
        if isinstance(value, CommentedMap):
            self._unknown_keys(value, STREAM_KEYS, f"stream {name!r}")
            sources = value.get("from", [])
            stream.sources = list(sources) if isinstance(sources, list) else [sources]
            stream.inputs = dict(plain(value.get("inputs") or {}))
            if "where" in value:
                try:
                    stream.where = Condition(str(value["where"]))
                except RecipeError as error:
                    self.wrong(line_of(value, "where"), f"stream {name!r}: {error}")
                if not stream.sources:
                    self.wrong(line_of(value, "where"), f"stream {name!r}: `where` needs `from`")
            steps = value.get("steps", CommentedSeq())
        if not isinstance(steps, CommentedSeq):
            keys = ", ".join(STREAM_KEYS)
            self.wrong(stream.line, f"stream {name!r}: must be a list of steps, or a mapping with {keys}")
            return
        for index, item in enumerate(steps):
            if entry := self._step(name, item, item_line(steps, index)):
                stream.steps.append(entry)

    def _step(self, stream: str, item: Any, line: int) -> StepEntry | None:
        """Return one step: a name, `{name: {settings}}` or `{use: file.py:Class, ...settings}`."""
        if isinstance(item, str):
            name, settings = item, CommentedMap()
        elif isinstance(item, CommentedMap) and "use" in item:
            settings = CommentedMap((k, v) for k, v in item.items() if k != "use")
            name = str(item["use"])
        elif isinstance(item, CommentedMap) and len(item) == 1:
            name = next(iter(item))
            settings = item[name] if item[name] is not None else CommentedMap()
        else:
            self.wrong(line, f"stream {stream!r}: a step is `name` or `name: {{settings}}`, not {short(item)}")
            return None
        if not isinstance(settings, CommentedMap):
            self.wrong(line, f"step {name!r}: its settings must be a mapping, not {short(settings)}")
            return None
        cls = self._own_step(name, line) if isinstance(item, CommentedMap) and "use" in item else STEPS.get(name)
        if cls is None:
            if not (isinstance(item, CommentedMap) and "use" in item):
                self.wrong(line, f"stream {stream!r}: no step {name!r}{nearest(name, STEPS)}")
            return None
        return self._make_step(name.rpartition(":")[2], cls, settings, line)

    def _own_step(self, use: str, line: int) -> type[Step] | None:
        """Load a user's own step class, where that is allowed."""
        file, colon, name = use.rpartition(":")
        if not colon or not file.endswith(".py"):
            self.wrong(line, f"use: {use!r} must be written as file.py:ClassName")
            return None
        if not self.allow_code:
            self.wrong(line, f"use: {use!r} runs the code in that file; read it, then add --allow-code")
            return None
        try:
            cls = getattr(load_file(self.folder / file), name, None)
        except Exception as error:
            self.wrong(line, f"use: {file} cannot be imported: {type(error).__name__}: {error}")
            return None
        if not (isinstance(cls, type) and issubclass(cls, Step)):
            self.wrong(line, f"use: {file} has no step class {name!r}")
            return None
        return cls

    def _make_step(self, name: str, cls: type[Step], settings: CommentedMap, line: int) -> StepEntry | None:
        """Make a step from its settings, with paths taken relative to the recipe's folder."""
        values = plain(settings)
        written = dict(values)
        for key, info in cls.model_fields.items():
            if info.annotation in (Path, Path | None) and isinstance(values.get(key), str):
                values[key] = self.folder / values[key]
            if is_code(info) and names_code(values.get(key)):
                if not self.allow_code:
                    number = line_of(settings, key)
                    self.wrong(
                        number,
                        f"step {name!r}: {key}: {values[key]!r} runs the code in that file; read it, then add --allow-code",
                    )
                    return None
                values[key] = f"{self.folder / values[key]}"
        try:
            step = cls(**values)
        except ValidationError as error:
            self._invalid(error, settings, line, f"step {name!r}", tuple(cls.model_fields))
            return None
        dumped = step.model_dump(mode="json")
        for key, info in cls.model_fields.items():
            if key in written and (info.annotation in (Path, Path | None) or is_code(info)):
                dumped[key] = written[key]
        return StepEntry(name, step, dumped, line)


def is_code(info: FieldInfo) -> bool:
    """Tell whether a step's setting may name a function in a file of the user's."""
    return any(isinstance(mark, Code) for mark in info.metadata)


def resolve(recipe: Recipe, top: CommentedMap) -> dict[str, Any]:
    """Return the recipe with every default spelled out; keys are named, never shown."""
    streams: dict[str, Any] = {}
    for stream in recipe.streams.values():
        entry: dict[str, Any] = {}
        if stream.sources:
            entry["from"] = list(stream.sources)
        if stream.where:
            entry["where"] = stream.where.text
        if stream.inputs:
            entry["inputs"] = dict(stream.inputs)
        entry["steps"] = [{step.name: step.settings} for step in stream.steps]
        streams[stream.name] = entry
    finish = streams.pop(FINISH, None)
    written = plain(top.get("models") or {})
    models = {role: settings.model_dump(mode="json") for role, settings in recipe.models.items()}
    for role, settings in models.items():
        for key in ("scripted", "transformers"):
            if settings[key]:
                settings[key] = written[role][key]
    return {
        "name": recipe.name,
        "lang": list(recipe.langs),
        "models": models,
        "budget": recipe.budget.model_dump(mode="json"),
        "run": recipe.run.model_dump(mode="json"),
        "personal_data": recipe.personal_data,
        **({"holdout": str(top["holdout"])} if recipe.holdout else {}),
        "streams": streams,
        **({FINISH: finish} if finish else {}),
    }
