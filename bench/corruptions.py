"""Faithful and unfaithful question-answer pairs made from passages with known answers, in many wordings.

A set of its own beside the published pairs, to see whether a score holds for corruptions and wordings
that nobody tuned it to. Everything is drawn from hashes of the ids, so that the set is always the same.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from sftmill.steps.curate.grounding.wording import asked_for
from sftmill.text import content_hash, numbers, same_value, sentences

Pair = dict[str, Any]

_WRAPS = {
    "zh": (
        "{}",
        "{}。",
        "是{}。",
        "答案应为{}。",
        "文章里写的是{}。",
        "由原文可以得知，{}。",
        "应该是{}。",
        "从这段文字来看，答案为{}。",
        "据短文介绍，是{}。",
        "材料中给出的答案为：{}",
        "这个问题的答案是{}。",
        "{}，这是文中给出的说法。",
    ),
    "en": (
        "{}",
        "{}.",
        "It is {}.",
        "As the passage explains, it is {}.",
        "The text says it is {}.",
        "Per the article, {}.",
        "The correct answer would be {}.",
        "Answer: {}",
        "The author indicates that this is {}.",
        "{}, according to the passage.",
        "As mentioned in the text, {}.",
        "From the paragraph we learn that it is {}.",
    ),
}
_JOINTS = {
    "zh": (
        "{}，此外，{}",
        "{}，并且{}",
        "{}；同时，{}",
        "{}，其主要原因在于{}",
        "{}。另外，{}",
        "{}，因此{}",
        "{}，而{}",
        "{}。值得一提的是，{}",
    ),
    "en": (
        "{}, and {}",
        "{}. In addition, {}",
        "{}; moreover, {}",
        "{}, because {}",
        "{}. As a result, {}",
        "{}, while {}",
        "{}. Notably, {}",
    ),
}
_ASKING = re.compile(
    "什么时候|什麼時候|什么|什麼|多少|怎么|怎麼|怎样|怎樣|如何|为什么|為什麼|何时|何時|何地|何处|何處|"
    "哪一?[个年天家座条類类國国個位种種裡里]|谁|誰|几|幾"
)
_NEGATED = {
    "zh": (
        ("不是", "是"),
        ("没有", "有"),
        ("沒有", "有"),
        ("不能", "能"),
        ("是", "不是"),
        ("为", "并非"),
        ("為", "並非"),
        ("可以", "不得"),
        ("有", "没有"),
        ("在", "不在"),
    ),
    "en": (
        (" not ", " "),
        (" is ", " is not "),
        (" was ", " was never "),
        (" are ", " are not "),
        (" were ", " were not "),
        (" can ", " cannot "),
        (" has ", " has not "),
        (" had ", " had never "),
        (" will ", " will not "),
    ),
}
_SYNONYMS = {
    "zh": "因为=由于 位于=坐落在 使用=采用 开始=起初 许多=很多 但=不过 以及=和 并=而且 目前=现在 曾=曾经 被称为=叫做 成为=变为 "
    "认为=觉得 由于=因为 包括=包含 其中=里面 最终=最后 主要=大多 发现=找到 建立=设立 当时=那时 导致=造成 获得=得到 "
    "進行=做 進入=來到 成為=變為 認為=覺得 開始=起初 許多=很多 獲得=得到",
    "en": "because=since located=situated began=started many=numerous large=big also=additionally became=turned_into "
    "called=named however=though received=got created=made during=in several=some often=frequently used=employed "
    "while=whereas built=constructed important=significant said=stated until=up_to about=roughly led=brought",
}
_DIGITS = "零一二三四五六七八九"


def half(passage_id: str) -> str:
    """Tell which half a passage belongs to, "dev" or "test", by the hash of its id."""
    return "dev" if int(content_hash(passage_id)[:2], 16) % 2 else "test"


def spelled(value: int) -> str:
    """Return a whole number below 100 million in Chinese numerals."""
    if value < 10:
        return _DIGITS[value]
    for power, name in ((10_000, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if value >= power:
            head, rest = divmod(value, power)
            front = "" if name == "十" and head == 1 else spelled(head)
            return front + name + (("零" if rest < power // 10 else "") + spelled(rest) if rest else "")
    raise AssertionError


def rewritten(text: str, draw: Random, change: bool, passage: str) -> str | None:
    """Return a text with one of its whole numbers in another notation, and another value if asked for."""
    found = [m for m in re.finditer(r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?", text)]
    found = [m for m in found if not re.match(r"[A-Za-z\-]", text[m.start() - 1 : m.start()] or " ")]
    if not found:
        return None
    match = draw.choice(found)
    digits = match[0].replace(",", "")
    value = float(digits) if "." in digits else int(digits)
    if change:
        have = [n.value for n in numbers(passage, words=True, articles=True)]
        step = max(1, round(value * 0.03))
        for _ in range(30):
            if "." in digits:
                other = round(value + draw.choice((-1, 1)) * draw.randint(1, 20) / 10, len(digits.split(".")[1]))
            else:
                other = value + draw.choice((-1, 1)) * draw.randint(1, 9) * step
            if other > 0 and not any(abs(float(n) - other) < 1e-9 for n in have):
                break
        else:
            return None
    else:
        other = value
    after = text[match.end() :].lstrip()[:1]
    forms = [str(other)]
    if isinstance(other, int):
        if other >= 1000 and after not in "年":
            forms.append(f"{other:,}")
        if re.search("[\u4e00-\u9fff]", text) and 10 < other < 10**8:
            forms.append(
                "".join(_DIGITS[int(c)] for c in str(other)) if after == "年" and other > 1000 else spelled(other)
            )
    form = draw.choice(forms)
    end = match.end()
    if after == "%" and isinstance(other, int) and other < 100 and draw.random() < 0.5:
        form, end = (
            ("百分之" + spelled(other), end + 1)
            if re.search("[\u4e00-\u9fff]", text)
            else (f"{other} percent", end + 1)
        )
    made = text[: match.start()] + form + text[end:]
    return made if made != text else None


def declarative(question: str, answer: str) -> str | None:
    """Return a Chinese question as a statement, with the answer in the place of the word that asks."""
    found = list(_ASKING.finditer(question))
    if len(found) != 1:
        return None
    said, rest = answer.rstrip("。"), question[found[0].end() :]
    if rest[:1] == said[-1:]:  # 几项 with 三项
        rest = rest[1:]
    return (question[: found[0].start()] + said + rest).rstrip("？?。 ") + "。"


def said_in(passage: str, answer: str) -> str | None:
    """Return the sentence of the passage that holds the answer, if there is just one of moderate length."""
    holding = [passage[a:b] for a, b in sentences(passage) if answer in passage[a:b]]
    return holding[0] if len(holding) == 1 and len(holding[0]) < 400 else None


def paraphrased(text: str, answer: str, lang: str, draw: Random) -> str | None:
    """Return a sentence without its brackets and some clauses, in other order, with some other words."""
    made = re.sub(r"[（(][^（）()]*[）)]", "", text)
    if answer not in made:
        return None
    body = made.rstrip("。.！!？?；; ")
    pieces = [p for p in re.split("[，；]" if lang == "zh" else "[,;] ", body) if p.strip()]
    held = [p for p in pieces if answer in p]
    if held and len(pieces) > 1:
        others = [p for p in pieces if p is not held[0] and draw.random() < 0.5]
        pieces = [held[0], *others] if draw.random() < 0.4 else [p for p in pieces if p is held[0] or p in others]
    made = ("，" if lang == "zh" else ", ").join(pieces)
    for change in _SYNONYMS[lang].split():
        old, new = change.replace("_", " ").split("=")
        if old not in answer and draw.random() < 0.8:
            made = made.replace(old, new, 1) if lang == "zh" else re.sub(rf"\b{old}\b", new, made, count=1)
    if lang == "zh" and draw.random() < 0.5:
        made = re.sub("的(?!是)", "", made, count=1)
    made = made.strip() + ("。" if lang == "zh" else ".")
    return made if made != text and answer.rstrip("。.") in made else None


def negated(text: str, lang: str, draw: Random) -> str | None:
    """Return a sentence with a negation put in or taken out."""
    options = [(a, b) for a, b in _NEGATED[lang] if text.count(a) == 1]
    if not options:
        return None
    if (taken := [o for o in options if len(o[0]) > len(o[1])]) and draw.random() < 0.7:
        options = taken
    return text.replace(*draw.choice(options))


def pairs(items: Iterable[dict[str, Any]], wanted: str | None = None) -> list[Pair]:
    """Return pairs with `label` 1 (faithful) or 0 and `kind`; `wanted` keeps one half of the passages.

    `items` are questions with `id`, `pid`, `lang`, `passage`, `question` and `answers`.
    """
    chosen = [i for i in items if i["answers"] and (wanted is None or half(i["pid"]) == wanted)]
    by_passage: defaultdict[str, list] = defaultdict(list)
    by_type: defaultdict[tuple[str, str], list] = defaultdict(list)
    for item in chosen:
        by_passage[item["pid"]].append(item)
        by_type[item["lang"], asked_for(item["question"])].append(item)
    out: list[Pair] = []
    for item in chosen:
        draw = Random(content_hash(item["id"], item["pid"]))
        makers: list[tuple[str, Callable]] = [*_FAITHFUL.items()] if draw.random() < 0.5 else [*_UNFAITHFUL.items()]
        draw.shuffle(makers)
        for kind, make in makers:
            peers = by_type[item["lang"], asked_for(item["question"])]
            made = make(item, by_passage[item["pid"]], peers, draw)
            if made is not None:
                out.append({**item, **made, "kind": kind, "label": int(kind in _FAITHFUL)})
                break
    return out


def _wrap(item: dict, answer: str, draw: Random) -> str:
    lang = item["lang"][:2]
    wrap = draw.choice(_WRAPS[lang])
    return wrap.format(answer.rstrip("。. ") if wrap != "{}" else answer)


def _lang(item: dict) -> str:
    return item["lang"][:2]


def _worded(item, same, peers, draw):
    return {"answer": _wrap(item, item["answers"][0], draw)}


def _stated(item, same, peers, draw):
    made = declarative(item["question"], item["answers"][0]) if _lang(item) == "zh" else None
    return {"answer": made} if made else None


def _quoted(item, same, peers, draw):
    sentence = said_in(item["passage"], item["answers"][0])
    return {"answer": sentence} if sentence and len(item["passage"]) > 2 * len(sentence) else None


def _paraphrased(item, same, peers, draw):
    sentence = said_in(item["passage"], item["answers"][0])
    made = paraphrased(sentence, item["answers"][0], _lang(item), draw) if sentence else None
    return {"answer": made} if made else None


def _stated_swapped(item, same, peers, draw):
    other = _swapped(item, same, peers, draw, bare=True) if _lang(item) == "zh" else None
    made = declarative(item["question"], other["answer"]) if other else None
    return {"answer": made} if made else None


def _other_sentence(item, same, peers, draw):
    """A sentence of the passage that does not hold the answer."""
    pool = [item["passage"][a:b] for a, b in sentences(item["passage"])]
    pool = [p for p in pool if 10 < len(p) < 300 and not any(a in p for a in item["answers"])]
    return {"answer": draw.choice(pool)} if pool else None


def _renumbered(item, same, peers, draw):
    made = rewritten(item["answers"][0], draw, False, item["passage"])
    return {"answer": _wrap(item, made, draw)} if made else None


def _number_changed(item, same, peers, draw):
    made = rewritten(item["answers"][0], draw, True, item["passage"])
    return {"answer": _wrap(item, made, draw)} if made else None


def _number_in_sentence(item, same, peers, draw):
    sentence = said_in(item["passage"], item["answers"][0])
    made = rewritten(sentence, draw, True, item["passage"]) if sentence else None
    return {"answer": made} if made else None


def _number_moved(item, same, peers, draw):
    """A number of the sentence gives way to another number with the same unit from elsewhere in the passage."""
    sentence = said_in(item["passage"], item["answers"][0])
    if not sentence:
        return None
    mine = [n for n in numbers(sentence) if n.unit not in ("label", "version")]
    others = numbers(item["passage"])
    for number in draw.sample(mine, len(mine)):
        swaps = [o for o in others if o.unit == number.unit and not any(same_value(o, n) for n in mine)]
        if swaps:
            other = draw.choice(swaps)
            new = item["passage"][other.start : other.end]
            return {"answer": sentence[: number.start] + new + sentence[number.end :]}
    return None


def _negated(item, same, peers, draw):
    sentence = said_in(item["passage"], item["answers"][0])
    made = negated(sentence, _lang(item), draw) if sentence else None
    return {"answer": made} if made else None


def _entity_swapped(item, same, peers, draw):
    """The answer within its sentence gives way to the answer of another question."""
    gold = item["answers"][0]
    sentence = said_in(item["passage"], gold)
    if not sentence or len(gold) > 0.5 * len(sentence):
        return None
    pool = [o["answers"][0] for o in (same if draw.random() < 0.5 else draw.sample(peers, min(6, len(peers))))]
    pool = [a for a in pool if a not in sentence and gold not in a and len(a) < 40]
    made = sentence.replace(gold, draw.choice(pool), 1) if pool else None
    if made and draw.random() < 0.5:
        new = draw.choice(pool)
        made = paraphrased(sentence.replace(gold, new, 1), new, _lang(item), draw) or made
    return {"answer": made} if made else None


def _addition(item, same, peers, draw):
    """A clause of another passage, without numbers, is joined to the answer."""
    other = draw.choice(peers)
    if other["pid"] == item["pid"]:
        return None
    pieces = [other["passage"][a:b] for a, b in sentences(other["passage"])]
    pieces = [p for sentence in pieces for p in ([sentence] if _lang(item) == "en" else re.split("[，,。]", sentence))]
    pieces = [p.strip("。. ") for p in pieces if 8 <= len(p) <= 160 and not numbers(p, words=True)]
    if not pieces:
        return None
    first = item["answers"][0].rstrip("。. ")
    if draw.random() < 0.3:
        first = said_in(item["passage"], item["answers"][0]) or first
    return {
        "answer": draw.choice(_JOINTS[_lang(item)]).format(first.rstrip("。. "), draw.choice(pieces))
        + "。" * (_lang(item) == "zh")
    }


def _other_passage(item, same, peers, draw):
    other = draw.choice(peers)
    if other["answers"][0] in item["passage"]:
        return None
    return {"answer": _wrap(item, other["answers"][0], draw)}


def _swapped(item, same, peers, draw, bare=False):
    """The answer of another question about the passage; of one that asks for the same kind, where there is one."""
    kind = asked_for(item["question"])
    golds = "".join(item["answers"])
    pool = [o for o in same if not any(a in golds or g in a for a in o["answers"] for g in item["answers"])]
    alike = [o for o in pool if asked_for(o["question"]) == kind]
    if not pool:
        return None
    other = draw.choice(alike or pool)["answers"][0]
    return {"answer": other if bare else _wrap(item, other, draw)}


def _unanswerable(item, same, peers, draw):
    other = draw.choice(peers)
    if other["pid"] == item["pid"] or other["answers"][0] in item["passage"]:
        return None
    return {"question": other["question"], "answer": _wrap(item, other["answers"][0], draw)}


_FAITHFUL = {
    "worded": _worded,
    "stated": _stated,
    "sentence": _quoted,
    "paraphrased": _paraphrased,
    "renumbered": _renumbered,
}
_UNFAITHFUL = {
    "number_changed": _number_changed,
    "number_in_sentence": _number_in_sentence,
    "number_moved": _number_moved,
    "negated": _negated,
    "entity_swapped": _entity_swapped,
    "addition": _addition,
    "other_passage": _other_passage,
    "swapped": _swapped,
    "stated_swapped": _stated_swapped,
    "other_sentence": _other_sentence,
    "unanswerable": _unanswerable,
}
