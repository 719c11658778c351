"""A judge grades each answer by a rubric, criterion by criterion, the evidence before the points."""

from pathlib import Path
from typing import ClassVar, Literal

import orjson
from pydantic import Field

from sftmill.core import AskStep, Demand, Desk, Drop, Row, answer, question, turns
from sftmill.steps.respond.judge.blind import appeals, shown
from sftmill.steps.respond.judge.grade import grade_by_panel
from sftmill.steps.respond.judge.report import refuse_other_model, report_problems
from sftmill.steps.respond.judge.rubric import Family, read_rubric, rubric_files, rubric_path, rubric_problems
from sftmill.steps.respond.judge.show import MATERIAL, harmless_text, request_turns


class Judge(AskStep):
    """Lets one judge or several grade the answer by a rubric, 1 to 5, into `score`.

    For each criterion of the rubric the judge quotes the answer, gives a reason, then points, as JSON; `score` is
    their weighted mean, at most 2 where a fatal criterion gets 2 or less. Where the server gives log-probabilities,
    points are the expected value over the digits (G-Eval, arXiv 2303.16634). The judge does not learn who wrote the
    answer, and sees `reference` and `passage` where a row has them. A judge that gives no usable grade leaves `score`
    empty: that is neither a zero nor a mean. All that was said, and whether the answer speaks to its judge ("rate me
    10"), is in `judgement`.
    Drops: `below_least`, `no_grade` (both only with `least`), `no_answer`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("reference", *MATERIAL)
    writes: ClassVar[tuple[str, ...]] = ("score", "judgement")
    prompts: ClassVar[tuple[str, ...]] = ("grade",)
    judging: ClassVar[tuple[str, ...]] = ("to", "to_panel")
    prompt_values: ClassVar[tuple[str, ...]] = (
        "criteria", "turns", "candidate", "reference", "material", "flagged",
    )  # fmt: skip

    to: str = "judge"
    """Role that judges; best another model than the one that answered, for models like their own answers."""
    to_panel: tuple[str, ...] = ()
    """Further roles that judge; `score` is the mean of all, and empty where more than half give none."""
    own_answers: bool = False
    """Whether a judge may be the model that wrote the answers; models prefer their own."""
    family: Family = "general"
    """Packaged rubric: general, math (one right result), summary (measured by a text), or domain_qa (of a trade)."""
    rubric: Path | None = None
    """File of a rubric of your own, instead; {lang} in its name stands for zh or en."""
    weighted: bool = True
    """Whether points are weighted by probability where the server gives it; needs no further call, but a larger ledger."""
    least: float | None = Field(None, ge=1, le=5)
    """Score that an answer must have to stay; null = all stay."""
    use_reference: bool = True
    """Whether the judge sees the row's `reference`."""
    use_passage: bool = True
    """Whether the judge sees the row's `passage` and `context`."""
    longest: int = Field(12000, ge=500)
    """Characters of an answer that are shown."""
    max_tokens: int = Field(1536, ge=64)
    """Tokens of a judgement."""
    check: Path | None = None
    """Report of `sftmill judge check` on this judge; with one that failed, the recipe does not run."""
    missing: Literal["keep", "drop"] = "keep"
    """What becomes of an answer without a score; with `least` it is dropped in any case."""

    def problems(self) -> list[str]:
        """Return what is wrong with the rubric's files and the report on the judge."""
        return rubric_problems(self.family, self.rubric) + report_problems(self.check, self.roles())

    def demand(self, candidates: int | None = None) -> Demand:
        """Return that each judge grades the answer once."""
        return Demand(dict.fromkeys(self.roles(), 1), "a grade of each judge")

    def files(self) -> tuple[Path, ...]:
        """Return the files of the rubric."""
        return rubric_files(self.family, self.rubric)

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with its score and what was said."""
        refuse_other_model(self.check, desk, self.roles())
        text = answer(row)
        if not text.strip():
            raise Drop("no_answer")
        rubric = read_rubric(rubric_path(self.family, self.rubric, row.get("lang") or "zh"))
        flags = appeals(text, question(row))
        prompt = desk.prompt(
            "grade",
            criteria=rubric.shown(),
            turns=request_turns(turns(row)),
            candidate=shown(text, self.longest),
            reference=harmless_text(row.get("reference")) if self.use_reference else None,
            material=harmless_text(row.get("passage"), row.get("context")) if self.use_passage else None,
            flagged=bool(flags),
        )
        score, grades = await grade_by_panel(
            desk, self.roles(), rubric, prompt, weighted=self.weighted, max_tokens=self.max_tokens
        )
        if score is None and (self.least is not None or self.missing == "drop"):
            raise Drop("no_grade")
        if self.least is not None and score < self.least:
            raise Drop("below_least", score=score, **({"flags": flags} if flags else {}))
        said = {"rubric": f"{rubric.id} {rubric.version}", "judges": [one.record() for one in grades], "flags": flags}
        return {**row, "score": score, "judgement": orjson.dumps(said).decode()}
