"""Rubrics: what an answer is graded by, three to six criteria with what earns 1, 3 and 5 points.

A rubric is a YAML file in the language of the answers:

    id: general
    version: 1
    criteria:
      - id: correctness            # lower-case letters, digits and _; a key of the judge's JSON
        name: Correctness
        question: Are facts, figures and reasoning right?
        anchors: {1: something essential is wrong, 3: a minor error, 5: no error can be found}
        weight: 2                  # 1 where it is left out
        fatal: false               # true: 2 points or fewer here cap the whole grade at 2
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator

from sftmill.errors import RecipeError

Family = Literal["general", "math", "summary", "domain_qa"]
PACKAGED = Path(__file__).resolve().parent / "rubrics"
"""The folder of the rubrics that come with sftmill: FAMILY.LANG.yaml."""
LOWEST, HIGHEST = 1, 5
"""Points of a criterion."""
CAP = 2.0
"""What the whole grade is at most when a fatal criterion gets no more than this."""
LARGEST_FILE = 200_000
"""Bytes of a rubric that are read at most."""
LANGUAGES = ("zh", "en")
_Form = TypeVar("_Form", bound=BaseModel)
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Criterion(BaseModel):
    """One thing that an answer is graded by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str = Field(min_length=1, max_length=100)
    question: str = Field(min_length=1, max_length=1000)
    anchors: dict[int, str]
    weight: float = Field(1.0, gt=0, le=100)
    fatal: bool = False

    @field_validator("id")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if not _ID.fullmatch(value) or value.startswith("model_") or hasattr(BaseModel, value):
            raise ValueError(f"{value!r} cannot be a key; use lower-case letters, digits and _, such as correctness")
        return value

    @field_validator("anchors")
    @classmethod
    def _has_three(cls, value: dict[int, str]) -> dict[int, str]:
        if set(value) != {1, 3, 5} or not all(text.strip() for text in value.values()):
            raise ValueError("must say what earns 1, 3 and 5 points, these three and no others")
        return dict(sorted(value.items()))


class Rubric(BaseModel):
    """The criteria of one kind of task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=100)
    version: int = Field(1, ge=1)
    criteria: tuple[Criterion, ...] = Field(min_length=3, max_length=6)

    @model_validator(mode="after")
    def _once_each(self) -> "Rubric":
        names = [criterion.id for criterion in self.criteria]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the criterion {twice[0]!r} is there twice; leave one out")
        return self

    def shown(self) -> list[dict[str, Any]]:
        """Return the criteria as prompts show them."""
        return [criterion.model_dump() for criterion in self.criteria]

    def total(self, points: Mapping[str, float | None]) -> tuple[float | None, bool]:
        """Return the grade, 1 to 5, and whether a fatal criterion capped it; None where no criterion applies.

        The grade is the weighted mean of the criteria that apply.
        """
        given = [(one, points[one.id]) for one in self.criteria if points.get(one.id) is not None]
        if not given:
            return None, False
        mean = sum(one.weight * value for one, value in given) / sum(one.weight for one, _ in given)
        capped = mean > CAP and any(one.fatal and value <= CAP for one, value in given)
        return round(CAP if capped else mean, 4), capped


class CriterionGrade(BaseModel):
    """What a judge says of one criterion; the evidence comes before the points."""

    evidence: str = Field(json_schema_extra={"maxLength": 200})
    reason: str = Field(json_schema_extra={"maxLength": 300})
    score: int | None = Field(ge=LOWEST, le=HIGHEST)


@lru_cache(maxsize=64)
def grade_form(ids: tuple[str, ...]) -> type[BaseModel]:
    """Return the form of a judge's JSON: an object for each criterion, all of them demanded."""
    return create_model("Grades", **{name: (CriterionGrade, ...) for name in ids})


def rubric_path(family: Family, own: Path | None, lang: str) -> Path:
    """Return the file of a rubric in a language; {lang} in the path of one's own file stands for zh or en."""
    if own is None:
        return PACKAGED / f"{family}.{lang}.yaml"
    return Path(str(own).replace("{lang}", lang))


def rubric_files(family: Family, own: Path | None) -> tuple[Path, ...]:
    """Return the files that a rubric may be read from."""
    return tuple(dict.fromkeys(rubric_path(family, own, lang) for lang in LANGUAGES))


def rubric_problems(family: Family, own: Path | None) -> list[str]:
    """Return what is wrong with the files of a rubric; of files for several languages one is enough."""
    files = rubric_files(family, own)
    there = [path for path in files if path.is_file()]
    if not there:
        return [f"rubric: {files[0]} is not there; write it, or leave `rubric` away to use the packaged {family!r}"]
    problems = []
    for path in there:
        try:
            read_rubric(path)
        except RecipeError as error:
            problems += error.problems
    return problems


@lru_cache(maxsize=64)
def read_rubric(path: Path) -> Rubric:
    """Read a rubric; raises RecipeError naming the file and all that is wrong in it."""
    return read_yaml(path, Rubric, "a rubric")


def read_yaml(path: Path, form: type[_Form], what: str) -> _Form:
    """Read a small YAML file into a form; raises RecipeError naming the file and all that is wrong in it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise RecipeError(f"{path} is larger than {LARGEST_FILE:,} bytes; is it {what}?")
        return form.model_validate(YAML(typ="safe", pure=True).load(path.read_text("utf-8-sig")))
    except ValidationError as error:
        told = [
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise RecipeError([f"{path}: {line}" for line in told]) from error
    except (OSError, UnicodeDecodeError, YAMLError, RecursionError) as error:
        raise RecipeError(f"{path}: cannot be read as {what}: {error}; correct the file") from error
