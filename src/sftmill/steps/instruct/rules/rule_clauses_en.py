"""Patterns of English clauses and counts: because, to, if, except; has five, is divided into, the following."""

import re
from collections.abc import Callable, Iterator

from sftmill.steps.instruct.rules.rule_form import Pair, is_subject_en, stands_alone_en
from sftmill.steps.instruct.rules.rule_patterns_en import LEMMAS, NP, THIRD, VERB, ask_about, first_clause, is_plural
from sftmill.steps.instruct.rules.rule_sentence import Sentence
from sftmill.text.lazy import lazy_pattern

_AUX = r"is|are|was|were|can|cannot|could|must|should|will|would|has been|have been"

# --- why, how, when, unless --------------------------------------------------------------------------

_BECAUSE = lazy_pattern(r"(?P<b>[^;:]{10,130}?),? because (?!of\b)(?P<a>.{8,})")
_OWING = lazy_pattern(r"(?P<b>[^;:]{10,130}?),? (?:because of|due to|owing to) (?P<a>.{5,})")
_SINCE = lazy_pattern(r"(?:Because|Since|As) (?P<a>[^,;:]{8,120}), (?P<b>[^;:]{10,})")
_SPLIT = lazy_pattern(rf"{NP} (?P<v>{_AUX}|does not|do not|did not) (?P<r>[a-z].{{2,}})")
_HOW = lazy_pattern(
    r"(?:In order to|To) (?P<a>(?!be |this |that |it |do (?:so|this)|summar|begin|start|sum|make|put|say|see|avoid this|my|give)[a-z][^,;:]{6,90}), (?P<b>[^;]{10,})"
)
_IF = lazy_pattern(r"(?P<w>If|When|Whenever) (?P<a>[^,;:]{8,110}), (?:then )?(?P<b>[^;:]{10,})")
_DEED = lazy_pattern(
    r"(?:(?:you|one|users?|(?:the )?administrators?|the user|the [\w./-]+ (?:command|option|package|program|tool)) (?:only |also |just |first )?(?:can|could|may|might|must|should|will|need|needs|have|has)\b|"
    r"(?:simply |just )?(?:use|run|add|edit|install|select|choose|set|create|execute|type|enter|follow|open|start)\b|"
    r"it is (?:possible|best|necessary|enough|recommended|advisable|sufficient)\b)",
    re.I,
)
_MUST = lazy_pattern(
    r"(?P<who>you|one|the administrator|the user|users|administrators) (?:probably |then |also )?(?:must|should|can|will need to|need to|have to|may|could)\b",
    re.I,
)


def _why(clause: str, common: frozenset[str]) -> str | None:
    """Return the clause as a why question; None where its order cannot be turned safely."""
    clause = clause.strip()
    if (m := _SPLIT.match(clause)) and is_subject_en(m["x"]) and stands_alone_en(m["r"]):
        verb, subject = m["v"], ask_about(m["x"], common)
        first, _, rest = verb.partition(" ")
        if verb == "cannot":
            first, rest = "can", "not"
        return f"Why {first} {subject} {rest + ' ' if rest else ''}{m['r'].rstrip(' ,.')}?"
    if (
        (m := VERB.match(clause))
        and is_subject_en(m["x"])
        and stands_alone_en(m["y"])
        and not is_plural(ask_about(m["x"], common))
    ):
        return f"Why does {ask_about(m['x'], common)} {LEMMAS[m['v']]} {m['y'].rstrip(' ,.')}?"
    return None


def reasons(s: Sentence) -> Iterator[Pair]:
    """Yield why questions: B because A; B due to A; Since A, B."""
    t = s.text
    for pattern in (_BECAUSE, _OWING):
        if m := pattern.match(t):
            if (
                "," not in m["b"]
                and (question := _why(m["b"], s.common))
                and stands_alone_en(first_clause(m["a"]))
                and not re.search(
                    r" (?:is|are|was|were|partly|mainly|mostly|not|only|just|simply|often|usually)$", m["b"]
                )
            ):
                start = m.end("b") + (1 if t[m.end("b")] == "," else 0) + 1
                yield s.pair("cause", "why", question, start)
            return
    if (
        (m := _SINCE.match(t))
        and "because" in t[:7].lower()
        and stands_alone_en(m["a"])
        and (question := _why(m["b"], s.common))
    ):
        yield s.pair("cause", "why", question, 0, m.end("a"))


