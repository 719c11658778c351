"""The reading pass: a source's rows, taken through the row steps that follow it, packed into shards.

It runs ahead of the streaming pass, which takes each shard as soon as it is written, so that the
first model call does not wait for the last document to be parsed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterator
from itertools import islice
from pathlib import Path

import orjson

from sftmill.core import Dropped, Row, Source
from sftmill.flow.lineage import as_root
from sftmill.flow.losses import write_losses
from sftmill.flow.reserve import Reserve
from sftmill.flow.shards import (
    Counts,
    Seal,
    ShardFile,
    schema_of,
    shard_files,
    shard_name,
    write_atomically,
    write_shard,
)
from sftmill.flow.stage import SHARD_ROWS, Stage
from sftmill.flow.walk import Fate, Walked, walk
from sftmill.flow.workers import Workers
from sftmill.text import content_hash

PULL_ROWS = 256
"""Rows listed at a time, in a thread, so that a slow disk does not hold up the event loop."""

TURN_ROWS = 32
"""Rows after which the event loop gets its turn."""

MANY_ROWS = 20_000
"""Rows from which on worker processes take over also what is quick: to start them costs a second of CPU time, a row
in this process holds up the event loop and all calls."""

DONE_FILE = "reading.json"


class ReadingPass:
    """A source and the row stages that follow it directly.

    Only the last stage's rows are written. A shard ends after `shard_rows` rows, or with a root
    row when it is half full, so that a change in one long document leaves the others' shards alone.
    With a `limit`, reading ends once so many rows are there. Source rows that the `reserve` refuses
    are dropped.
    """

    def __init__(
        self,
        stages: list[Stage],
        stream: str,
        lang: str,
        workers: Workers | None,
        shard_rows: int = SHARD_ROWS,
        limit: int | None = None,
        reserve: Reserve | None = None,
    ):
        self.stages = stages
        self.stream = stream
        self.lang = lang
        self.steps = [(number, stage.name, stage.step) for number, stage in enumerate(stages)][1:]
        self.workers = workers
        self.quick = all(stage.step.quick for stage in stages[1:])
        self.shard_rows = shard_rows
        self.limit = limit
        self.reserve = reserve
        self.live = [Counts() for _ in stages]

    def counts(self) -> list[Counts]:
        """Return what became of the rows so far, per stage."""
        return self.live

    @property
    def folder(self) -> Path:
        """Where the shards are written."""
        return self.stages[-1].folder

    async def run(self) -> AsyncIterator[ShardFile]:
        """Yield the shards (number, file), those of an earlier run if the source lists the same rows."""
        earlier = self._earlier()
        if earlier and await self._same_listing(earlier):
            self.live = [Counts.from_dict(earlier["counts"][stage.key]) for stage in self.stages]
            for index, path in enumerate(shard_files(self.folder)):
                yield ShardFile(index, path)
            return
        (self.folder / DONE_FILE).unlink(missing_ok=True)
        listing = Listing()
        packer = Packer(self, listing)
        ahead: deque[tuple[Row | Fate, Awaitable[Walked] | Walked | None]] = deque()
        most = PULL_ROWS if self.quick or self.workers is None else 4 * self.workers.number
        async for row in self._pull(listing):
            ahead.append((row, self._walk(row, listing.number) if isinstance(row, dict) and self.steps else None))
            while len(ahead) >= most and not packer.full:
                async for shard in packer.add(*ahead.popleft()):
                    yield shard
            if packer.full:
                break
        while ahead and not packer.full:
            async for shard in packer.add(*ahead.popleft()):
                yield shard
        for _, walked in ahead:
            if isinstance(walked, asyncio.Future):
                walked.cancel()
        async for shard in packer.finish():
            yield shard
        self._remove_leftovers(packer.index)
        done = {
            "listing": listing.digest,
            "listed": listing.number if self.limit else None,
            "fingerprint": self.stages[-1].fingerprint,
            "limit": self.limit,
            "reserve": self.reserve.digest if self.reserve else None,
            "shards": packer.index,
            "counts": {stage.key: counts.as_dict() for stage, counts in zip(self.stages, self.live, strict=True)},
        }
        write_atomically(self.folder / DONE_FILE, orjson.dumps(done, option=orjson.OPT_SORT_KEYS))

    def _earlier(self) -> dict | None:
        """Return what an earlier run noted when it had read everything, if these stages did it without failures."""
        try:
            noted = orjson.loads((self.folder / DONE_FILE).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        same = noted["fingerprint"] == self.stages[-1].fingerprint and noted["limit"] == self.limit
        same = same and noted.get("reserve") == (self.reserve.digest if self.reserve else None)
        whole = noted["shards"] == len(shard_files(self.folder))
        return noted if same and whole and not any(c["failed"] for c in noted["counts"].values()) else None

    async def _same_listing(self, earlier: dict) -> bool:
        """Tell whether the source still lists the rows of the earlier run."""
        listing = Listing()
        async for _ in self._pull(listing):
            if listing.number == earlier["listed"]:
                break
        return listing.digest == earlier["listing"]

    def _walk(self, row: Row, number: int) -> asyncio.Future[Walked] | Walked:
        """Take a row through the stages: in a worker, or here where they are all quick and the rows are few.

        A thread would cost more than it brings: it and the event loop would wait for each other at every call.
        """
        if self.workers is not None and not (self.quick and number <= MANY_ROWS):
            return self.workers.begin(1, len(self.stages), row, ())
        return walk(self.steps, row, ())

    async def _pull(self, listing: "Listing") -> AsyncIterator[Row | Fate]:
        """Yield the source's rows with their ids, and fates for what it could not take in."""
        source = self.stages[0].step
        assert isinstance(source, Source)
        rows = source.rows()
        while chunk := await asyncio.to_thread(self._pull_some, rows):
            for number, row in enumerate(chunk, 1):
                listing.add(row["id"] if isinstance(row, dict) else row.row["id"])
                yield row
                if number % TURN_ROWS == 0:
                    await asyncio.sleep(0)

    def _pull_some(self, rows: Iterator[Row | Dropped]) -> list[Row | Fate]:
        """Take the next rows of the source, with their ids."""
        return [self._named(item) for item in islice(rows, PULL_ROWS)]

    def _named(self, item: Row | Dropped) -> Row | Fate:
        """Give a row its id, also one that the source could not take in."""
        if isinstance(item, Dropped):
            return Fate(0, (), "dropped", as_root(item.row, self.stream, self.lang), item.reason, item.facts)
        row = as_root(item, self.stream, self.lang)
        if self.reserve and (reason := self.reserve.refuses(row)):
            return Fate(0, (), "dropped", row, reason, {})
        return row

    def _remove_leftovers(self, shards: int) -> None:
        """Remove the shards of an earlier, longer run, so that the folder holds what the source has now."""
        for path in self.folder.glob("*.parquet"):
            if int(path.name.split(".")[0]) >= shards:
                path.unlink()


