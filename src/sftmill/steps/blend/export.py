"""Export: the finished rows as files that LLaMA-Factory, ms-swift, TRL and spreadsheets read."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from sftmill.core import Desk, Drop, Dropped, Row, Shards, WholeStep
from sftmill.errors import RunError, StorageError
from sftmill.steps.blend.conversation import LEFT_OUT, REASON, LeftOut, read_sample
from sftmill.steps.blend.dataset_info import DATASET_INFO, DatasetInfo
from sftmill.steps.blend.export_readme import ExportedFile, write_readme
from sftmill.steps.blend.file_kinds import KINDS, RETRIEVER_FORMS, TRAINING_FORMS, FileKind, Form
from sftmill.steps.blend.reasoning import Reasoning
from sftmill.steps.blend.row_file import RowFile, sync_folder
from sftmill.steps.blend.table_forms import Workbook


class Export(WholeStep):
    """Writes the rows in the forms that training tools and people read, and hands every row on unchanged.

    The files lie in `desk.output`, the run's folder for people: `sft.messages.jsonl` for TRL and
    ms-swift, `sft.tool_messages.jsonl` for those of its rows that use tools, `sft.alpaca.json` and
    `sft.sharegpt.json` for LLaMA-Factory, its `dataset_info.json`, and a README that says how to
    load each. The forms dpo and kto write a file for each tool, ranking one list a row, csv and xlsx
    a table; triplets and pairs are for training retrievers, and need no answer. Rows with `masked_spans` are in the
    form masked and in no other, because the other files cannot say which part of an answer is not to be learnt.
    Files appear when the last row is written, whole; memory does not grow with the rows.
    A row that lacks what a form needs is left out there and counted in the README. Drops rows that
    none of the forms can hold, as "not_exportable". An answer that equals the row's own `rejected` is
    never written as one to learn. Raises StorageError when the disk cannot be written, and RunError when
    dataset_info.json there belongs to something else, or when a row whose `polarity` is negative would
    get into a file of answers to learn; kto may hold it as an answer not to give, dpo leaves it out.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)
    may_read: ClassVar[tuple[str, ...]] = (
        "tools", "reasoning", "rejected", "desirable", "candidates", "scores", "weight",
        "source", "title_path", "page", "question_type", "task", "grounded", "score", "reviewed",
        "polarity", "margin", "masked_spans", "passage", "hard_negatives", "operator",
    )  # fmt: skip

    forms: tuple[Form, ...] = Field(TRAINING_FORMS, min_length=1)
    """Which forms to write: messages, alpaca, sharegpt; dpo (rows with a `rejected` answer; ORPO reads the same), kto (rows with
    `desirable`), ranking (rows with `candidates` and `scores`); masked (rows with `masked_spans`); triplets (rows with
    `passage` and `hard_negatives`) and pairs (rows with `passage`), for retrievers; csv and xlsx for people."""
    negatives: int = Field(1, ge=1, le=50)
    """Passages that do not answer in each row of the triplets for sentence-transformers, where all rows must have the
    same number: the hardest ones; a row with fewer is left out of that file. The other tools take all there are."""
    reasoning: Reasoning = "drop"
    """What becomes of a model's thoughts: drop them; keep them in <think> before the answer, for training a thinking
    model; or empty_think, which keeps them and marks answers without one with an empty <think>, for hybrid models."""
    folder: str = "."
    """Folder for the files, below the run's export folder."""
    file_prefix: str = Field("sft", pattern=r"^\w[\w.-]*$")
    """First part of the files' names, and of the data sets' names in dataset_info.json."""

    @field_validator("forms", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("folder")
    @classmethod
    def _stay_below(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or "\\" in value:
            raise ValueError(f"folder {value!r} leaves the run's export folder; name one below it, such as 'general'")
        return value

    async def run(self, inputs: Mapping[str, Shards], desk: Desk) -> AsyncIterator[Row | pa.RecordBatch | Dropped]:
        """Write the files while the rows pass by."""
        folder = Path(desk.output) / self.folder
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            info = self._dataset_info(folder)
            files = _Files(folder, self)
        try:
            for row in inputs["rows"].rows():
                try:
                    lines, left_out = files.encode(row)
                except Drop as drop:
                    yield Dropped(row, drop.reason, drop.facts)
                    continue
                with _disk_errors(folder):
                    files.write(row, lines, left_out)
                yield row
            with _disk_errors(folder):
                exported = files.finish()
                if info is not None:
                    _declare(info, exported)
                write_readme(folder, self.file_prefix, exported, self.reasoning, files.weighted)
                sync_folder(folder)
        finally:
            files.abandon()

    def kinds(self) -> tuple[FileKind, ...]:
        """Return the kinds of files that the forms are."""
        return tuple(kind for kind in KINDS if kind.form in self.forms)

    def _dataset_info(self, folder: Path) -> DatasetInfo | None:
        """Return what LLaMA-Factory knows in this folder, None where nothing for it is written."""
        kinds = [kind for kind in self.kinds() if kind.entry is not None]
        if not kinds:
            return None
        info = DatasetInfo(folder / DATASET_INFO)
        for kind in kinds:
            name, path = f"{self.file_prefix}_{kind.name}", kind.path(folder, self.file_prefix, kind.name)
            other = info.entries.get(name)
            if other is not None and (not isinstance(other, dict) or other.get("file_name") != path.name):
                raise RunError(
                    f"{info.path} already names another data set {name!r}; "
                    f"set the export step's file_prefix to something other than {self.file_prefix!r} and run again"
                )
        return info


def _declare(info: DatasetInfo, exported: list[ExportedFile]) -> None:
    """Write the data sets into dataset_info.json."""
    for file in exported:
        if file.dataset is not None:
            # LLaMA-Factory fails on a data set without rows, so an empty one is not declared.
            info.set(file.dataset, {"file_name": file.name, **(file.kind.entry or {})} if file.rows else None)
    info.write()


class _Files:
    """The files of one export, written together."""

    def __init__(self, folder: Path, step: Export):
        self._folder = folder
        self._step = step
        self._all = step.kinds()
        self._kinds = {name: kind for kind in self._all for name in kind.files}
        self._open: dict[str, RowFile | Workbook] = {}
        self._retrieving = any(kind.form in RETRIEVER_FORMS for kind in self._all)
        self._left_out: dict[str, Counter[str]] = {kind.name: Counter() for kind in self._all}
        self.weighted = 0
        """Rows that are to count more or less than once."""
        try:
            for kind in self._all:
                self._file(kind.name)
        except BaseException:
            self.abandon()
            raise

    def _path(self, name: str) -> Path:
        return self._kinds[name].path(self._folder, self._step.file_prefix, name)

    def _file(self, name: str) -> RowFile | Workbook:
        if name not in self._open:
            self._open[name] = self._kinds[name].open(self._path(name))
        return self._open[name]

    def encode(self, row: Row) -> tuple[dict[str, bytes], dict[str, str]]:
        """Return a row's line in each file, and why it is left out of others; raises Drop where none can hold it."""
        sample = read_sample(
            row, self._step.reasoning, negatives=self._step.negatives, may_lack_answer=self._retrieving
        )
        lines: dict[str, bytes] = {}
        left_out: dict[str, str] = {}
        try:
            for kind in self._all:
                try:
                    lines[kind.file_for(sample)] = kind.encode(kind.convert(sample))
                except LeftOut as reason:
                    left_out[kind.name] = str(reason)
        except ValueError:
            raise Drop(REASON, why="text is not valid Unicode, or a number has more than 64 bits") from None
        if not lines:
            reasons = "; ".join(LEFT_OUT[reason][1] for reason in dict.fromkeys(left_out.values()))
            raise Drop(REASON, why=f"{' and '.join(self._step.forms)} cannot hold {reasons}")
        return lines, left_out

    def write(self, row: Row, lines: dict[str, bytes], left_out: dict[str, str]) -> None:
        """Add a row to its files."""
        for name, line in lines.items():
            self._file(name).write(line)
        for name, reason in left_out.items():
            self._left_out[name][reason] += 1
        if row.get("weight") not in (None, 1):
            self.weighted += 1

    def finish(self) -> list[ExportedFile]:
        """Put all files in their places and return them."""
        exported = []
        for name, kind in self._kinds.items():
            if name not in self._open:
                # Nothing of an earlier export may stay that this one would not have written.
                self._path(name).unlink(missing_ok=True)
                continue
            for number, file in enumerate(self._open[name].finish()):
                exported.append(
                    ExportedFile(
                        name=file.path.name,
                        kind=kind,
                        dataset=f"{self._step.file_prefix}_{name}" if kind.entry and name == kind.name else None,
                        rows=file.rows,
                        left_out=dict(self._left_out[name]) if name == kind.name and not number else {},
                        sha256=file.sha256,
                    )
                )
        return exported

    def abandon(self) -> None:
        """Remove what is not finished."""
        for file in self._open.values():
            file.abandon()


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write the export to {folder}: {error.strerror or error}; "
            "free some space or make the folder writable, then run the same command again"
        ) from error
