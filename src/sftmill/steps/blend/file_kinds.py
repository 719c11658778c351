"""Every file that an export may write: its name, its rows, and who reads it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sftmill.steps.blend import preference_forms as preference
from sftmill.steps.blend import retriever_forms as retriever
from sftmill.steps.blend.conversation import Sample
from sftmill.steps.blend.forms import as_alpaca, as_messages, as_sharegpt
from sftmill.steps.blend.masked_forms import as_masked_spans, as_masked_swift
from sftmill.steps.blend.row_file import ARRAY, LINES, Layout, RowFile, encode_row
from sftmill.steps.blend.table_forms import (
    CSV_HEAD,
    Workbook,
    as_cells,
    as_sheet_cells,
    encode_cells,
    encode_sheet_row,
)

Form = Literal["messages", "alpaca", "sharegpt", "dpo", "kto", "ranking", "masked", "triplets", "pairs", "csv", "xlsx"]
TRAINING_FORMS: tuple[Form, ...] = ("messages", "alpaca", "sharegpt")
"""What is written where the recipe does not say."""

RETRIEVER_FORMS: tuple[Form, ...] = ("triplets", "pairs")
"""Forms that hold questions and passages; a row needs no answer for them."""

LLAMAFACTORY, SWIFT, TRL, DATASETS, SPREADSHEET = "LLaMA-Factory", "ms-swift", "TRL", "datasets", "Excel"
SENTENCE_TRANSFORMERS, FLAG_EMBEDDING = "sentence-transformers", "FlagEmbedding"

_MESSAGES_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}
_SHAREGPT_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output", "system": "system", "history": "history"}
_SHAREGPT = {"messages": "conversations", "system": "system", "tools": "tools"}
_PAIR = {"chosen": "chosen", "rejected": "rejected"}
_LABEL = {"kto_tag": "kto_tag"}


def _alpaca_entry(columns: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"formatting": "alpaca", **more, "columns": columns}


def _sharegpt_entry(columns: dict[str, str], tags: dict[str, str] = _SHAREGPT_TAGS, **more: Any) -> dict[str, Any]:
    return {"formatting": "sharegpt", **more, "columns": columns, "tags": tags}


class FileKind(NamedTuple):
    """One of the files of a form."""

    name: str
    """What stands behind the prefix in the file's name, and in that of its data set."""
    form: Form
    convert: Callable[[Sample], Any]
    """Gives the row of a sample; raises LeftOut where the file has no place for it."""
    readers: tuple[str, ...]
    entry: dict[str, Any] | None = None
    """What dataset_info.json says of it, without the file's name; None where LLaMA-Factory is not to read it.

    Every column and tag is named, because LLaMA-Factory forgets the defaults of those left out as
    soon as one is given.
    """
    suffix: str = ".json"
    tools_apart: bool = False
    """Whether samples with tools go to a file of their own, because they have other columns."""

    def file_for(self, sample: Sample) -> str:
        """Return the name of the file that a sample goes to."""
        return f"tool_{self.name}" if self.tools_apart and sample.uses_tools else self.name

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that there may be."""
        return (self.name, f"tool_{self.name}") if self.tools_apart else (self.name,)

    def path(self, folder: Path, prefix: str, name: str) -> Path:
        """Return where one of its files lies."""
        # sft.csv rather than sft.csv.csv
        return folder / (f"{prefix}{self.suffix}" if f".{name}" == self.suffix else f"{prefix}.{name}{self.suffix}")

    def open(self, path: Path) -> RowFile | Workbook:
        """Begin one of its files."""
        if self.suffix == ".xlsx":
            return Workbook(path)
        return RowFile(path, {".json": ARRAY, ".jsonl": LINES, ".csv": Layout(start=CSV_HEAD)}[self.suffix])

    def encode(self, value: Any) -> bytes:
        """Write a row; raises ValueError where its text is not valid Unicode."""
        return {".csv": encode_cells, ".xlsx": encode_sheet_row}.get(self.suffix, encode_row)(value)


KINDS: tuple[FileKind, ...] = (
    FileKind(
        "messages",
        "messages",
        as_messages,
        (TRL, SWIFT, LLAMAFACTORY),
        _sharegpt_entry({"messages": "messages"}, _MESSAGES_TAGS),
        ".jsonl",
        tools_apart=True,
    ),
    FileKind("alpaca", "alpaca", as_alpaca, (LLAMAFACTORY,), _alpaca_entry(_ALPACA)),
    FileKind("sharegpt", "sharegpt", as_sharegpt, (LLAMAFACTORY,), _sharegpt_entry(_SHAREGPT)),
    FileKind("dpo_trl", "dpo", preference.as_dpo_trl, (TRL,), None, ".jsonl", tools_apart=True),
    FileKind("dpo_swift", "dpo", preference.as_dpo_swift, (SWIFT,), None, ".jsonl", tools_apart=True),
    FileKind(
        "dpo_alpaca",
        "dpo",
        preference.as_dpo_alpaca,
        (LLAMAFACTORY,),
        _alpaca_entry({k: v for k, v in _ALPACA.items() if k != "response"} | _PAIR, ranking=True),
    ),
    FileKind(
        "dpo_sharegpt",
        "dpo",
        preference.as_dpo_sharegpt,
        (LLAMAFACTORY,),
        _sharegpt_entry(_SHAREGPT | _PAIR, ranking=True),
    ),
    FileKind("kto_trl", "kto", preference.as_kto_trl, (TRL,), None, ".jsonl", tools_apart=True),
    FileKind("kto_swift", "kto", preference.as_kto_swift, (SWIFT,), None, ".jsonl", tools_apart=True),
    FileKind("kto_alpaca", "kto", preference.as_kto_alpaca, (LLAMAFACTORY,), _alpaca_entry(_ALPACA | _LABEL)),
    FileKind("kto_sharegpt", "kto", preference.as_kto_sharegpt, (LLAMAFACTORY,), _sharegpt_entry(_SHAREGPT | _LABEL)),
    FileKind("ranking", "ranking", preference.as_ranking, (DATASETS,), None, ".jsonl", tools_apart=True),
    FileKind("masked_swift", "masked", as_masked_swift, (SWIFT,), None, ".jsonl", tools_apart=True),
    FileKind("masked_spans", "masked", as_masked_spans, (DATASETS,), None, ".jsonl", tools_apart=True),
    FileKind("triplets_st", "triplets", retriever.as_triplets_st, (SENTENCE_TRANSFORMERS,), None, ".jsonl"),
    FileKind("triplets_flag", "triplets", retriever.as_triplets_flag, (FLAG_EMBEDDING,), None, ".jsonl"),
    FileKind("triplets_swift", "triplets", retriever.as_triplets_swift, (SWIFT,), None, ".jsonl"),
    FileKind("triplets_swift_reranker", "triplets", retriever.as_triplets_swift_reranker, (SWIFT,), None, ".jsonl"),
    FileKind("pairs_st", "pairs", retriever.as_pairs_st, (SENTENCE_TRANSFORMERS,), None, ".jsonl"),
    FileKind("pairs_swift", "pairs", retriever.as_pairs_swift, (SWIFT,), None, ".jsonl"),
    FileKind("csv", "csv", as_cells, (SPREADSHEET, "pandas"), None, ".csv"),
    FileKind("xlsx", "xlsx", as_sheet_cells, (SPREADSHEET,), None, ".xlsx"),
)
"""All kinds of files, in the order in which people are told of them."""

FORMS: tuple[Form, ...] = tuple(dict.fromkeys(kind.form for kind in KINDS))
