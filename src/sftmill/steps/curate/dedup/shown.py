"""The file in which a person sees what was taken for copies: the texts side by side, the most doubtful ones first."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson

from sftmill.core import Shards
from sftmill.flow.shards import write_atomically
from sftmill.steps.curate.dedup.choice import Choice
from sftmill.steps.curate.dedup.texts import By, batch_texts, read_batches, text_column

COPIES = 20
"""Copies of a row that are shown, the least similar ones."""
CHARACTERS = 4000
"""Characters of a text that are shown."""


def write_clusters(path: Path, rows: Shards, by: By, choice: Choice, most: int) -> None:
    """Write up to `most` clusters as JSON lines: `kept` {id, text}, `copies` [{id, similarity, text}], `rows`."""
    gone = choice.dropped()
    doubt = np.nan_to_num(choice.similarity[gone], nan=1.0)
    gone = gone[np.lexsort((gone, doubt))]
    clusters: dict[int, list[int]] = {}
    for place in gone.tolist():
        kept = int(choice.of[place])
        if kept in clusters:
            if len(clusters[kept]) < COPIES:
                clusters[kept].append(place)
        elif len(clusters) < most:
            clusters[kept] = [place]
    sizes = np.bincount(choice.of[gone], minlength=1)
    wanted = np.unique([place for kept, copies in clusters.items() for place in (kept, *copies)]).astype(np.int64)
    shown = dict(_shown(rows, by, wanted)) if len(wanted) else {}
    lines = [
        orjson.dumps(
            {
                "rows": int(sizes[kept]) + 1,
                "kept": shown[kept],
                "copies": [{**shown[copy], "similarity": round(float(choice.similarity[copy]), 4)} for copy in copies],
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for kept, copies in clusters.items()
    ]
    write_atomically(path, b"".join(lines))


def _shown(rows: Shards, by: By, places: np.ndarray) -> Iterator[tuple[int, dict]]:
    """Yield the rows at `places`, ascending, as they are shown."""
    start = 0
    for batch in read_batches(rows, ["id", text_column(by)]):
        begin, end = np.searchsorted(places, (start, start + batch.num_rows))
        if begin < end:
            texts = batch_texts(batch, by)
            for place in places[begin:end].tolist():
                text = "\n\n".join(texts.of(place - start))
                text = text if len(text) <= CHARACTERS else text[:CHARACTERS] + " …"
                yield place, {"id": batch.column("id")[place - start].as_py(), "text": text}
        start += batch.num_rows
