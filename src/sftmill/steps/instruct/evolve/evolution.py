"""What Evol-Instruct decides without a model: which operator is next, and what a rewriting must not be."""

import random
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

from sftmill.steps.curate.filters.refusal_words import refusal
from sftmill.text import char_ngrams, content_hash, detect_lang, length, normalise, numbers, same_value, tokens
from sftmill.text.lazy import lazy_pattern

Operator = Literal["add_constraint", "deepen", "concretize", "add_reasoning", "complicate_input", "breadth"]

ADDED = {"zh": 60, "en": 20}
"""Characters (zh; ours) and words (en: the prompt of Evol-Instruct says 10 to 20) that a step should add at most."""
INPUT_ADDED = {"zh": 240, "en": 80}
"""The same where the step adds an input; ours."""
SHORT_ANSWER = {"zh": 120, "en": 80}
"""Characters (zh; ours) and words (en: Evol-Instruct) from which on an answer that says sorry is no refusal."""
KEPT_SHARE, PIECE = 0.8, 4
"""Share of the pieces of an input, and their length in characters, that a rewriting must keep."""
ECHO = {"zh": 12, "en": 40}
"""Characters in a row that a rewriting must not share with the prompt around the text, such as its example."""

# Words by which the prompts of the step, and those of Evol-Instruct, speak of the two texts.
_MARKERS = lazy_pattern(
    r"</?(?:given|first|second|rewritten|created|new)[^<>\n]{0,20}>"
    r"|[#＃](?:the )?(?:given|rewritten|created|new) prompt[#＃]"
    r"|\b(?:given|rewritten|created|original|evolved|brand-new|new) (?:prompts?|instructions?)\b"
    r"|(?:给定|原|原有|原始|参考|改写后?|重写后?|修改后|新写|新建?|全新)的?(?:指令|提示词?)"
    r"|改写后的?(?:全文|任务|问题|内容)|[#＃](?:给定|改写后?|创建)的?提示[#＃]",
    re.I,
)
_SORRY = lazy_pattern(r"抱歉|[无無]法(?![律定人])|作为(?:一个|一名|一款)?\s?(?:AI|人工智能)|不能提供|\bsorry\b", re.I)
_APOLOGY = lazy_pattern(r"(?:很|非常|十分)?(?:抱歉|对不起)|(?:I'm |I am )?sorry\b|I (?:can't|cannot|am unable)\b", re.I)
_ARTICLE = lazy_pattern("一[个家名位套篇组张种条段项只台份句首部本件]")
"""What means no more than "a"."""
_QUOTED = lazy_pattern(r"“([^”]{6,4000})”|「([^」]{6,4000})」|『([^』]{6,4000})』|\"([^\"\n]{6,4000})\"")
_FENCED = lazy_pattern(r"```[^\n]{0,40}\n(.{1,20000}?)```", re.S)
_TABLE_LINE = lazy_pattern(r"^[ \t]*\|(.{1,2000})\|[ \t]*$", re.M)
_STOP_WORDS = frozenset(
    "的了着过吗呢吧啊呀嘛哦嗯哈这那此其之我你您他她它们和与及或而且并也都就还又很太在于以为所把被让给对从到向个好请"
) | frozenset(
    str.split(
        "a an the this that these those i you he she it we they me him her us them my your his its our their is am are "
        "was were be been being do does did have has had will would shall should can could may might must and or but "
        "if so as of at by for with about to from in on off up out over then than there here what which who very just too "
        "ok okay well please sure"
    )
)
"""Yes, no, 是, 否 and 对 are answers, and so none of them."""

T = TypeVar("T")


class Flaw(NamedTuple):
    """Why a rewriting or its answer is out."""

    reason: str
    facts: dict[str, object]


def draw(choices: Sequence[T], *place: object) -> T:
    """Return one of the choices, each as likely as any other; the same for the same place."""
    return choices[int(content_hash("evolve", *map(str, place)), 16) % len(choices)]


def draw_some(choices: Sequence[T], most: int, *place: object) -> list[T]:
    """Return up to `most` different choices, the same for the same place."""
    chance = random.Random(content_hash("evolve some", *map(str, place)))
    return chance.sample(list(choices), min(most, len(choices)))


def text_key(text: str) -> str:
    """Return what two texts have in common that are the same but for width, case, spaces and end marks."""
    return normalise(text).casefold().strip(" .:!?;,")


