"""Patterns that turn English sentences into questions, their answers being pieces of the sentence."""

import re
from collections.abc import Callable, Iterator

from sftmill.steps.instruct.rules import rule_patterns_zh
from sftmill.steps.instruct.rules.rule_form import Pair, is_subject_en, stands_alone_en
from sftmill.steps.instruct.rules.rule_sentence import Sentence
from sftmill.text.lazy import lazy_pattern

NP = r"(?P<x>[^,;:!?]{2,90}?)"

# --- verbs ------------------------------------------------------------------------------------------

_VERBS = (
    "allow enable let provide offer support contain include require manage handle control display show list return install create "
    "generate implement store describe define indicate represent specify use replace ensure prevent produce send receive "
    "read write run execute start stop open close check verify analyze analyse monitor record log protect reduce increase "
    "determine perform apply convert build update download upload delete remove add need cover govern cause affect "
    "help tell track detect extract combine compare synchronize simulate emulate redirect translate resolve authenticate grant deny restrict select modify "
    "explain improve automate guarantee imply inherit integrate facilitate compute calculate regulate absorb carry keep denote avoid exclude embed retrieve fetch insert "
    "append merge assign distribute identify recognize validate evaluate transmit transfer expose enforce invoke trigger parse interpret inspect examine illustrate "
    "constitute possess involve feature maintain host deliver transform encrypt compress sort filter block accept reject configure simplify"
)
LEMMAS: dict[str, str] = {}
for _verb in str.split(_VERBS):
    _third = (
        _verb[:-1] + "ies"
        if re.search("[^aeiou]y$", _verb)
        else _verb + ("es" if re.search("(?:s|sh|ch|x|z)$", _verb) else "s")
    )
    LEMMAS[_third] = _verb
THIRD = "|".join(sorted(LEMMAS, key=len, reverse=True))


_COMMON_ENDS = lazy_pattern(
    r"[A-Z][a-z]{2,}(?:ing|tions?|ments?|able|ible|al|ic|ive|ous|ary|ed|ers|ors|ness|ity|ance|ence|ures?|ory|ful|less|ies|ents?|ant|ems)$"
)


def ask_about(subject: str, common: frozenset[str] = frozenset()) -> str:
    """Return a subject as it stands within a question: its first word in lower case, unless it is a name.

    A word is taken for common when the passage has it in lower case too, or by its ending where no other
    capital follows.
    """
    subject = subject.strip()
    first, space, rest = subject.partition(" ")
    low = first.lower()
    titled = first == "A" or (first[:1].isupper() and first[1:].islower())
    named = rest[:1].isupper() or not (_COMMON_ENDS.match(first) or re.match("[a-z]+ed ", rest))
    if titled and (low in ("the", "an", "a") or low in common or not named):
        return low + space + rest
    return subject


def is_plural(subject: str) -> bool:
    """Tell whether a subject takes a plural verb: two nouns joined by "and", or a head that ends in s."""
    head = re.split(r" (?:of|for|in|on|from|with|to) ", subject)[0]
    return " and " in subject or bool(re.search(r"[a-z](?<!s)(?<!u)(?<!i)s$", head))


def _trimmed(text: str) -> int:
    """Return where an answer ends that must not take a trailing stop: before . ; and spaces."""
    return len(text.rstrip(" .;"))


# --- what -------------------------------------------------------------------------------------------

