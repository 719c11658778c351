"""The bar rules_quality: how many pairs the step `rules` makes of real books, and how many are well formed.

    python bench/everyday.py --only rules_quality

The judge of form here shares no code with the step. It looks at the question and the answer alone, and is
stricter: one question word, brackets closed, no pointer, a subject that neither begins nor ends oddly, an
answer that is whole words and not part of the question. Whether a pair is right is for people to say.

    python bench/rules_quality.py 50        prints 50 pairs of each book, for reading
"""

import random
import re
import sys
import time
from collections import Counter
from typing import NamedTuple

from common import REPOSITORY, CannotMeasure, Result
from sftmill.core import Drop, Dropped, Row, answer, question
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.split import Split
from sftmill.steps.instruct.rules.rules import Rules

BOOKS = REPOSITORY / "../shared/data/books"
JUDGED = ("law_zh_civil_code", "medicine_zh_drug_handbook")
"""The two books that the bar is about: a law and a handbook."""
OTHERS = (
    "finance_zh_laws_a",
    "ops_zh_debian_handbook",
    "ops_zh_debian_reference",
    "ops_en_debian_handbook",
    "medicine_zh_tcm_classic",
)
"""Measured and printed as well."""
PATTERNS = {"law_zh_civil_code": "**/*.md", "finance_zh_laws_a": "**/*.md", "ops_zh_debian_reference": "**/*.html"}
"""Which file of a book is read, where it lies there in several forms."""
SAMPLE = 200
PER_PAIR = {"zh": 600, "en": 250}
"""Characters (zh) or words (en) of prose for each of which a book must give one pair; 250 English words say about as
much as 600 Chinese characters do."""
SPEED = 200_000
"""Characters of passages that a second of one processor must handle."""


class Book(NamedTuple):
    """What a book gave: its pairs, how much prose it has in each language, and the processor's seconds."""

    pairs: list[Row]
    prose: dict[str, int]
    characters: int
    seconds: float


# --- the books ---------------------------------------------------------------------------------------


def read_book(name: str) -> list[Row]:
    """Return the passages of a book, cut with the default settings."""
    folder = BOOKS / name
    if not folder.is_dir():
        raise CannotMeasure(f"{folder} is not there; put the shared data beside the repository")
    books = Books(folder=folder, patterns=(PATTERNS.get(name, "**/*"),))
    rows = [row for row in books.rows() if not isinstance(row, Dropped)]
    for step in (*books.then(), Split()):
        rows = [new for row in rows for new in _apply(step, row)]
    return rows


def _apply(step, row: Row) -> list[Row]:
    try:
        made = step.row(row)
    except Drop:
        return []
    return made if isinstance(made, list) else [made]


def make_pairs(name: str, step: Rules) -> Book:
    """Run the step on a book."""
    passages = read_book(name)
    _apply(step, passages[0])  # loads the dictionary
    begin = time.process_time()
    pairs = [pair for row in passages for pair in _apply(step, row)]
    seconds = time.process_time() - begin
    prose: Counter[str] = Counter()
    for row in passages:
        prose[row["lang"]] += prose_size(row["passage"], row["lang"])
    return Book(pairs, dict(prose), sum(len(row["passage"]) for row in passages), seconds)


_STOPS = re.compile(r"[。！？；!?;]|\.(?=\s|$)")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def prose_size(passage: str, lang: str) -> int:
    """Count the characters (zh) or words (en) of lines that hold a sentence: no code, tables, headings, other languages."""
    total, fenced = 0, False
    for line in passage.split("\n"):
        if line.strip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and line.count("|") < 2 and _STOPS.search(line):
            chinese, words = len(_HAN.findall(line)), len(re.findall("[A-Za-z]{2,}", line))
            if lang == "zh" and chinese * 2 >= words:
                total += len("".join(line.split()))
            elif lang == "en" and chinese * 2 < words:
                total += len(line.split())
    return total


# --- the judge ---------------------------------------------------------------------------------------

