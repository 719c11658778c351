"""Export: the finished rows as files that LLaMA-Factory, ms-swift and TRL read."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field, field_validator

from sftmill.core import Desk, Drop, Dropped, Row, Shards, WholeStep
from sftmill.errors import RunError, StorageError
from sftmill.steps.blend.export_readme import ExportedFile, write_readme
from sftmill.steps.blend.forms import CONVERTERS, FORMS, REASON, Form, describe_dataset, read_sample
from sftmill.steps.blend.row_file import RowFile, encode_row, sync_folder, write_whole

DATASET_INFO = "dataset_info.json"
"""The file in which LLaMA-Factory looks up its data sets."""

_FILE_NAMES: dict[str, str] = {
    "messages": "messages.jsonl",
    "tool_messages": "tool_messages.jsonl",
    "alpaca": "alpaca.json",
    "sharegpt": "sharegpt.json",
}
"""What stands behind the prefix; rows with tools have a messages file of their own."""


class Export(WholeStep):
    """Writes the rows as messages, alpaca and sharegpt files, and hands every row on unchanged.

    The files lie in `desk.output`, the run's folder for people: `sft.messages.jsonl` for TRL and
    ms-swift, `sft.tool_messages.jsonl` for those of its rows that use tools, `sft.alpaca.json` and
    `sft.sharegpt.json` for LLaMA-Factory, its `dataset_info.json`, and a README that says how to
    load each. They appear when the last row is written, whole; memory does not grow with the rows.
    Drops rows that no tool could read, as "not_exportable". Raises StorageError when the disk
    cannot be written, and RunError when dataset_info.json there belongs to something else.
    """

    reads: ClassVar[tuple[str, ...]] = ("messages",)

    forms: tuple[Form, ...] = Field(FORMS, min_length=1)
    """Which forms to write: messages, alpaca, sharegpt."""
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
            known = _read_dataset_info(folder / DATASET_INFO)
            self._check_names(known, folder)
            files = _Files(folder, self.file_prefix, self.forms)
        try:
            for row in inputs["rows"].rows():
                try:
                    lines = self._encode(row)
                except Drop as drop:
                    yield Dropped(row, drop.reason, drop.facts)
                    continue
                with _disk_errors(folder):
                    files.write(lines)
                yield row
            with _disk_errors(folder):
                exported = files.finish()
                self._write_dataset_info(folder, known, exported)
                write_readme(folder, self.file_prefix, exported)
                sync_folder(folder)
        finally:
            files.abandon()

    def _encode(self, row: Row) -> dict[str, bytes | None]:
        sample = read_sample(row)
        lines: dict[str, bytes | None] = {}
        try:
            for form in self.forms:
                value = CONVERTERS[form](sample)
                name = "tool_messages" if form == "messages" and sample.uses_tools else form
                lines[name] = None if value is None else encode_row(value)
        except ValueError:
            raise Drop(REASON, why="text is not valid Unicode, or a number has more than 64 bits") from None
        if not any(lines.values()):
            raise Drop(REASON, why=f"uses tools in a way that {' and '.join(self.forms)} cannot hold")
        return lines

    def _check_names(self, known: dict[str, Any], folder: Path) -> None:
        for form in self.forms:
            name, file_name = f"{self.file_prefix}_{form}", f"{self.file_prefix}.{_FILE_NAMES[form]}"
            other = known.get(name)
            if other is not None and (not isinstance(other, dict) or other.get("file_name") != file_name):
                raise RunError(
                    f"{folder / DATASET_INFO} already names another data set {name!r}; "
                    f"set the export step's file_prefix to something other than {self.file_prefix!r} and run again"
                )

    def _write_dataset_info(self, folder: Path, known: dict[str, Any], exported: list["ExportedFile"]) -> None:
        info = dict(known)
        for file in exported:
            if file.dataset is None:
                continue
            # LLaMA-Factory fails on a data set without rows, so an empty one is not declared.
            if file.rows:
                info[file.dataset] = describe_dataset(file.form, file.name)
            else:
                info.pop(file.dataset, None)
        # ASCII only: LLaMA-Factory opens the file in the system's own encoding.
        write_whole(folder / DATASET_INFO, (json.dumps(info, indent=2) + "\n").encode())


class _Files:
    """The files of one export, written together."""

    def __init__(self, folder: Path, prefix: str, forms: tuple[Form, ...]):
        self._folder = folder
        self._prefix = prefix
        self._forms = tuple(form for form in FORMS if form in forms)
        self._open: dict[str, RowFile] = {}
        self._left_out = dict.fromkeys(self._forms, 0)
        try:
            for form in self._forms:
                self._file(form)
        except BaseException:
            self.abandon()
            raise

    def _path(self, name: str) -> Path:
        return self._folder / f"{self._prefix}.{_FILE_NAMES[name]}"

    def _file(self, name: str) -> RowFile:
        if name not in self._open:
            path = self._path(name)
            self._open[name] = RowFile(path, array=path.suffix == ".json")
        return self._open[name]

    def write(self, lines: dict[str, bytes | None]) -> None:
        for name, line in lines.items():
            if line is None:
                self._left_out[name] += 1
            else:
                self._file(name).write(line)

    def finish(self) -> list[ExportedFile]:
        exported = []
        for name in _FILE_NAMES:
            if name in self._open:
                file = self._open[name]
                form: Form = "messages" if name == "tool_messages" else name
                exported.append(
                    ExportedFile(
                        name=file.path.name,
                        form=form,
                        dataset=None if name == "tool_messages" else f"{self._prefix}_{form}",
                        rows=file.rows,
                        left_out=self._left_out.get(name, 0),
                        sha256=file.finish(),
                    )
                )
            elif name == "tool_messages" and "messages" in self._forms:
                # Nothing of an earlier export may stay that this one would not have written.
                self._path(name).unlink(missing_ok=True)
        return exported

    def abandon(self) -> None:
        for file in self._open.values():
            file.abandon()


def _read_dataset_info(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise RunError(f"{path} is not a JSON object, so the new data sets cannot be added; move it away and run again")
    return info


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write the export to {folder}: {error.strerror or error}; "
            "free some space or make the folder writable, then run the same command again"
        ) from error
