"""Word documents (docx) -> blocks: headings by style and outline level, lists with their numbers, tables, footnotes."""

import io
import re
from collections.abc import Iterator
from typing import Any

from sftmill.core import Drop
from sftmill.steps.ingest.docx_numbers import Numbering
from sftmill.steps.ingest.pipe_table import pipe_table
from sftmill.steps.ingest.sections import Block, collapse
from sftmill.steps.ingest.zip_guard import guard
from sftmill.text.lazy import lazy_pattern

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_HEADING = lazy_pattern(r"(?:heading|标题|標題|überschrift|titre)\s*(\d)(?:\s*(?:char|字符))?\Z", re.I)
_TITLE = lazy_pattern(r"(?:title|标题|標題|文档标题|书名|主标题)\Z", re.I)
_LEFT_OUT = frozenset(_W + name for name in ("del", "moveFrom", "instrText", "delText", "delInstrText", "rPr", "pPr"))
DEEPEST = 40
"""Levels of elements within a paragraph, and of tables within tables, that are followed."""
MOST_CELLS = 500_000
"""Cells of a document's tables that are read."""


def parse_docx(data: bytes) -> tuple[str, list[Block]]:
    """Return the title from the document's properties ("" for none) and its blocks.

    Deleted and moved text is left out, inserted text taken. Raises Drop("unreadable").
    """
    guard(data)
    import docx

    try:
        document = docx.Document(io.BytesIO(data))
        title = collapse(document.core_properties.title or "")
        return title, _Reader(document).blocks()
    except Drop:
        raise
    except Exception as error:  # a parser of other people's XML raises anything
        raise Drop("unreadable", why=f"no docx that can be opened ({type(error).__name__}); save it again") from None


