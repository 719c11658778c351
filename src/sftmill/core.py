"""What flows (rows), what is done (the five step shapes) and who answers (the desk).

Five shapes, no sixth, and no inheritance beneath them:

    Source      lists what there is          -> rows
    RowStep     pure CPU                     row -> row | rows | Drop
    AskStep     asks models                  row, desk -> row | rows | Drop
    RoundStep   grows a pool, round by round draft, fill, admit
    WholeStep   needs all rows at once       shards, desk -> rows | tables | Dropped
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from sftmill.columns import is_column

if TYPE_CHECKING:
    import numpy as np

Row = dict[str, Any]
"""A sample on its way; its keys stand in `columns.COLUMNS`."""

Message = dict[str, Any]
"""A turn: {"role": "system" | "user" | "assistant" | "tool", "content": str}."""


class Drop(BaseException):
    """Raised by a step to take a row out, with a reason that people can count.

    It derives from BaseException so that a step's own `except Exception` cannot swallow it.
    `facts` are small values that explain the decision; they are kept beside the row.
    """

    def __init__(self, reason: str, **facts: Any):
        super().__init__(reason)
        self.reason = reason
        self.facts = facts

    def __reduce__(self):
        return _drop_again, (self.reason, self.facts)


def _drop_again(reason: str, facts: dict[str, Any]) -> Drop:
    return Drop(reason, **facts)


class Dropped(NamedTuple):
    """A row that a WholeStep or RoundStep takes out, with the reason."""

    row: Row
    reason: str
    facts: Mapping[str, Any] = MappingProxyType({})


class Sampling(BaseModel):
    """How an answer is drawn; None leaves the choice to the server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = 0.0
    max_tokens: int = 1024
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    """Alternatives per generated token whose log-probabilities are wanted, 0 to 20."""
    keep_truncated: bool = False
    """Return answers cut off by max_tokens (with finish "length") instead of retrying and raising."""


@lru_cache(maxsize=256)
def sampling(temperature: float, max_tokens: int) -> Sampling:
    """Return a Sampling with these two, made once: steps ask for the same one with every row."""
    return Sampling(temperature=temperature, max_tokens=max_tokens)


@dataclass(slots=True)
class Reply:
    """One answer of a model."""

    text: str
    reasoning: str | None = None
    finish: str = "stop"
    """"stop", "length" or "tool_calls"; a refused answer is raised as ContentRefused."""
    data: Any = None
    """The instance of `schema`, where one was asked for."""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprobs: list[dict[str, Any]] | None = None
    """Per token: {"token": str, "logprob": float, "top": {token: logprob}}."""
    sample: int = 0
    from_ledger: bool = False


class TokenScores(NamedTuple):
    """Log-probabilities of a continuation's tokens, natural logarithm, one per token."""

    tokens: list[str]
    logprobs: list[float]


class Demand(NamedTuple):
    """What a step asks of models with one row, at most."""

    calls: Mapping[str, int]
    """Role -> replies that it is asked for."""
    note: str = ""
    """What these are, and what another setting would ask for."""
    candidates: int | None = None
    """Candidates that a row has behind the step; None = as many as before."""


class Desk(Protocol):
    """Every model and prompt, handed to a step; `to` is a role that the recipe names.

    The desk that a step gets is bound to the row at hand: it knows the row's language,
    sensitivity and root, so that prompts, permissions and ledger keys come out right.
    All methods raise `errors.ModelError`; the house turns that into a drop or a failure.
    """

    tokens: int
    """Tokens of the prompts and answers so far, also of those that came from the ledger."""

    def model(self, to: str = "teacher") -> str:
        """Return the name of the model that answers for a role."""

    def prompt(self, name: str, **values: Any) -> list[Message]:
        """Render one of the step's own prompt files in the row's language.

        The row's columns and the step's settings are visible in it; `values` add to them.
        """

    async def ask(
        self,
        prompt: str | list[Message],
        *,
        to: str = "teacher",
        n: int = 1,
        schema: type[BaseModel] | None = None,
        sampling: Sampling | None = None,
    ) -> list[Reply]:
        """Ask for `n` answers to a chat; the whole ones come back, at least one."""

    async def complete(
        self, prefix: str, *, to: str = "teacher", n: int = 1, sampling: Sampling | None = None
    ) -> list[Reply]:
        """Let the model go on from `prefix` as it stands, without a chat template."""

    async def embed(self, texts: list[str], *, to: str = "embedder") -> list[list[float]]:
        """Turn a few texts into unit vectors, in the order given."""

    async def vectors(self, texts: Sequence[str], *, to: str = "embedder", as_passages: bool = False) -> "np.ndarray":
        """Turn texts into unit vectors, n x d in float32, in the order given; also a million of them.

        Each text is made once per embedder and kept beside the ledger. `as_passages` = these are what is searched: some
        embedders make another vector of it than of a question, and of texts that are compared with their like.
        """

    async def score(self, prefix: str, continuation: str, *, to: str = "scorer") -> TokenScores:
        """Return the log-probability of each token of `continuation` after `prefix`."""

    async def reward(self, messages: list[Message], answer: str, *, to: str = "reward", path: str = "pooling") -> float:
        """Return a reward model's score of an answer to a conversation; its scale is the model's own."""

    async def classify(self, text_1: str, text_2: str, *, to: str = "classifier") -> dict[str, float]:
        """Return the probability of each class that a classifier knows for two texts, such as premise and claim."""


