"""Shards as Daft frames, for joins, group-bys, sorts and shuffles over whole data (extra `scale`)."""

import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sftmill.errors import RunError

if TYPE_CHECKING:
    from sftmill.flow.shards import ShardList


def frame_of(shards: "ShardList") -> Any:
    """Return a lazy Daft frame over shards; raises RunError when the extra is not installed."""
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Daft reports usage unless told not to
    try:
        import daft
    except ImportError as error:
        raise RunError("frames need Daft: pip install 'sftmill[scale]'") from error
    if shards.files and not shards.filtered:
        return daft.read_parquet([str(path) for path in shards.files])
    return daft.from_arrow([pa.Table.from_batches([batch]) for batch in shards.batches()])
