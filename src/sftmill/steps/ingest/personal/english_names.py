"""English names of persons by cue: "Name:", "Patient:", "Dear Mr.", "my name is", a signature."""

import re
from collections.abc import Iterator

from sftmill.steps.ingest.personal.finds import Find
from sftmill.text.lazy import lazy_pattern

_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Madam|MR|MRS|MS|DR|PROF)\b\.?"
WORD = r"[A-Z][a-z]*(?:['’\-][A-Z]?[a-z]+)*[A-Za-z]*"
PERSON = (
    rf"{WORD}(?:[ ]+(?:[A-Z]\.|(?:van|von|de|da|del|der|bin|al|la|le|di|dos)(?=[ ]))[ ]?){{0,2}}(?:[ ]+{WORD}){{1,2}}"
)
_EN_TITLE = lazy_pattern(
    rf"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor)\b\.?[ ]+(?P<name>(?:[A-Z]\.[ ]?){{0,2}}{WORD}(?:[ ]+(?:[A-Z]\.[ ]?)?{WORD}){{0,2}})"
)
_EN_ROLE_BEFORE = lazy_pattern(
    r"(?<![A-Za-z])(?P<role>(?:(?:full|patient(?:'s)?|customer|client|employee|contact|applicant|card ?holder|account ?holder|student|beneficiary|legal|guest|tenant|first|last|middle|given|family|maiden|"
    r"emergency contact|next of kin|insured|policy ?holder|buyer|seller|sender|recipient|passenger|driver|owner|doctor|physician)[ _\-]?)?name|surname|patient|contact(?: person)?|applicant|customer|client|attn\.?|attention|"
    r"signed(?: by)?|prepared by|reviewed by|approved by|reported by|physician|doctor|nurse|recipient|sender|employee|card ?holder|account ?holder|beneficiary|tenant|landlord|plaintiff|defendant|witness|emergency contact|"
    r"next of kin|guardian|insured|policy ?holder|passenger|student|teacher|manager|supervisor|buyer|seller|spouse|mother|father|complainant|respondent|claimant|petitioner|deceased|victim|suspect|interviewee|interviewer|caller|requester|assignee|resident|visitor|subscriber|payee|payer|lessee|lessor|borrower|lender|donor|attorney|lawyer|candidate|participant|signatory|ship to|bill to|deliver to|c/o)"
    r"[ \t*\"']*\Z",
    re.I,
)
_OTHER_NAME = lazy_pattern(r"[A-Za-z][ _\-]{1,2}\Z")
_EN_VALUE = lazy_pattern(
    rf"(?:{_TITLE}[ ]+)?(?P<name>{PERSON}|{WORD},[ ]{WORD}|{WORD}|[A-Z][A-Z'\-]+(?:[ ]+[A-Z][A-Z'.\-]*){{1,3}})(?![A-Za-z0-9_/@.]{{0,40}}[0-9_/@])(?![ ]?[:=])"
)
_EN_SINGLE = lazy_pattern(
    r"(?:first|last|middle|given|family|maiden|sur)[ _\-]?name|patient|attn|attention|customer|client|applicant|sender|recipient",
    re.I,
)
_EN_PERSON = lazy_pattern(rf"(?P<name>{PERSON})(?![A-Za-z])")
_EN_PHRASE_BEFORE = lazy_pattern(
    r"(?<![A-Za-z])(?:[Mm]y (?:full )?name is|[Hh](?:is|er) name is|[Tt]heir name is|[Nn]ame is|I am|I'm|[Tt]his is|[Cc]ontact|[Cc]all|[Ee]mail|[Aa]sk for|[Ss]peak (?:to|with)|[Rr]each out to|[Ww]rite to|[Nn]otify|[Ss]igned by|"
    r"[Pp]atient|[Cc]ustomer|[Cc]lient|[Ee]mployee|[Pp]laintiff|[Dd]efendant|[Tt]enant|[Aa]pplicant|[Ww]itness|[Pp]assenger)[ ]{1,3}(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.?[ ])?\Z"
)
_EN_DEAR = lazy_pattern(
    rf"(?:Dear|Hi|Hello|[Ss]incerely(?: yours)?|[Rr]egards|[Ww]ishes|Yours (?:truly|faithfully|sincerely)|Respectfully)(?P<gap>,?\s{{1,4}})(?:{_TITLE}[ ]+)?(?P<name>{WORD}(?:[ ]+(?:[A-Z]\.[ ]?)?{WORD}){{0,2}})(?=[ ]?[,:\n!.]|[ ]?\Z)"
)
# One of these stands in whatever the two patterns find; looking for them first is far cheaper.
_TITLE_CUES = ("Mr", "Ms", "Miss", "Mx", "Dr", "Prof")
_DEAR_CUES = ("Dear", "Hi", "Hello", "incerely", "egards", "ishes", "Yours", "Respectfully")
_LEADING = lazy_pattern(
    r"(?:Patient|Customer|Client|Employee|Plaintiff|Defendant|Tenant|Applicant|Witness|Passenger|Contact|Call|Email|Notify|Claimant|Borrower)\Z"
)
_EN_NOT = frozenset(
    str.split(
        "sir madam customer customers colleague colleagues all team friend friends user users editor students parents reader readers hiring manager member members god lord "
        "the a an this that these those it its our your my his her their we you they he she i in on at by for from to of and or not no yes none null unknown optional required string text name "
        "info e-mail maintainers maintainer package packages project developers developer list lists call mobile fax tel wechat contact write ship order charge dear hello hi i'm i've it's thanks thank integer string boolean float number array object list first last full file file's system server network service services inc ltd llc corp corporation company group department university college school hospital bank street road avenue "
        "support sales office center centre committee council ministry debian linux ubuntu windows apache docker kubernetes google microsoft amazon java python unix gnu if when is are was were be see "
        "please click here there what which who where how january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday "
        "north south east west new old chinese english american british european united states kingdom republic national international public general world us uk eu help desk care services id type "
        "date address phone email number status title description version default enter insert select your-name dr mr mrs ms miss prof professor sure happy sorry glad not very just also so only world everyone everybody folks"
    )
)