_ZH_ASKING = re.compile(r"什么|哪(?:些|里|一年|几类|个|种)|多少|如何|怎样|怎么(?:做|样)|为什么|谁")
_ZH_POINTING = re.compile(
    r"(?<!其)[它她他]们?(?!人|方|项|者)|这|那(?!么)|上述|前述|前者|后者|下列|以下(?=情|行|内|事|步|命)|如下|本文|本书|本章|本节|本[条款法品药方]|前[款项条](?!件)|"
    r"该(?:命令|文件|软件|选项|系统|程序|方|药)|我们|其中"
)
_ZH_BEGIN = re.compile(
    r"[的了和与及或而且但也又就都则即把将着过。，、；：！）》”\s]|被(?!代理|保险|继承|监护|告|申请|收养|侵权)|因此|所以|然而|另外|此外|例如|比如|同时|其|此|该|是|有(?!哪些|限|偿|关|效|毒|机|相|担)|可以|应当|不得|\d{1,2}[.、)]"
)
_ZH_SUBJECT_END = re.compile(r"(?:[的了和与及或而且但把被将之、，；：]|可能|可能会|应该|由于|因为)$")
_ZH_FRAME = re.compile(
    r"^(?:根据《[^》]+》，|《[^》]+》(?:所称的)?)?(?:什么(?:是|叫做)|为什么|如何|怎样|为了|如果|当|在哪些情形下，|哪些|谁|可以)?"
)
_ZH_ASK_TAIL = re.compile(
    r"(?:的?(?:内容|定义|原因|用途|作用|目的)?是(?:什么|谁|指什么)|的?(?:内容|定义|原因|用途|作用|目的)是什么|用来做什么|可以做什么|，应当怎么做|，会怎么样|，应该怎么做)？$"
)
_EN_ASKING = re.compile(r"\b(?:what|who|whom|why|how|where|when|which)\b", re.I)
_EN_POINTING = re.compile(
    r"\b(?:it|its|they|their|them|this|these|those|he|she|his|her|we|our|us|former|latter|aforementioned|above|below|"
    r"following|such)\b",
    re.I,
)
_EN_FORM = re.compile(
    r"(?:What|Who) (?:is|are|was|were|does|do|did|can|should|happens|may) .{2,}|(?:Why|How|Where|When) (?:is|are|was|were|does|do|did|can|should|could|must|will|"
    r"would|has|have|may) .{4,}|How (?:many|much) .{4,}|(?:Which|By whom|By what|In what) .{6,}"
)
_EN_DANGLING = re.compile(r"\b(?:of|and|or|the|a|an|but|because|that|which|than|very)\?$", re.I)
_PAIRS = ("()", "（）", "[]", "《》", "“”", "「」", "【】", "{}")


def faults(asked: str, answered: str, passage: str, lang: str) -> list[str]:
    """Return what is wrong with the form of a pair, nothing where it is well formed."""
    found = []
    for text, where in ((asked, "question"), (_no_marks(answered), "answer")):
        if any(text.count(a) != text.count(b) for a, b in _PAIRS) or text.count('"') % 2:
            found.append(f"brackets of the {where}")
    if answered not in passage:
        found.append("answer is not in the passage")
    if not asked.endswith("？" if lang == "zh" else "?") or len(re.findall("[？?]", asked)) != 1:
        found.append("no single question mark at the end")
    if _repeats(asked, lang):
        found.append("a piece stands twice")
    if re.search(r"\ufffd|[□■]|```|\n", asked) or "```" in answered:
        found.append("rubbish")
    bare = answered.strip("。.；; ")
    if not bare or bare.lower() in asked.lower():
        found.append("answer stands in the question")
    return found + (_faults_zh if lang == "zh" else _faults_en)(asked, answered, passage)


def _no_marks(text: str) -> str:
    return re.sub(
        r"(?:^|(?<=[\s。；;，,：:]))(?:\d{1,2}|[a-z])[)）]", "", re.sub(r"[（(](?:\d{1,2}|[a-z])[)）]", "", text)
    )


