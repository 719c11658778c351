"""The numbers that Word shows in front of paragraphs, which stand nowhere in their text."""

from typing import Any

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DIGITS = "〇一二三四五六七八九"
_CHINESE_FORMATS = frozenset(
    str.split(
        "chineseCounting chineseCountingThousand taiwaneseCounting taiwaneseCountingThousand japaneseCounting "
        "ideographDigital chineseLegalSimplified ideographTraditional"
    )
)
_ROMAN = [(1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")]
_ROMAN += [(10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")]


class Numbering:
    """Counts the numbered paragraphs of a document, in order, as Word does (ECMA-376 part 1, 17.9)."""

    def __init__(self, document: Any):
        self.levels: dict[tuple[str, int], tuple[str, str, int]] = {}
        """(list, level) -> number format, text with %1 to %9, first number."""
        self.of_style: dict[str, tuple[str, int]] = {}
        self.counts: dict[str, list[int]] = {}
        self.abstract: dict[str, str] = {}
        self._read_lists(document)
        self._read_styles(document)

    def _read_lists(self, document: Any) -> None:
        part = next((r.target_part for r in document.part.rels.values() if r.reltype.endswith("/numbering")), None)
        element = getattr(part, "element", None)
        if element is None:
            return
        described: dict[str, dict[int, tuple[str, str, int]]] = {}
        for abstract in element.findall(_W + "abstractNum"):
            described[_value(abstract, "abstractNumId")] = {
                _whole(level.get(_W + "ilvl")): _level(level) for level in abstract.findall(_W + "lvl")
            }
        for number in element.findall(_W + "num"):
            name = _value(number, "numId")
            link = number.find(_W + "abstractNumId")
            base = _value(link, "val") if link is not None else ""
            self.abstract[name] = base
            for depth, level in described.get(base, {}).items():
                self.levels[name, depth] = level
            for change in number.findall(_W + "lvlOverride"):
                depth = _whole(change.get(_W + "ilvl"))
                start = change.find(_W + "startOverride")
                if start is not None and (name, depth) in self.levels:
                    form, text, _ = self.levels[name, depth]
                    self.levels[name, depth] = (form, text, _whole(start.get(_W + "val"), 1))
                    self.abstract[name] = f"{base}/{name}"  # it counts on its own

    def _read_styles(self, document: Any) -> None:
        based: dict[str, str] = {}
        for style in document.styles.element.iter(_W + "style"):
            name = style.get(_W + "styleId", "")
            base = style.find(_W + "basedOn")
            if base is not None:
                based[name] = base.get(_W + "val", "")
            if found := _list_of(style.find(_W + "pPr")):
                self.of_style[name] = found
        for name in based:
            at = name
            for _ in range(20):
                if at in self.of_style:
                    self.of_style[name] = self.of_style[at]
                    break
                if at not in based:
                    break
                at = based[at]

    def mark(self, paragraph: Any, style: str) -> tuple[str, int]:
        """Return what stands in front of the paragraph ("" for nothing, "-" for a bullet), and how deep it is."""
        found = _list_of(paragraph.find(_W + "pPr")) or self.of_style.get(style)
        if not found or found[0] == "0":
            return "", 0
        name, depth = found
        level = self.levels.get((name, depth))
        if level is None:
            return "", 0
        form, text, _ = level
        if form == "bullet":
            return "-", depth
        if form == "none":
            return "", 0
        counts = self.counts.setdefault(self.abstract.get(name, name), [])
        while len(counts) <= depth:
            counts.append(self._start(name, len(counts)) - (1 if len(counts) == depth else 0))
        counts[depth] += 1
        del counts[depth + 1 :]
        for i in range(depth + 1):
            own = self.levels.get((name, i), (form, "", 1))[0]
            text = text.replace(f"%{i + 1}", _written(counts[i], own))
        return text.strip(), depth

    def _start(self, name: str, depth: int) -> int:
        return self.levels.get((name, depth), ("", "", 1))[2]


def _list_of(properties: Any) -> tuple[str, int] | None:
    """Return the list that a paragraph or a style belongs to, and the level in it."""
    numbered = properties.find(_W + "numPr") if properties is not None else None
    if numbered is None:
        return None
    name, level = numbered.find(_W + "numId"), numbered.find(_W + "ilvl")
    if name is None:
        return None
    return _value(name, "val"), min(_whole(level.get(_W + "val")) if level is not None else 0, 8)


def _level(level: Any) -> tuple[str, str, int]:
    form, text, start = (level.find(_W + name) for name in ("numFmt", "lvlText", "start"))
    return (
        _value(form, "val") if form is not None else "decimal",
        _value(text, "val")[:40] if text is not None else "",
        _whole(start.get(_W + "val"), 1) if start is not None else 1,
    )


def _value(element: Any, name: str) -> str:
    return element.get(_W + name) or ""


def _whole(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text and text.isdigit() and len(text) < 7 else otherwise


def _written(number: int, form: str) -> str:
    """Write a number in one of Word's formats; those not known here as decimal."""
    if form in _CHINESE_FORMATS:
        return chinese(number)
    if form in ("upperLetter", "lowerLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * min((number - 1) // 26 + 1, 20)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("upperRoman", "lowerRoman") and 0 < number < 4000:
        text = ""
        for value, letters in _ROMAN:
            text += letters * (number // value)
            number %= value
        return text.upper() if form == "upperRoman" else text
    if form == "decimalZero":
        return f"{number:02d}"
    if form == "decimalEnclosedCircleChinese" or form == "decimalEnclosedCircle":
        return chr(0x2460 + number - 1) if 1 <= number <= 20 else str(number)
    return str(number)


def chinese(number: int) -> str:
    """Write a number from 0 to 9999 in Chinese; 12 is 十二, 105 is 一百零五."""
    if not 0 < number < 10_000:
        return "零" if number == 0 else str(number)
    out, gap = "", False
    for value, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // value % 10
        if digit:
            out += ("零" if gap and out else "") + _DIGITS[digit] + unit
            gap = False
        else:
            gap = True
    return out[1:] if out.startswith("一十") else out
