"""The streaming pass: every row goes through its row and ask steps without waiting for its neighbours.

Shards flow in; several are open at once, and each commits the outputs of all its stages together
when its last row is done. The window bounds how many rows are on their way. What is written does
not depend on the order in which rows finish: a shard is sorted by the places of its rows.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from sftmill.core import AskStep, Desk, Drop, Row
from sftmill.errors import (
    AccountError,
    ContextTooLong,
    FailureCeiling,
    LedgerError,
    ReplyUnusable,
    RunStopped,
    StorageError,
)
from sftmill.flow.losses import write_losses
from sftmill.flow.sampler import Sampler
from sftmill.flow.shards import (
    Counts,
    Seal,
    ShardFile,
    hash_file,
    read_rows,
    read_seal,
    schema_of,
    shard_name,
    write_shard,
)
from sftmill.flow.stage import Stage
from sftmill.flow.walk import Fate, Place, describe, settle, tally
from sftmill.flow.workers import Workers
from sftmill.text import content_hash

STOPS_THE_RUN = (RunStopped, AccountError, LedgerError, StorageError)
"""Errors that are no row's fault: they end the run, which can be resumed, instead of failing rows."""

IS_A_DROP = (ReplyUnusable, ContextTooLong)
"""Errors that are an outcome of asking rather than a fault: the row is dropped with the reason."""

CEILING_FROM = 50
"""Rows that must have gone through before a share of failures means anything."""


class OpenShard:
    """A shard on its way: what its rows have become so far."""

    __slots__ = ("counts", "first", "index", "lost", "outputs", "pending", "source", "spoiled")

    def __init__(self, index: int, source: str, first: int, stages: int):
        self.index = index
        self.source = source
        self.first = first
        """Number of the stage that its rows start at; those before were done in an earlier run."""
        self.pending = 1  # the feeder holds one until all rows are in
        self.spoiled = False
        """Set when a row was given up because the run stops; such a shard is not committed."""
        self.counts = [Counts() for _ in range(stages)]
        self.outputs: dict[int, list[tuple[Place, Row]]] = {}
        self.lost: list[Fate] = []


