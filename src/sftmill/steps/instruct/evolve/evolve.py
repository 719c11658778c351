"""Evol-Instruct: a model makes instructions harder or rarer, round by round."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import BaseModel, Field

from sftmill.core import Desk, Drop, Dropped, Pool, RoundStep, Row, Sampling, question, turns
from sftmill.steps.instruct.evolve.evolution import Operator, answer_flaw, draw, draw_some, find_flaw, text_key
from sftmill.steps.instruct.glossary import glossary_problems, load_glossary, meanings
from sftmill.steps.instruct.novelty.novelty import NoveltyIndex

KINDS = ("table", "json", "document", "dialogue", "list")
"""Inputs that the operator complicate_input adds, one of them at a time."""
PROMPT_OF = {"complicate_input": "complicate", "breadth": "breadth"}
"""Prompts of the operators; the others share "depth"."""
CARRIED = ("lang", "sensitivity", "topic", "task_type", "form", "instruction")
"""Columns of an instruction that its rewriting begins with."""
MEANINGS = 8
"""Most meanings of glossary terms in one prompt."""


class Comparison(BaseModel):
    """Whether a rewriting amounts to the same as the original, or is no instruction any more."""

    verdict: Literal["equal", "different", "invalid"]


@dataclass
class Memory:
    """What the pool keeps beside its rows; all of it follows from them and the settings."""

    number: int
    """How many rows of the pool are seeds; each begins a line."""
    heads: list[int]
    """Of each line, the place in the pool of its newest version."""
    line_of: dict[str, int]
    """Id of a row to its line."""
    keys: set[str]
    """What the texts are known by."""
    index: NoveltyIndex | None
    with_vector: set[str]
    """Ids of the rows whose vectors are in the index."""


class Evolve(RoundStep):
    """Rewrites every instruction once a round, so that it becomes harder, or a rarer one takes its place.

    Evol-Instruct (Xu et al. 2023, arXiv 2304.12244). Each of the six operators is as likely as any other: add a
    constraint, deepen, concretize, ask for more steps of reasoning, complicate the input, and breadth, which writes
    a brand-new instruction of the same field. (The released code has no complicate_input.) What fails goes unchanged
    into the next round, with another draw. All versions are handed on, each with its `operator`, its `round` and its
    parent, and answered by `to_answer`. Of a conversation the last user turn is rewritten; one with several is left
    out. Drops, of rewritings: `no_information_gain` (unchanged, or the judge finds it equal), `no_instruction` (the
    judge finds an answer or a fragment), `marker_copied`, `refused_answer`, `empty_answer`, `input_lost`,
    `grew_too_much`, `other_language`, `rewriter_refused`, `duplicate`, `similar_wording`, `similar_meaning`,
    `no_task`; of seeds: `no_task`, `several_turns`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("instruction", "topic", "task_type", "form", "operator")
    writes: ClassVar[tuple[str, ...]] = ("messages", "method", "round", "operator", "reasoning")
    prompts: ClassVar[tuple[str, ...]] = ("depth", "complicate", "breadth", "equal")
    prompt_values: ClassVar[tuple[str, ...]] = ("given", "evolved", "kind", "meanings")
    """The text to rewrite and its rewriting, the input to add, "term: meaning"."""

    rounds: int = Field(4, ge=1, le=20)
    """Rounds; no lineage is longer (the paper's 4)."""
    operators: tuple[Operator, ...] = Field(get_args(Operator), min_length=1)
    """What may be done to an instruction; each is as likely as any other."""
    role: str = ""
    """Who the model is, in a sentence that opens the prompt, such as "You set examinations for bank staff."."""
    domain: str = ""
    """What the instructions are to be about."""
    glossary: Path | None = None
    """File with the domain's terms and their meanings: YAML, or a text with one "term: meaning" a line."""
    terms: int = Field(2, ge=0, le=10)
    """Terms of the glossary that a brand-new instruction is to be about."""
    growth: float = Field(3.0, gt=0)
    """A step should add at most 20 words (60 characters), with an input 80 (240); it may add so many times as much."""
    keep_seeds: bool = False
    """Whether the seeds are handed on, too."""
    lexical: float | None = Field(None, ge=0, le=1)
    """Greatest ROUGE-L with any other line's instruction, and for breadth with any; None = only copies are dropped."""
    semantic: float = Field(0.85, ge=-1, le=1)
    """Greatest cosine in the same sense, where `to_embedder` is given."""
    temperature: float = Field(0.8, ge=0, le=2)
    """Of rewritings; ours."""
    answer_temperature: float = Field(0.0, ge=0, le=2)
    """Of answers."""
    max_tokens: int = Field(1024, ge=16)
    """Tokens of a rewriting."""
    answer_tokens: int = Field(2048, ge=16)
    """Tokens of an answer."""
    seed: int = 0
    """Another number draws other operators."""
    to: str = "teacher"
    """Role of the model that rewrites."""
    to_judge: str | None = "teacher"
    """Role that tells whether a rewriting gained anything and is an instruction; null = copies alone are no gain."""
    to_answer: str | None = "teacher"
    """Role that answers; null = rows have no answer, and what cannot be answered is not found out."""
    to_embedder: str | None = None
    """Role of the model that compares meanings; null = wording alone is compared."""

    def files(self) -> tuple[Path, ...]:
        """Return the glossary, which decides the prompts."""
        return (self.glossary,) if self.glossary else ()

    def problems(self) -> list[str]:
        """Return why the glossary cannot be used, if so."""
        return glossary_problems(self.glossary)

    def start(self, rows: list[Row]) -> Pool:
        """Return the pool of the seeds, each the beginning of a line."""
        kept, dropped = [], []
        for row in rows:
            asked = sum(m["role"] == "user" for m in turns(row))
            if asked > 1:
                dropped.append(Dropped(row, "several_turns", {"turns": asked}))
            elif not question(row).strip():
                dropped.append(Dropped(row, "no_task"))
            else:
                kept.append(row)
        index = None
        if self.lexical is not None or self.to_embedder:
            index = NoveltyIndex(1.0 if self.lexical is None else self.lexical, self.semantic)
            for row in kept:
                index.add(row["id"], question(row))
        lines = {row["id"]: line for line, row in enumerate(kept)}
        keys = {text_key(question(row)) for row in kept}
        return Pool(kept, dropped, Memory(len(kept), list(range(len(kept))), lines, keys, index, set()))

    def draft(self, pool: Pool, round: int) -> Iterator[Row]:
        """Yield the newest version of every line, with the operator that is its turn."""
        if round >= self.rounds:
            return
        for place in pool.memory.heads:
            head = pool[place]
            operator = draw(self.operators, self.seed, round, head["id"])
            carried = CARRIED if operator != "breadth" else ("lang", "sensitivity")
            yield {
                **{name: head[name] for name in carried if head.get(name) is not None},
                "messages": [m for m in turns(head) if m["role"] in ("system", "user")],
                "parents": [head["id"]],
                "method": "evolve",
                "operator": operator,
                "round": round + 1,
            }

    async def fill(self, row: Row, desk: Desk) -> Row:
        """Return the rewriting of a draft with its answer, or raise Drop saying what is wrong with it."""
        given = question(row)
        evolved, shown = await self._rewrite(row, given, desk)
        flaw = find_flaw(
            given, evolved, row["operator"], row["lang"], row.get("instruction"), self.growth, shown
        )  # fmt: skip
        if flaw:
            raise Drop(flaw.reason, evolved=evolved[:300], **flaw.facts)
        verdict = await self._compare(given, evolved, desk) if self.to_judge else "different"
        if verdict != "different":
            reason = "no_information_gain" if verdict == "equal" else "no_instruction"
            raise Drop(reason, evolved=evolved[:300], judge=True)
        made = {name: value for name, value in row.items() if name != "instruction"}
        # the system turn stays, as it says to whom the instruction is addressed
        made["messages"] = [
            *(m for m in turns(row) if m["role"] == "system"), {"role": "user", "content": evolved}
        ]  # fmt: skip
        if self.to_answer:
            drawn = Sampling(temperature=self.answer_temperature, max_tokens=self.answer_tokens)
            reply = (await desk.ask(made["messages"], to=self.to_answer, sampling=drawn))[0]
            if flaw := answer_flaw(reply.text):
                raise Drop(flaw.reason, evolved=evolved[:300], **flaw.facts)
            made["messages"] = [*made["messages"], {"role": "assistant", "content": reply.text}]
            made["reasoning"] = reply.reasoning
        if self.to_embedder:
            made["vectors"] = await desk.embed([given, evolved], to=self.to_embedder)
        return made

    async def _rewrite(self, row: Row, given: str, desk: Desk) -> tuple[str, str]:
        """Return what the model makes of an instruction, and what its prompt says around it."""
        operator, place = row["operator"], (self.seed, row["round"], row["parents"][0])
        terms: list[str] = []
        named: list[str] = []
        if self.glossary:
            if operator == "breadth":
                terms = draw_some(list(load_glossary(self.glossary)), self.terms, *place)
            named = meanings(self.glossary, terms, given, row["lang"], MEANINGS)
        prompt = desk.prompt(
            PROMPT_OF.get(operator, "depth"),
            given=given,
            kind=draw(KINDS, "kind", *place),
            terms=terms,
            meanings=named,
        )
        drawn = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        reply = (await desk.ask(prompt, to=self.to, sampling=drawn))[0]
        # meanings are there to be used, so they may be copied
        shown = [m["content"] for m in prompt[1:-1]] + [prompt[-1]["content"].replace(given, "")]
        return reply.text.strip(), "\n".join(shown)

    async def _compare(self, given: str, evolved: str, desk: Desk) -> str:
        """Return the judge's verdict on a rewriting."""
        prompt = desk.prompt("equal", given=given, evolved=evolved)
        drawn = Sampling(temperature=0.0, max_tokens=64)
        return (await desk.ask(prompt, to=self.to_judge, schema=Comparison, sampling=drawn))[0].data.verdict

    def admit(self, pool: Pool, rows: list[Row]) -> Pool:
        """Take in, in draft order, what is new; it becomes the newest version of its line."""
        memory: Memory = pool.memory
        admitted: list[Row] = []
        dropped: list[Dropped] = []
        for row in rows:
            text, vectors, parent = question(row), row.pop("vectors", None), row["parents"][0]
            line, key = memory.line_of[parent], text_key(text)
            clash = self._clash(memory, row, text, vectors)
            if key in memory.keys:
                dropped.append(Dropped(row, "duplicate"))
            elif clash:
                dropped.append(clash.dropped(row))
            else:
                memory.keys.add(key)
                memory.line_of[row["id"]] = line
                memory.heads[line] = len(pool) + len(admitted)
                if memory.index:
                    memory.index.add(row["id"], text, vectors and vectors[1])
                    memory.with_vector.update([row["id"]] if vectors else ())
                admitted.append(row)
        return pool.grown(admitted, dropped)

    def _clash(self, memory: Memory, row: Row, text: str, vectors: list[list[float]] | None):
        """Return what a rewriting is too similar to; one that goes on with its line may resemble that line."""
        if memory.index is None:
            return None
        parent = row["parents"][0]
        if vectors and parent not in memory.with_vector:
            memory.with_vector.add(parent)
            memory.index.add(parent, "", vectors[0])
        clash = memory.index.clash(text, vectors and vectors[1])
        own = clash and row["operator"] != "breadth" and memory.line_of[clash.name] == memory.line_of[parent]
        return None if own else clash

    def result(self, pool: Pool) -> Iterator[Row]:
        """Yield what was made, and before it the seeds where they are kept."""
        for number, row in enumerate(pool):
            if number >= pool.memory.number:
                yield row
            elif self.keep_seeds:
                yield {**row, "round": 0}
