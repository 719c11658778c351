"""Other wordings of questions and answers, in different manners, that keep the facts."""

from pathlib import Path
from random import Random
from typing import ClassVar

from pydantic import BaseModel, Field

from sftmill.core import AskStep, Demand, Desk, Drop, Row, answer, question, sampling, turns
from sftmill.errors import ReplyUnusable
from sftmill.steps.instruct.diversify.kept_facts import find_fact_fault, find_wording_fault, is_fixed
from sftmill.steps.instruct.diversify.stance import Parts, find_stance_fault, find_unfitness
from sftmill.steps.instruct.diversify.style_file import Style, load_styles, style_problems, styles_path
from sftmill.steps.respond.answer.fault import Fault
from sftmill.steps.respond.answer.terms import load_terms, term_problems, terms_in
from sftmill.text import content_hash

OF_THE_OLD_ANSWER = ("answer_start", "reasoning", "candidates", "scores", "rejected", "masked_spans", "margin")
"""Columns that hold for one wording of the answer alone."""
LANGUAGES = ("zh", "en")


class Wording(BaseModel):
    """What the model writes; the limit is a hint for servers that generate along the schema."""

    text: str = Field(json_schema_extra={"maxLength": 6000})


class Diversify(AskStep):
    """Asks a model to say a question, its answer or both in another manner, and keeps what says the same.

    Manners (colloquial, written, novice, expert, brief, service, scenario) stand in a file for each language, or in
    yours; each child of a row has another one, named in `style`. Numbers, dates, articles, names, titles, links, terms
    of the `glossary`, negations and limits must be the same before and after, and lists as long; no wording may be too
    near to the row's or to a sibling's (ROUGE-L), none too far. No model judges it: what the rules cannot tell stays
    untold, so let a judge or `grounded` follow where that matters. Children keep the row's root, so that all wordings
    are held out together. For questions made from templates use `reword`, which knows their slots.
    Drops (with `keep_original: false`, where no wording is left): `no_question`, `no_answer`, `passage_in_question`,
    `fixed_answer`, `no_wording`, `other_language`, `too_near`, `too_far`, `number_lost`, `number_added`,
    `numbers_swapped`, `link_changed`, `code_changed`, `citation_changed`, `name_lost`, `name_added`,
    `negation_changed`, `limit_changed`, `opposite_word`, `term_lost`, `forbidden_term`, `form_changed`, `deictic`,
    `gives_away`, `refused`, `other_question`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages", "question")
    may_read: ClassVar[tuple[str, ...]] = ("answer", "passage")
    writes: ClassVar[tuple[str, ...]] = ("messages", "style")
    prompts: ClassVar[tuple[str, ...]] = ("question", "answer")
    prompt_values: ClassVar[tuple[str, ...]] = ("manner", "asked", "said", "names")
    """How to write; the question and the answer to reword; terms that stay."""

    parts: Parts = "question"
    """What is reworded; an answer that is JSON, a table, code or a mere value is never."""
    to: str = "teacher"
    """Role of the model that rewords."""
    children: int = Field(2, ge=1, le=10)
    """Wordings of each row, each in another manner."""
    styles: tuple[str, ...] = ()
    """Names of the manners to use; empty = all of the file."""
    styles_file: Path | None = None
    """YAML file of your own: name -> {question, answer}, each saying how it is worded; null = those of the house."""
    glossary: Path | None = None
    """File of terms that must stay, as in `respond`."""
    keep_original: bool = True
    """Whether the row itself is handed on, too; then nothing is dropped."""
    nearest: float = Field(0.85, gt=0, le=1)
    """ROUGE-L with the row's wording, or a sibling's, from which a wording is none."""
    farthest: float = Field(0.1, ge=0, lt=1)
    """ROUGE-L with the row's wording below which it is not trusted to say the same."""
    attempts: int = Field(2, ge=1, le=5)
    """Times that the model is asked for each wording until one passes; each time a little warmer."""
    temperature: float = Field(0.8, ge=0, le=1.6)
    """Above 0, because wordings are to differ."""
    max_tokens: int = Field(1024, ge=16)
    """Tokens that a reply may have."""
    seed: int = 0
    """Another number chooses other manners."""

    def files(self) -> tuple[Path, ...]:
        """Return the files of manners and terms."""
        styles = (self.styles_file,) if self.styles_file else tuple(styles_path(lang) for lang in LANGUAGES)
        return tuple(path for path in (*styles, self.glossary) if path)

    def problems(self) -> list[str]:
        """Return what is wrong with the files, the names of manners and the limits."""
        found = term_problems(self.glossary)
        if self.farthest >= self.nearest:
            found.append(f"farthest: {self.farthest} is not below nearest, which is {self.nearest}; lower it")
        paths = (self.styles_file,) if self.styles_file else map(styles_path, LANGUAGES)
        return found + style_problems(paths, self.styles)

    def demand(self, candidates: int | None = None) -> Demand:
        """Return what a row asks for at most."""
        each = self.children * self.attempts * (2 if self.parts == "both" else 1)
        return Demand({self.to: each}, f"up to {each} wordings a row; `attempts: 1` asks for fewer", candidates)

    async def row(self, row: Row, desk: Desk) -> list[Row]:
        """Return the row, if it is to stay, and its wordings."""
        lang = row.get("lang") or "zh"
        fault = find_unfitness(row, self.parts, lang)
        made: list[Row] = []
        if not fault:
            told: list[str] = []
            for style in self._styles(row, lang):
                child = await self._child(row, style, lang, told, desk)
                if isinstance(child, Fault):
                    fault = fault or child
                else:
                    made.append(child)
        if not made and not self.keep_original:
            assert fault is not None
            raise Drop(fault.reason, **fault.facts)
        return [*([row] if self.keep_original else []), *made]

    def _styles(self, row: Row, lang: str) -> list[Style]:
        """Return the manners of a row's children."""
        known = load_styles(self.styles_file or styles_path(lang))
        names = list(self.styles or known)
        chance = Random(content_hash("diversify", str(self.seed), row.get("id") or question(row)))
        return [known[name] for name in chance.sample(names, min(self.children, len(names)))]

    async def _child(self, row: Row, style: Style, lang: str, told: list[str], desk: Desk) -> Row | Fault:
        """Return the row in a manner, or what was wrong with the first wording of it."""
        asked, said = question(row).strip(), answer(row).strip()
        new = (asked, said)
        if self.parts != "answer":
            found = await self._worded("question", asked, style.question, asked, said, told, lang, desk)
            if isinstance(found, Fault):
                return found
            new = (found, said)
        if self.parts != "question" and not is_fixed(said, lang):
            found = await self._worded("answer", said, style.answer, new[0], said, told, lang, desk)
            if isinstance(found, Fault):
                return found
            new = (new[0], found)
        told += [text for text, old in zip(new, (asked, said), strict=True) if text != old]
        made = {name: value for name, value in row.items() if new[1] == said or name not in OF_THE_OLD_ANSWER}
        return {**made, "messages": _with(row, *new), "style": style.name}

    async def _worded(
        self, part: str, old: str, manner: str, asked: str, said: str, told: list[str], lang: str, desk: Desk
    ) -> str | Fault:
        """Return a text in a manner, or what was wrong with the first wording."""
        terms = load_terms(self.glossary) if self.glossary else ()
        names = [term.called(lang) for term in terms_in(terms, old)]
        prompt = desk.prompt(part, manner=manner, asked=asked, said=said, names=names)
        first: Fault | None = None
        for attempt in range(self.attempts):
            drawn = sampling(min(2.0, self.temperature + 0.2 * attempt), self.max_tokens)
            try:
                reply = (await desk.ask(prompt, to=self.to, schema=Wording, sampling=drawn))[0]
            except ReplyUnusable:
                first = first or Fault("no_wording", {})
                continue
            text = reply.data.text.strip()
            fault = find_wording_fault(old, text, lang, told, self.nearest, self.farthest)
            fault = (
                fault
                or find_fact_fault(old, text, lang, terms)
                or find_stance_fault(part, old, text, asked, said, lang)
            )
            if not fault:
                return text
            first = first or Fault(fault.reason, {**fault.facts, "part": part, "wording": text[:200]})
        return first or Fault("no_wording", {})


def _with(row: Row, asked: str, said: str) -> list[dict]:
    """Return the row's turns with another last question and another answer."""
    messages = [dict(turn) for turn in turns(row)]
    last = max(i for i, turn in enumerate(messages) if turn["role"] == "user")
    messages[last]["content"] = asked
    if messages[-1]["role"] == "assistant" and said:
        messages[-1]["content"] = said
    return messages
