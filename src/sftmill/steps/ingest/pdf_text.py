"""The lines of a PDF's pages -> blocks: lines joined to paragraphs, lists, code and tables, under their titles."""

from collections import defaultdict

from sftmill.steps.ingest.pdf_page import TABLE, Line
from sftmill.steps.ingest.pdf_titles import Mark, Shape, find_marks, heading_by_size, shape_of
from sftmill.steps.ingest.sections import Block, is_contents_line, join_lines
from sftmill.text import CJK
from sftmill.text.lazy import lazy_pattern

_ITEM = lazy_pattern(
    r"(?:[-*•·●○▪◆■□–‣◦➢✓]\s|[(（][\dA-Za-z〇一二三四五六七八九十百]{1,4}[)）]|[①-⑳]|\d{1,2}[.、)）]\s?[^\d\s]|"
    r"第\s?[〇零一二三四五六七八九十百千\d]{1,8}\s?[条條]|[一二三四五六七八九十]{1,3}、|[A-Za-z][.)]\s)"
)
_CAPTION = lazy_pattern(
    r"(?:表|图|圖|附表|附图|Table|TABLE|Figure|Fig\.)\s?[\dA-Z〇一二三四五六七八九十][\d.\-–一二三四五六七八九十]{0,8}"
)
_BULLET = lazy_pattern(r"(?:[-*•·●○▪◆■□–‣◦➢✓]|[(（]?\d{1,2}[.)）])\s")
RECENT = 40
"""Lines of the paragraph at hand whose margins are looked at."""
_FINAL = "。！？；：.!?;:…"
_CLOSING = "”’」』）)】》\"'"
_CHINESE = lazy_pattern(f"[{CJK}]")


def blocks_of(pages: list[list[Line]], outline: list[Mark]) -> list[Block]:
    """Turn the pages' lines into blocks that know their page."""
    shape = shape_of(pages, outline)
    writer = _Writer(shape)
    marks: dict[int, list[Mark]] = defaultdict(list)
    for mark in outline:
        marks[mark.page].append(mark)
    for number, lines in enumerate(pages):
        heads, lost = find_marks(lines, marks.get(number, []))
        i = 0
        while i < len(lines):
            for mark in lost.pop(i, ()):
                writer.heading(mark.title, mark.level, number)
            level, count = heads.get(i) or heading_by_size(lines, i, shape)
            if level:
                writer.heading(join_lines(_whole(line.text) for line in lines[i : i + count]), level, number)
                i += count
            else:
                writer.line(lines[i])
                i += 1
        for mark in lost.pop(len(lines), ()):
            writer.heading(mark.title, mark.level, number)
        writer.page_ends()
    return writer.finish()


