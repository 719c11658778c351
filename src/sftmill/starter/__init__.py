"""`sftmill init`: a recipe that runs, for a folder of documents or with a sample book to try it on."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sftmill.errors import RunError
from sftmill.flow.shards import storage_error
from sftmill.starter.answers import LOCAL, Ask, Given, checked, complete, expected, questions_per_passage
from sftmill.starter.recipe_text import Settings, recipe_text
from sftmill.starter.survey import Look, look_at
from sftmill.starter.words import look_lines
from sftmill.steps import STEPS

SAMPLES = Path(__file__).parent.parent / "sample"
SAMPLE_MODEL = "Qwen2.5-72B-Instruct"
RECIPE = "recipe.yaml"


def start_project(
    folder: Path,
    documents: Path | None = None,
    given: Given | None = None,
    ask: Ask | None = None,
    yes: bool = False,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Write a recipe, after a look at the documents; return the files written, the recipe first.

    A `folder` that holds documents itself is taken for `documents`, and the recipe goes into a new folder beside it.
    The documents stay where they are. Without any, a sample book is written too. `ask` puts the questions that
    `given` leaves open. Nothing is ever overwritten. Raises RunError.
    """
    given = checked(given or Given())
    if given.method == "rules" and "rules" not in STEPS:
        raise RunError("--method rules: this version has no step `rules`; use --method selfqa")
    folder, found = _places(folder, documents)
    if found is None:
        return _write_sample(folder, given)
    look = look_at(found)
    if not look.read:
        for line in look_lines(look, "en"):
            say(line)
        raise RunError(f"{found}: no document in it can be read; name another folder with --documents")
    lang = (given.lang or look.langs()[0])[:2]
    for line in look_lines(look, lang if lang in ("zh", "en") else "en"):
        say(line)
    settings = _settings(folder, found, complete(given, look, ask, yes, say), look)
    return _write(folder, recipe_text(settings))


def _places(folder: Path, documents: Path | None) -> tuple[Path, Path | None]:
    """Return the folder for the recipe, and that of the documents if there are any."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; give the name of a folder")
    if (folder / RECIPE).exists():
        raise RunError(f"{folder / RECIPE} is there already; give the name of a new folder")
    if documents is None:
        if not folder.is_dir() or not any(folder.iterdir()):
            return folder, None
        documents = folder
        home, inside = documents.resolve(), Path.cwd().resolve()
        beside = home.parent if inside.is_relative_to(home) else Path()
        folder = beside / f"{home.name}-sft"
        if folder.exists():
            raise RunError(f"{folder} is there already; name another: sftmill init NEW --documents {documents}")
    if not documents.is_dir():
        raise RunError(f"{documents}: is no folder; name the folder of your documents with --documents")
    if folder.resolve().is_relative_to(documents.resolve()):
        raise RunError(
            f"{folder} lies inside of {documents}, so it would be read as documents; choose a folder beside it"
        )
    return folder, documents


def _settings(folder: Path, documents: Path, answers: Given, look: Look) -> Settings:
    """Return what the recipe says."""
    relative = Path(os.path.relpath(documents.resolve(), folder.resolve())).as_posix()
    most = questions_per_passage(look, answers.samples or 1)
    return replace(
        _common(folder, answers),
        documents=relative,
        law=look.is_law,
        most=most,
        expected=f"{expected(look, most):,}",
    )


def _common(folder: Path, answers: Given) -> Settings:
    local = answers.endpoint == "local"
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in folder.resolve().name).lstrip(".") or "my-domain"
    return Settings(
        recipe=folder / RECIPE,
        name=name,
        documents="books",
        langs=tuple((answers.lang or "zh").split(",")),
        sensitivity=answers.sensitivity or "internal",
        method=answers.method or "selfqa",
        endpoint="" if local else answers.endpoint or "",
        local=(answers.model or LOCAL) if local else "",
        model="" if local else answers.model or "",
        key_env=answers.key_env or "",
        accept=answers.accept or "",
    )


def _write_sample(folder: Path, given: Given) -> list[Path]:
    """Write a recipe and a sample book to try it on."""
    model = given.model if given.model is not None or given.endpoint else SAMPLE_MODEL
    answers = complete(replace(given, model=model, lang=given.lang or "zh"), Look(folder), None, True)
    settings = _common(folder, answers)
    lang = settings.langs[0]
    written = _write(folder, recipe_text(settings))
    book = folder / "books" / "server_room.md"
    book.parent.mkdir(exist_ok=True)
    shutil.copyfile(SAMPLES / f"server_room.{lang}.md", book)
    return [*written, book]


def _write(folder: Path, text: str) -> list[Path]:
    recipe = folder / RECIPE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(recipe, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RunError(f"{recipe} is there already; give the name of a new folder") from None
    except OSError as error:
        raise storage_error(recipe, error) from error
    return [recipe]