def _repeats(asked: str, lang: str) -> bool:
    if lang == "zh":
        body = re.sub(r"《[^》]*》", "", asked)
        return bool(
            re.search(
                r"([\u4e00-\u9fff]{5,}).{0,2}\1|(?<![\u4e00-\u9fff])([\u4e00-\u9fff]{2,})\2|(什么|哪些|多少).*\3", body
            )
        )
    return bool(re.search(r"\b(\w+) \1\b", asked, re.I))


def _faults_zh(asked: str, answered: str, passage: str) -> list[str]:
    found = []
    if not 6 <= len(asked) <= 60:
        found.append("length")
    if len(_ZH_ASKING.findall(re.sub("《[^》]*》", "", asked))) != 1:
        found.append("not one question word")
    if _ZH_POINTING.search(asked):
        found.append("points outside")
    subject = _ZH_ASK_TAIL.sub("", asked[_ZH_FRAME.match(asked).end() :])
    framed = "在哪些情形下，" in asked
    conditional = re.search("，[^，]*？$", asked)
    if (_ZH_BEGIN.match(subject) and not framed) or (not conditional and _ZH_SUBJECT_END.search(subject)):
        found.append("odd begin or end of the subject")
    if re.search(r"[，、；：]？|，，|[的和与或]？$|的(?:什么|用途|定义)(?<!的什么)(?=的)", asked):
        found.append("dangling particle")
    if re.match(r"[的了和与及或、，；：）》]|等等?[。，]|之一", answered) or (
        re.search(r"[的和与及或、，：]$", answered.rstrip()) and not answered.endswith("目的")
    ):
        found.append("odd begin or end of the answer")
    import rjieba

    tags = rjieba.tag(subject)
    if (tags and tags[0][1] in ("uj", "ul", "y", "zg", "f", "e", "o")) or (
        not re.search(r"\w", subject) and "什么情" not in asked
    ):
        found.append("subject begins with a particle")
    what = re.match(r"(?:什么是(.+)|(.+?)(?:是什么|是指什么))？$", re.sub("^根据《[^》]*》，", "", asked))
    if what and "，" not in what[0]:
        words = [pair for pair in rjieba.tag((what[1] or what[2]).rstrip('”"）)')) if pair[0].strip()]
        if (
            words[-1][1] in ("p", "c", "d", "r", "uj", "ul", "zg")
            and len(words[-1][0]) == 1
            and words[-1][0] not in "者权"
        ):
            found.append("subject ends with a particle")
        if len(words) > 12 or any(w in ("是", "可以", "应当", "能够", "必须") for w, _ in words):
            found.append("subject is a clause")
    return found + (["answer cuts a word"] if _cuts_word(answered, passage, rjieba) else [])


def _cuts_word(answered: str, passage: str, rjieba) -> bool:
    at = passage.find(answered)
    if at < 0:
        return False
    low, high = max(0, at - 12), min(len(passage), at + len(answered) + 12)
    for edge in (at, at + len(answered)):
        here = low
        for word in rjieba.cut(passage[low:high]):
            # a number and its measure, or a name that the dictionary does not know, may be taken apart
            known = re.fullmatch("[\u4e00-\u9fff]{2,}", word) and not re.search("[一二三四五六七八九十百千万]", word)
            if here < edge < here + len(word) and known:
                return len(word) == 2 or edge == at + len(answered)
            here += len(word)
    return False


def _faults_en(asked: str, answered: str, passage: str) -> list[str]:
    found = []
    count = len(asked.split())
    if not 3 <= count <= 30 or len(asked) > 200:
        found.append("length")
    if not _EN_FORM.fullmatch(asked):
        found.append("not the form of a question")
    if len(_EN_ASKING.findall(asked.split(" if ")[0].split(" when ")[0])) != 1 and not re.match("By wh", asked):
        found.append("not one question word")
    if _EN_POINTING.search(asked):
        found.append("points outside")
    if _EN_DANGLING.search(re.sub(r"(?:made|composed|made up|consist) of\?", "?", asked)) or re.search(
        r"[,;:]\?|\(\)|\s\?", asked
    ):
        found.append("dangling word")
    if re.match(
        r"What (?:is|are|does|do) (?:the )?(?:and|or|but|if|when|because|which|who|not|very|is|are|of)\b", asked
    ):
        found.append("odd begin of the subject")
    if re.match(r"(?:What|Why|How) (?:is|are|does|do|can) (?:A|An|The) ", asked):
        found.append("capital article")
    if re.match(r"[,.;:)]|(?:of|than|which|whose)\b", answered) or re.search(
        r"\b(?:of|and|or|the|a|an|to|with|by|for|is|are)[.:;,]?$", answered
    ):
        found.append("odd begin or end of the answer")
    at = passage.find(answered)
    before, after = passage[at - 1 : at] if at else "", passage[at + len(answered) : at + len(answered) + 1]
    if (before.isalnum() and answered[0].isalnum()) or (after.isalnum() and answered[-1].isalnum()):
        found.append("answer cuts a word")
    return found


