"""An answer for every question: as the conversation stands, or from passages, in a house's terms, in a fixed form."""

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from sftmill.core import AskStep, Desk, Drop, Message, Reply, Row, answered, question, sampling
from sftmill.steps.respond.answer.context import (
    Context,
    as_values,
    holds_own,
    passages_of,
    shown_turns,
    unanswered,
)
from sftmill.steps.respond.answer.examination import Examined, Wanted, examine
from sftmill.steps.respond.answer.output_form import Output, answer_model, schema_text
from sftmill.steps.respond.answer.respond_problems import read_schema, respond_problems
from sftmill.steps.respond.answer.terms import load_terms, terms_in


class Respond(AskStep):
    """Lets a model answer the conversation as it stands; an assistant turn at its end is replaced.

    With `context` the answer is to come from numbered passages, which are shown as material and not as orders, and to
    cite them as [1]: the numbers must be there, and the passages cited must bear the sentences (words and numbers,
    without a model). `cited` names them, `uncited` counts the sentences that cite nothing. Where no passage answers, the
    model says a fixed sentence and the row has `operator` = missing, as in `unanswerable`. With `glossary` the terms
    that come up are shown, and what they must not be called is looked for. With `output` the answer has a fixed form.
    An answer with a fault is asked for again, with the faults named in the row's language, `repairs` times.
    Drops: `no_question`, `no_context`; after the repairs `no_answer`, `unknown_citation`, `unsupported_citation`,
    `no_citation`, `forbidden_term`, `wrong_format`, `deictic`; `refused`, and `refused_own_passage` where the passage
    that the question was made from was shown.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("retrieved", "passage", "context", "title_path", "form", "operator")
    writes: ClassVar[tuple[str, ...]] = ("messages", "reasoning", "cited", "uncited", "operator", "task")
    prompts: ClassVar[tuple[str, ...]] = ("answer", "refusal", "repair")
    prompt_values: ClassVar[tuple[str, ...]] = ("passages", "asked", "terms", "shape", "refusal", "faults")
    """The passages, the question, the terms, the JSON Schema, the sentence of refusal; what is to be mended."""

    to: str = "teacher"
    """Role that answers."""
    temperature: float = 0.0
    """0 = the most likely answer."""
    max_tokens: int = 1024
    """Most tokens of an answer."""
    context: Context = "none"
    """What the answer rests on: retrieved = what `retrieve_passages` found, passage = the row's own passage."""
    citations: Literal["keep", "strip", "none"] = "keep"
    """What becomes of citations: keep = they stay in the answer, strip = they are checked and taken out, none = no
    citations are asked for."""
    attribute: bool = False
    """Whether a sentence that cites nothing is given the passage that bears it, where one does; for models that forget."""
    support: float = Field(0.5, ge=0, le=1)
    """Share of a sentence's matter that the passages it cites must have."""
    keep_prompt: bool = True
    """Whether the row's question becomes what the model was shown, passages and form included (`task` = with_context);
    false = the question stays alone (`task` = closed_book), and rows without an answer are dropped."""
    refusals: Literal["keep", "drop"] = "keep"
    """What becomes of rows whose passages do not hold the answer."""
    glossary: Path | None = None
    """File of terms: one a line with its meaning, or YAML; there a term may have meaning, forbidden, zh and en."""
    output: Output | None = None
    """Fixed form: json, table (Markdown), csv, numbers, option, or as_asked (the row's `form`)."""
    schema_file: Path | None = None
    """File with the JSON Schema (json); references to other files are not followed."""
    inline_schema: dict[str, Any] | None = None
    """The JSON Schema, written here instead (json)."""
    columns: tuple[str, ...] = ()
    """Names of the columns in their order (table, csv); empty = any."""
    numbers: int | None = Field(None, ge=1, le=1000)
    """How many numbers (numbers); null = any."""
    options: tuple[str, ...] = ()
    """What may be answered (option)."""
    repairs: int = Field(1, ge=0, le=3)
    """Times that an answer with faults is asked for again."""

    def problems(self) -> list[str]:
        """Return which settings are missing, do not go together, or name a file that cannot be used."""
        return respond_problems(self)

    def files(self) -> tuple[Path, ...]:
        """Return the glossary and the schema."""
        return tuple(path for path in (self.glossary, self.schema_file) if path)

    async def row(self, row: Row, desk: Desk) -> Row:
        """Return the row with the answer as its last turn."""
        messages = unanswered(row)
        if self.context == "none" and not self.glossary and not self.output:
            reply = await self._ask(messages, desk)
            return answered(row, reply.text, reply.reasoning)
        if not messages or messages[-1]["role"] != "user" or not question(row).strip():
            raise Drop("no_question")
        wanted = self._wanted(row, desk.prompt("refusal")[-1]["content"].strip())
        lang = row.get("lang") or "zh"
        came_up = terms_in(wanted.terms, wanted.asked, *(one.borne for one in wanted.passages))
        prompt = desk.prompt(
            "answer",
            passages=as_values(wanted.passages),
            asked=wanted.asked,
            terms=[{"name": t.called(lang), "meaning": t.meaning, "forbidden": list(t.forbidden)} for t in came_up],
            shape=wanted.schema,
            refusal=wanted.refusal,
        )
        conversation = shown_turns(messages, prompt)
        reply = await self._ask(conversation, desk, wanted)
        made = examine(row, reply, wanted)
        for _ in range(self.repairs if made.faults else 0):
            mend = desk.prompt(
                "repair", asked=wanted.asked, faults=[{"reason": f.reason, **f.facts} for f in made.faults]
            )
            draft = {"role": "assistant", "content": reply.text}
            reply = await self._ask([*conversation, draft, mend[-1]], desk, wanted)
            made = examine(row, reply, wanted)
            if not made.faults:
                break
        if made.faults:
            raise Drop(made.faults[0].reason, **made.faults[0].facts, answer=made.text[:200])
        if self.keep_prompt:
            messages = [*messages[:-1], {**messages[-1], "content": prompt[-1]["content"].strip()}]
        return self._composed({**row, "messages": messages}, row, made, wanted, reply)

    async def _ask(self, messages: list[Message], desk: Desk, wanted: Wanted | None = None) -> Reply:
        """Return an answer; the server is held to a JSON Schema unless the answer may be that there is none."""
        guided = wanted is not None and wanted.output == "json" and not wanted.passages
        schema = answer_model(wanted.schema) if guided else None
        drawn = sampling(self.temperature, self.max_tokens)
        return (await desk.ask(messages, to=self.to, schema=schema, sampling=drawn))[0]

    def _wanted(self, row: Row, refusal: str) -> Wanted:
        """Return what is asked of the answer to a row."""
        passages = passages_of(row, self.context)
        if self.context != "none" and not passages:
            raise Drop("no_context")
        return Wanted(
            question(row).strip(), passages, self.citations, self.attribute, self.support, refusal, not self.keep_prompt,
            load_terms(self.glossary) if self.glossary else (), self.output, _schema(self), self.columns, self.numbers,
            self.options,
        )  # fmt: skip

    def _composed(self, made: Row, row: Row, found: Examined, wanted: Wanted, reply: Reply) -> Row:
        """Return the row with its answer and what was found about it."""
        if found.refused:
            if self.refusals == "drop" or not self.keep_prompt:
                raise Drop("refused")
            if holds_own(row, wanted.passages):
                raise Drop("refused_own_passage", said=reply.text[:200])
            made["operator"] = "missing"
        if wanted.passages:
            made["task"] = "with_context" if self.keep_prompt else "closed_book"
            made["cited"] = list(found.citations.cited) if found.citations else []
            made["uncited"] = found.citations.uncited if found.citations else None  # nothing was to be cited
        return answered(made, found.text, reply.reasoning)


@lru_cache(maxsize=16)
def _schema_of(file: Path, changed: int) -> str:
    return schema_text(read_schema(Respond(output="json", schema_file=file)))


def _schema(step: Respond) -> str:
    """Return the JSON Schema as a text; a file is read once for each state of it."""
    if step.schema_file:
        return _schema_of(step.schema_file, step.schema_file.stat().st_mtime_ns)
    return schema_text(step.inline_schema)
