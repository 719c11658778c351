"""Shards as Daft frames, for joins, group-bys, sorts and shuffles over whole data (extra `scale`)."""

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sftmill.errors import RunError

if TYPE_CHECKING:
    from sftmill.flow.shards import ShardList


_RUNNER = ["native"]
"""Where frames are worked on: "native" (here) or "ray"."""


def be_quiet() -> None:
    """Let neither Daft nor Ray report its usage, as they do unless told not to, nor Ray print what the engine handles."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")


def run_frames_on(runner: str) -> None:
    """Say where frames are worked on from now on: "native", which is here, or "ray"."""
    _RUNNER[0] = runner


def frame_of(shards: "ShardList") -> Any:
    """Return a lazy Daft frame over shards; raises RunError when the extra is not installed."""
    be_quiet()
    try:
        import daft
    except ImportError as error:
        raise RunError("frames need Daft: pip install 'sftmill[scale]'") from error
    if _RUNNER[0] == "ray":
        daft.set_runner_ray(noop_if_initialized=True)
    elif daft.get_or_infer_runner_type() == "ray":  # Daft's runner can be set once in a process
        raise RunError("frames of this process worked on a Ray cluster that it has left; start sftmill anew")
    if shards.files and not shards.filtered:
        return daft.read_parquet([str(path) for path in shards.files])
    return daft.from_arrow([pa.Table.from_batches([batch]) for batch in shards.batches()])