class Step(BaseModel):
    """What all five shapes share: settings as fields, and declared columns and prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    reads: ClassVar[tuple[str, ...]] = ()
    """Columns (or views) that must be there; proved by `plan`."""
    may_read: ClassVar[tuple[str, ...]] = ()
    """Columns that are used where a row has them, and that prompts may name; None where it has not."""
    writes: ClassVar[tuple[str, ...]] = ()
    """Columns (or views) that the step adds or replaces."""
    removes: ClassVar[tuple[str, ...]] = ()
    """Columns that rows no longer have afterwards."""
    tallies: ClassVar[tuple[str, ...]] = ()
    """Columns that hold lists of words which the house counts, word by word, in the rows that the step lets pass."""
    prompts: ClassVar[tuple[str, ...]] = ()
    """Names of the step's prompt files; every variable in them is a column, a setting or a value."""
    prompt_values: ClassVar[tuple[str, ...]] = ()
    """Names of what the step gives its prompts beside columns and settings."""
    judging: ClassVar[tuple[str, ...]] = ()
    """Settings that name the roles which judge what others wrote; `plan` sees to it that they are other models."""
    version: ClassVar[int] = 1
    """Raised by hand when the meaning changes though the source does not."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for kind in ("reads", "may_read", "writes", "removes", "tallies"):
            for name in getattr(cls, kind):
                if not is_column(name):
                    raise TypeError(
                        f"{cls.__name__}.{kind} names {name!r}, which is no column; add it to sftmill/columns.py"
                    )

    def problems(self) -> list[str]:
        """Return what can be said against the settings before a run, such as a folder that is not there."""
        return []

    def files(self) -> tuple[Path, ...]:
        """Return the files that decide the result beside rows and settings, such as a list of words."""
        return ()

    def named_columns(self) -> tuple[str, ...]:
        """Return the columns that settings name; rows may lack them, but some step before this one writes them."""
        return ()

    def shows(self) -> str | None:
        """Return the name, without its ending, of the file for people that the step writes into the export folder."""
        named = getattr(self, "file", None)
        return named if isinstance(named, str) else None

    def roles(self) -> tuple[str, ...]:
        """Return the model roles that this step asks: its settings named `to` or `to_...`, one role or several each."""
        return tuple(dict.fromkeys(role for named in self.seats().values() for role in named))

    def seats(self) -> dict[str, tuple[str, ...]]:
        """Return the roles that each of the settings `to` and `to_...` names."""
        fields = (name for name in type(self).model_fields if name == "to" or name.startswith("to_"))
        return {name: named_roles(getattr(self, name)) for name in fields}

    def demand(self, candidates: int | None = None) -> Demand | None:
        """Return what a row with so many `candidates` (None = unknown) asks of models; None where that cannot be told."""
        return None


def named_roles(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the roles that a setting's value names: one, several or none."""
    return (value,) if isinstance(value, str) else tuple(value or ())


class Source(Step):
    """Lists what there is: files, pages, numbered draws. Parsing is a RowStep's work."""

    def rows(self) -> Iterator[Row | Dropped]:
        """Yield the rows, always in the same order, and Dropped for what cannot be taken in.

        The house gives the rows their ids.
        """
        raise NotImplementedError

    def then(self) -> "tuple[RowStep, ...]":
        """Return the row steps that belong right behind this source, such as a parser."""
        return ()


class RowStep(Step):
    """Pure computation on one row; runs in worker processes, so it must be picklable."""

    quick: ClassVar[bool] = False
    """Whether any row takes a fraction of a millisecond and can do no harm, so that reading needs no other process."""

    def row(self, row: Row) -> Row | list[Row]:
        """Return the row changed, or a list of new rows (children), or raise Drop."""
        raise NotImplementedError


class AskStep(Step):
    """Asks models about one row."""

    async def row(self, row: Row, desk: Desk) -> Row | list[Row]:
        """Return the row changed, or a list of new rows (children), or raise Drop."""
        raise NotImplementedError


class Pool:
    """A frozen view of a growing list of admitted rows: the first `size` of them.

    Views share one list, so that freezing a pool of a million rows copies nothing.
    Only the newest view can grow.
    """

    def __init__(self, rows: list[Row] | None = None, dropped: list[Dropped] | None = None, memory: Any = None):
        self._rows = rows if rows is not None else []
        self.size = len(self._rows)
        self.dropped = dropped or []
        """Rows refused on the way from the previous view to this one."""
        self.memory = memory
        """What a step keeps beside the rows, such as an index of them; handed on from view to view."""

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Row]:
        return (self._rows[i] for i in range(self.size))

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index < self.size:
            raise IndexError(f"pool has {self.size} rows, no number {index}")
        return self._rows[index]

    def grown(self, admitted: list[Row], dropped: list[Dropped]) -> "Pool":
        """Return the next view, with `admitted` at its end; `dropped` says why the others are out."""
        if self.size != len(self._rows):
            raise ValueError("this pool has already grown; only its newest view can grow")
        self._rows.extend(admitted)
        return Pool(self._rows, dropped, self.memory)