def procedures(s: Sentence) -> Iterator[Pair]:
    """Yield how questions: To A, you must B; and what-then questions: If A, B; When A, B."""
    t = s.text
    if m := _HOW.match(t):
        if (
            m["a"].count(" ") > 1
            and not re.search(r"\bfirst\b|of course|this purpose", m["b"])
            and stands_alone_en(m["a"])
            and _DEED.match(m["b"])
            and not re.search(r"\b(?:this|these|those) \w+", m["b"][:25])
        ):
            yield s.pair("purpose", "how", f"How can you {m['a'].rstrip()}?", m.start("b"))
        return
    if (
        (m := _IF.match(t))
        and stands_alone_en(m["a"])
        and not re.search(
            r"\b(?:possible|necessary|needed|required|one|not|important|applicable|so|do|desired|possible)$", m["a"]
        )
    ):
        if not _has_verb(m["a"]) or re.match(
            r"(?:it|this|that|they|these|those)\b(?! (?:is (?:possible|necessary|best|recommended)))", m["b"], re.I
        ):
            return
        word = "if" if m["w"] == "If" else "when"
        if _NO_RESULT.search(m["b"]) and not _MUST.match(m["b"]):
            return
        asked = (
            f"What should be done {word} {m['a']}?"
            if _MUST.match(m["b"]) or _IMPERATIVE.match(m["b"])
            else f"What happens {word} {m['a']}?"
        )
        yield s.pair("condition", "condition", asked, m.start("b"))


_NO_RESULT = lazy_pattern(
    r"^(?:which|who|there|e\.g|obviously|especially|particularly|something|that|as|and|but|or|another|others?|the (?:first|next|best|other|simplest|easiest|workaround|solution|recommended)|some|most|"
    r"for|in|on|at|by|with|see|setting|using|you might|we|our)\b|"
    r"\b(?:is|are|was|were|would be|can be|may be|might be|could be) (?:also |usually |often |even |still |then |generally )?(?:an?|the|better|best|recommended|possible|useful|another|worth|"
    r"important|necessary|often|interesting|wise|good|easy|hard|likely|probably|sometimes)\b",
    re.I,
)
_IMPERATIVE = lazy_pattern(
    r"(?:simply |just |please )?(?:use|run|add|edit|install|select|choose|set|create|execute|type|enter|check|make sure|consider|do not|don't|try|remove|disable|remember|keep|let|ensure|be|take|look|go|start|open|close|verify|proceed|follow|change|replace|restart|reboot|configure|avoid|never|always|do|put|write|copy|save|download|enable)\b"
)
_FINITE = lazy_pattern(
    rf"\b(?:is|are|was|were|has|have|can|do|does|want|wants|need|needs|must|should|will|cannot|don't|doesn't|isn't|aren't|fails?|exists?|works?|uses?|contains?|starts?|becomes?|goes|comes|runs?|{THIRD})\b"
)


_SUBJECT_VERB = lazy_pattern(r"(?:the|an?|your|each|any|no|one) (?:[\w-]+ ){1,4}[a-z]+(?:s|ed)\b")


def _has_verb(clause: str) -> bool:
    if re.match(
        r"(?:in|possible|necessary|needed|not|so|nothing|only|\w+ing|\w+ed|[a-z]+ (?:with|by|in|from|for)) ", clause
    ) and not re.match(r"(?:nothing)", clause):
        return False
    return bool(_FINITE.search(clause) or _SUBJECT_VERB.match(clause))


_EXCEPT = lazy_pattern(r"(?P<a>[^,;:]{12,110}?),? (?P<b>(?:except|unless) (?:when|if|for|that|in|the|an?|[a-z]+).{4,})")


def exceptions(s: Sentence) -> Iterator[Pair]:
    """Yield exception questions: all X must Y, except Z; X cannot Y unless Z."""
    m = _EXCEPT.match(s.text)
    if (
        m
        and s.whole
        and (split := _SPLIT.match(m["a"]))
        and is_subject_en(split["x"].removeprefix("All ").removeprefix("Every "))
        and stands_alone_en(m["a"])
    ):
        clause = (
            ask_about(m["a"], s.common) if not m["a"].startswith(("All ", "Every ")) else m["a"][0].lower() + m["a"][1:]
        )
        yield s.pair(
            "exception", "exception", f"What is the exception to the rule that {clause.rstrip()}?", m.start("b")
        )


# --- numbers and lists --------------------------------------------------------------------------------