_IS = lazy_pattern(
    rf"{NP} (?P<v>is|are|was|were) (?P<y>(?:an?|the|one of|any|some|several) (?!same|more|less|much|better|list of the following|only|reason|case|most|main|one\b|few|lot|little|bit|good|matter|problem|question|way\b|first|second|next|last|right|best)[^;:]{{8,}})",
    re.S,
)
_MEANS = lazy_pattern(
    rf"{NP} (?P<v>refers to|refer to|means|stands for|is defined as|are defined as|is short for|is an abbreviation of|is an acronym for) (?!that\b)(?P<y>.{{3,}})"
)
_CALLED = lazy_pattern(
    rf"{NP} (?P<v>is|are) (?:also |often |usually |sometimes |commonly |generally )?(?:called|known as|named|referred to as) (?P<y>[^,;:]{{2,50}})"
)
VERB = lazy_pattern(
    rf"{NP} (?:also |usually |often |generally |automatically |typically )?(?P<v>{THIRD}) (?P<y>.{{4,}})"
)
_RELIES = lazy_pattern(
    rf"{NP} (?P<v>depends|relies|consists|results|deals|defaults|corresponds|belongs|applies|focuses|specializes|originates) (?P<p>on|of|in|with|to|from) (?P<y>.{{3,}})"
)
_CAN = lazy_pattern(
    rf"{NP} can (?:also )?(?:automatically |easily )?(?P<y>(?!be\b|no\b|not\b|have\b|only\b|still\b|then\b|also\b|even\b|use\b|take\b|lead\b|cause\b|become\b|[a-z]+ly\b)[a-z]{{2,}} [^;:]{{4,}})"
)
_ALLOW = lazy_pattern(r"(?P<who>(?:the |an? )?[a-z][\w-]*(?: [a-z][\w-]*){0,2}|you) to (?P<deed>[a-z][^;:]{3,})")


def definitions(s: Sentence) -> Iterator[Pair]:
    """Yield what questions: X is a Y, X refers to Y, X is called Y."""
    t = s.text
    if (m := _MEANS.match(t)) and is_subject_en(m["x"]):
        verb = m["v"]
        subject = ask_about(m["x"], s.common)
        if verb in ("refers to", "refer to", "means", "stands for"):
            aux = "do" if verb == "refer to" else "does"
            question = f"What {aux} {subject} {re.sub('s(?= |$)', '', verb, count=1)}?"
        elif verb.endswith("as"):
            question = (
                f"What is the definition of {subject}?" if verb.startswith("is") else f"How are {subject} defined?"
            )
        else:
            question = f"What {verb.replace('is ', 'is ', 1).partition(' ')[0]} {subject} {verb.partition(' ')[2]}?"
            question = f"What does {subject} stand for?"
        short = m["y"].find(", and ") if "stand" in question else -1
        yield s.pair("definition", "what", question, m.start("y"), m.start("y") + short if short > 0 else None)
        return
    if (m := _CALLED.match(t)) and is_subject_en(m["x"]):
        if m.end() == len(t):
            yield s.pair(
                "definition",
                "what",
                f"What {m['v']} {ask_about(m['x'], s.common)} called?",
                m.start("y"),
                m.start("y") + _trimmed(m["y"]),
            )
        return
    if (m := _IS.match(t)) and s.whole and is_subject_en(m["x"]) and _is_class(m["y"]):
        head = m["x"].rpartition(" ")[2].lower()
        if re.match(rf"\S+ (?:\S+ ){{0,2}}{re.escape(head)}\b", m["y"].lower()):
            return  # "A command is the command that ..." says nothing without what stands around it
        person = re.match(
            r"(?:the|an?|one of the) (?:[\w-]+ ){0,3}(?:founder|creator|author|inventor|leader|president|scientist|physicist|mathematician|writer|programmer|engineer)s?\b",
            m["y"],
        )
        yield s.pair(
            "definition", "what", f"{'Who' if person else 'What'} {m['v']} {ask_about(m['x'], s.common)}?", m.start("y")
        )


def _is_class(y: str) -> bool:
    """Tell whether what follows "is" names a class and does not point elsewhere."""
    first = re.split(r"[,.;(]", y)[0]
    return (
        stands_alone_en(first)
        and not re.search(r"\?|what|why|how", y)
        and not re.match(
            r"the (?:\w+ )?(?:package|case|one|responsibility|job|name|number|value|case|option|default)\b|an? (?:\w+ )?(?:good|bad|must|better|great|useful|"
            r"interesting|important|difficult|long|simple|delicate|risk|waste|mistake|necessity|advantage|popular|safe)\b",
            first,
        )
    )


