"""Self-Instruct: a model writes new tasks in the manner of human seeds, round by round."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import Desk, Drop, Dropped, Pool, Reply, RoundStep, Row, Sampling, asked, question, turns
from sftmill.errors import RecipeError
from sftmill.steps.instruct.glossary import glossary_problems, load_glossary, meanings, named_in
from sftmill.steps.instruct.novelty.novelty import NoveltyIndex
from sftmill.steps.instruct.required_form import Form, says_form, with_wish
from sftmill.steps.instruct.self_instruct.bootstrap import (
    LONGEST_SHOWN,
    REACH,
    ReachName,
    choose,
    choose_terms,
    label_of,
    seed_terms,
    task_of,
)
from sftmill.steps.instruct.self_instruct.instruction_list import cut_label, label_mark, numbered, parse_list
from sftmill.steps.instruct.self_instruct.instruction_rules import Rules, echo_pieces, find_fault
from sftmill.text import length

MEANINGS = 8
"""Most meanings of glossary terms in one prompt."""


@dataclass
class Memory:
    """What the pool keeps beside its rows; all of it follows from them and the settings."""

    lang: str
    seeds: list[Row]
    """The seeds that are shown."""
    number: int
    """How many rows of the pool are seeds."""
    terms: list[str]
    index: NoveltyIndex
    without_vector: dict[str, str]
    """Seeds whose vectors are still wanted: text to id."""
    used: dict[int, Counter[int]] = field(default_factory=lambda: {0: Counter()})
    """Before each round, how often each seed was shown."""


class SelfInstruct(RoundStep):
    """Grows a pool of instructions out of human seeds: each round shows some and asks for more like them.

    After Self-Instruct (Wang et al. 2022, arXiv 2212.10560), whose numbers are the defaults. Each request shows 8
    tasks, 6 of people and 2 of the model (8 of people in the first round), and the model goes on with the list. The
    stream's rows are the seeds: the last user turn of each, or its `instruction`. Give `role`, `domain` and
    `glossary` to stay within a domain; 5 to 20 seeds of different kinds are then enough. A task that is new goes into
    the pool at once, so that later ones of the same round are compared with it. Rows made have no answer: put
    `instances` or `respond` behind this step.
    Drops, of replies: `truncated`, `no_task`; of tasks: `too_short`, `too_long`, `other_language`, `starts_with_mark`,
    `write_a_program`, `cannot_be_done`, `programming`, `refusal`, `prompt_echo`, `no_request`, `repeats_itself`, `holds_answer`,
    `needs_input`, `placeholder`, `similar_wording`, `similar_meaning`, `target_reached`.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = ("instruction", "task_type", "form", "topic")
    writes: ClassVar[tuple[str, ...]] = ("messages", "method", "round", "task_type", "topic", "form")
    prompts: ClassVar[tuple[str, ...]] = ("continue", "plain", "form")
    prompt_values: ClassVar[tuple[str, ...]] = ("count", "wanted", "tasks", "labels", "terms", "meanings", "form_wish")
    """Number of tasks shown and wanted, the numbered list, the topics of its tasks and of those wanted, "term: meaning"
    lines, and the sentence that names the form of the answer."""

    target: int = Field(100, ge=1)
    """Instructions to make; the seeds do not count."""
    rounds: int = Field(50, ge=1)
    """Most rounds."""
    requests: int = Field(5, ge=1)
    """Requests of a round; they are sent at the same time and do not see each other's tasks."""
    items: int = Field(7, ge=1, le=30)
    """New tasks that a request asks for (the paper's list of 8 ends with number 15)."""
    least_yield: float = Field(0.05, ge=0, le=1)
    """Share of a round's tasks that must be new and sound, or the step ends; 0 = go on to the last round."""
    lang: Literal["zh", "en"] | None = None
    """Language of the instructions; None = that of most seeds."""
    role: str = ""
    """Who the model is, in a sentence that opens the prompt, such as "You train the staff of a bank."."""
    domain: str = ""
    """What the instructions are to be about."""
    glossary: Path | None = None
    """File with the domain's terms and their meanings: YAML, or a text with one "term: meaning" a line."""
    steer: bool | None = None
    """Whether each new task gets a term to be about: of the glossary in turn, or else a key word of the seeds; None =
    where there is a `domain` or `glossary`."""
    reach: ReachName = "balanced"
    """How far to go from the seeds: close (same kinds, other cases), balanced, or far (other kinds and views)."""
    forms: tuple[Form, ...] = ()
    """Forms of answer to demand in turn; empty = those that seeds name in their `form`, if any."""
    longest_shown: int | None = Field(None, ge=1)
    """Characters (zh) or words (en) of a seed that is shown, unless all are longer; None = 150 or 75."""
    only_classification: bool = False
    """Show only seeds whose `task_type` is classification, and ask for such tasks."""
    stand_alone: bool = False
    """Demand that a task holds all that it speaks of; else an input may be added later, by `instances`."""
    code: bool = False
    """Whether tasks may be about programming."""
    mixed: bool = False
    """Whether tasks may be in the other language."""
    cannot: tuple[str, ...] | None = None
    """Words for what a text model cannot do, each drops a task; None = the paper's for English, ours for Chinese."""
    keep_seeds: bool = False
    """Whether the seeds are handed on, too."""
    truncated: Literal["lose_last", "drop_reply"] = "lose_last"
    """What happens to a reply that was cut off: it loses its last task, or (the paper's way) all of them."""
    lexical: float | None = Field(None, ge=0, le=1)
    """Greatest ROUGE-L with any task that is there; None = what `reach` says, 0.7 for balanced."""
    semantic: float | None = Field(None, ge=-1, le=1)
    """Greatest cosine with any task that is there, where `to_embedder` is given; None = as `reach` says, 0.85."""
    temperature: float | None = Field(None, ge=0, le=2)
    """None = what `reach` says, 0.7 for balanced."""
    top_p: float | None = Field(0.5, gt=0, le=1)
    """The paper's."""
    presence_penalty: float | None = Field(2.0, ge=-2, le=2)
    """The paper's; None leaves it to the server."""
    raw: bool = False
    """Let a base model go on with the list as plain text, through the endpoint's /completions, as the paper did."""
    max_tokens: int = Field(1024, ge=16)
    """Tokens of a reply."""
    seed: int = 0
    """Another number shows other tasks together."""
    to: str = "teacher"
    """Role of the model that writes."""
    to_embedder: str | None = None
    """Role of the model that compares meanings; None = wording alone is compared."""

    def files(self) -> tuple[Path, ...]:
        """Return the glossary, which decides the prompts."""
        return (self.glossary,) if self.glossary else ()

    def problems(self) -> list[str]:
        """Return why the glossary cannot be used, if so."""
        return glossary_problems(self.glossary)

    def target_rows(self) -> int:
        """Return how many instructions are to be made."""
        return self.target

    def start(self, rows: list[Row]) -> Pool:
        """Return the pool of the seeds; raises RecipeError where there are none to show."""
        kept = [row for row in rows if task_of(row)]
        dropped = [Dropped(row, "no_task") for row in rows if not task_of(row)]
        lang = self.lang or (Counter(row.get("lang") or "zh" for row in kept).most_common(1) or [("zh", 0)])[0][0]
        shown = [row for row in kept if row.get("lang", lang) == lang]
        if self.only_classification:
            shown = [row for row in shown if row.get("task_type") == "classification"]
        most = self.longest_shown or LONGEST_SHOWN[lang]
        shown = [row for row in shown if length(task_of(row), lang) <= most] or shown
        if not shown:
            kind = " that are classifications" if self.only_classification else ""
            raise RecipeError(
                f"self_instruct: of {len(rows)} rows none is a seed in {lang!r}{kind}; look at what came with "
                "`sftmill show`, then correct the seed file or this step's `lang`"
            )
        steer = bool(self.domain or self.glossary) if self.steer is None else self.steer
        terms: list[str] = []
        if steer:
            terms = list(load_glossary(self.glossary)) if self.glossary else seed_terms([*map(task_of, shown)], lang)
        reach = REACH[self.reach]
        index = NoveltyIndex(
            reach.lexical if self.lexical is None else self.lexical,
            reach.semantic if self.semantic is None else self.semantic,
        )
        for row in kept:
            index.add(row["id"], task_of(row))
        wanted = {task_of(row): row["id"] for row in kept} if self.to_embedder else {}
        return Pool(kept, dropped, Memory(lang, shown, len(kept), terms, index, wanted))

    def draft(self, pool: Pool, round: int) -> Iterator[Row]:
        """Yield the requests of a round: user turns are the tasks shown, system turns seeds without a vector."""
        memory: Memory = pool.memory
        made = [pool[i] for i in range(memory.number, len(pool))]
        if round >= self.rounds or len(made) >= self.target or (round and self._yield(pool, made, round)):
            return
        requests = min(self.requests, self.target - len(made))
        used = memory.used[round + 1] = memory.used[round].copy()
        types = [row.get("task_type") for row in memory.seeds]
        forms = self.forms or tuple(sorted({row["form"] for row in memory.seeds if row.get("form")}))
        waiting = list(memory.without_vector)
        for place in range(requests):
            choice = choose(types, used, (self.seed, round, place), len(made), REACH[self.reach].same_type)
            shown = choice.shown(memory.seeds, made)
            number = round * self.requests + place
            terms = choose_terms(memory.terms, number, self.items, self.seed)
            yield {
                "messages": [
                    *({"role": "system", "content": text} for text in waiting[place::requests]),
                    *({"role": "user", "content": task_of(row)} for row in shown),
                ],
                "lang": memory.lang,
                "parents": [row["id"] for row in shown],
                "method": "self_instruct",
                "round": round + 1,
                "topic": "\n".join(terms) or None,
                "form": forms[number % len(forms)] if forms else None,
                "task_type": "classification" if self.only_classification else None,
            }

    def _yield(self, pool: Pool, made: list[Row], round: int) -> bool:
        """Tell whether the round before gave too little to go on."""
        new = sum(row["round"] == round for row in made)
        tried = new + len(pool.dropped)
        return new / tried < self.least_yield if tried else self.least_yield > 0

    async def fill(self, row: Row, desk: Desk) -> list[Row]:
        """Return the tasks of a reply, each with what speaks against it and, where wanted, its vector."""
        shown = [m["content"] for m in turns(row) if m["role"] == "user"]
        terms = (row.get("topic") or "").splitlines()
        wish = desk.prompt("form")[0]["content"] if row.get("form") else ""
        reply, prompt = await self._ask(row, shown, terms, wish, desk)
        cut = reply.finish == "length"
        if cut and self.truncated == "drop_reply":
            raise Drop("truncated", tokens=self.max_tokens)
        items = parse_list(reply.text, len(shown) + 1, cut)
        if not items:
            raise Drop("truncated" if cut else "no_task", reply=reply.text[:200])
        header = echo_pieces(prompt)
        rules = Rules(row["lang"], self.mixed, self.code, self.stand_alone, self.cannot)
        made = []
        for item in items:
            label, text = cut_label(item) if terms else ("", item)
            fault = find_fault(text, rules, header)
            if not fault and row.get("form") and not says_form(text, row["form"]):
                text = with_wish(text, wish, row["lang"])
            # what the model says it is about counts only where the task names it
            named = named_in(text, terms)
            topic = label if label in named else next(iter(named), None)
            child = {key: row.get(key) for key in ("lang", "method", "round", "form", "task_type")}
            made.append({**asked(child, text), "topic": topic, "fault": fault, "shown": row["parents"]})
        await self._add_vectors(row, made, desk)
        return made

    async def _ask(self, row: Row, shown: list[str], terms: list[str], wish: str, desk: Desk) -> tuple[Reply, str]:
        """Return the reply, and what of the prompt is neither a task nor a topic."""
        lang = row["lang"]
        labels = [label_of(text, lang) for text in shown] if terms else []
        wanted = len(terms) or self.items
        tasks = numbered(shown, [*labels, *terms[:1]] if self.raw else labels, lang)
        values = {
            "count": len(shown),
            "wanted": wanted,
            "labels": labels,
            "terms": terms,
            "meanings": meanings(self.glossary, terms, "\n".join(shown), lang, MEANINGS) if self.glossary else [],
            "form_wish": wish,
            "tasks": tasks if self.raw else tasks.rpartition("\n")[0],
        }
        prompt = desk.prompt("plain" if self.raw else "continue", **values)
        end = len(shown) + wanted + 1
        sampling = Sampling(
            temperature=REACH[self.reach].temperature if self.temperature is None else self.temperature,
            top_p=self.top_p,
            presence_penalty=self.presence_penalty,
            max_tokens=self.max_tokens,
            # a chat may put empty lines between its items, and "16." stands within numbers
            stop=("\n\n", f"\n{end}", f"{end}.", f"{end} .") if self.raw else (f"\n{end}.",),
            keep_truncated=True,
        )
        if self.raw:
            reply = (await desk.complete(prompt[0]["content"], to=self.to, sampling=sampling))[0]
            if terms:  # the prompt has begun the first task with its topic
                reply = replace(reply, text=label_mark(terms[0], lang) + reply.text.lstrip())
        else:
            reply = (await desk.ask(prompt, to=self.to, sampling=sampling))[0]
        return reply, "\n".join(m["content"].replace(values["tasks"], "") for m in prompt)

    async def _add_vectors(self, row: Row, made: list[Row], desk: Desk) -> None:
        """Give each sound task its vector; the first one carries those of the seeds in the draft's system turns."""
        if self.to_embedder is None:
            return
        seeds = [m["content"] for m in turns(row) if m["role"] == "system"]
        sound = [child for child in made if not child["fault"]]
        texts = [*seeds, *map(question, sound)]
        vectors = await desk.embed(texts, to=self.to_embedder) if texts else []
        made[0]["seed_vectors"] = list(zip(seeds, vectors, strict=False))
        for child, vector in zip(sound, vectors[len(seeds) :], strict=True):
            child["vector"] = vector

    def admit(self, pool: Pool, rows: list[Row]) -> Pool:
        """Take in, in draft order, what is sound and differs from all that is there."""
        memory: Memory = pool.memory
        for row in rows:
            for text, vector in row.pop("seed_vectors", ()):
                if name := memory.without_vector.pop(text, None):
                    memory.index.add(name, text, vector)
        admitted: list[Row] = []
        dropped: list[Dropped] = []
        for row in rows:
            fault, vector = row.pop("fault", None), row.pop("vector", None)
            row["parents"] = row.pop("shown")
            if fault:
                dropped.append(Dropped(row, fault.reason, fault.facts))
            elif len(pool) - memory.number + len(admitted) >= self.target:
                dropped.append(Dropped(row, "target_reached"))
            elif clash := memory.index.clash(text := question(row), vector):
                dropped.append(clash.dropped(row))
            else:
                memory.index.add(row["id"], text, vector)
                admitted.append(row)
        return pool.grown(admitted, dropped)

    def result(self, pool: Pool) -> Iterator[Row]:
        """Yield what was made, and before it the seeds where they are kept."""
        for number, row in enumerate(pool):
            if number >= pool.memory.number:
                yield row
            elif self.keep_seeds:
                yield {**row, "round": 0}