class Listing:
    """A running hash over the ids of all rows that a source lists."""

    def __init__(self) -> None:
        self.digest = ""
        self.number = 0

    def add(self, name: str) -> None:
        """Take in one more id."""
        self.number += 1
        self.digest = content_hash(self.digest, name)


class Packer:
    """Collects rows in order and writes a shard whenever there are enough."""

    def __init__(self, reading: ReadingPass, listing: Listing):
        self.reading = reading
        self.index = 0
        self.packed = 0
        """Rows written so far."""
        self.full = False
        """Set when the limit is reached."""
        self.rows: list[Row] = []
        self.lost: list[Fate] = []
        self.counts = [Counts() for _ in reading.stages]

    async def add(self, root: Row | Fate, walked: Awaitable[Walked] | Walked | None) -> AsyncIterator[ShardFile]:
        """Take in what became of a root row; yield the shards that are full."""
        whole = self.reading.shard_rows
        self.counts[0].rows_in += 1
        if isinstance(root, Fate):
            self._lose(root)
            return
        self.counts[0].out += 1
        if walked is None:
            self.rows.append(root)
        else:
            if len(self.rows) >= whole // 2 and not self.reading.quick:
                yield await self._write(len(self.rows))
            walked = walked if isinstance(walked, Walked) else await walked
            for passed in walked.passed:
                self.counts[passed.step].moved(passed.rows_in, passed.born, passed.out)
                self.counts[passed.step].found(passed.tally)
            for fate in walked.lost:
                self._lose(fate)
            self.rows.extend(row for _, row in walked.out)
        self._keep_to_limit()
        while len(self.rows) >= whole:
            yield await self._write(whole)

    def _keep_to_limit(self) -> None:
        """Drop the rows beyond the limit, with that reason."""
        if self.reading.limit is None or self.packed + len(self.rows) < self.reading.limit:
            return
        self.full = True
        room = self.reading.limit - self.packed
        last = len(self.counts) - 1
        for row in self.rows[room:]:
            self.counts[last].out -= 1
            self._lose(Fate(last, (), "dropped", row, "over_limit", {"limit": self.reading.limit}))
        del self.rows[room:]

    def _lose(self, fate: Fate) -> None:
        """Note a row that is dropped or has failed."""
        self.counts[fate.step].lose(fate.kind, fate.reason)
        self.lost.append(fate)

    async def finish(self) -> AsyncIterator[ShardFile]:
        """Write what is left; a source with no rows at all still gets one empty shard."""
        if self.rows or self.lost or self.index == 0:
            yield await self._write(len(self.rows))

    async def _write(self, number: int) -> ShardFile:
        """Write the first `number` rows as the next shard."""
        rows, self.rows = self.rows[:number], self.rows[number:]
        self.packed += number
        lost, self.lost = self.lost, []
        counts, self.counts = self.counts, [Counts() for _ in self.counts]
        for into, more in zip(self.reading.live, counts, strict=True):
            into.add(more)
        index = self.index
        self.index += 1
        return ShardFile(index, await asyncio.to_thread(self._write_now, index, rows, lost, counts), rows)

    def _write_now(self, index: int, rows: list[Row], lost: list[Fate], counts: list[Counts]) -> Path:
        """Write one shard and its losses."""
        stages = self.reading.stages
        seal = Seal("", stages[-1].fingerprint, {s.key: c.as_dict() for s, c in zip(stages, counts, strict=True)})
        for number, stage in enumerate(stages):
            write_losses(stage, index, (fate for fate in lost if fate.step == number), seal)
        path = stages[-1].folder / shard_name(index)
        write_shard(path, rows, schema_of(stages[-1].columns), seal)
        return path