class _Reader:
    def __init__(self, document: Any):
        self.body = document.element.body
        self.levels = _style_levels(document)
        self.default = _default_style(document)
        self.numbering = Numbering(document)
        self.notes = _notes(document)
        self.out: list[Block] = []
        self.cited: list[str] = []
        """Footnotes of the paragraph at hand."""
        self.cells = 0

    def blocks(self) -> list[Block]:
        """Return the blocks in order."""
        self._children(self.body, 0)
        return self.out

    def _children(self, parent: Any, depth: int) -> None:
        if depth > DEEPEST:
            return
        for child in parent:
            tag = child.tag
            if tag == _W + "p":
                self._paragraph(child)
            elif tag == _W + "tbl":
                self._table(child, depth)
            elif tag in (_W + "sdt", _W + "sdtContent", _W + "ins", _W + "customXml", _W + "smartTag"):
                self._children(child, depth + 1)

    def _paragraph(self, paragraph: Any) -> None:
        boxes: list[Any] = []
        text = self._text(paragraph, boxes).strip()
        style, outline = self._style_of(paragraph)
        mark, depth = self.numbering.mark(paragraph, style)
        if text:
            level = outline if len(text) <= 200 else 0
            if level:
                self.out.append(Block(collapse(f"{mark} {text}".replace("\n", " ")), level))
            elif mark:
                self._item("  " * min(depth, 5) + f"{mark} {collapse(text)}")
            else:
                self.out.append(Block("\n".join(filter(None, map(_line, text.split("\n"))))))
        self.out += [Block(note) for note in self._notes_cited()]
        for box in boxes:
            self._children(box, DEEPEST // 2)

    def _item(self, text: str) -> None:
        """Add an item to the list at hand; an article (第一条) or a clause is a paragraph of its own."""
        last = self.out[-1] if self.out else None
        if last and not last.level and _ITEM.match(last.text) and _ITEM.match(text):
            self.out[-1] = Block(f"{last.text}\n{text}")
        else:
            self.out.append(Block(text))

    def _notes_cited(self) -> list[str]:
        cited, self.cited = self.cited, []
        return cited

    def _style_of(self, paragraph: Any) -> tuple[str, int]:
        """Return the paragraph's style and its heading level, 0 for text."""
        properties = paragraph.find(_W + "pPr")
        style, level = self.default, None
        if properties is not None:
            named = properties.find(_W + "pStyle")
            style = named.get(_W + "val", style) if named is not None else style
            level = _outline_level(properties)
        return style, self.levels.get(style, 0) if level is None else level

    def _text(self, element: Any, boxes: list[Any], depth: int = 0) -> str:
        """Return the visible text of a paragraph; text boxes are put aside in `boxes`."""
        parts: list[str] = []
        for child in element:
            tag = child.tag
            if tag in (_W + "t", _M + "t"):
                parts.append(child.text or "")
            elif tag in (_W + "tab", _W + "ptab"):
                parts.append("\t")
            elif tag in (_W + "br", _W + "cr"):
                parts.append("\n")
            elif tag == _W + "noBreakHyphen":
                parts.append("-")
            elif tag in (_W + "footnoteReference", _W + "endnoteReference"):
                parts.append(self._cite(tag, child.get(_W + "id")))
            elif tag == _W + "txbxContent":
                boxes.append(child)
            elif tag == _MC + "Fallback" or tag in _LEFT_OUT or not isinstance(tag, str):
                continue
            elif len(child) and depth < DEEPEST:
                parts.append(self._text(child, boxes, depth + 1))
        return "".join(parts)

    def _cite(self, tag: str, name: str | None) -> str:
        text = self.notes.get((tag.rpartition("}")[2][:-9], name))
        if not text:
            return ""
        self.note_number = getattr(self, "note_number", 0) + 1
        self.cited.append(f"[{self.note_number}] {text}")
        return f"[{self.note_number}]"

    def _table(self, table: Any, depth: int) -> None:
        rows: list[list[str]] = []
        for row in _rows(table):
            cells: list[str] = []
            for cell in _cells(row):
                self.cells += 1
                if self.cells > MOST_CELLS:
                    raise Drop("unreadable", why=f"its tables have more than {MOST_CELLS:,} cells; split it")
                cells += self._cell(cell, len(cells), rows, depth)
            rows.append(cells)
        filled = [cell for row in rows for cell in row if cell]
        if len({len([c for c in row if c]) for row in rows} - {0}) == 1 and all(sum(map(bool, r)) <= 1 for r in rows):
            self.out += [Block(cell) for cell in filled]  # a frame around text
        elif filled:
            self.out.append(Block(pipe_table(rows)))
        self.out += [Block(note) for note in self._notes_cited()]

    def _cell(self, cell: Any, at: int, above: list[list[str]], depth: int) -> list[str]:
        """Return the text of a cell and the empty places that it spans; one merged upwards repeats what is above."""
        properties = cell.find(_W + "tcPr")
        span, merged = 1, False
        if properties is not None:
            wide = properties.find(_W + "gridSpan")
            span = min(_number(wide.get(_W + "val") if wide is not None else None, 1), 60)
            tall = properties.find(_W + "vMerge")
            merged = tall is not None and tall.get(_W + "val") in (None, "continue")
        if merged and above and at < len(above[-1]):
            text = above[-1][at]
        else:
            boxes: list[Any] = []
            texts = [self._text(paragraph, boxes).strip() for paragraph in _within(cell, depth)]
            text = "\n".join(filter(None, texts))
        return [text, *[""] * (span - 1)]


_ITEM = lazy_pattern(r"\s*(?:-|[(（]?[\da-zA-Z]{1,4}[.)）])\s")


def _line(text: str) -> str:
    """Return a line without runs of spaces; tabs stay, they part the columns of what is no table."""
    return "\t".join(collapse(part) for part in text.split("\t")).strip()


def _rows(table: Any) -> Iterator[Any]:
    for child in table:
        if child.tag == _W + "tr":
            yield child
        elif child.tag in (_W + "sdt", _W + "ins", _W + "customXml"):
            yield from child.iter(_W + "tr")


def _cells(row: Any) -> Iterator[Any]:
    for child in row:
        if child.tag == _W + "tc":
            yield child
        elif child.tag in (_W + "sdt", _W + "customXml"):
            yield from child.iter(_W + "tc")


def _within(cell: Any, depth: int) -> Iterator[Any]:
    """Yield the paragraphs of a cell, those of tables in it too."""
    return cell.iter(_W + "p") if depth < DEEPEST else iter(())


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 7 else otherwise


def _outline_level(properties: Any) -> int | None:
    """Return 1 to 9 for an outline level, 0 for body text, None where none is given."""
    found = properties.find(_W + "outlineLvl")
    if found is None:
        return None
    level = _number(found.get(_W + "val"), 9)
    return level + 1 if level < 9 else 0


def _style_levels(document: Any) -> dict[str, int]:
    """Return the heading level of each paragraph style: by its name, its outline level, or the style it is based on."""
    styles: dict[str, tuple[int | None, str | None]] = {}
    for style in document.styles.element.iter(_W + "style"):
        name = style.find(_W + "name")
        named = (name.get(_W + "val") if name is not None else "") or ""
        properties = style.find(_W + "pPr")
        level = _outline_level(properties) if properties is not None else None
        if match := _HEADING.match(named):
            level = int(match[1])
        elif _TITLE.match(named):
            level = 1
        base = style.find(_W + "basedOn")
        styles[style.get(_W + "styleId", "")] = (level, base.get(_W + "val") if base is not None else None)
    found: dict[str, int] = {}
    for name in styles:
        at: str | None = name
        for _ in range(20):
            if at is None or at not in styles:
                break
            level, base = styles[at]
            if level is not None:
                found[name] = level
                break
            at = base
    return found


def _default_style(document: Any) -> str:
    for style in document.styles.element.iter(_W + "style"):
        if style.get(_W + "default") in ("1", "true") and style.get(_W + "type") == "paragraph":
            return style.get(_W + "styleId", "")
    return ""


def _notes(document: Any) -> dict[tuple[str, str | None], str]:
    """Return the text of footnotes and endnotes, by ("footnote" or "endnote", id)."""
    from lxml import etree

    notes: dict[tuple[str, str | None], str] = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rpartition("/")[2]
        if kind not in ("footnotes", "endnotes") or relation.is_external:
            continue
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        for note in etree.fromstring(relation.target_part.blob, parser):
            if note.get(_W + "type") in ("separator", "continuationSeparator", "continuationNotice"):
                continue
            text = "".join(part.text or "" for part in note.iter(_W + "t"))
            notes[kind[:-1], note.get(_W + "id")] = collapse(text.replace("\n", " "))
    return notes
