"""Where the work runs: the local engine takes streams through their passes in this process.

A stream is cut at its barriers. Between two of them everything is one streaming pass; a source
and the row steps right behind it form a reading pass that feeds it shard by shard.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from sftmill.core import Desk, Row, RowStep
from sftmill.flow.barrier import Barrier
from sftmill.flow.reading import ReadingPass
from sftmill.flow.reserve import Reserve
from sftmill.flow.sampler import Sampler
from sftmill.flow.shards import Counts, ShardFile, ShardList
from sftmill.flow.spread import Spread, Threads
from sftmill.flow.stage import Stage
from sftmill.flow.stream import StreamingPass
from sftmill.flow.workers import Workers
from sftmill.machine import usable_cores


class StreamingWork(Protocol):
    """Takes shards through row and ask stages."""

    stages: list[Stage]

    def run(self, shards: AsyncIterator[ShardFile]) -> AsyncIterator[ShardFile]:
        """Yield the last stage's shards in order; raises what stopped the work."""

    def stop(self, error: BaseException) -> None:
        """Start nothing new."""

    def counts(self) -> list[Counts]:
        """Return what became of the rows so far, per stage."""


class LocalEngine:
    """Runs streams on this machine.

    `desk` makes the desk for a stage and a row (None for whole-data steps), `window` bounds the
    rows on their way in each pass, `ceiling` is the share of failed rows past which a pass stops,
    `limit` the number of rows that is read from each source, and of drafts for a pool (None = all). `reserve` says which source
    rows may not be used, `sampler` which rows a pilot takes.
    """

    def __init__(
        self,
        desk: Callable[[Stage, Row | None], Desk],
        window: int,
        ceiling: float = 1.0,
        processes: int | None = None,
        limit: int | None = None,
        reserve: Reserve | None = None,
        sampler: Sampler | None = None,
    ):
        self.desk = desk
        self.window = window
        self.ceiling = ceiling
        self.processes = processes or usable_cores()
        self.limit = limit
        self.reserve = reserve
        self.sampler = sampler
        self.passes: list[tuple[list[Stage], Callable[[], list[Counts]]]] = []
        self.streaming: list[StreamingWork] = []

    async def prepare(self, stages: list[Stage]) -> None:
        """See to it, once and before anything is paid for, that the work can be done where it will be done."""

    async def run(
        self,
        stream: str,
        lang: str,
        stages: list[Stage],
        inputs: Mapping[str, ShardList],
        sampled: bool = False,
    ) -> ShardList:
        """Take one stream through all its stages and return its rows.

        `inputs["rows"]` are the rows of the streams that it starts from, where its first stage is
        no source; the other entries are side inputs of its whole-data steps. `sampled` tells that
        these rows descend from a pilot's sample already.
        """
        stages = keep_what_is_needed(stages)
        row_steps = [(i, s.name, s.step) for i, s in enumerate(stages) if s.shape == "row"]
        workers = self._workers(row_steps) if row_steps else None
        try:
            return await self._run(stream, lang, stages, inputs, workers, sampled)
        finally:
            if workers:
                await workers.close()

    async def _run(
        self,
        stream: str,
        lang: str,
        stages: list[Stage],
        inputs: Mapping[str, ShardList],
        workers: Workers | None,
        inputs_sampled: bool,
    ) -> ShardList:
        """Chain the passes of a stream."""
        at = 0
        if stages[0].shape == "source":
            at = leading_row_stages(stages)
            reading = ReadingPass(
                stages[:at], stream, lang, workers if at > 1 else None, limit=self.limit, reserve=self.reserve
            )
            self.passes.append((reading.stages, reading.counts))
            shards = reading.run()
        else:
            shards = numbered(inputs["rows"])
        rows = inputs.get("rows")
        while at < len(stages):
            end = at + 1
            if stages[at].shape in ("row", "ask"):
                while end < len(stages) and stages[end].shape in ("row", "ask"):
                    end += 1
                sampled = ""
                if self.sampler and not inputs_sampled and any(stage.shape == "ask" for stage in stages[at:end]):
                    listed = await collect(shards)
                    await asyncio.to_thread(self.sampler.choose, stream, listed)
                    sampled, inputs_sampled, shards = stream, True, numbered(listed)
                streaming = self._streaming(stages[at:end], workers, at, sampled)
                self.streaming.append(streaming)
                self.passes.append((streaming.stages, streaming.counts))
                shards = streaming.run(shards)
            else:
                if at > 0:
                    rows = await collect(shards)
                assert rows is not None
                barrier = Barrier(
                    stages[at],
                    stream,
                    lang,
                    self.desk,
                    reserve=self.reserve,
                    ceiling=self.ceiling,
                    sampler=self.sampler,
                    sampled=inputs_sampled,
                    limit=self.limit,
                )
                inputs_sampled = inputs_sampled or barrier.sampler is not None
                for listed in (*inputs.values(), rows):
                    listed.spread_over = self.spread()
                self.passes.append(([barrier.stage], barrier.counts))
                shards = barrier.run({**inputs, "rows": rows})
            at = end
        return await collect(shards)

    def spread(self) -> Spread:
        """Return where whole-data steps have batches worked on."""
        return Threads(self.processes)

    def _workers(self, row_steps: list[tuple[int, str, RowStep]]) -> Workers:
        """Return what does the row steps of a stream."""
        return Workers(row_steps, self.processes)

    def _streaming(self, stages: list[Stage], workers: Workers | None, offset: int, sampled: str) -> "StreamingWork":
        """Return the pass over row and ask stages, the first of which is number `offset` of its stream."""
        return StreamingPass(stages, self.desk, workers, self.window, self.ceiling, offset, self.sampler, sampled)

    def stop(self, error: BaseException) -> None:
        """Start nothing new; what is under way comes to its end, then `run` raises `error`."""
        for streaming in self.streaming:
            streaming.stop(error)

    def counts(self) -> dict[str, Counts]:
        """Return what became of the rows so far: "<stream>/<number>-<step>" -> counts, in order."""
        return {
            f"{stage.folder.parent.name}/{stage.key}": counts
            for stages, count in self.passes
            for stage, counts in zip(stages, count(), strict=True)
        }


def leading_row_stages(stages: list[Stage]) -> int:
    """Return the number of the first stage after the source that is no row stage."""
    return next((i for i in range(1, len(stages)) if stages[i].shape != "row"), len(stages))


def keep_what_is_needed(stages: list[Stage]) -> list[Stage]:
    """Mark the stages whose rows are written: the end of every pass, and every ask stage.

    Rows between two row steps are cheap to make again, so they are not written.
    """
    marked = []
    for i, stage in enumerate(stages):
        following = stages[i + 1].shape if i + 1 < len(stages) else None
        marked.append(replace(stage, kept=stage.shape not in ("row", "source") or following != "row"))
    return marked


async def numbered(rows: ShardList) -> AsyncIterator[ShardFile]:
    """Yield the files of finished shards with their numbers."""
    for index, path in enumerate(rows.files):
        yield ShardFile(index, path)


async def collect(shards: AsyncIterator[ShardFile]) -> ShardList:
    """Wait for the end of a pass and return its shards in order."""
    async with aclosing(shards):
        return ShardList([shard.path async for shard in shards])