class RoundStep(Step):
    """Grows a pool: drafts from a frozen pool, fills concurrently, admits in draft order."""

    def start(self, rows: list[Row]) -> Pool:
        """Return the first pool, made of the stream's rows (the seeds)."""
        return Pool(list(rows))

    def draft(self, pool: Pool, round: int) -> Iterator[Row]:
        """Yield what to ask for in this round (from 0); nothing ends the step."""
        raise NotImplementedError

    async def fill(self, row: Row, desk: Desk) -> Row | list[Row]:
        """Turn a draft into candidates, or raise Drop."""
        raise NotImplementedError

    def admit(self, pool: Pool, rows: list[Row]) -> Pool:
        """Return `pool.grown(...)` with those candidates that are good enough, in their order."""
        raise NotImplementedError

    def target_rows(self) -> int | None:
        """Return how many rows are to be admitted whatever the seeds; None = as many as the seeds give."""
        return None

    def result(self, pool: Pool) -> Iterator[Row]:
        """Yield what the step hands on: all of the pool, unless the step says otherwise."""
        return iter(pool)


Made = TypeVar("Made")


class Shards(Protocol):
    """All rows of a stream, on disk; each method reads them anew, one shard at a time."""

    def __len__(self) -> int: ...

    def rows(self) -> Iterator[Row]:
        """Yield the rows as dicts, in order."""

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield Arrow batches, in order, with the columns named or all."""

    def map(self, work: Callable[[int, pa.RecordBatch], Made], columns: list[str] | None = None) -> Iterator[Made]:
        """Yield what `work(place, batch)` makes of every batch, in order; `place` is that of the batch's first row.

        Several batches, of no more than 4,096 rows, are under way at once, in threads or in tasks of a cluster. So
        `work` changes nothing outside of itself, can be pickled, and imports compiled loops where it uses them.
        """

    def frame(self) -> Any:
        """Return a lazy Daft frame over the shards (extra `scale`)."""


class WholeStep(Step):
    """Needs all rows, of one or several inputs: dedup, retrieval, mixing, export."""

    def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield rows or whole batches to keep, and Dropped for rows taken out (an async generator).

        `inputs["rows"]` is the stream itself; the others are named under `inputs:` in the recipe.
        """
        raise NotImplementedError


Shape = Literal["source", "row", "ask", "round", "whole"]
SHAPES: dict[type[Step], Shape] = {
    Source: "source",
    RowStep: "row",
    AskStep: "ask",
    RoundStep: "round",
    WholeStep: "whole",
}


def shape(step: type[Step] | Step) -> Shape:
    """Tell which of the five shapes a step has; raises TypeError for any other class."""
    cls = step if isinstance(step, type) else type(step)
    for base, name in SHAPES.items():
        if issubclass(cls, base):
            return name
    raise TypeError(
        f"{cls.__name__} is none of the five step shapes: derive it from one of {[c.__name__ for c in SHAPES]}"
    )


def turns(row: Row) -> list[Message]:
    """Return the row's messages, an empty list when it has none yet."""
    return row.get("messages") or []


def question(row: Row) -> str:
    """Return the last user turn, the empty string when there is none."""
    return next((m["content"] for m in reversed(turns(row)) if m["role"] == "user"), "")


def answer(row: Row) -> str:
    """Return the assistant turn that ends the conversation, the empty string when there is none."""
    messages = turns(row)
    return (messages[-1]["content"] or "") if messages and messages[-1]["role"] == "assistant" else ""


def system(row: Row) -> str:
    """Return the system turn, the empty string when there is none."""
    return next((m["content"] for m in turns(row) if m["role"] == "system"), "")


VIEW_OF: dict[str, Callable[[Row], str]] = {"question": question, "answer": answer, "system": system}
"""How each of `columns.VIEWS` is read."""


def view(row: Row, name: str) -> Any:
    """Return a column of the row, or one of the views of its messages."""
    return VIEW_OF[name](row) if name in VIEW_OF else row.get(name)


def asked(row: Row, text: str) -> Row:
    """Return a copy of the row whose conversation starts with the question `text`, keeping a system turn."""
    head = [m for m in turns(row) if m["role"] == "system"]
    return {**row, "messages": [*head, {"role": "user", "content": text}]}


def answered(row: Row, text: str, reasoning: str | None = None) -> Row:
    """Return a copy of the row whose last turn is the assistant's `text`, earlier turns kept."""
    messages = turns(row)
    if messages and messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    made = {**row, "messages": [*messages, {"role": "assistant", "content": text}]}
    if reasoning is not None:
        made["reasoning"] = reasoning
    return made
