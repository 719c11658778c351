"""Self-Instruct, second half: inputs and outputs for an instruction."""

from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Row, Sampling, answer, answered, asked, question
from sftmill.steps.instruct.required_form import has_form
from sftmill.steps.instruct.self_instruct.instance_list import parse_instances, parse_labelled

TOKENS_LABELLED, TOKENS = 300, 350
"""Tokens of a reply for a classification and for any other task (Self-Instruct)."""
_YES = frozenset(("Yes", "yes", "YES", "是"))


class Instances(AskStep):
    """Asks a model for inputs and outputs of an instruction, output first where it is a classification.

    The later stages of Self-Instruct (Wang et al. 2022, arXiv 2212.10560): a test whether the task is a classification,
    whose `task_type` is then "classification"; for these the model names a class first and then an input for it,
    because inputs made first all have one class; for others the input comes first. Each instance kept becomes a
    row: the user turn holds the instruction and its input, `instruction` the task alone. A row that says in `form` what
    form its answer must have loses the instances that have another. Rows with an answer pass as they are.
    Drops: `no_instruction`, `no_instance`, `truncated`, `wrong_form`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("instruction", "task_type", "form")
    writes: ClassVar[tuple[str, ...]] = ("messages", "question", "answer", "instruction", "task_type")
    prompts: ClassVar[tuple[str, ...]] = ("classify", "output_first", "input_first")
    prompt_values: ClassVar[tuple[str, ...]] = ("task",)
    """The instruction, as it is asked about."""

    keep: Literal["one", "all"] = "all"
    """Whether an instruction becomes one row or one for each instance."""
    most: int = Field(5, ge=1, le=20)
    """Instances that are kept of a reply."""
    classify: bool = True
    """Whether to test for a classification where `task_type` says nothing."""
    temperature: float = Field(0.0, ge=0, le=2)
    """Of the instances; the test is always drawn at 0."""
    presence_penalty: float | None = Field(1.5, ge=-2, le=2)
    """The paper's; None leaves it to the server."""
    max_tokens: int | None = Field(None, ge=16)
    """Tokens of a reply; None = 300 for classifications, else 350, as in the paper."""
    to: str = "teacher"
    """Role of the model that answers."""

    async def row(self, row: Row, desk: Desk) -> Row | list[Row]:
        """Return one row per instance, or one, or raise Drop."""
        if answer(row):
            return row
        task = row.get("instruction") or question(row)
        if not task.strip():
            raise Drop("no_instruction")
        labelled = row.get("task_type") == "classification"
        if not labelled and self.classify and not row.get("task_type"):
            labelled = await self._is_classification(task, desk)
        tokens = self.max_tokens or (TOKENS_LABELLED if labelled else TOKENS)
        reply = (
            await desk.ask(
                desk.prompt("output_first" if labelled else "input_first", task=task),
                to=self.to,
                sampling=Sampling(
                    temperature=self.temperature,
                    presence_penalty=self.presence_penalty,
                    max_tokens=tokens,
                    stop=stops(row.get("lang") or "zh", self.most + 1),
                    keep_truncated=True,
                ),
            )
        )[0]
        cut = reply.finish == "length"
        found = (parse_labelled if labelled else parse_instances)(reply.text, cut, self.most)
        if not found:
            raise Drop("truncated" if cut else "no_instance", reply=reply.text[:200])
        form, lang = row.get("form"), row.get("lang") or "zh"
        fitting = [one for one in found if not form or has_form(one.result, form, lang)]
        if not fitting:
            raise Drop("wrong_form", form=form, answer=found[0].result[:200])
        kind = "classification" if labelled else row.get("task_type")
        made = []
        for one in fitting[:1] if self.keep == "one" else fitting:
            asks = asked(row, f"{task}\n\n{one.given}" if one.given else task)
            made.append({**answered(asks, one.result), "task_type": kind, "instruction": task if one.given else None})
        return made[0] if self.keep == "one" else made

    async def _is_classification(self, task: str, desk: Desk) -> bool:
        """Ask for Yes or No; anything but a plain Yes is none."""
        sampling = Sampling(temperature=0.0, max_tokens=3, stop=("\n", "Task"), keep_truncated=True)
        replies = await desk.ask(desk.prompt("classify", task=task), to=self.to, sampling=sampling)
        return replies[0].text.strip().rstrip(".。") in _YES


def stops(lang: str, number: int) -> tuple[str, ...]:
    """Return what ends a reply: one instance too many, or another task (some servers take four stops at most)."""
    if lang == "zh":
        return (f"示例 {number}", f"示例{number}", "任务：")
    return (f"Example {number}", "Task:")