class StreamingPass:
    """Row and ask stages between two barriers, run as one pass over shards.

    `desk` makes the desk for a stage and a row. `window` is the number of rows on their way
    at once. `ceiling` is the share of failed rows, 0 to 1, past which the pass stops.
    """

    def __init__(
        self,
        stages: list[Stage],
        desk: Callable[[Stage, Row], Desk],
        workers: Workers | None,
        window: int,
        ceiling: float = 1.0,
        offset: int = 0,
        sampler: Sampler | None = None,
        sampled: str = "",
    ):
        self.stages = stages
        self.offset = offset
        """Number of the first stage within the stream, by which the workers know it."""
        self.sampler = sampler
        self.sampled = sampled
        """The stream of which only the sampler's chosen rows are taken; empty = all rows."""
        self.desk = desk
        self.workers = workers
        self.window = window
        self.ceiling = ceiling
        self.committed = [Counts() for _ in stages]
        self.open: set[OpenShard] = set()
        self.active = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.commits: set[asyncio.Task[None]] = set()
        self.stopping: BaseException | None = None
        self.room = asyncio.Event()
        self.shapes = [stage.shape for stage in stages]
        self.group_end = self._groups()

    def _groups(self) -> list[int]:
        """For every row stage, the number after the last row stage that follows it directly."""
        ends = list(range(1, len(self.stages) + 1))
        for i in range(len(self.stages) - 2, -1, -1):
            # rows must come back from the workers where they are to be written
            if self.shapes[i] == self.shapes[i + 1] == "row" and not self.stages[i].kept:
                ends[i] = ends[i + 1]
        return ends

    async def run(self, shards: AsyncIterator[ShardFile]) -> AsyncIterator[ShardFile]:
        """Take shards (number, file) through the stages; yield the last stage's shards in their order.

        Raises what stopped the run, after everything under way has been finished or given up.
        """
        opened: asyncio.Queue[tuple[int, Path, asyncio.Future[bool]] | None] = asyncio.Queue()
        feeder = asyncio.create_task(self._feed(shards, opened))
        try:
            while item := await opened.get():
                index, path, done = item
                if not await done:
                    break
                yield ShardFile(index, path)
        finally:
            if not self.stopping:
                feeder.cancel() if not feeder.done() else None
            await asyncio.gather(feeder, return_exceptions=True)
            await self._give_up()
        if self.stopping:
            raise self.stopping

    async def _feed(self, shards: AsyncIterator[ShardFile], opened: asyncio.Queue) -> None:
        """Open shard after shard, as far as the window allows; None ends the queue."""
        try:
            async for file in shards:
                if self.stopping:
                    break
                done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                opened.put_nowait((file.index, self.stages[-1].folder / shard_name(file.index), done))
                await self._open(file, done)
        except Exception as error:
            self.stop(error)
        finally:
            opened.put_nowait(None)

    async def _open(self, file: ShardFile, done: asyncio.Future[bool]) -> None:
        """Find what an earlier run has done of a shard and start its rows after that."""
        index = file.index
        source = await asyncio.to_thread(hash_file, file.path)
        if self.sampled:
            source = content_hash(source, self.sampler.digest(self.sampled))
        first, at = 0, file.path
        for number, stage in enumerate(self.stages):
            if not stage.kept:
                continue
            if self.sampler:
                break  # a pilot follows every row from its beginning; the answers come from the ledger
            seal = read_seal(stage.folder / shard_name(index))
            if seal is None or not seal.matches(source, stage.fingerprint) or seal.failed():
                break
            first, at = number + 1, stage.folder / shard_name(index)
            for key, counts in seal.counts.items():
                self._count_of(key).add(Counts.from_dict(counts))
        if first == len(self.stages):
            done.set_result(True)
            return
        rows = file.rows if first == 0 and file.rows is not None else await asyncio.to_thread(read_rows, at)
        if self.sampled:
            rows = [row for row in rows if row["id"] in self.sampler.chosen[self.sampled]]
        shard = OpenShard(index, source, first, len(self.stages))
        self.open.add(shard)
        for number, row in enumerate(rows):
            while self.active >= self.window and not self.stopping:
                self.room.clear()
                await self.room.wait()
            if self.stopping:
                shard.spoiled = True
                break
            if self.sampler:
                self.sampler.begin(row)
            self._start(shard, row, (number,), first, done)
        self._one_done(shard, done)

    def _count_of(self, key: str) -> Counts:
        """Return the committed counts of the stage with this folder name."""
        return self.committed[next(i for i, stage in enumerate(self.stages) if stage.key == key)]

    def _start(self, shard: OpenShard, row: Row, place: Place, at: int, done: asyncio.Future[bool]) -> None:
        """Let a row go its way as a task of its own."""
        self.active += 1
        shard.pending += 1
        task = asyncio.create_task(self._go(shard, row, place, at, done))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _go(self, shard: OpenShard, row: Row, place: Place, at: int, done: asyncio.Future[bool]) -> None:
        """Take one row through the stages from number `at` on."""
        try:
            while at < len(self.stages):
                if self.stopping:
                    shard.spoiled = True
                    return
                if self.shapes[at] == "row":
                    made, at = await self._compute(shard, row, place, at)
                else:
                    made, at = await self._ask(shard, row, place, at)
                if not made:
                    return
                for child_place, child in made[1:]:
                    self._start(shard, child, child_place, at, done)
                place, row = made[0]
            if self.sampler:
                self.sampler.made([row])
        except asyncio.CancelledError:
            shard.spoiled = True
            raise
        except BaseException as error:
            shard.spoiled = True
            self.stop(error)
        finally:
            self.active -= 1
            if self.active < self.window:
                self.room.set()
            self._one_done(shard, done)

    async def _compute(self, shard: OpenShard, row: Row, place: Place, at: int) -> tuple[list[tuple[Place, Row]], int]:
        """Have the row stages from `at` on done in a worker."""
        end = self.group_end[at]
        assert self.workers is not None
        walked = await self.workers.walk(self.offset + at, self.offset + end, row, place)
        for passed in walked.passed:
            counts = shard.counts[passed.step - self.offset]
            counts.moved(passed.rows_in, passed.born, passed.out)
            counts.found(passed.tally)
        for fate in walked.lost:
            self._lose(shard, fate._replace(step=fate.step - self.offset))
        if walked.out and self.stages[end - 1].kept:
            shard.outputs.setdefault(end - 1, []).extend(walked.out)
        return walked.out, end

    async def _ask(self, shard: OpenShard, row: Row, place: Place, at: int) -> tuple[list[tuple[Place, Row]], int]:
        """Have one ask stage done."""
        stage = self.stages[at]
        counts = shard.counts[at]
        counts.rows_in += 1
        step = stage.step
        assert isinstance(step, AskStep)
        desk = self.desk(stage, row)
        try:
            made = settle(await step.row(row, desk), row, place, stage.name)
        except Drop as drop:
            self._lose(shard, Fate(at, place, "dropped", row, drop.reason, drop.facts))
            return [], at
        except STOPS_THE_RUN:
            raise
        except IS_A_DROP as error:
            self._lose(shard, Fate(at, place, "dropped", row, snake(type(error).__name__), {"error": str(error)}))
            return [], at
        except Exception as error:
            self._lose(shard, Fate(at, place, "failed", row, describe(error)))
            return [], at
        finally:
            counts.tokens += desk.tokens
        counts.born += len(made) - 1
        counts.out += len(made)
        counts.found(tally(step, made))
        if stage.kept:
            shard.outputs.setdefault(at, []).extend(made)
        return made, at + 1

    def _lose(self, shard: OpenShard, fate: Fate) -> None:
        """Note a row that is dropped or has failed."""
        shard.lost.append(fate)
        shard.counts[fate.step].lose(fate.kind, fate.reason)
        if fate.kind == "dropped":
            return
        total = self.counts()[fate.step]
        if total.rows_in >= CEILING_FROM and total.failed > self.ceiling * total.rows_in:
            raise FailureCeiling(
                f"step {self.stages[fate.step].name!r}: {total.failed} of {total.rows_in} rows failed, more than the "
                f"ceiling of {self.ceiling:.0%}; the last error was: {fate.reason}. "
                "Mend the cause and give the same command again, or raise `failure_ceiling` in the recipe"
            )

    def _one_done(self, shard: OpenShard, done: asyncio.Future[bool]) -> None:
        """Count down a shard's rows and commit it after the last one."""
        shard.pending -= 1
        if shard.pending:
            return
        self.open.discard(shard)
        if shard.spoiled:
            done.set_result(False)
            return
        task = asyncio.create_task(self._commit(shard, done))
        self.commits.add(task)
        task.add_done_callback(self.commits.discard)

    async def _commit(self, shard: OpenShard, done: asyncio.Future[bool]) -> None:
        """Write all that a shard has become; afterwards it is done for good."""
        for into, counts in zip(self.committed, shard.counts, strict=True):
            into.add(counts)
        try:
            await asyncio.to_thread(self._write, shard)
        except BaseException as error:
            self.stop(error)
            done.set_result(False)
        else:
            done.set_result(True)

    def _write(self, shard: OpenShard) -> None:
        """Write a shard's losses and outputs, the last stage's file at last."""
        since: dict[str, dict] = {}
        for number, stage in enumerate(self.stages):
            if number < shard.first:
                continue
            counts = shard.counts[number]
            if not counts.balanced():
                raise AssertionError(f"{stage.key}: rows vanished in shard {shard.index}: {counts}")
            since[stage.key] = counts.as_dict()
            seal = Seal(shard.source, stage.fingerprint, since)
            write_losses(stage, shard.index, (fate for fate in shard.lost if fate.step == number), seal)
            if stage.kept:
                rows = [row for _, row in sorted(shard.outputs.get(number, ()), key=lambda item: item[0])]
                write_shard(stage.folder / shard_name(shard.index), rows, schema_of(stage.columns), seal)
                since = {}

    def stop(self, error: BaseException) -> None:
        """Start nothing new; rows end at their next step and `run` raises the first error."""
        if self.stopping is None:
            self.stopping = error
        self.room.set()

    async def _give_up(self) -> None:
        """Wait for what is under way; rows whose calls are out finish them, so that the ledger gets the answers."""
        try:
            while self.tasks or self.commits:
                await asyncio.wait([*self.tasks, *self.commits])
        except asyncio.CancelledError:
            for task in self.tasks:
                task.cancel()
            raise

    def counts(self) -> list[Counts]:
        """Return what became of the rows so far, per stage, open shards included."""
        totals = []
        for number, committed in enumerate(self.committed):
            total = Counts()
            total.add(committed)
            for shard in self.open:
                total.add(shard.counts[number])
            totals.append(total)
        return totals


def snake(name: str) -> str:
    """Turn a class name into the reason under which drops are counted: ContentRefused -> content_refused."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