# --- the bar -----------------------------------------------------------------------------------------


_WHOLE = re.compile(r"第[〇零一二三四五六七八九十百千]+条(?:之.)?规定了什么|^[^，]{2,20}的[^，的]{2,8}是什么？$")
"""Questions about a whole law article or a labelled entry, which are easier to make than those about a sentence."""


def rules_quality(quick: bool) -> list[Result]:
    """Measure the yield, the truth to the source and the form of pairs from two books; the others stand in the notes."""
    results, notes = [], []
    for name in (*JUDGED, *OTHERS):
        book = make_pairs(name, Rules())
        lang = max(book.prose, key=lambda key: book.prose[key])
        pairs = [pair for pair in book.pairs if pair["lang"] == lang]
        verbatim = sum(answer(pair) in pair["passage"] for pair in book.pairs) / max(1, len(book.pairs))
        per_pair = book.prose[lang] / max(1, len(pairs))
        formed, wrong = well_formed(book.pairs)
        whole = sum(bool(_WHOLE.search(question(pair))) for pair in pairs)
        speed = book.characters / book.seconds
        unit = "characters" if lang == "zh" else "words"
        seen = f"{len(book.pairs)} pairs, one per {per_pair:.0f} {unit}, {whole} of them whole articles or entries, verbatim {verbatim:.0%}, well formed {formed:.0%}, {speed:,.0f} characters/s"
        print(f"  {name}: {seen}; {', '.join(f'{k} {v}' for k, v in wrong.most_common(4)) or 'no faults'}")
        if name not in JUDGED:
            notes.append(f"{name}: {seen}")
            continue
        results += [
            Result(f"rules_quality.yield.{name}", per_pair, PER_PAIR[lang], unit=f" {unit}/pair".replace(" ", "_")),
            Result(f"rules_quality.verbatim.{name}", verbatim, 1.0, at_least=True),
            Result(f"rules_quality.well_formed.{name}", formed, 0.9, at_least=True, note=f"of {SAMPLE} at random"),
            Result(f"rules_quality.speed.{name}", speed, SPEED, at_least=True, unit="/s"),
        ]
    return results


def well_formed(pairs: list[Row]) -> tuple[float, Counter[str]]:
    """Judge a random sample; return the share that is well formed, and how often each fault was seen."""
    wrong: Counter[str] = Counter()
    sample = random.Random(7).sample(pairs, min(SAMPLE, len(pairs)))
    good = 0
    for pair in sample:
        lang = "zh" if _HAN.search(question(pair)) and question(pair).endswith("？") else "en"
        found = faults(question(pair), answer(pair), pair["passage"], lang)
        good += not found
        wrong.update(found)
    return good / max(1, len(sample)), wrong


if __name__ == "__main__":
    for book_name in (*JUDGED, *OTHERS):
        made = make_pairs(book_name, Rules()).pairs
        print(f"\n===== {book_name}")
        for pair in random.Random(3).sample(made, min(int((sys.argv[1:] or ["20"])[0]), len(made))):
            lang = "zh" if question(pair).endswith("？") else "en"
            print(
                f"{question(pair)}\n    {answer(pair)!r} {faults(question(pair), answer(pair), pair['passage'], lang) or ''}"
            )
    sys.exit(0)
