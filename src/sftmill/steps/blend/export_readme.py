"""The README that lies beside exported files: how to load each one, and what it holds."""

import re
from pathlib import Path
from typing import NamedTuple

from sftmill.steps.blend.forms import Form
from sftmill.steps.blend.row_file import write_whole


class ExportedFile(NamedTuple):
    """A finished file of an export."""

    name: str
    form: Form
    dataset: str | None
    """Its name in dataset_info.json, None where LLaMA-Factory is not to read it."""
    rows: int
    left_out: int
    """Rows that the form has no place for; they are in the other files."""
    sha256: str


def write_readme(folder: Path, prefix: str, files: list[ExportedFile]) -> None:
    """Write README.md, in Chinese and English; parts of exports with other prefixes stay.

    The same files give the same bytes.
    """
    filled = [file for file in files if file.rows]
    parts = [_table(prefix, files), *(_left_out(file) for file in files if file.left_out)]
    # Sharegpt first: it is the only form in which LLaMA-Factory sees tools.
    declared = [f"`{file.dataset}`" for file in reversed(filled) if file.dataset]
    messages = [file.name for file in filled if file.form == "messages"]
    if declared:
        parts.append(_llamafactory(declared))
    if messages:
        parts += [_swift(messages), _trl(messages)]
    path = folder / "README.md"
    others = _other_parts(path.read_text(encoding="utf-8"), prefix) if path.exists() else {}
    others[prefix] = "\n".join(parts)
    text = "\n".join(f"<!-- export: {name} -->\n{part}" for name, part in sorted(others.items()))
    write_whole(path, text.encode())


def _other_parts(text: str, prefix: str) -> dict[str, str]:
    pieces = re.split(r"^<!-- export: (.+) -->\n", text, flags=re.MULTILINE)
    found = zip(pieces[1::2], pieces[2::2], strict=True)
    return {name: part.rstrip("\n") + "\n" for name, part in found if name != prefix}


def _table(prefix: str, files: list[ExportedFile]) -> str:
    lines = [f"# {prefix}", "", "| 文件 file | 行数 rows | SHA-256 |", "|---|---:|---|"]
    lines += [f"| {file.name} | {file.rows} | `{file.sha256}` |" for file in files]
    return "\n".join(lines) + "\n"


def _left_out(file: ExportedFile) -> str:
    return (
        f"`{file.name}` 不含 {file.left_out} 行使用工具的样本：这种格式放不下，它们在其他文件中。\n"
        f"`{file.name}` leaves out {file.left_out} rows that use tools: the form has no place for them; "
        "they are in the other files.\n"
    )


def _llamafactory(declared: list[str]) -> str:
    first = declared[0].strip("`")
    return (
        "## LLaMA-Factory\n\n"
        "在本目录运行；`train.yaml` 是你的训练配置。Run in this folder; `train.yaml` is your own configuration.\n\n"
        f"```bash\nllamafactory-cli train train.yaml dataset_dir=. dataset={first}\n```\n\n"
        f"`dataset_info.json`: {', '.join(declared)}\n\n"
        "选一个即可；使用工具的样本只在 sharegpt 中。Choose one; samples with tools are in sharegpt only.\n"
    )


def _swift(messages: list[str]) -> str:
    return f"## ms-swift\n\n```bash\nswift sft --model <model> --dataset {' '.join(messages)}\n```\n"


def _trl(messages: list[str]) -> str:
    note = ""
    if len(messages) > 1:
        note = "\n两个文件的列不同，请分别载入。The two files have different columns: load each by itself.\n"
    return (
        "## TRL\n\n```python\n"
        "from datasets import load_dataset\nfrom trl import SFTTrainer\n\n"
        f'samples = load_dataset("json", data_files="{messages[0]}", split="train")\n'
        'SFTTrainer(model="<model>", train_dataset=samples).train()\n'
        f"```\n{note}"
    )