_HAS = lazy_pattern(
    rf"{NP} (?P<v>has|contains|includes|requires|takes|needs|supports|uses|provides) (?P<q>about |around |at least |at most |up to |only |exactly |approximately )?(?P<n>\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundred) (?P<u>(?:[a-z-]+ )?[a-z]+s)\b(?P<z>[^,;:]{{0,30}})"
)
_MEASURES = lazy_pattern(
    rf"{NP} (?P<v>is|was) (?P<y>(?:about |around |at least |at most |up to |approximately )?\d[\d.,]* ?(?:km|m|cm|mm|kg|g|mg|MB|GB|TB|MiB|GiB|KB|KiB|bytes|bits|seconds|minutes|hours|days|weeks|months|years|percent|%|metres|meters|miles|Hz|MHz|GHz|°C|K|V|W)?)(?= |$|\.)"
)
_HAS_LEMMA = {
    "has": "have",
    "takes": "take",
    "needs": "need",
    "uses": "use",
    "contains": "contain",
    "includes": "include",
    "requires": "require",
    "supports": "support",
    "provides": "provide",
}
_MADE_OF = lazy_pattern(
    rf"{NP} (?P<v>is|are) (?:divided into|split into|composed of|made up of|made of|grouped into) (?P<y>.{{4,}})"
)
_KINDS = lazy_pattern(
    r"There (?:are|exist) (?P<n>two|three|four|five|six|several|various|many) (?:main |different |major |basic )?(?P<x>(?:types|kinds|sorts|categories|classes|forms|levels|stages|phases|ways|methods) (?:of|to|for) [^,;:.]{3,60}): ?(?P<y>.{6,})"
)


def values(s: Sentence) -> Iterator[Pair]:
    """Yield how-many and what-value questions, and lists: X has N Y; X is 5 km; X is divided into A, B and C."""
    t = s.text
    if (m := _HAS.match(t)) and s.whole and is_subject_en(m["x"]) and not is_plural(ask_about(m["x"], s.common)):
        yield s.pair(
            "value",
            "what",
            f"How many {m['u']} does {ask_about(m['x'], s.common)} {_HAS_LEMMA[m['v']]}?",
            m.start("q") if m["q"] else m.start("n"),
            m.end("u"),
        )
    elif (m := _MEASURES.match(t)) and is_subject_en(m["x"]) and m.end("y") >= len(t.rstrip(". ")):
        yield s.pair("value", "what", f"What {m['v']} {ask_about(m['x'], s.common)}?", m.start("y"), m.end("y"))
    if (m := _MADE_OF.match(t)) and is_subject_en(m["x"]):
        verb = re.search("divided into|split into|composed of|made up of|made of|grouped into", t)[0]
        yield s.pair("list", "list", f"What {m['v']} {ask_about(m['x'], s.common)} {verb}?", m.start("y"))
    if m := _KINDS.match(t):
        yield s.pair(
            "list",
            "list",
            f"What are the {m['n']} {m['x']}?"
            if m["n"] not in ("several", "various", "many")
            else f"What are the {m['x']}?",
            m.start("y"),
        )


_LEAD = lazy_pattern(rf"{NP} (?P<v>{THIRD}) (?:the following|these) (?P<n>[a-z][\w -]{{2,40}})")
_LEAD_FIRST = lazy_pattern(
    r"The following (?P<n>[a-z][\w -]{2,40}?) (?P<v>are|can be|must be|should be|may be|were|have been) (?P<r>[a-z][^:]{2,60})"
)


def listing(passage: str, s: Sentence, items: tuple[tuple[int, int], ...]) -> Iterator[Pair]:
    """Yield the question that a sentence announcing a list answers."""
    lead = s.text.rstrip(": ")
    question = None
    if (m := _LEAD.fullmatch(lead)) and is_subject_en(m["x"]):
        question = f"Which {m['n']} does {ask_about(m['x'], s.common)} {LEMMAS[m['v']]}?"
    elif (m := _LEAD_FIRST.fullmatch(lead)) and lead.count(" ") > 5:
        question = f"Which {m['n']} {m['v']} {m['r']}?"
    elif (
        m := re.fullmatch(rf"{NP} (?P<v>includes|contains|provides|supports|offers|requires)", lead)
    ) and is_subject_en(m["x"]):
        question = f"What does {ask_about(m['x'], s.common)} {LEMMAS[m['v']]}?"
    if question:
        yield Pair("list", "list", question, items[0][0], items[-1][1], (s.span[0], items[-1][1]))


CLAUSES: tuple[Callable[[Sentence], Iterator[Pair]], ...] = (values, reasons, procedures, exceptions)
"""Patterns of single sentences that ask how many, why, how, and what then."""
