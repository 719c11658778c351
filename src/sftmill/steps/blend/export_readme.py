"""The README that lies beside exported files: what each one holds and how to load it, in Chinese and English."""

import re
from pathlib import Path
from typing import NamedTuple

from sftmill.steps.blend.conversation import LEFT_OUT
from sftmill.steps.blend.file_kinds import (
    FLAG_EMBEDDING,
    LLAMAFACTORY,
    RETRIEVER_FORMS,
    SENTENCE_TRANSFORMERS,
    SPREADSHEET,
    SWIFT,
    TRL,
    FileKind,
)
from sftmill.steps.blend.reasoning import Reasoning
from sftmill.steps.blend.row_file import write_whole
from sftmill.text.lazy import lazy_pattern

# A part goes to its closing line, so that what people write before and after it stays theirs.
_PART = lazy_pattern(
    r"^<!-- export: (?P<name>.+) -->\n.*?^<!-- end of export: (?P=name) -->\n", re.MULTILINE | re.DOTALL
)


class ExportedFile(NamedTuple):
    """A finished file of an export."""

    name: str
    kind: FileKind
    dataset: str | None
    """Its name in dataset_info.json, None where LLaMA-Factory is not to read it."""
    rows: int
    left_out: dict[str, int]
    """Rows that the form has no place for, by the reason's key in `LEFT_OUT`."""
    sha256: str


def write_readme(
    folder: Path, prefix: str, files: list[ExportedFile], reasoning: Reasoning = "drop", weighted: int = 0
) -> None:
    """Write README.md; parts of exports with other prefixes, and everything that is not ours, stay.

    The same files give the same bytes.
    """
    filled = [file for file in files if file.rows]
    parts = [
        _table(prefix, files),
        _left_out(files),
        _llamafactory(filled),
        _swift(filled),
        _trl(filled),
        _ranking(filled),
        _masked(filled),
        _retrievers(filled),
        _tables(filled),
        _reasoning(reasoning),
        _weights(weighted),
    ]
    text = "\n".join(part for part in parts if part)
    part = f"<!-- export: {prefix} -->\n{text}<!-- end of export: {prefix} -->\n"
    path = folder / "README.md"
    # The bytes are decoded here, because reading as text would change the line ends of others.
    found = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
    write_whole(path, _placed(found, prefix, part).encode("utf-8", "surrogateescape"))


class ListedFile(NamedTuple):
    """A file as a README lists it."""

    name: str
    rows: int
    readers: str
    sha256: str