class _Writer:
    """Collects lines into paragraphs, lists, code and tables."""

    def __init__(self, shape: Shape):
        self.shape = shape
        self.out: list[Block] = []
        self.open: list[Line] = []
        """Lines of the paragraph, code or table at hand."""
        self.kind = ""
        """"text", "code", "contents" or "cells"; "" where nothing is open."""
        self.aside: list[Line] = []
        """Footnotes of this page, which must not part a paragraph that goes on over the page."""
        self.notes: list[Block] = []
        self.table_page = -1
        """Page on which the last ruled table ended."""

    def heading(self, text: str, level: int, page: int) -> None:
        """Add a heading."""
        self.close()
        self.out.append(Block(text, level, page + 1))

    def line(self, line: Line) -> None:
        """Take in the next line."""
        if line.text.startswith(TABLE):
            self._table(line)
            return
        if self._is_note(line):
            self.aside.append(line)
            return
        kind = self._kind_of(line)
        if kind == "contents" and self.kind == "cells" and all(map(_ends_in_page, self.open)):
            self.kind = kind
        if kind != self.kind or not self._belongs(line):
            self.close()
            self.kind = kind
        self.open.append(line)

    def page_ends(self) -> None:
        """Keep the page's footnotes for behind the paragraph at hand."""
        groups: list[list[Line]] = []
        for line in self.aside:
            if not groups or _NOTE.match(line.text):
                groups.append([])
            groups[-1].append(line)
        self.notes += [Block(join_lines(n.text for n in group), 0, group[0].page + 1) for group in groups]
        self.aside = []

    def finish(self) -> list[Block]:
        """Return all blocks."""
        self.close()
        return self.out

    def _is_note(self, line: Line) -> bool:
        """Tell a footnote: below the text, in smaller letters, led in by a sign or behind one that is."""
        if line.size > 0.92 * self.shape.body or line.mono:
            return False
        if self.aside and self.aside[-1].column == line.column:
            return True
        return bool(_NOTE.match(line.text)) and bool(self.open or self.out) and line.middle < 300

    def _kind_of(self, line: Line) -> str:
        if is_contents_line(line.text) or (self.kind == "contents" and _ends_in_page(line)):
            return "contents"
        if line.mono and not _CHINESE.search(line.text):
            return "code"
        if len(line.cells) > 1 or (self.kind == "cells" and self._under_a_cell(line)):
            return "cells"
        return "text"

    def _under_a_cell(self, line: Line) -> bool:
        """Tell whether a line goes on in a cell other than the first of the row before."""
        last = next((o for o in reversed(self.open) if len(o.cells) > 1), None)
        near = self.open[-1].middle - line.middle < 1.6 * line.size and self.open[-1].page == line.page
        return last is not None and near and any(abs(left - line.left) < 3 for left, _ in last.cells[1:])

    def _belongs(self, line: Line) -> bool:
        """Tell whether a line goes on with what is open."""
        if not self.open:
            return True
        last = self.open[-1]
        if self.kind in ("contents", "cells"):
            return True
        if self.kind == "code":
            return last.page != line.page or last.middle - line.middle < 3.2 * line.size
        if abs(last.size - line.size) > 0.08 * self.shape.body or _ITEM.match(line.text):
            return False
        if _is_caption(line) or _is_caption(self.open[0]):
            return False
        if last.page == line.page and last.column == line.column:
            step = last.middle - line.middle
            if step > 1.22 * self.shape.pitch * line.size + 0.5 or step < 0:
                return False
        return self._runs_on(last, line)

    def _runs_on(self, last: Line, line: Line) -> bool:
        """Tell from margins and marks whether a paragraph goes on."""
        em = line.size
        same_place = last.page == line.page and last.column == line.column
        shift = 0.0 if same_place else line.column[1] - last.column[1]
        left = line.left - shift
        ended = last.text.rstrip(_CLOSING).endswith(tuple(_FINAL))
        if self._is_short(last, line):
            return not ended and last.text[-1] in "，、,-\u00ad"
        if len(self.open) > 1:
            body = min(
                other.left - (last.column[1] - other.column[1] if other.column != last.column else 0)
                for other in self.open[max(1, len(self.open) - RECENT) :]
            )
            if left > body + 0.8 * em and ended:
                return False
        elif left > last.left + 0.8 * em:
            return bool(_ITEM.match(last.text)) or not ended
        return True

    def _is_short(self, last: Line, line: Line) -> bool:
        """Tell whether a line ends though the next one's first word would have had room."""
        right = max(
            self.shape.right.get(round(last.column[1] / 10), last.column[2]) if last.column[0] == 0 else last.column[2],
            *(other.right for other in self.open[-RECENT:] if other.column == last.column and other.page == last.page),
        )
        right = min(right, max(last.column[2], last.right))
        first = line.text.partition(" ")[0]
        if _CHINESE.match(first) or _CHINESE.match(last.text[-1]):
            return right - last.right > 2.2 * line.size
        return right - last.right > (0.62 * len(first[:20]) + 1.0) * line.size

    def _table(self, line: Line) -> None:
        """Add a ruled table; one at the head of a page goes on with the one that ended the page before."""
        self.close()
        rows = line.text.lstrip(TABLE).split("\n")
        last = self.out[-1] if self.out else None
        if last and last.text.startswith("| ") and self.table_page == line.page - 1:
            before = last.text.split("\n")
            if before[0].count(" | ") == rows[0].count(" | "):
                more = rows[2:] if rows[0] == before[0] else [row for row in rows if not row.startswith("| --- ")]
                self.out[-1] = last._replace(text="\n".join([*before, *more]))
                self.table_page = line.page
                return
        self.out.append(Block("\n".join(rows), 0, line.page + 1))
        self.table_page = line.page

    def close(self) -> None:
        """End what is open."""
        lines, self.open = self.open, []
        kind, self.kind = self.kind, ""
        if lines:
            page = lines[0].page + 1
            if kind == "code":
                self.out.append(Block(_code(lines), 0, page))
            elif kind == "contents":
                self.out.append(Block("\n".join("\t".join(text for _, text in x.cells) for x in lines), 0, page))
            elif kind == "cells":
                self._cells(lines)
            else:
                self._paragraph(Block(join_lines(_whole(line.text) for line in lines), 0, page))
        self.out += self.notes
        self.notes = []

    def _paragraph(self, block: Block) -> None:
        """Add a paragraph; the caption below a table goes above it, where readers of pieces look for it."""
        if (
            _CAPTION.match(block.text)
            and block.text[-1] not in "。；，"
            and len(block.text) < 120
            and self.out
            and self.out[-1].text.startswith("| ")
        ):
            before = self.out[-2].text if len(self.out) > 1 else ""
            if not _CAPTION.match(before):
                self.out.insert(len(self.out) - 1, block)
                return
        last = self.out[-1] if self.out else None
        if last and not last.level and _BULLET.match(last.text) and _BULLET.match(block.text):
            self.out[-1] = last._replace(text=f"{last.text}\n{block.text}")
        else:
            self.out.append(block)

    def _cells(self, lines: list[Line]) -> None:
        """Add lines with wide gaps: a table without rules, contents with page numbers, or only spaced text."""
        page = lines[0].page + 1
        rows = _rows(lines)
        if len(rows) >= 3 and sum(row[-1].isdigit() and len(row) == 2 for row in rows) > 0.8 * len(rows):
            numbers = [int(row[-1]) for row in rows if row[-1].isdigit() and len(row[-1]) < 5]
            if numbers == sorted(numbers):
                self.out.append(Block("\n".join("\t".join(row) for row in rows), 0, page))
                return
        if len(rows) > 1 and sum(len(row) > 1 for row in rows) > 1:
            self.out.append(Block("\n".join(" | ".join(row) for row in rows), 0, page))
        else:
            self.out += [Block(" ".join(row), 0, page) for row in rows]