def find_english_names(text: str) -> Iterator[Find]:
    """Yield the names that stand behind a phrase, a title or a salutation, or close a letter."""
    for match in _EN_PERSON.finditer(text):
        words = words_of(match["name"])
        if _LEADING.match(words[0]) and len(words) > 2 and is_english_name(words[1:]):
            yield Find(match.start() + match[0].index(words[1], len(words[0])), match.end(), "name")
        elif _EN_PHRASE_BEFORE.search(text[max(0, match.start() - 24) : match.start()]):
            yield from _english(match)
    for pattern, cues in ((_EN_TITLE, _TITLE_CUES), (_EN_DEAR, _DEAR_CUES)):
        for match in pattern.finditer(text) if any(cue in text for cue in cues) else ():
            if text[match.start() - 1 : match.start()].isalpha():
                continue
            if pattern is _EN_TITLE or (match[0][:2] in ("De", "Hi", "He")) != ("\n" in match["gap"]):
                yield from _english(match)


def _english(match: re.Match[str]) -> Iterator[Find]:
    if is_english_name(words_of(match["name"])):
        yield Find(*match.span("name"), "name")


def in_english_field(text: str, mark: int, start: int) -> Iterator[Find]:
    """Yield the name that fills a field whose mark stands at `mark`, and whose value begins at `start`."""
    lead = text[max(0, mark - 32) : mark]
    role = _EN_ROLE_BEFORE.search(lead)
    if role and role["role"].lower() == "name" and (text[mark] == "=" or _OTHER_NAME.search(lead, 0, role.start())):
        return  # the key of a settings file; a file name
    value = _EN_VALUE.match(text, start) if role else None
    if role and value:
        words = words_of(value["name"])
        if is_english_name(words) and (len(words) > 1 or (_EN_SINGLE.match(role["role"]) and len(value["name"]) > 1)):
            yield Find(*value.span("name"), "name")


def words_of(name: str) -> list[str]:
    """Return the words of a name."""
    return [word for word in re.split(r"[ ,]+", name) if word]


def is_english_name(words: list[str]) -> bool:
    """Tell whether none of the words is one that names do not have."""
    return bool(words) and not any(len(word.rstrip(".")) > 1 and word.lower() in _EN_NOT for word in words)
