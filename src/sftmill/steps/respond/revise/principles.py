"""Principles: what an answer must keep to, each with the question of the critic and the order to the reviser.

A constitution is a YAML file in the language of the answers:

    id: finance
    version: 1
    principles:
      - id: no_promises
        version: 1
        critique: Does the answer promise a return, or call an investment safe?
        revision: Take the promise out, and say that returns can fall and losses occur.
        forbidden: [guaranteed return, risk-free]   # found without a model; may be left out
        omission: false     # true: the fault is that something is missing, so that there is nothing to quote
        numbers: false      # true: the revision may change numbers
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sftmill.core import Row, question
from sftmill.steps.respond.judge.rubric import LANGUAGES, read_yaml
from sftmill.text import content_hash, normalise, numbers, same_value
from sftmill.text.numbers import Number

Domain = Literal["general", "finance", "law", "medicine"]
PACKAGED = Path(__file__).resolve().parent / "constitutions"
"""The folder of the principles that come with sftmill: DOMAIN.LANG.yaml."""
_NEGATION = re.compile(
    r"(?:不|没有|无法|勿|并非|谁也|\b(?:no|not|never|cannot|nobody|without|nor)\b|n['’]t\b)[^。！？；，、,.;:!?\n]{0,16}$",
    re.IGNORECASE,
)
"""Words before a forbidden phrase with which it is no fault: 不保证收益, "no guaranteed return"."""


class Principle(BaseModel):
    """One thing that answers must keep to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=60)
    version: int = Field(1, ge=1)
    critique: str = Field(min_length=1, max_length=1000)
    revision: str = Field(min_length=1, max_length=1000)
    forbidden: tuple[str, ...] = Field((), max_length=200)
    check: Literal["numbers_known"] | None = None
    """numbers_known: where the row has a passage, numbers of the answer that stand neither there nor in the question
    are a fault."""
    omission: bool = False
    numbers: bool = False


class PrincipleFile(BaseModel):
    """The principles of a field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=60)
    version: int = Field(1, ge=1)
    principles: tuple[Principle, ...] = Field(min_length=1, max_length=40)

    @model_validator(mode="after")
    def _once_each(self) -> "PrincipleFile":
        names = [principle.id for principle in self.principles]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the principle {twice[0]!r} is there twice; leave one out")
        return self


def constitution_path(domain: Domain, own: Path | None, lang: str) -> Path:
    """Return the file of the principles in a language; {lang} in the path of one's own stands for zh or en."""
    return PACKAGED / f"{domain}.{lang}.yaml" if own is None else Path(str(own).replace("{lang}", lang))


def constitution_files(domain: Domain, own: Path | None) -> tuple[Path, ...]:
    """Return the files that the principles may be read from."""
    return tuple(dict.fromkeys(constitution_path(domain, own, lang) for lang in LANGUAGES))


@lru_cache(maxsize=32)
def read_constitution(path: Path) -> PrincipleFile:
    """Read principles; raises RecipeError naming the file and all that is wrong in it."""
    return read_yaml(path, PrincipleFile, "a file of principles")


def draw(principles: Sequence[Principle], count: int | None, seed: str) -> list[Principle]:
    """Return `count` principles, in the order of the file, each set equally likely; the same for the same seed."""
    if count is None or count >= len(principles):
        return list(principles)
    ranked = sorted(range(len(principles)), key=lambda number: content_hash(seed, principles[number].id))
    return [principles[number] for number in sorted(ranked[:count])]


def found_by_check(principle: Principle, row: Row, text: str) -> list[str]:
    """Return the pieces of a text by which it fails a principle's automatic checks; none where it has no checks."""
    low = text.casefold()
    found = []
    for phrase in principle.forbidden:
        at = low.find(phrase.casefold())
        while at >= 0:
            if not _NEGATION.search(text[max(0, at - 24) : at]):
                found.append(text[at : at + len(phrase)])
                break
            at = low.find(phrase.casefold(), at + 1)
    if principle.check == "numbers_known" and row.get("passage"):
        known = [*numbers(row["passage"]), *numbers(row.get("context") or ""), *numbers(question(row))]
        found += [
            text[n.start : n.end]
            for n in numbers(text)
            if n.unit != "label" and not any(_equal(n, other) for other in known)
        ]
    return list(dict.fromkeys(found))


def lost_numbers(before: str, after: str) -> list[str]:
    """Return the numbers of a text that its revision does not hold, as they were written; labels of lists aside."""
    there = numbers(after)
    return list(
        dict.fromkeys(
            before[n.start : n.end]
            for n in numbers(before)
            if n.unit != "label" and not any(_equal(n, other) for other in there)
        )
    )


def new_numbers(before: str, after: str, *known: str | None) -> list[str]:
    """Return the numbers of a revision that neither the text before it holds nor what else is known."""
    return lost_numbers(after, "\n".join([before, *(text for text in known if text)]))


def _equal(a: Number, b: Number) -> bool:
    return same_value(a, b) or (a.value == b.value and not (a.unit and b.unit))


def stands_in(quote: str, text: str) -> bool:
    """Tell whether a quotation stands in a text, spaces and width aside."""
    wanted = re.sub(r"\s+", "", normalise(quote)).strip("…\"'“”‘’「」.。 ")
    return bool(wanted) and wanted in re.sub(r"\s+", "", normalise(text))


_LEAK = re.compile(
    r"\s*(?:#{1,6}\s*)?(?:\*\*)?\s*(?:"
    r"(?:以下|下面)(?:就)?是[^：:\n]{0,12}(?:修订|修改|修正|改写|改进|更正)[^：:\n]{0,16}[：:]"
    r"|[【\[]?(?:根据(?:以上|上述)(?:意见|要求|原则)[，,]?)?(?:修订|修改|修正|改写|改进|更正)"
    r"(?:(?:之?后|过|版|稿)的?(?:回答|答案|答复|内容|版本|文本)?|的?(?:回答|答案|答复|版本|文本))[】\]]?(?:如下)?\s*(?:\*\*)?\s*[：:]"
    r"|(?:here(?: is|['’]s)|below is) (?:the |my |a )?(?:revised|corrected|rewritten|improved|updated)[^:\n]{0,40}:"
    r"|(?:the )?(?:revised|corrected|rewritten|improved|updated) (?:answer|response|version|text|reply)\s*(?:\*\*)?\s*:"
    r"|revision\s*:)\s*(?:\*\*)?[ \t]*\n?",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\n\s{0,8}(?:[-—*_]{3,12}\s{0,8}\n\s{0,8})?(?:\*\*)?[（(]?(?:修订|修改|改动)(?:说明|理由|要点|之处)[：:（(\n][\s\S]{0,2000}$"
    r"|\n\s{0,8}(?:[-—*_]{3,12}\s{0,8}\n\s{0,8})?(?:\*\*)?[(]?(?:changes made|explanation of (?:the )?changes|note on (?:the )?revision)\s*(?:\*\*)?:[\s\S]{0,2000}$",
    re.IGNORECASE,
)


def without_leaks(text: str, before: str = "") -> str:
    """Return a revision without what belongs to the revising: a heading 修订后：, a list of the changes, tags.

    Such a heading or list that the text `before` the revision has, too, belongs to the answer.
    """
    text = re.sub(r"</?(?:answer|candidate|revision|revised)>", "", text).strip()
    while not _LEAK.match(before) and (match := _LEAK.match(text)) and match.end() < len(text):
        text = text[match.end() :].strip()
    return text if _TAIL.search(before) else _TAIL.sub("", text).strip()