def does(s: Sentence) -> Iterator[Pair]:
    """Yield what-does questions: X provides Y, X allows Y to Z, X depends on Y."""
    t = s.text
    if (m := _RELIES.match(t)) and is_subject_en(m["x"]) and stands_alone_en(first_clause(m["y"])):
        lemma = {
            "relies": "rely",
            "applies": "apply",
            "focuses": "focus",
            "specializes": "specialize",
            "originates": "originate",
        }.get(m["v"], m["v"][:-1])
        yield s.pair("object", "what", f"What does {ask_about(m['x'], s.common)} {lemma} {m['p']}?", m.start("y"))
        return
    if (m := _CAN.match(t)) and s.whole and is_subject_en(m["x"]) and stands_alone_en(first_clause(m["y"])):
        if (
            not re.search(r"(?:user|administrator|person|people|developer|reader|attacker)s?$", m["x"])
            and m["y"].count(" ") > 1
        ):
            yield s.pair("use", "what", f"What can {ask_about(m['x'], s.common)} do?", m.start("y"))
        return
    m = VERB.match(t)
    if not m or not s.whole or not is_subject_en(m["x"]) or not stands_alone_en(first_clause(m["y"])):
        return
    if _NO_OBJECT.match(m["y"]) or re.match(
        r"(?:that|whether|how|when|if|as|and|or|for|by|in|on|to|up|out|off|down|through|like|into|from|of|at)\b", m["y"]
    ):
        return
    subject, verb = ask_about(m["x"], s.common), LEMMAS[m["v"]]
    if re.search(r" (?:who|which|that|to|not)$| (?:of|and|or|the|a)$", subject) or is_plural(subject):
        return
    a = _ALLOW.match(m["y"])
    if a and verb == "require" and not re.match("you|(?:the )?(?:users?|administrators?)", a["who"]):
        a = None
    if verb in ("allow", "enable", "require") and a:
        yield s.pair("object", "what", f"What does {subject} {verb} {a['who']} to do?", m.start("y") + a.start("deed"))
        return
    if verb in ("include", "contain", "list", "involve", "cover") and re.fullmatch(
        r"[^,;:]+(?:, [^,;:]+)*,? and [^,;:]+", m["y"]
    ):
        yield s.pair("list", "list", f"What does {subject} {verb}?", m.start("y"))
        return
    if re.match(
        r"(?:an?|the|any|all|some|several|many|two|three|four|various|both|each|every|[A-Z]|[a-z]+(?:s|ing|tion|ity|ment|ed|al|ic|ive|ous|ary)\b)",
        m["y"],
    ):
        yield s.pair("object", "what", f"What does {subject} {verb}?", m.start("y"))


_NO_OBJECT = lazy_pattern(
    rf"(?:is|are|was|were|can|could|may|might|must|should|will|would|has|have|had|do|does|did|{THIRD})\b|(?:an)?other\b|more\b|additional|similar|further|"
    r"(?:so )?many more|much|a (?:lot|bit|few)|(?:the|a|an) (?:same|other)\b",
    re.I,
)


def first_clause(y: str) -> str:
    """Return what stands before the first comma, semicolon or bracket."""
    return re.split(r"[,;(]", y)[0]


# --- use, place, time, agent --------------------------------------------------------------------------

