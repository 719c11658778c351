"""Bytes of unknown origin -> clean text: Unicode, GB18030, Big5, and what was damaged on the way."""

import codecs
import re
from typing import NamedTuple

from sftmill.text.lazy import lazy_pattern


class Decoded(NamedTuple):
    """A decoded text, the encoding taken for it, and how many characters could not be read."""

    text: str
    encoding: str
    damaged: int


_BOMS = [
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
_ALIASES = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "iso-8859-1": "cp1252", "latin-1": "cp1252"}
_ALIASES |= {"big5": "big5hkscs", "big5-hkscs": "big5hkscs", "utf-16": "utf-16-le", "ascii": "cp1252"}

# Characters that make up about half of running Chinese text, simplified and traditional, with its punctuation.
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去"
    "法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正"
    "业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿"
    "這個們來為國說時會對發後經當沒動還進樣從開實現間關點業將兩問應與長機無學過產種體種頭義規定務請條證據數"
    "，。、；：？！“”‘’（）《》「」—…　"
)
_SAMPLE = 60_000
_CJK = lazy_pattern("[\u3400-\u9fff]")
_STRANGE = lazy_pattern("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\x7f-\x9f\uac00-\ud7af\u0400-\u04ff]")


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Decode `data`: by its byte order mark, what it declares, or what reads best as Chinese or English.

    A file whose lines are in different encodings is decoded line by line. What cannot be read
    becomes U+FFFD, and is counted.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], name)
    try:
        return Decoded(data.decode(), "utf-8", 0)
    except UnicodeDecodeError:
        pass
    if declared and (name := _known(declared)):
        found = _decoded(data, name)
        if found.damaged * 1000 <= len(found.text):
            return found
    if name := _wide(data):
        return _decoded(data, name)
    # Other things equal the earlier one; Chinese UTF-16 without a mark is rare and must read well.
    ranked = sorted((_merit(data, name), -i, name) for i, name in enumerate(("utf-8", "gb18030", "big5hkscs")))
    if ranked[-1][0] < 0.2 and len(data) % 2 == 0:
        wide = max((_merit(data, name), name) for name in ("utf-16-le", "utf-16-be"))
        if wide[0] > 0.2:
            return _decoded(data, wide[1])
    best = _decoded(data, ranked[-1][2])
    if best.damaged and _latin(data):
        return Decoded(data.decode("cp1252", "replace"), "cp1252", 0)
    return _by_line(data, best) if best.damaged else best


def _known(name: str) -> str | None:
    name = name.strip().lower()
    try:
        return codecs.lookup(_ALIASES.get(name, name)).name
    except (LookupError, ValueError):
        return None


def _decoded(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    return Decoded(text, encoding, text.count("\ufffd"))


def _wide(data: bytes) -> str | None:
    """Recognise UTF-16 without a byte order mark by the NULs of its Latin letters."""
    sample = data[: _SAMPLE // 2 * 2]
    half = max(len(sample) // 2, 1)
    nul_first, nul_second = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if max(nul_first, nul_second) < 0.1 or min(nul_first, nul_second) > 0.02:
        return None
    return "utf-16-le" if nul_second > nul_first else "utf-16-be"


def _merit(data: bytes, encoding: str) -> float:
    """Return how well the data read in this encoding: common Chinese characters less strange ones, per character."""
    text = data[:_SAMPLE].decode(encoding, "replace")
    chinese = [c for c in text if c > "\x7f"]
    if not chinese:
        return 0.0
    common = sum(c in _COMMON for c in chinese)
    return (common - 3 * len(_STRANGE.findall(text))) / len(chinese)


def _latin(data: bytes) -> bool:
    """Tell whether the bytes are Western European text: few high bytes, each beside ASCII letters."""
    sample = data[:_SAMPLE]
    high = sum(b >= 0x80 for b in sample)
    lone = len(re.findall(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])", sample))
    return high < 0.1 * len(sample) and lone > 0.8 * high


def _by_line(data: bytes, whole: Decoded) -> Decoded:
    lines: list[str] = []
    used: set[str] = set()
    for line in data.split(b"\n"):
        for name in ("utf-8", "gb18030" if whole.encoding == "utf-8" else whole.encoding):
            try:
                lines.append(line.decode(name))
                used.add(name)
                break
            except UnicodeDecodeError:
                continue
        else:
            lines.append(line.decode(whole.encoding, "replace"))
    text = "\n".join(lines)
    damaged = text.count("\ufffd")
    if damaged >= whole.damaged:
        return whole
    return Decoded(text, "+".join(sorted(used)) or whole.encoding, damaged)


_LINE_ENDS = lazy_pattern("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Controls, invisible spaces and direction marks; joiners (U+200C, U+200D) stay, emoji and scripts need them.
_CONTROLS = lazy_pattern(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_SURROGATES = lazy_pattern("[\ud800-\udfff]")


def clean(text: str) -> str:
    r"""Return `text` with "\n" as its only line end, and without control and invisible characters."""
    text = _LINE_ENDS.sub("\n", text)
    text = _CONTROLS.sub("", text)
    return _SURROGATES.sub("\ufffd", text)
