"""Work on all batches of a stream, several at a time: in threads of this process, or in tasks of a Ray cluster."""

import pickle
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from sftmill.core import Made
from sftmill.errors import RunError
from sftmill.flow.packing import load_file, own_files
from sftmill.flow.shards import read_table, rows_of_file
from sftmill.machine import usable_cores

if TYPE_CHECKING:
    from sftmill.flow.ray_cluster import Cluster

Work = Callable[[int, pa.RecordBatch], Made]
"""What is made of a batch whose first row has this place among all rows."""

MOST_THREADS = 8
"""Threads that bring something: what they work on is Python's in part, and one at a time does that."""
PIECE = 4096
"""Most rows of a batch."""
TASK_ROWS = 8192
"""Rows from which on a task has enough to do: a task costs a millisecond, these rows cost a tenth of a second."""
TRIES = 3
"""Times that a task is tried in all, when its machine or its process dies."""


class Spread(Protocol):
    """Where the batches of a stream are worked on."""

    def files(self, work: Work[Made], files: list[Path], columns: list[str] | None) -> Iterator[Made]:
        """Yield what `work` makes of each batch of these shards, in order."""

    def batches(self, work: Work[Made], batches: Iterator[pa.RecordBatch]) -> Iterator[Made]:
        """Yield what `work` makes of each of these batches, in order."""


class Threads:
    """Threads of this process, one for each core: kernels and Arrow let each other work."""

    def __init__(self, number: int | None = None):
        self.number = min(number or usable_cores(), MOST_THREADS)

    def files(self, work: Work[Made], files: list[Path], columns: list[str] | None) -> Iterator[Made]:
        """Yield what `work` makes of each batch of these shards, in order."""
        return self.batches(work, (batch for file in files for batch in read_table(file, columns).to_batches()))

    def batches(self, work: Work[Made], batches: Iterator[pa.RecordBatch]) -> Iterator[Made]:
        """Yield what `work` makes of each of these batches, in order; few of them are in memory at a time."""
        with ThreadPoolExecutor(self.number) as pool:
            waiting: deque = deque()
            for place, piece in pieces(batches):
                waiting.append(pool.submit(work, place, piece))
                if len(waiting) > 2 * self.number:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


class Tasks(Threads):
    """Tasks of a Ray cluster, each for some shards; rows behind a condition stay in the process that drives the run."""

    def __init__(self, cluster: "Cluster"):
        super().__init__()
        self.cluster = cluster

    def files(self, work: Work[Made], files: list[Path], columns: list[str] | None) -> Iterator[Made]:
        """Yield what `work` makes of each batch of these shards, in order; raises RunError where it ends its process."""
        import ray

        settings = {"num_cpus": 1, "max_retries": TRIES - 1, "scheduling_strategy": "SPREAD"}
        task = ray.remote(do_task).options(name="sftmill batches", **settings)
        sent = ray.put((own_files(), ray.cloudpickle.dumps(work)))
        most = 2 * self.cluster.cores()
        waiting: deque = deque()
        try:
            for place, group in in_groups([file.absolute() for file in files]):
                waiting.append((group, task.remote(sent, place, group, columns)))
                if len(waiting) > most:
                    yield from _outcome(*waiting.popleft())
            while waiting:
                yield from _outcome(*waiting.popleft())
        finally:
            for _, promised in waiting:
                ray.cancel(promised)


class OneByOne:
    """Gives rows that are in memory, and have `batches`, the `map` of `core.Shards`."""

    def map(self, work: Work[Made], columns: list[str] | None = None) -> Iterator[Made]:
        """Yield what `work` makes of each batch, one after the other."""
        return starmap(work, pieces(self.batches(columns)))


def _outcome(group: list[Path], promised: Any) -> list[Any]:
    """Wait for a task; raises what its work raised, and RunError where the task died."""
    import ray

    try:
        return pickle.loads(ray.get(promised))
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        where = f"{group[0].parent.parent.name}/{group[0].parent.name}"
        raise RunError(
            f"tasks on {where}, shards {group[0].stem} to {group[-1].stem}, ended {TRIES} times"
            f" ({type(error).__name__}); see `ray status`, then give the same command again"
        ) from None


def do_task(sent: tuple[list[str], bytes], place: int, files: list[Path], columns: list[str] | None) -> bytes:
    """Do the work on some shards in a process of the cluster, where the users' files are imported first."""
    own, packed = sent
    for file in own:
        load_file(Path(file))
    return pickle.dumps(work_on_files(pickle.loads(packed), place, files, columns), protocol=5)


def work_on_files(work: Work[Made], place: int, files: list[Path], columns: list[str] | None) -> list[Made]:
    """Return what `work` makes of the batches of some shards, the first row of which has this place."""
    batches = (batch for file in files for batch in read_table(file, columns).to_batches())
    return [work(at, piece) for at, piece in pieces(batches, place)]


def pieces(batches: Iterator[pa.RecordBatch], place: int = 0) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches of no more than 4,096 rows, each with the place of its first row."""
    for batch in batches:
        for start in range(0, batch.num_rows, PIECE):
            part = batch.slice(start, PIECE)
            yield place, part
            place += part.num_rows


def in_groups(files: list[Path]) -> Iterator[tuple[int, list[Path]]]:
    """Yield the shards in groups of some thousand rows, each with the place of its first row."""
    group: list[Path] = []
    place = size = 0
    for file in files:
        group.append(file)
        size += rows_of_file(file)
        if size >= TASK_ROWS:
            yield place, group
            place, size, group = place + size, 0, []
    if group:
        yield place, group