def find_flaw(
    given: str,
    evolved: str,
    operator: str,
    lang: str,
    instruction: str | None = None,
    growth: float = 3.0,
    prompt: str = "",
) -> Flaw | None:
    """Return the first thing that speaks against a rewriting without asking a model, None where nothing does.

    Reasons: `no_task`, `marker_copied`, `rewriter_refused`, `no_information_gain` (the text is there unchanged),
    `other_language`, `grew_too_much`, `input_lost`. `instruction` is the task without its input, where it is known;
    `growth` says how many times `ADDED` a step may add; `prompt` is what the model was shown around the text.
    """
    if not tokens(evolved):
        return Flaw("no_task", {})
    if found := copied_words(given, evolved, prompt):
        return Flaw("marker_copied", {"words": found})
    if (said := _APOLOGY.match(evolved)) and not _APOLOGY.match(given):
        return Flaw("rewriter_refused", {"words": said[0]})
    if said := refusal("", evolved):
        return Flaw("rewriter_refused", {"words": said[1]})
    if text_key(given) == text_key(evolved) or (operator == "breadth" and text_key(given) in text_key(evolved)):
        return Flaw("no_information_gain", {"judge": False})
    if _language(given) == lang and (other := _language(evolved)) != lang:
        return Flaw("other_language", {"language": other, "wanted": lang})
    before, after = length(given, lang), length(evolved, lang)
    most = growth * (INPUT_ADDED if operator == "complicate_input" else ADDED)[lang]
    if operator == "breadth":
        most = max(most, before)
    if after - before > most:
        return Flaw("grew_too_much", {"added": after - before, "most": round(most)})
    if operator != "breadth" and (lost := lost_input(given, evolved, instruction)):
        return Flaw("input_lost", {"lost": lost[:80]})
    return None


def copied_words(given: str, evolved: str, prompt: str = "") -> str:
    """Return words of the prompt that a rewriting copies and the original does not have, "" where it copies none.

    These are the words by which prompts speak of the two texts, and longer runs of what stands in `prompt`.
    """
    own = {match[0].lower() for match in _MARKERS.finditer(given)}
    if found := next((m[0] for m in _MARKERS.finditer(evolved) if m[0].lower() not in own), None):
        return found
    size = ECHO[detect_lang(evolved)]
    shown = frozenset(char_ngrams(normalise(prompt), size)) if prompt else frozenset()
    known = frozenset(char_ngrams(normalise(given), size))
    common = (piece for piece in char_ngrams(normalise(evolved), size) if piece in shown and piece not in known)
    # the lines of a table's frame are everybody's
    return next((piece for piece in common if sum(map(str.isalnum, piece)) > size // 2), "")


def lost_input(given: str, evolved: str, instruction: str | None = None) -> str:
    """Return the first number or other input of a task that its rewriting does not hold, "" where it holds all.

    Numbers count by value: 30% is 百分之三十. An input, code, a table's line or a quotation is there when four fifths
    of its pieces are.
    """
    there = numbers(evolved, words=True, articles=True)
    for number in numbers(given):
        written = given[number.start : number.end]
        counts = number.unit != "label" and not _ARTICLE.fullmatch(written)
        if counts and not any(same_value(number, other) for other in there):
            return written
    pieces = frozenset(char_ngrams(_bare(evolved), PIECE))
    for text in inputs_of(given, instruction):
        wanted = char_ngrams(_bare(text), PIECE)
        if len(_bare(text)) >= PIECE and sum(piece in pieces for piece in wanted) < KEPT_SHARE * len(wanted):
            return text
    return ""


def inputs_of(given: str, instruction: str | None = None) -> list[str]:
    """Return the texts in a task that are there to be worked on: its input, code, lines of tables, quotations."""
    found = [match[1] for match in _FENCED.finditer(given)]
    found += [match[1] for match in _TABLE_LINE.finditer(given)]
    found += [next(text for text in match.groups() if text) for match in _QUOTED.finditer(given)]
    if instruction and given.startswith(instruction) and (rest := given[len(instruction) :].strip()):
        found.append(rest)
    return found


def answer_flaw(text: str) -> Flaw | None:
    """Return why an answer says that its instruction went wrong: `refused_answer`, `empty_answer`, or None.

    An answer refuses when it says sorry (抱歉, 无法, 作为AI, 不能提供) and is short; it is empty when it has nothing but
    punctuation and stop words.
    """
    if all(token in _STOP_WORDS for token in tokens(text)):
        return Flaw("empty_answer", {"answer": text[:80]})
    lang = detect_lang(text)
    if (found := _SORRY.search(text)) and (size := length(text, lang)) < SHORT_ANSWER[lang]:
        return Flaw("refused_answer", {"words": found[0], "length": size})
    return None


def _language(text: str) -> str:
    """Return the language of a text, its code left out."""
    return detect_lang(_FENCED.sub("", text))


def _bare(text: str) -> str:
    return "".join(c for c in normalise(text).casefold() if not c.isspace())