_LISTED = lazy_pattern(r"^\| (\S+) \| (\d+) \| ([^|]*) \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def listed_files(readme: str) -> list[ListedFile]:
    """Return the files that a README written here lists, in its order."""
    return [
        ListedFile(name, int(rows), readers, digest)
        for part in _PART.finditer(readme)
        for name, rows, readers, digest in _LISTED.findall(part[0])
    ]


def _placed(text: str, prefix: str, part: str) -> str:
    """Return a README with this part in it: in the place of its earlier one, or in order behind what is there."""
    parts = list(_PART.finditer(text))
    for match in parts:
        if match["name"] == prefix:
            return text[: match.start()] + part + text[match.end() :]
    for match in parts:
        if match["name"] > prefix:
            return f"{text[: match.start()]}{part}\n{text[match.start() :]}"
    if not text:
        return part
    end = parts[-1].end() if parts else len(text)
    between = "\n" if text[:end].endswith("\n") else "\n\n"
    return f"{text[:end]}{between}{part}{text[end:]}"


def _table(prefix: str, files: list[ExportedFile]) -> str:
    lines = [f"# {prefix}", "", "| 文件 file | 行数 rows | 供谁读取 read by | SHA-256 |", "|---|---:|---|---|"]
    lines += [f"| {file.name} | {file.rows} | {_readers(file)} | `{file.sha256}` |" for file in files]
    return "\n".join(lines) + "\n"


def _readers(file: ExportedFile) -> str:
    return ", ".join(name for name in file.kind.readers if name != LLAMAFACTORY or file.dataset)


def _left_out(files: list[ExportedFile]) -> str:
    # Forms of one kind leave the same samples out, so they share a line.
    missing: dict[tuple[str, int], list[str]] = {}
    for file in files:
        for reason, number in file.left_out.items():
            missing.setdefault((reason, number), []).append(f"`{file.name}`")
    if not missing:
        return ""
    zh = [
        f"- {LEFT_OUT[reason][0]}：{number} 个，不在 {'、'.join(names)}" for (reason, number), names in missing.items()
    ]
    en = [
        f"- {LEFT_OUT[reason][1]}: {number}, not in {', '.join(names)}" for (reason, number), names in missing.items()
    ]
    return (
        "有些文件不含以下样本，它们在别的文件里：\n\n" + "\n".join(zh) + "\n\n"
        "Some files leave samples out, which other files hold:\n\n" + "\n".join(en) + "\n"
    )


def _llamafactory(files: list[ExportedFile]) -> str:
    declared = [file for file in files if file.dataset]
    if not declared:
        return ""
    # Sharegpt first: it is the only form in which LLaMA-Factory sees tools.
    declared.sort(key=lambda file: ("sharegpt" not in file.kind.name, "alpaca" not in file.kind.name))
    lines = []
    for form, stage in (("", "sft"), ("dpo", "dpo"), ("kto", "kto")):
        names = [f.dataset for f in declared if (f.kind.form if f.kind.form in ("dpo", "kto") else "") == form]
        if names:
            other = f"   # 或 or: {', '.join(map(str, names[1:]))}" if names[1:] else ""
            lines.append(f"llamafactory-cli train train.yaml stage={stage} dataset_dir=. dataset={names[0]}{other}")
        if names and form == "dpo":  # the same pairs serve ORPO, which needs no reference model
            lines.append(f"llamafactory-cli train train.yaml stage=dpo pref_loss=orpo dataset_dir=. dataset={names[0]}")
    return (
        f"## {LLAMAFACTORY}\n\n"
        "在本目录运行，`train.yaml` 是你自己的训练配置。数据集已登记在 `dataset_info.json` 里，"
        "同一批样本有几种格式时选一种即可；使用工具的样本只在 sharegpt 格式里。\n\n"
        "Run this in this folder; `train.yaml` is your own configuration. `dataset_info.json` names the data sets. "
        "Where the same samples come in several forms, choose one; samples with tools are in sharegpt only.\n\n"
        "```bash\n" + "\n".join(lines) + "\n```\n"
    )


_SWIFT_COMMANDS = (
    (("messages", "masked_swift"), "swift sft"),
    (("dpo_swift",), "swift rlhf --rlhf_type dpo"),
    (("dpo_swift",), "swift rlhf --rlhf_type orpo"),
    (("kto_swift",), "swift rlhf --rlhf_type kto"),
    (("triplets_swift",), "swift sft --task_type embedding --loss_type infonce"),
    (("pairs_swift",), "swift sft --task_type embedding --loss_type infonce"),
    (("triplets_swift_reranker",), "swift sft --task_type reranker --loss_type listwise_reranker"),
)
"""Which kinds of files a command reads together."""


def _swift(files: list[ExportedFile]) -> str:
    read = [file for file in files if SWIFT in file.kind.readers]
    lines = []
    for kinds, command in _SWIFT_COMMANDS:
        if names := [file.name for file in read if file.kind.name in kinds]:
            lines.append(f"{command} --model <model> --dataset {' '.join(names)}")
    return f"## {SWIFT}\n\n```bash\n" + "\n".join(lines) + "\n```\n" if lines else ""


def _trl(files: list[ExportedFile]) -> str:
    read = [file for file in files if TRL in file.kind.readers]
    if not read:
        return ""
    trainers = {"messages": "SFTTrainer", "dpo": "DPOTrainer", "kto": "KTOTrainer"}
    first = {form: next((f.name for f in read if f.kind.form == form), "") for form in trainers}
    lines = ["from datasets import load_dataset"]
    lines.append(f"from trl import {', '.join(trainers[form] for form, name in first.items() if name)}")
    for form, name in first.items():
        if name:
            lines += [
                "",
                f'samples = load_dataset("json", data_files="{name}", split="train")',
                f'{trainers[form]}(model="<model>", train_dataset=samples).train()',
            ]
    note = ""
    if any(file.name not in first.values() for file in read):
        note = (
            "\n名字带 tool_ 的文件放使用工具的样本，列与别的文件不同，请单独载入。\n\n"
            "The files with tool_ in their names hold the samples that use tools; "
            "they have other columns, so load each by itself.\n"
        )
    return f"## {TRL}\n\n```python\n" + "\n".join(lines) + f"\n```\n{note}"


def _ranking(files: list[ExportedFile]) -> str:
    names = [file.name for file in files if file.kind.form == "ranking"]
    if not names:
        return ""
    return (
        "## 排序 ranking\n\n"
        "每行是 `prompt`（消息列表）、`responses`（回答，最好的在前）和 `scores`（对应的评分），供列表式的偏好训练使用。\n\n"
        "Each row has `prompt` (a list of messages), `responses` (answers, the best first) and `scores`, "
        "for listwise preference training.\n\n"
        "```python\n"
        f'load_dataset("json", data_files="{names[0]}", split="train")\n'
        "```\n"
    )


_LABELS = """\
def labelled(row, tokenizer):
    # add tools=json.loads(row["tools"]) where there is that column
    text = tokenizer.apply_chat_template(row["conversation"], tokenize=False)
    said = row["conversation"][-1]["content"]
    begin = text.rindex(said)   # fails where the template changes the answer
    spans = [(begin + a, begin + b) for a, b in zip(row["masked_spans"][::2], row["masked_spans"][1::2])]
    made = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    learnt = [b > begin and not any(a < y and b > x for x, y in spans) for a, b in made["offset_mapping"]]
    return {
        "input_ids": made["input_ids"],
        "labels": [token if learn else -100 for token, learn in zip(made["input_ids"], learnt)],
    }
"""
"""How labels are made of the parts that carry no loss, for tools that take labels."""


def _masked(files: list[ExportedFile]) -> str:
    names = {file.kind.name: file.name for file in reversed(files) if file.kind.form == "masked"}
    if not names:
        return ""
    return (
        "## 不计损失的部分 masked\n\n"
        "这些样本的回答里有一部分不能学（例如随后被改正的错误），所以不在其他格式里。\n\n"
        f"- `{names['masked_swift']}`：回答被切成几个连续的 assistant 轮次，各有 `loss`。只能用 ms-swift 自带的模板"
        "（`--template_backend swift`，即默认值）；用 `jinja` 时 `loss` 会被丢掉，错误的部分也会被学进去。\n"
        f"- `{names['masked_spans']}`：`masked_spans` 是最后一轮里不计损失的起止位置（按字符）。"
        "列名不是 `messages`，免得别的工具直接拿去训练；TRL 等接受 `labels` 的工具可以这样转换：\n\n"
        "A part of these answers must not be learnt, such as a mistake that is corrected further on, "
        "so they are in no other form.\n\n"
        f"- `{names['masked_swift']}`: the answer is cut into assistant turns, each with its `loss`. Use ms-swift's own "
        "templates (`--template_backend swift`, the default); with `jinja` the `loss` is lost and the mistakes are learnt.\n"
        f"- `{names['masked_spans']}`: `masked_spans` are start and end, in characters, of what carries no loss in the "
        "last turn. The column is not called `messages`, lest a tool train on all of it. For tools that take `labels`, "
        "such as TRL:\n\n"
        f"```python\n{_LABELS}```\n"
    )


def _retrievers(files: list[ExportedFile]) -> str:
    read = [file for file in files if file.kind.form in RETRIEVER_FORMS]
    if not read:
        return ""
    zh = ["训练检索模型用：问题、能回答它的段落，以及看着像却答不了的段落。"]
    en = ["For training retrievers: a question, the passage that answers it, and passages that only look like it."]
    lines: list[str] = []
    if names := [file.name for file in read if SENTENCE_TRANSFORMERS in file.kind.readers]:
        zh.append("同一段落会出现在几行里，训练时请用 `NO_DUPLICATES`，免得一行的正例成了另一行的负例。")
        en.append(
            "One passage may stand in several rows: train with `NO_DUPLICATES`, so that what answers one question "
            "is no negative for another."
        )
        lines += [
            f"# {SENTENCE_TRANSFORMERS}",
            f'samples = load_dataset("json", data_files="{names[0]}", split="train")',
            *(f"# 或 or: {name}" for name in names[1:]),
            'arguments = SentenceTransformerTrainingArguments("<folder>", batch_sampler=BatchSamplers.NO_DUPLICATES)',
            "SentenceTransformerTrainer(model, arguments, samples, loss=MultipleNegativesRankingLoss(model)).train()",
        ]
    if names := [file.name for file in read if FLAG_EMBEDDING in file.kind.readers]:
        lines += [
            f"# {FLAG_EMBEDDING}",
            "# torchrun -m FlagEmbedding.finetune.embedder.encoder_only.base --model_name_or_path <model> "
            f"--train_data {names[0]} --output_dir <folder>",
        ]
    code = "```python\n" + "\n".join(lines) + "\n```\n" if lines else ""
    return f"## 检索 retrieval\n\n{''.join(zh)}\n\n{' '.join(en)}\n" + (f"\n{code}" if code else "")


def _tables(files: list[ExportedFile]) -> str:
    kinds = {file.kind.suffix for file in files if SPREADSHEET in file.kind.readers}
    if not kinds:
        return ""
    zh, en = ["给人看的表格，每行一个样本。"], ["Tables for people, one sample a line."]
    if ".csv" in kinds:
        zh.append(
            "CSV 是带 BOM 的 UTF-8；以 = + - @ 开头的文字前面加了一个撇号，免得电子表格当作公式执行，"
            '程序读取时去掉它即可（Python 用 `encoding="utf-8-sig"` 打开）。'
        )
        en.append(
            "The CSV is UTF-8 with a byte order mark. An apostrophe stands before text that begins with = + - @, "
            "so that no spreadsheet runs it as a formula; a program that reads the file takes it off "
            '(in Python, open it with `encoding="utf-8-sig"`).'
        )
    if ".xlsx" in kinds:
        zh.append("xlsx 的单元格都是文字或数字，没有公式；一张表放不下时续写到 `.2.xlsx` 等文件。")
        en.append(
            "Every cell of the xlsx is text or a number, none a formula; "
            "what one sheet cannot hold goes on in `.2.xlsx` and so on."
        )
    return f"## 表格 tables\n\n{''.join(zh)}\n\n{' '.join(en)}\n"


def _reasoning(reasoning: Reasoning) -> str:
    if reasoning == "drop":
        return ""
    empty_zh = "没有思考的回答前写有空的思考块。" if reasoning == "empty_think" else "没有思考的回答照原样。"
    empty_en = (
        "An answer without one has an empty block before it."
        if reasoning == "empty_think"
        else "An answer without one stands alone."
    )
    return (
        "## 思考 reasoning\n\n"
        f"模型的思考写在最后一个回答之前，位于 `<think>` 与 `</think>` 之间。{empty_zh}"
        "偏好数据只在每个回答都有思考时才带上思考，否则模型学到的是该不该思考。"
        "训练前请看一条套好对话模板的样本：DeepSeek-R1 自带的模板会删去思考（TRL 备有不删的训练模板），"
        "Qwen3.8 的模板会在前面再加一个空的思考块。\n\n"
        f"What the model thought stands before the last answer, between `<think>` and `</think>`. {empty_en} "
        "Preference data have thoughts only where every answer has one; otherwise the model would learn whether to "
        "think. Look at a sample in its chat template before you train: DeepSeek-R1's own template takes thoughts "
        "out (TRL has a training template that does not), and Qwen3.8's puts an empty block before them.\n"
    )


def _weights(weighted: int) -> str:
    if not weighted:
        return ""
    return (
        "## 权重 weight\n\n"
        f"有 {weighted} 行的 `weight` 不是 1。这些训练工具都不读取单个样本的权重，所以文件里每行只写一次；"
        "要让权重生效，请在导出之前按权重抽样或重复。\n\n"
        f"Rows whose `weight` is not 1: {weighted}. None of these training tools reads a weight of a single sample, "
        "so each row is written once; to make weights count, sample or repeat rows by them before the export.\n"
    )
