"""Controlled generation: a grid of cells, each with a quota that is met exactly and a second model that confirms it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError

from sftmill.core import Desk, Drop, Dropped, Pool, RoundStep, Row, asked, question, sampling, turns
from sftmill.errors import RecipeError, ReplyUnusable, RunError
from sftmill.steps.blind_label import label_schema, label_values, labelled_cell, told_label
from sftmill.steps.grid import Cell, Grid, read_grid
from sftmill.steps.instruct.controlled.cell_requests import choose_shown, plan_requests, text_of
from sftmill.steps.instruct.novelty.novelty import NoveltyIndex
from sftmill.steps.instruct.self_instruct.instruction_list import one_line
from sftmill.steps.instruct.self_instruct.instruction_rules import Fault, Rules, find_fault


class Instructions(BaseModel):
    """What the model proposes for a cell; the limits are hints for servers that generate along the schema."""

    instructions: list[str] = Field(json_schema_extra={"maxItems": 10, "items": {"type": "string", "maxLength": 1200}})


@dataclass
class Memory:
    """What the pool keeps beside its rows; all of it follows from them and the settings."""

    grid: Grid
    wanted: dict[Cell, int]
    lang: str
    seeds: int
    """How many rows of the pool are seeds."""
    index: NoveltyIndex
    have: Counter[Cell]


class Controlled(RoundStep):
    """Fills a grid of topic x task type x difficulty x form: each cell gets exactly the number wanted, or is named.

    Each round asks `to` for instructions of every cell that lacks some, more than are lacking. Another model,
    `to_tagger`, then says of each, without knowing what was wanted, in which cell it lies; only one that lies where it
    was asked for may be taken. The stream's rows are seeds: examples for their cell, or for any. A stream without
    seeds begins with `draws: {count: 1}`. The step ends when all quotas are met, or after `rounds`; cells that are
    still short are the difference between the grid and the rows (`cell_requests.short_cells`), and with `must_fill` they stop the
    run. On-topic rate = share of the labelled instructions that were not dropped as `off_cell`: those are all but the
    dropped ones named first here. Rows made have no answer.
    Drops: what `instruction_rules` names (too_short, other_language, no_request, needs_input ...), `no_instruction`, `not_labelled`; then
    `off_cell` (with both cells), `quota_full`, `similar_wording`, `similar_meaning`.
    """

    may_read: ClassVar[tuple[str, ...]] = ("messages", "instruction", "topic", "task_type", "difficulty", "form")
    writes: ClassVar[tuple[str, ...]] = ("messages", "topic", "task_type", "difficulty", "form", "method", "round")
    prompts: ClassVar[tuple[str, ...]] = ("write", "label")
    prompt_values: ClassVar[tuple[str, ...]] = ("count", "cell", "examples", "avoid", "text", "outside")
    """How many, of which cell {topic, task_type, difficulty, form}, like and unlike what; the instruction to label."""

    grid: Path | None = None
    """A grid file: topics, task_types, difficulties, forms, count, and quotas of cells with examples."""
    topics: tuple[str, ...] = ()
    """Instead of a file: what instructions are to be about."""
    task_types: tuple[str, ...] = ()
    """Instead of a file: kinds of work asked for."""
    difficulties: tuple[str, ...] = ()
    """Instead of a file: how hard they are."""
    forms: tuple[str, ...] = ("text",)
    """Instead of a file: forms of the answer."""
    count: int = Field(1, ge=0)
    """Instead of a file: instructions for each cell."""
    domain: str = ""
    """The field that all topics belong to, in a few words; it stands in the prompt."""
    rounds: int = Field(10, ge=1)
    """Most rounds."""
    items: int = Field(3, ge=1, le=10)
    """Instructions that a request asks for."""
    oversample: float = Field(1.5, ge=1, le=10)
    """How many are asked for, for each that is lacking."""
    requests: int = Field(500, ge=1)
    """Most requests of a round; cells that find no room wait for the next one."""
    code: bool = True
    """Whether instructions may be about programming."""
    keep_seeds: bool = False
    """Whether the seeds are handed on, too; those that lie in a cell then count for its quota."""
    must_fill: bool = False
    """Stop the run with the cells that are short, instead of handing on what there is."""
    lexical: float = Field(0.7, ge=0, le=1)
    """Greatest ROUGE-L with any instruction that is there."""
    semantic: float = Field(0.85, ge=-1, le=1)
    """Greatest cosine with any instruction made here, where `to_embedder` is given."""
    temperature: float = Field(0.9, ge=0, le=2)
    """Above 0, because instructions are to differ."""
    max_tokens: int = Field(768, ge=16)
    """Tokens of a reply."""
    lang: Literal["zh", "en"] | None = None
    """Language of the instructions; None = that of most rows that come in."""
    seed: int = 0
    """Another number shows other examples."""
    to: str = "teacher"
    """Role of the model that writes."""
    to_tagger: str = "tagger"
    """Role of the model that labels; another one than `to`."""
    same_tagger: bool = False
    """Let the model that writes label its own instructions; it will mostly find that it did as told."""
    to_embedder: str | None = None
    """Role of the model that compares meanings; None = wording alone is compared."""

    def files(self) -> tuple[Path, ...]:
        """Return the grid file, which decides the drafts."""
        return (self.grid,) if self.grid else ()

    def problems(self) -> list[str]:
        """Return what is wrong with the grid and the roles."""
        found = []
        if self.to == self.to_tagger and not self.same_tagger:
            found.append(
                f"to_tagger: {self.to_tagger!r} also writes the instructions (to), and would agree with itself; name "
                "another role, or set same_tagger: true"
            )
        if self.grid and (self.topics or self.task_types or self.difficulties):
            found.append("grid: topics, task_types and difficulties stand in the file; leave them out here")
        try:
            grid = self.read()
        except RecipeError as error:
            return [*found, *(f"grid: {problem}" for problem in error.problems)]
        return found if grid.wanted() else [*found, "grid: no cell wants anything; set count, or quotas in the file"]

    def read(self) -> Grid:
        """Return the grid of the file or of the settings; raises RecipeError naming all that is wrong."""
        if self.grid:
            return read_grid(self.grid)
        try:
            grid = Grid(
                topics=self.topics, task_types=self.task_types, difficulties=self.difficulties, forms=self.forms,
                count=self.count,
            )  # fmt: skip
        except ValidationError as error:
            empty = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors()}))
            raise RecipeError(f"{empty}: nothing is named; name a grid file, or list them here") from None
        if problems := grid.problems():
            raise RecipeError(problems)
        return grid

    def target_rows(self) -> int:
        """Return how many rows the quotas come to."""
        return sum(self.read().wanted().values())

    def start(self, rows: list[Row]) -> Pool:
        """Return the pool of the seeds; rows without an instruction only say the language."""
        grid = self.read()
        lang = self.lang or (Counter(row.get("lang") or "zh" for row in rows).most_common(1) or [("zh", 0)])[0][0]
        seeds = [row for row in rows if text_of(row)]
        memory = Memory(grid, grid.wanted(), lang, len(seeds), NoveltyIndex(self.lexical, self.semantic), Counter())
        for row in seeds:
            memory.index.add(row["id"], text_of(row))
            if self.keep_seeds and (cell := grid.cell_of(row)):
                memory.have[cell] += 1
        return Pool(seeds, [Dropped(row, "no_instruction") for row in rows if not text_of(row)], memory)

    def draft(self, pool: Pool, round: int) -> Iterator[Row]:
        """Yield the requests of a round: `draw` is how many are wanted, user turns are examples, assistant turns what
        is there already."""
        memory: Memory = pool.memory
        lacking = {cell: n - memory.have[cell] for cell, n in memory.wanted.items() if n > memory.have[cell]}
        if round >= self.rounds and lacking and self.must_fill:
            raise RunError(self._told(lacking))
        if round >= self.rounds:
            return
        rows: dict[Cell, list[Row]] = {cell: [] for cell in lacking}
        for row in pool:
            if (cell := memory.grid.cell_of(row)) in rows:
                rows[cell].append(row)
        seeds = [pool[i] for i in range(memory.seeds)]
        for cell, number, part in plan_requests(lacking, self.oversample, self.items, self.requests):
            shown, others, known = choose_shown(cell, memory.grid, seeds, rows[cell], (self.seed, round, part))
            examples = [{"role": "user", "content": text} for text in (*shown, *map(text_of, others))]
            yield {
                **cell._asdict(),
                "messages": [*examples, *({"role": "assistant", "content": text_of(row)} for row in known)],
                "draw": number,
                "lang": memory.lang,
                "parents": sorted({row["id"] for row in (*others, *known)}),
                "method": "controlled",
                "round": round + 1,
            }

    async def fill(self, row: Row, desk: Desk) -> list[Row]:
        """Return the instructions of a reply, each with what speaks against it, its blind label and its vector."""
        grid = self.read()
        cell = Cell(row["topic"], row["task_type"], row["difficulty"], row["form"])
        examples, avoid = ([m["content"] for m in turns(row) if m["role"] == role] for role in ("user", "assistant"))
        prompt = desk.prompt("write", count=row["draw"], cell=cell._asdict(), examples=examples, avoid=avoid)
        drawn = sampling(self.temperature, self.max_tokens)
        reply = (await desk.ask(prompt, to=self.to, schema=Instructions, sampling=drawn))[0]
        proposed = (one_line(text) for text in reply.data.instructions if text.strip())
        texts = list(dict.fromkeys(proposed))[: row["draw"]]  # each one more would cost a label
        if not texts:
            raise Drop("no_instruction", cell=str(cell))
        rules = Rules(row["lang"], code=self.code, stand_alone=True)
        base = {key: row[key] for key in (*Cell._fields, "lang", "method", "round")}
        made = [{**asked(base, text), "fault": find_fault(text, rules), "shown": row["parents"]} for text in texts]
        sound = [child for child in made if child["fault"] is None]
        await asyncio.gather(*(self._label(child, grid, desk) for child in sound))
        if self.to_embedder and sound:
            vectors = await desk.embed([question(child) for child in sound], to=self.to_embedder)
            for child, vector in zip(sound, vectors, strict=True):
                child["vector"] = vector
        return made

    async def _label(self, child: Row, grid: Grid, desk: Desk) -> None:
        """Ask the tagger where an instruction lies; it sees the instruction and the grid's lists alone."""
        prompt = desk.prompt("label", text=question(child), **label_values(grid, child["lang"]))
        schema = label_schema(grid, child["lang"])
        try:
            reply = (await desk.ask(prompt, to=self.to_tagger, schema=schema, sampling=sampling(0.0, 200)))[0]
        except ReplyUnusable as error:  # the other instructions of the reply may be good
            child["fault"] = Fault("not_labelled", {"error": type(error).__name__})
            return
        child["labelled"] = labelled_cell(grid, reply.data), told_label(grid, reply.data)

    def admit(self, pool: Pool, rows: list[Row]) -> Pool:
        """Take in, in draft order, what lies in its cell and is new, as long as the cell's quota has room."""
        memory: Memory = pool.memory
        admitted: list[Row] = []
        dropped: list[Dropped] = []
        for row in rows:
            fault, vector, labelled = (row.pop(key, None) for key in ("fault", "vector", "labelled"))
            row["parents"] = row.pop("shown")
            cell = Cell(row["topic"], row["task_type"], row["difficulty"], row["form"])
            if fault:
                dropped.append(Dropped(row, fault.reason, fault.facts))
            elif labelled[0] != cell:
                dropped.append(Dropped(row, "off_cell", {"wanted": str(cell), "labelled": labelled[1]}))
            elif memory.have[cell] >= memory.wanted.get(cell, 0):
                dropped.append(Dropped(row, "quota_full", {"cell": str(cell), "quota": memory.wanted.get(cell, 0)}))
            elif clash := memory.index.clash(text := question(row), vector):
                dropped.append(clash.dropped(row))
            else:
                memory.index.add(row["id"], text, vector)
                memory.have[cell] += 1
                admitted.append(row)
        return pool.grown(admitted, dropped)

    def result(self, pool: Pool) -> Iterator[Row]:
        """Yield what was made, and before it the seeds where they are kept."""
        for number, row in enumerate(pool):
            if number >= pool.memory.seeds:
                yield row
            elif self.keep_seeds:
                yield {**row, "round": 0}

    def _told(self, lacking: dict[Cell, int]) -> str:
        """Return which cells are short, and what can be done about it."""
        named = "; ".join(f"{cell}: {number}" for cell, number in list(lacking.items())[:10])
        return (
            f"controlled: {len(lacking)} cells of the grid are short of {sum(lacking.values())} instructions after "
            f"{self.rounds} rounds ({named}). Raise rounds or oversample, give examples of these cells in the grid file, "
            "or set must_fill: false; the same command then goes on without asking again for what it has"
        )
