"""The text of a recipe, commented in the language of its documents."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from sftmill.steps import STEPS

TEMPLATES = Path(__file__).parent
PLAIN = re.compile(
    r"(?:(?:\.\./)+|\./)?[A-Za-z\u4e00-\u9fff][\w.\-/\u4e00-\u9fff]*|https?://[\w.\-]+(?::\d+)?(?:/[\w.\-/]*)?"
)
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
SIZES, LAW_SIZES = {"zh": 600, "en": 250}, {"zh": 800, "en": 350}
"""Characters (zh) or words (en) of a passage; more for laws, whose articles are to stay whole."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a starting recipe."""

    recipe: Path
    """Where it is written, as commands name it."""
    name: str
    documents: str
    """The folder of documents, relative to the recipe's."""
    langs: tuple[str, ...]
    sensitivity: str = "internal"
    method: str = "selfqa"
    endpoint: str = ""
    local: str = ""
    model: str = ""
    key_env: str = ""
    accept: str = ""
    law: bool = False
    most: int = 5
    """Questions per passage."""
    expected: str = ""
    """How many samples are to be expected, in words."""


def recipe_text(settings: Settings) -> str:
    """Return the recipe as YAML."""
    import jinja2

    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["yaml"] = yaml_text
    template = environment.from_string((TEMPLATES / f"recipe.{settings.langs[0]}.yaml.j2").read_text("utf-8"))
    langs = settings.langs[0] if len(settings.langs) == 1 else f"[{', '.join(settings.langs)}]"
    text = template.render(
        recipe=settings.recipe,
        labels=settings.recipe.parent / "labels.jsonl",
        name=settings.name,
        documents=settings.documents,
        langs=langs,
        sensitivity=settings.sensitivity,
        method=settings.method,
        models=settings.method != "rules",
        endpoint=settings.endpoint,
        local=settings.local,
        model=settings.model,
        key_env=settings.key_env,
        accept=settings.accept,
        personal=next((name for name in ("personal_data", "mask") if name in STEPS), ""),
        citations=settings.law and "citations" in STEPS,
        reviewed="reviewed" in STEPS,
        size=(LAW_SIZES if settings.law else SIZES)[settings.langs[0]],
        most=settings.most,
        expected=settings.expected,
    )
    return text.rstrip("\n") + "\n"


def yaml_text(text: str) -> str:
    """Return a text as a YAML value that is read as this text, quoted where it must be."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)
