"""Tags of batches."""

import pyarrow as pa


def tag_lists(batch: pa.RecordBatch) -> list[list[str]]:
    """Return the tags of each row of a batch, an empty list where it has none."""
    if "tags" not in batch.schema.names:
        return [[] for _ in range(batch.num_rows)]
    return [[tag for tag in tags if tag] if tags else [] for tags in batch.column("tags").to_pylist()]
