"""Which language a text is in, as far as filters need it: Chinese, English, another, or too little to tell."""

from sftmill.text import count_cjk
from sftmill.text.lazy import lazy_pattern

_KANA = lazy_pattern("[\u3041-\u3096\u30a1-\u30fa]")
_HANGUL = lazy_pattern("[\uac00-\ud7af]")
_FOREIGN = lazy_pattern("[\u0370-\u05ff\u0600-\u06ff\u0900-\u0e7f\u1e00-\u1fff]")
_LATIN_WORD = lazy_pattern("[A-Za-z\u00c0-\u024f]+(?:['’][A-Za-z]+)?")

_WORDS = {
    "en": "the of and to in is that for it with as was on are be this by or an from at not you which have has can will if their what how do does we they but its your more may should a",
    "fr": "le la les des est une dans que pour qui sur avec plus par ce sont pas au aux du et vous nous cette il elle être ou mais",
    "de": "der die das und ist nicht ein eine den von mit für auf dem des im sich auch als wird sind werden oder aber kann durch bei nach",
    "es": "el los las una que por con para del como más pero sus este está son entre cuando también muy ser y o es su al lo",
    "pt": "os uma que não com para por mais dos como mas foi ao ele das tem seu sua ou ser quando muito nos já está são e",
    "it": "il di che è per una con non del della sono gli anche come dei nel più questo alla ma si le lo ha o essere",
}
_FUNCTION_WORDS = {
    lang: frozenset(word for word in str.split(words) if len(word) > 1 or lang == "en")
    for lang, words in _WORDS.items()
}

# Characters that only one of the two ways of writing has, out of the most frequent ones.
_SIMPLIFIED = frozenset(
    "们这为国来时说对开关问题东车马长门见书电话学会义农产业实现过还进发经济种应该没样动战图历种类办报护师医药"
)
_TRADITIONAL = frozenset(
    "們這為國來時說對開關問題東車馬長門見書電話學會義農產業實現過還進發經濟種應該沒樣動戰圖歷種類辦報護師醫藥"
)


def language(text: str, least: int = 8) -> str | None:
    """Return "zh", "en", "ja", "ko" or "other"; None where fewer than `least` characters or words tell.

    Words of Latin letters are English where three English function words or more make up a twelfth of
    them and no other language's are more frequent; names and terms alone tell nothing.
    """
    chinese = count_cjk(text)
    words = (
        [word.lower() for word in _LATIN_WORD.findall(text)]
        if len(text) < 50_000
        else _LATIN_WORD.findall(text[:50_000])
    )
    foreign = len(_FOREIGN.findall(text))
    if foreign > chinese + 4 * len(words) and foreign >= least:
        return "other"
    if chinese and 2 * chinese >= len(words):
        if len(_HANGUL.findall(text)) * 3 > chinese:
            return "ko" if chinese >= least else None
        if len(_KANA.findall(text)) * 7 > chinese and len(_KANA.findall(text)) >= 4:
            return "ja"
        return "zh" if chinese >= least // 2 else None
    if len(words) < least or (chinese >= least and 10 * chinese >= len(words)):
        return None
    shares = {lang: sum(word in known for word in words) / len(words) for lang, known in _FUNCTION_WORDS.items()}
    best = max(shares, key=lambda lang: (shares[lang], lang == "en"))
    if shares[best] < 1 / 12 or len(_FUNCTION_WORDS[best].intersection(words)) < 3:
        return None
    return "en" if best == "en" or shares["en"] * 1.5 >= shares[best] else "other"


def script(text: str) -> str | None:
    """Return "simplified" or "traditional", whichever the characters of `text` are; None where none tells."""
    simplified = sum(c in _SIMPLIFIED and c not in _TRADITIONAL for c in text)
    traditional = sum(c in _TRADITIONAL and c not in _SIMPLIFIED for c in text)
    if simplified == traditional:
        return None
    return "simplified" if simplified > traditional else "traditional"