_USED = lazy_pattern(
    rf"{NP} (?P<v>is|are|can be|may be) (?:also |often |mainly |usually |generally |typically |commonly |primarily |only |mostly )?(?:used|designed|intended|meant|needed|required) (?P<y>(?:to|for) [^;:]{{4,}})"
)
_WHERE = lazy_pattern(
    rf"{NP} (?P<v>is|are) (?:usually |often |generally |also |typically )?(?P<w>located|stored|found|kept|situated|saved|recorded|listed|defined|documented|described|installed) (?P<y>(?:in|at|on|under|within|inside|between|near) [^,;:]{{3,70}})"
)
_WHEN = lazy_pattern(
    rf"{NP} (?P<v>was|were) (?:first |originally |officially |initially )?(?P<w>released|created|founded|established|published|introduced|started|launched|born|built|written|invented|discovered|developed|opened|signed|adopted) "
    r"(?:by [^,;]{3,40} )?(?P<y>(?:in|on|at the (?:end|beginning|start) of) (?:[A-Z][a-z]+ (?:\d{1,2}, )?)?(?:1[0-9]|20)\d\d)\b"
)
_BY = lazy_pattern(
    rf"{NP} (?P<v>is|are|was|were) (?P<w>created|founded|written|developed|started|maintained|invented|discovered|published|designed|introduced|managed|handled|controlled|provided|implemented|produced|built|generated|executed|installed|determined|defined|caused) by (?P<y>[^,;:]{{3,50}})"
)


def facts(s: Sentence) -> Iterator[Pair]:
    """Yield what-for, where, when and by-whom questions."""
    t = s.text
    if (m := _USED.match(t)) and is_subject_en(m["x"]) and stands_alone_en(first_clause(m["y"])):
        verb = "is" if m["v"] == "is" else "are" if m["v"] == "are" else m["v"].partition(" ")[0]
        word = re.search("used|designed|intended|meant|needed|required", t[m.end("x") :])[0]
        be = " be" if m["v"].endswith("be") else ""
        yield s.pair("use", "what", f"What {verb} {ask_about(m['x'], s.common)}{be} {word} for?", m.start("y"))
        return
    if (
        (m := _WHERE.match(t))
        and is_subject_en(m["x"])
        and stands_alone_en(m["y"])
        and not re.search(r"Section|Chapter|Figure|Table|this|similar|fashion|way", m["y"])
        and not re.match(
            r"(?:in|on|at) (?:order|case|fact|turn|general|particular|detail|demand|parallel|addition|advance|time|the (?:same|next|previous|first|other))\b",
            m["y"],
        )
    ):
        if m.end() == len(t) or t[m.end()] == ",":
            yield s.pair(
                "place",
                "what",
                f"Where {m['v']} {ask_about(m['x'], s.common)} {m['w']}?",
                m.start("y"),
                m.start("y") + _trimmed(m["y"]),
            )
        return
    if (m := _WHEN.match(t)) and is_subject_en(m["x"]):
        yield s.pair("time", "what", f"When {m['v']} {ask_about(m['x'], s.common)} {m['w']}?", m.start("y"), m.end("y"))
        return
    m = _BY.match(t)
    if not m or not is_subject_en(m["x"]) or not stands_alone_en(m["y"]) or t[m.end() : m.end() + 1] not in ("", ","):
        return
    if not re.match(r"\w+ing\b|default\b|hand\b|means\b", m["y"]):
        person = m["w"] in ("founded", "invented", "discovered") or _PEOPLE.search(m["y"])
        asked = f"{'By whom' if person else 'By what'} {m['v']} {ask_about(m['x'], s.common)} {m['w']}?"
        yield s.pair("agent", "what", asked, m.start("y"), m.start("y") + _trimmed(m["y"]))


_PEOPLE = lazy_pattern(
    r"\A(?:[A-Z][a-z]+ ){1,3}[A-Z][a-z]+\b|"
    r"\b(?:volunteers?|developers?|users?|administrators?|team|people|community|members?|company)\b"
)
"""Names of people, and words for them."""


def acronyms(s: Sentence) -> Iterator[Pair]:
    """Yield what an acronym stands for: DNS (Domain Name System)."""
    return rule_patterns_zh.acronyms(s, "What does {x} stand for?")


FACTS: tuple[Callable[[Sentence], Iterator[Pair]], ...] = (definitions, acronyms, does, facts)
"""Patterns of single sentences that ask what, where, when and by whom."""
