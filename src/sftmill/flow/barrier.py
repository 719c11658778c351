"""The barriers: steps that need all rows (WholeStep) and steps that grow a pool (RoundStep)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

import orjson
import pyarrow as pa

from sftmill.core import Desk, Drop, Dropped, Pool, RoundStep, Row, WholeStep
from sftmill.errors import FailureCeiling
from sftmill.flow.lineage import as_child, as_root, stricter
from sftmill.flow.losses import write_losses
from sftmill.flow.reserve import Reserve
from sftmill.flow.sampler import Sampler
from sftmill.flow.shards import (
    Counts,
    Seal,
    ShardFile,
    ShardList,
    hash_file,
    read_seal,
    schema_of,
    shard_files,
    shard_name,
    write_atomically,
    write_shard,
    write_table,
)
from sftmill.flow.stage import SHARD_ROWS, Stage
from sftmill.flow.stream import CEILING_FROM, IS_A_DROP, STOPS_THE_RUN, snake
from sftmill.flow.walk import Fate, describe, settle
from sftmill.text import content_hash

DONE_FILE = "whole.json"
NOT_SELECTED = "not_selected"
"""Reason of the rows that a whole-data step neither passed on nor dropped by name."""


class Barrier:
    """A whole-data or round stage: waits for all its inputs, then writes its result in shards."""

    def __init__(
        self,
        stage: Stage,
        stream: str,
        lang: str,
        desk: Callable[[Stage, Row | None], Desk],
        reserve: Reserve | None = None,
        ceiling: float = 1.0,
        sampler: Sampler | None = None,
        sampled: bool = False,
        limit: int | None = None,
    ):
        self.stage = stage
        self.limit = limit
        """Most drafts of a step that grows a pool to a size of its own, when a recipe is only tried; None = all."""
        self.sampler = sampler if isinstance(stage.step, RoundStep) and stage.step.roles() else None
        """Chooses what a pilot takes of a pool that is grown by asking."""
        self.sampled = sampled
        """Whether the rows that come in are a pilot's sample already."""
        self.ceiling = ceiling
        """Share of failed drafts past which a step that grows a pool stops."""
        self.sensitivity = "internal"
        """Sensitivity of drafts that say nothing: the strictest of the rows that the pool starts from."""
        self.reserve = reserve if reserve and not reserve.inside else None
        """What rows that a step brings in from elsewhere, such as reviewed copies, must not be."""
        self.stream = stream
        self.lang = lang
        self.desk = desk
        self.live = Counts()

    def counts(self) -> list[Counts]:
        """Return what became of the rows so far."""
        return [self.live]

    async def run(self, inputs: Mapping[str, ShardList]) -> AsyncIterator[ShardFile]:
        """Yield the shards of the result; those of an earlier run if nothing has changed."""
        source = await asyncio.to_thread(hash_inputs, inputs)
        if self.reserve:
            source = content_hash(source, self.reserve.digest)
        chosen: frozenset[str] | None = None
        target = self.stage.step.target_rows() if isinstance(self.stage.step, RoundStep) else None
        if self.sampler and target is not None:
            source = content_hash(source, f"{self.sampler.drafts} drafts")
        elif self.sampler and not self.sampled:
            chosen = await asyncio.to_thread(self.sampler.choose, self.stream, inputs["rows"])
            source = content_hash(source, self.sampler.digest(self.stream))
        elif self.limit and target is not None:
            source = content_hash(source, f"limit {self.limit}")
        # a pilot has to see every draft being made, to know what it costs; the answers are in the ledger
        if not self.sampler and (counts := self._earlier(source)):
            self.live = counts
        else:
            (self.stage.folder / DONE_FILE).unlink(missing_ok=True)
            output = Output(self.stage, source, self.live)
            if isinstance(self.stage.step, RoundStep):
                seeds = await asyncio.to_thread(list, inputs["rows"].rows())
                rows = self._rounds(seeds if chosen is None else [row for row in seeds if row["id"] in chosen])
            else:
                self.live.rows_in = await asyncio.to_thread(len, inputs["rows"])
                rows = self._whole(inputs)
            try:
                async for item in rows:
                    await output.add(item)
                await output.finish()
            finally:
                await output.close()
            self._note(source, output.index)
        for index, path in enumerate(shard_files(self.stage.folder)):
            yield ShardFile(index, path)

    def _earlier(self, source: str) -> Counts | None:
        """Return the counts of an earlier run that had the same inputs and came to its end."""
        try:
            noted = orjson.loads((self.stage.folder / DONE_FILE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        files = shard_files(self.stage.folder)
        seals = [read_seal(path) for path in files]
        fits = all(seal and seal.matches(source, self.stage.fingerprint) for seal in seals)
        counts = Counts.from_dict(noted["counts"])
        return counts if fits and len(files) == noted["shards"] and not counts.failed else None

    def _note(self, source: str, shards: int) -> None:
        """Note that the stage is done, and remove the shards of an earlier, longer run."""
        for path in self.stage.folder.glob("*.parquet"):
            if int(path.name.split(".")[0]) >= shards:
                path.unlink()
        done = {"source": source, "fingerprint": self.stage.fingerprint, "shards": shards}
        done["counts"] = self.live.as_dict()
        write_atomically(self.stage.folder / DONE_FILE, orjson.dumps(done, option=orjson.OPT_SORT_KEYS))

    async def _whole(self, inputs: Mapping[str, ShardList]) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Let a whole-data step work, and balance its books."""
        step = self.stage.step
        assert isinstance(step, WholeStep)
        desk = self.desk(self.stage, None)
        result = step.run(inputs, desk)
        number = 0
        async for item in result:
            if isinstance(item, dict):
                number += 1
                yield item if "id" in item else self._born(item)
            else:
                number += 1 if isinstance(item, Dropped) else item.num_rows
                yield item
        self.live.tokens += desk.tokens
        if number > self.live.rows_in:
            self.live.born += number - self.live.rows_in
        else:
            self._not_selected(self.live.rows_in - number)

    def _born(self, item: Row) -> Row | Dropped:
        """Return a row that a step brought in, with its id, or dropped where it is held out."""
        row = as_root(item, self.stream, self.lang)
        reason = self.reserve.refuses(row) if self.reserve else None
        return Dropped(row, reason) if reason else row

    async def _rounds(self, seeds: list[Row]) -> AsyncIterator[Row | Dropped | Fate]:
        """Grow a pool round by round: fill concurrently, admit in draft order."""
        step = self.stage.step
        assert isinstance(step, RoundStep)
        self.live.rows_in = len(seeds)
        if self.sampler and not self.sampled and step.target_rows() is None:
            self.sampler.start(seeds)
        self.sensitivity = stricter("internal", *(row.get("sensitivity") for row in seeds))
        pool = step.start(seeds)
        for item in pool.dropped:
            yield item
        self._settle_start(len(pool), len(pool.dropped))
        number, started = 0, len(pool)
        while drafts := self._drafts(step, pool, number):
            candidates: list[Row] = []
            told = {"drafts": len(drafts), "failed": 0, "candidates": 0, "admitted": 0}
            reasons: Counter[str] = Counter()
            tokens, error = self.live.tokens, ""
            for outcome in await self._fill_all(step, drafts):
                if isinstance(outcome, list):
                    candidates.extend(outcome)
                    continue
                self.live.born += 1
                if outcome.kind == "failed":
                    self.live.failed += 1
                    told["failed"] += 1
                    error = outcome.reason
                    yield outcome
                else:
                    reasons[outcome.reason] += 1
                    yield Dropped(outcome.row, outcome.reason, outcome.facts or {})
            self._refuse_failures(told["drafts"], error)
            before = len(pool)
            pool = step.admit(pool, candidates)
            self.live.born += len(candidates)
            for item in pool.dropped:
                reasons[item.reason] += 1
                yield item
            told |= {"candidates": len(candidates), "admitted": len(pool) - before}
            spent = self.live.tokens - tokens
            self.live.rounds.append({**told, "dropped": dict(sorted(reasons.items())), "tokens": spent})
            silent = len(candidates) - (len(pool) - before) - len(pool.dropped)
            if silent:
                raise AssertionError(
                    f"{self.stage.key}: of {len(candidates)} rows, admit() admitted {len(pool) - before} and dropped "
                    f"{len(pool.dropped)}; the others must be named in pool.grown(admitted, dropped)"
                )
            number += 1
        if self.sampler and (target := step.target_rows()) is not None:
            self.sampler.grow(self.stream, len(pool) - started, target)
        handed = 0
        for row in step.result(pool):
            handed += 1
            yield row
        self._not_selected(len(pool) - handed)

    def _settle_start(self, kept: int, dropped: int) -> None:
        """Account for seeds that start() added or left out without a word."""
        difference = kept + dropped - self.live.rows_in
        if difference >= 0:
            self.live.born += difference
        else:
            self._not_selected(-difference)

    def _not_selected(self, number: int) -> None:
        """Count rows that were neither passed on nor dropped by name."""
        if number > 0:
            self.live.dropped[NOT_SELECTED] = self.live.dropped.get(NOT_SELECTED, 0) + number

    def _refuse_failures(self, drafts: int, error: str) -> None:
        """Stop when more drafts have failed than the run's ceiling allows; what was answered is kept."""
        tried = drafts + sum(earlier["drafts"] for earlier in self.live.rounds)
        failed = self.live.failed
        if tried >= CEILING_FROM and failed > self.ceiling * tried:
            raise FailureCeiling(
                f"step {self.stage.name!r}: {failed} of {tried} drafts failed, more than the ceiling of "
                f"{self.ceiling:.0%}; the last error was: {error}. "
                "Mend the cause and give the same command again, or raise `failure_ceiling` in the recipe"
            )

    async def _fill_all(self, step: RoundStep, drafts: list[Row]) -> list[list[Row] | Fate]:
        """Fill all drafts of a round; if the run must stop, the calls under way still come to their end."""
        outcomes = await asyncio.gather(*(self._fill(step, draft) for draft in drafts), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return outcomes

    def _drafts(self, step: RoundStep, pool: Pool, number: int) -> list[Row]:
        """Return a round's drafts; in a pilot, and when a recipe is only tried, no more than are wanted."""
        drafts = self._named(list(step.draft(pool, number)), number)
        if step.target_rows() is None:
            return drafts
        if self.sampler:
            return self.sampler.draft(self.stream, drafts)
        left = None if self.limit is None else max(0, self.limit - sum(told["drafts"] for told in self.live.rounds))
        return drafts[:left]

    def _named(self, drafts: list[Row], number: int) -> list[Row]:
        """Give drafts ids that depend on the step, the round and their place, so that equal drafts stay apart."""
        named = []
        for place, draft in enumerate(drafts):
            name = content_hash(self.stream, self.stage.name, str(number), str(place), orjson.dumps(draft, option=2))
            base = {"lang": self.lang, "sensitivity": self.sensitivity, "parents": []}
            named.append({**base, **draft, "id": name, "root": name, "stream": self.stream})
        return named

    async def _fill(self, step: RoundStep, draft: Row) -> list[Row] | Fate:
        """Fill one draft; what goes wrong becomes a fate, not an exception."""
        if self.sampler:
            self.sampler.begin(draft)
        desk = self.desk(self.stage, draft)
        try:
            made = await step.fill(draft, desk)
            if isinstance(made, list):
                rows = [as_child(child, draft, self.stage.name, i) for i, child in enumerate(made)]
            else:
                rows = [row for _, row in settle(made, draft, (), self.stage.name)]
            if self.sampler:
                self.sampler.made(rows)
            return rows
        except Drop as drop:
            return Fate(0, (), "dropped", draft, drop.reason, drop.facts)
        except STOPS_THE_RUN:
            raise
        except IS_A_DROP as error:
            return Fate(0, (), "dropped", draft, snake(type(error).__name__), {"error": str(error)})
        except Exception as error:
            return Fate(0, (), "failed", draft, describe(error))
        finally:
            self.live.tokens += desk.tokens


class Output:
    """Writes what a barrier yields as sealed shards, rows and batches alike, with the rows it drops."""

    def __init__(self, stage: Stage, source: str, counts: Counts):
        self.stage = stage
        self.seal = Seal(source, stage.fingerprint)
        self.counts = counts
        self.schema = schema_of(stage.columns)
        self.rows: list[Row] = []
        self.lost: list[Fate] = []
        self.index = 0
        self.writing: asyncio.Future[None] | None = None
        """The shard that a thread writes while the step makes the next one."""

    async def add(self, item: Row | pa.RecordBatch | Dropped | Fate) -> None:
        """Take in a row, a batch, a dropped row or one that failed."""
        if isinstance(item, Dropped):
            self.lost.append(Fate(0, (len(self.lost),), "dropped", item.row, item.reason, item.facts))
            self.counts.lose("dropped", item.reason)
        elif isinstance(item, Fate):
            self.lost.append(item._replace(place=(len(self.lost),)))
        elif isinstance(item, dict):
            self.rows.append(item)
            self.counts.out += 1
        else:
            if self.rows:
                await self._write()
            self.counts.out += item.num_rows
            table = pa.Table.from_batches([item]).select([n for n in self.schema.names if n in item.schema.names])
            for name in self.schema.names:
                if name not in table.column_names:
                    table = table.append_column(name, pa.nulls(table.num_rows, self.schema.field(name).type))
            table = table.select(self.schema.names)
            await self._write(table if table.schema.equals(self.schema) else table.cast(self.schema))
        if len(self.rows) >= SHARD_ROWS or len(self.lost) >= 10 * SHARD_ROWS:
            await self._write()

    async def _write(self, table: pa.Table | None = None) -> None:
        """Begin to write the next shard, from a table or from the rows collected, when the one before is written."""
        await self._written()
        made: pa.Table | list[Row] = table
        if table is None:
            made, self.rows = self.rows, []
        lost, self.lost = self.lost, []
        self.writing = asyncio.ensure_future(asyncio.to_thread(self._write_now, self.index, made, lost))
        self.index += 1

    async def _written(self) -> None:
        """Wait for the shard that is being written; raises what the disk said."""
        if self.writing is not None:
            writing, self.writing = self.writing, None
            await writing

    def _write_now(self, index: int, made: pa.Table | list[Row], lost: list[Fate]) -> None:
        """Write one shard and the rows lost before it."""
        path = self.stage.folder / shard_name(index)
        write_losses(self.stage, index, lost, self.seal)
        if isinstance(made, list):
            write_shard(path, made, self.schema, self.seal)
        else:
            write_table(path, made, self.seal)

    async def close(self) -> None:
        """Let a write under way come to its end, whatever it says: something else has gone wrong already."""
        with suppress(Exception):
            await self._written()

    async def finish(self) -> None:
        """Write what is left, at least one empty shard, and check that no row has vanished."""
        if self.rows or self.lost or self.index == 0:
            await self._write()
        await self._written()
        if not self.counts.balanced():
            raise AssertionError(f"{self.stage.key}: rows vanished: {self.counts}")


def hash_inputs(inputs: Mapping[str, ShardList]) -> str:
    """Return one hash over all input shards and their conditions."""
    parts: list[str] = []
    for name in sorted(inputs):
        parts.append(name)
        parts.extend(hash_file(path) for path in inputs[name].files)
    return content_hash(*parts)
