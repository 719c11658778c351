"""The workbook that experts see: its columns, its words and its instructions, in Chinese and English."""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sftmill.core import Row, answer
from sftmill.sheets import Page
from sftmill.steps.curate.labels import Said, label_key, shown_question
from sftmill.text import normalise


class Field(NamedTuple):
    """A column of the workbook: its names, its width in characters, and whether people fill it in."""

    name: str
    zh: str
    en: str
    width: float
    entry: bool = False


FIELDS = (
    Field("question", "问题", "question", 32),
    Field("answer", "答案", "answer", 46),
    Field("quotations", "依据原文", "evidence", 40),
    Field("verdict", "结论", "verdict", 10, True),
    Field("corrected_question", "修改后的问题", "corrected question", 28, True),
    Field("corrected_answer", "修改后的答案", "corrected answer", 36, True),
    Field("comment", "意见", "comment", 24, True),
    Field("reviewer", "审核人", "reviewer", 11, True),
    Field("date", "日期", "date", 12, True),
    Field("passage", "原文段落", "passage", 60),
    Field("source", "来源", "source", 22),
    Field("page", "页码", "page", 7),
    Field("title_path", "章节", "headings", 26),
    Field("question_type", "题型", "question type", 10),
    Field("grounded", "依据得分", "grounded", 11),
    Field("score", "质量得分", "score", 11),
    Field("key", "编号（勿改）", "key (do not change)", 16),
)
BY_NAME = {field.name: field for field in FIELDS}
TALL = ("question", "answer", "quotations")

SHEETS = {"zh": ("审核", "说明", "数据"), "en": ("review", "read me", "data")}
"""Names of the sheet to fill in, of the instructions, and of the hidden one with the whole samples."""
DATA_HEADER = ("key", "sample")
PIECE = 32_000
"""Characters of a sample's JSON in one cell."""

WORDS: dict[Said, dict[str, str]] = {
    "accepted": {"zh": "接受", "en": "accept"},
    "edited": {"zh": "修改", "en": "edit"},
    "rejected": {"zh": "拒绝", "en": "reject"},
}
MEANT: dict[str, Said] = {word: said for said, words in WORDS.items() for word in (*words.values(), said)}
"""What each word that may stand in the verdict column means."""

INSTRUCTIONS = {
    "zh": (
        ("做什么", "请逐行判断：问题是否清楚、自足，答案是否正确、完整，并且有原文依据。"),
        ("结论", "在「结论」列的下拉菜单中选择。没有看的行请留空，之后可以再审。"),
        ("接受", "问题和答案都可以直接用于训练。"),
        ("修改", "请把新的文字写入「修改后的问题」或「修改后的答案」（只写需要改的那一个），不要改动原来的两列。"),
        ("拒绝", "不能使用，也不值得修改。请在「意见」中写明原因，以后可以据此改进。"),
        ("审核人、日期", "可以不填。两个人审同一份样本时请填写审核人，这样才能算出一致程度。日期写成 2024-05-31。"),
        ("排序、筛选", "可以。请选中整个表再排序；只排一列会使编号与内容不符，导入时会被拒绝。"),
        ("编号", "最后一列用来识别样本，请勿改动或删除。隐藏的「数据」表存有完整样本，也请保留。"),
        ("太长的文字", "以〔已截断 cut: …〕结尾的单元格没有显示全文，可以接受或拒绝，但不能在这里修改。"),
        ("完成后", "保存为 xlsx，交还给发送者。"),
    ),
    "en": (
        ("Your task", "Judge row by row: is the question clear by itself, is the answer right and complete, and does the"
         " evidence support it?"),
        ("verdict", "Choose from the list in the column “verdict”. Leave a row empty that you have not looked at."),
        ("accept", "Question and answer can be used for training as they are."),
        ("edit", "Write the new text into “corrected question” or “corrected answer” (only what has to change); leave"
         " the two original columns as they are."),
        ("reject", "Not usable and not worth correcting. Say why in “comment”: it helps to make better ones."),
        ("reviewer, date", "May stay empty. Where two people judge the same samples, name yourself, so that your"
         " agreement can be measured. Write dates like 2024-05-31."),
        ("sort, filter", "As you like. Select the whole table to sort; sorting a single column separates keys from"
         " texts, and such a file is refused."),
        ("key", "The last column says which sample a row is: do not change or delete it. Keep the hidden sheet “data”,"
         " too; it holds the whole samples."),
        ("long texts", "A cell that ends in 〔已截断 cut: …〕 does not show all of its text: accept or reject it, but it"
         " cannot be edited here."),
        ("when done", "Save as xlsx and send the file back."),
    ),
}  # fmt: skip


def review_page(rows: Iterable[Row], lang: str) -> Page:
    """Return the sheet to fill in, with one row a sample."""
    names = [getattr(field, lang) for field in FIELDS]
    return Page(
        name=SHEETS[lang][0],
        header=names,
        rows=map(cells_of, rows),
        widths=[field.width for field in FIELDS],
        choices={getattr(BY_NAME["verdict"], lang): [words[lang] for words in WORDS.values()]},
        entry=[getattr(field, lang) for field in FIELDS if field.entry],
        faint=[getattr(BY_NAME["key"], lang)],
        tall=[getattr(BY_NAME[name], lang) for name in TALL],
        fixed=1,
    )


def cells_of(row: Row) -> list[str | float | None]:
    """Return the cells of a sample, in the order of FIELDS; those to fill in are empty."""
    shown = {
        "question": shown_question(row),
        "answer": answer(row),
        "quotations": "\n".join(row.get("quotations") or []),
        "title_path": " / ".join(row.get("title_path") or []),
        "key": label_key(row),
    }
    return [shown[f.name] if f.name in shown else None if f.entry else row.get(f.name) for f in FIELDS]


def instructions_page(lang: str) -> Page:
    """Return the sheet that tells experts what to do."""
    return Page(SHEETS[lang][1], (), INSTRUCTIONS[lang], widths=(18, 100))


def data_page(rows: Iterable[Row], lang: str) -> Page:
    """Return the hidden sheet with the whole samples, as JSON in as many cells as it takes."""
    return Page(SHEETS[lang][2], DATA_HEADER, map(_data_cells, rows), hidden=True)


def _data_cells(row: Row) -> list[str]:
    text = json.dumps(row, separators=(",", ":"))  # ASCII only, so that no spreadsheet changes a character
    return [label_key(row), *(text[i : i + PIECE] for i in range(0, len(text), PIECE))]


def field_of(header: str) -> str | None:
    """Return the field that a header names, in either language; None for a column of somebody's own."""
    word = normalise(header).casefold()
    return next((f.name for f in FIELDS if word in (normalise(f.zh).casefold(), f.en, f.name)), None)


def words_of(lang: str | None = None) -> Iterator[str]:
    """Yield the words for verdicts, of one language or of both."""
    for words in WORDS.values():
        yield from (words[lang],) if lang else words.values()