_NOTE = lazy_pattern(r"(?:[*†‡§①-⑳]|[\[［【〔(（]?\d{1,3}[\]］】〕)）]?)\s?\S")


def _is_caption(line: Line) -> bool:
    """Tell the caption of a table or figure, which fills no line, from a sentence that begins with its number."""
    _, left, right = line.column
    narrow = line.left > left + 2 * line.size or line.right < right - 2 * line.size
    return bool(_CAPTION.match(line.text)) and narrow and line.text[-1] not in "。；，"


def _ends_in_page(line: Line) -> bool:
    """Tell whether a line is a title and, far to its right, a number."""
    return len(line.cells) == 2 and line.cells[1][1].isdigit() and len(line.cells[1][1]) < 5


def _rows(lines: list[Line]) -> list[list[str]]:
    """Return the cells of lines; one that stands below a later cell goes on with it."""
    rows: list[list[str]] = []
    lefts: list[float] = []
    for line in lines:
        if len(line.cells) == 1 and rows and len(rows[-1]) == len(lefts) > 1:
            at = min(range(len(lefts)), key=lambda i: abs(lefts[i] - line.left))
            if at and abs(lefts[at] - line.left) < 3:
                rows[-1][at] = join_lines([rows[-1][at], line.text])
                continue
        rows.append([text.replace("|", "\\|") for _, text in line.cells])
        lefts = [left for left, _ in line.cells]
    return rows


def _whole(text: str) -> str:
    """Return a line for joining: a hyphen that PDFium marks as soft at its end is a hyphen, others are nothing."""
    return (text[:-1] + "-" if text.endswith("\u00ad") else text).replace("\u00ad", "")


def _code(lines: list[Line]) -> str:
    """Return lines of code as they stand, indented by their place."""
    left = min(line.left for line in lines)
    out = []
    for line in lines:
        wide = max((line.right - line.left) / max(1, len(line.text)), 0.3 * line.size)
        out.append(" " * min(40, round((line.left - left) / wide)) + "  ".join(text for _, text in line.cells))
    return "```\n" + "\n".join(out) + "\n```"
