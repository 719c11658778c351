"""Reviewed: what people said of samples is carried out."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from sftmill.core import Desk, Dropped, Row, Shards, WholeStep
from sftmill.steps.curate.labels import Label, Verdict, judge, label_key, read_labels, shown_question
from sftmill.text import content_hash, normalise

_LINEAGE = ("id", "root", "parents", "stream")
"""Columns that a sample gets anew when it comes back."""


class Reviewed(WholeStep):
    """Carries out the labels of a review: rejected samples go, corrected ones are replaced, accepted ones marked.

    Labels belong to contents, not to row ids. A sample that was accepted or corrected, but that the stream no
    longer holds (another prompt made another answer), comes back from the labels file: in the place of
    the first row with the same question, which is dropped as "replaced_by_reviewed", else at the end. It
    also comes back when a step before this one dropped it: put this step behind the filters.
    Drops "rejected_by_reviewer", with the comment and who made it.
    """

    reads: ClassVar = ("question", "answer")
    may_read: ClassVar = ("task",)
    writes: ClassVar = ("messages", "reviewed")

    labels: Path
    """The labels file that `sftmill review import` writes."""
    add: bool = True
    """Whether accepted and corrected samples that the stream does not hold are added to it."""

    def problems(self) -> list[str]:
        """Return why the labels cannot be used, if so."""
        if not self.labels.is_file():
            return [
                f"labels: {str(self.labels)!r} is not there; make it with `sftmill review import FILE.xlsx --labels "
                f"{self.labels.name}`, or take the step out until there is a review"
            ]
        try:
            read_labels(self.labels)
        except ValueError as error:
            return [f"labels: {error}; import the sheets again into a new file"]
        return []

    def files(self) -> tuple[Path, ...]:
        """Return the labels file, which decides the result."""
        return (self.labels,)

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Yield the rows in stream order as people left them, those that come back, and Dropped for the others."""
        labels = read_labels(self.labels)
        wanted = _wanted(labels)
        missing = self._missing(inputs["rows"], labels, wanted) if self.add and wanted else {}
        for row in inputs["rows"].rows():
            judged, outcome, verdict = judge(row, labels)
            if outcome is None and (known := wanted.get(label_key(row))):
                outcome = known["reviewed"]  # the stream now says by itself what a person had corrected it to
            if outcome == "rejected" and verdict is not None:
                yield Dropped(row, "rejected_by_reviewer", _facts(verdict))
            elif outcome is not None:
                yield {**judged, "reviewed": outcome}
            elif back := missing.pop(_asked(row), None):
                for sample in back:
                    yield sample
                yield Dropped(row, "replaced_by_reviewed", {"by": label_key(back[0])})
            else:
                yield row
        for back in missing.values():
            for sample in back:
                yield sample

    def _missing(self, rows: Shards, labels: Mapping[str, Label], wanted: Mapping[str, Row]) -> dict[str, list[Row]]:
        """Return the wanted samples that the stream does not hold, by their question, in the order of their keys."""
        columns = {"messages", "reviewed", "lang", "sensitivity"}
        held = set()
        for row in rows.rows():
            columns.update(row)
            held.add(label_key(judge(row, labels)[0]))
        for batch in rows.batches():
            columns.update(batch.schema.names)
            break
        missing: dict[str, list[Row]] = {}
        for key in sorted(wanted.keys() - held):
            # Without an id: a later run may have given the old one to another answer.
            sample = {name: value for name, value in wanted[key].items() if name in columns and name not in _LINEAGE}
            missing.setdefault(_asked(sample), []).append(sample)
        return missing


def _wanted(labels: Mapping[str, Label]) -> dict[str, Row]:
    """Return the samples that were accepted or corrected, as people left them, by the key of what they now say."""
    wanted: dict[str, Row] = {}
    for label in labels.values():
        if label.sample is not None:
            sample, outcome, _ = judge(label.sample, labels)
            if outcome in ("accepted", "edited"):
                wanted[label_key(sample)] = {**sample, "reviewed": outcome}
    return wanted


def _asked(row: Row) -> str:
    return content_hash(row.get("task") or "", normalise(shown_question(row)).lower())


def _facts(verdict: Verdict) -> dict[str, str]:
    named = {"comment": verdict.comment, "reviewer": verdict.reviewer, "date": verdict.date}
    return {name: value for name, value in named.items() if value}
